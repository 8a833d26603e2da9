//! The two views of the registry on 64-bit builds. Windows' redirector stands in front of the system calls, in
//! wow64.dll and in kernelbase; here it is where names are looked up.

use guest::Arch;
use guest::registry::{self, Redirect};

use super::key::access::{WOW64_32KEY, WOW64_64KEY};
use super::node::compare_names;
use crate::cx::Cx;
use crate::ob::ObjectName;

/// The key that redirected keys are in.
const NODE: &str = "Wow6432Node";

/// Which view of the registry a caller means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// All there is, under its own name.
    Wide,
    /// What a 32-bit program sees.
    Narrow,
}

fn is(name: &[u16], text: &str) -> bool {
    let text: Vec<u16> = text.encode_utf16().collect();
    compare_names(name, &text).is_eq()
}

/// Whether a path is the row's or below it, and how many names the row has. `*` stands for any one name.
fn below(path: &[ObjectName], row: &str) -> Option<usize> {
    let row: Vec<&str> = row.split('\\').collect();
    let fits = path.len() >= row.len() && row.iter().zip(path).all(|(row, name)| fits(row, name));
    fits.then_some(row.len())
}

fn fits(row: &str, name: &[u16]) -> bool {
    match row.strip_prefix('*') {
        None => is(name, row),
        Some(ending) => name.len() > ending.len() && is(name.get(name.len() - ending.len()..).unwrap_or(&[]), ending),
    }
}

/// Where a path leads a 32-bit program, where that is not where it leads everybody: names below `\REGISTRY`, of which
/// the first `given` are those of the key that the caller started from. "Registry Keys Affected by WOW64": a key is
/// as the longest row of the table that it is below; who names `Wow6432Node` means it.
pub(super) fn redirect(path: &[ObjectName], given: usize, build: u32) -> Option<Vec<ObjectName>> {
    if path.iter().skip(given).any(|name| is(name, NODE)) {
        return None;
    }
    // The name under which both views know the key.
    let place = path.iter().position(|name| is(name, NODE));
    let plain: Vec<ObjectName> = path.iter().filter(|name| !is(name, NODE)).cloned().collect();
    let rows = registry::wow64_of(build).filter_map(|row| Some((below(&plain, row.path)?, row)));
    let (length, row) = rows.max_by_key(|(length, _)| *length)?;
    let node = match row.redirect {
        Redirect::Inside => Some(length),
        Redirect::Beside => Some(length.saturating_sub(1)),
        Redirect::Shared => None,
    };
    if node == place {
        return None;
    }
    let mut new = plain;
    if let Some(at) = node {
        new.insert(at.min(new.len()), NODE.encode_utf16().collect());
    }
    Some(new)
}

impl Cx<'_> {
    /// The view that a caller means: its own, unless the rights it asks for say which. On 32-bit builds there is one.
    pub(super) fn view(&self, desired: u32) -> View {
        let narrow = match (desired & WOW64_32KEY != 0, desired & WOW64_64KEY != 0) {
            (true, false) => true,
            (false, true) => false,
            _ => self.kernel.ps.process.wow64_peb.is_some(),
        };
        if narrow && self.kernel.profile.arch == Arch::X64 { View::Narrow } else { View::Wide }
    }
}
