//! Where in the guest a folder of the host's is.

use super::name::{is_dos_special, is_legal, name_of};

/// Where in the guest a folder of the host's is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The drive's letter, in upper case.
    pub drive: char,
    /// The names of its folder and those above it; none: the drive itself.
    pub path: Vec<String>,
}

impl Mount {
    /// Reads `D:`, `D:\` or `D:\in\there`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let drive = chars.next().filter(char::is_ascii_alphabetic)?.to_ascii_uppercase();
        let rest = chars.as_str().strip_prefix(':')?;
        let rest = rest.strip_suffix('\\').unwrap_or(rest);
        let path: Vec<String> = match rest.strip_prefix('\\') {
            Some(path) => path.split('\\').map(str::to_string).collect(),
            None if rest.is_empty() => Vec::new(),
            None => return None,
        };
        let good = |part: &String| is_legal(&name_of(part)) && !is_dos_special(&name_of(part));
        path.iter().all(good).then_some(Self { drive, path })
    }
}
