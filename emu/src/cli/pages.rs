//! What the commands that print a page of the data do.

use std::io::{self, IsTerminal, Write};

use guest::{Arch, Profile};

use super::args::{ArchName, NumberOptions, ProfilesOptions, SsdtOptions, StubsOptions};
use super::commands::Outcome;
use super::{commands, files, names};
use crate::view::{self, Paint};

pub(super) fn number(options: &NumberOptions) -> Outcome {
    let archs = archs(options.arch);
    let asked = parse_number(&options.what)?;
    let rows = match asked {
        Some(number) => view::number_rows(&archs, number),
        None => view::service_rows(&archs, names::service(&options.what)?),
    };
    page(options.json, &rows, |paint| view::number_text(&rows, asked, paint))
}

/// A decimal or hexadecimal number; `None` for what does not start like a number.
fn parse_number(text: &str) -> Result<Option<u32>, String> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return Ok(None);
    }
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = hex.map_or((text, 10), |digits| (digits, 16));
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(format!("{text} is not a service number: 85 and 0x55 are"));
    }
    let number = u32::from_str_radix(digits, radix);
    number.map(Some).map_err(|_| format!("{text} is not a service number: EAX has 32 bits"))
}

pub(super) fn stubs(options: &StubsOptions) -> Outcome {
    if let Some(folder) = &options.output {
        let profiles =
            if options.all { Profile::all() } else { std::slice::from_ref(names::profile(&options.profile.profile)?) };
        let written = files::write_stub_dlls(profiles, options.arch.map(Arch::from), folder)?;
        print(&format!("{written} files for {} builds in {}\n", profiles.len(), folder.display()));
        return Ok(0);
    }
    let profile = names::profile(&options.profile.profile)?;
    let arch = options.arch.map_or(profile.arch, Arch::from);
    let style = profile
        .stub_style_for(arch)
        .ok_or_else(|| format!("{} runs no {} code: it has no such stubs", profile.name, arch.name()))?;
    let services: Vec<_> = options.names.iter().map(|name| names::service(name)).collect::<Result<_, _>>()?;
    let views = view::stub_views(profile, style, &services).map_err(|name| {
        format!("{} has no {name} (trapgate number {name} tells which builds have it)", profile.name)
    })?;
    page(options.json, &views, |paint| view::stubs_text(&views, paint))
}

pub(super) fn ssdt(options: &SsdtOptions) -> Outcome {
    if options.written {
        print(&view::written_services());
        return Ok(0);
    }
    if let [from, to] = options.diff.as_slice() {
        let diff = view::ssdt_diff(names::profile(from)?, names::profile(to)?);
        return page(options.json, &diff, |paint| view::diff_text(&diff, paint));
    }
    if options.live {
        let live = commands::live(options)?;
        return page(options.json, &live, |paint| view::live_text(&live, paint));
    }
    let rows = view::ssdt_rows(names::profile(&options.profile.profile)?);
    page(options.json, &rows, |paint| view::ssdt_text(&rows, paint))
}

pub(super) fn profiles(options: &ProfilesOptions) -> Outcome {
    let rows = view::profile_rows(&archs(options.arch));
    page(options.json, &rows, |paint| view::profiles_text(&rows, paint))
}

/// The architectures to show: both, unless one is named.
fn archs(only: Option<ArchName>) -> Vec<Arch> {
    only.map_or(Arch::ALL.to_vec(), |arch| vec![arch.into()])
}

/// Prints data as JSON, or as the page made of it.
pub(super) fn page(json: bool, data: &impl serde::Serialize, text: impl FnOnce(Paint) -> String) -> Outcome {
    if json {
        let text = serde_json::to_string_pretty(data).map_err(|e| e.to_string())?;
        print(&(text + "\n"));
    } else {
        print(&text(Paint::new(io::stdout().is_terminal())));
    }
    Ok(0)
}

/// Prints a page. A reader that closes the pipe early has seen enough.
pub(super) fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(parse_number("0x55"), Ok(Some(85)));
        assert_eq!(parse_number("85"), Ok(Some(85)));
        assert_eq!(parse_number("0Xffffffff"), Ok(Some(u32::MAX)));
        assert_eq!(parse_number("NtClose"), Ok(None));
        for wrong in ["0x", "5z", "0x100000000", "4294967296", "0x-1", "-5", "1e3", "2Eh"] {
            assert!(parse_number(wrong).is_err_and(|e| e.starts_with(wrong)), "{wrong}");
        }
    }
}
