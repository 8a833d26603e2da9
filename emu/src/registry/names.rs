//! Paths of keys as people write them, and as the kernel does.

use kernel_model::se::account;

const MACHINE: &str = "\\REGISTRY\\MACHINE";
const USERS: &str = "\\REGISTRY\\USER";
/// The user whose hive a machine has.
const USER: u32 = 1001;

/// What the first name of a path may be: short, long, and where it is.
fn roots() -> [(&'static str, &'static str, String); 5] {
    [
        ("HKLM", "HKEY_LOCAL_MACHINE", MACHINE.into()),
        ("HKU", "HKEY_USERS", USERS.into()),
        ("HKCU", "HKEY_CURRENT_USER", format!("{USERS}\\{}", account(USER))),
        ("HKCR", "HKEY_CLASSES_ROOT", format!("{MACHINE}\\SOFTWARE\\Classes")),
        ("HKCC", "HKEY_CURRENT_CONFIG", format!("{MACHINE}\\SYSTEM\\ControlSet001\\Hardware Profiles\\0001")),
    ]
}

/// A full path (`\REGISTRY\…`) from one that may begin with `HKLM`, `HKEY_LOCAL_MACHINE` and so on.
pub fn full_path(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('\\');
    let first = text.split('\\').next().unwrap_or("");
    if let Some((.., place)) =
        roots().iter().find(|(short, long, _)| first.eq_ignore_ascii_case(short) || first.eq_ignore_ascii_case(long))
    {
        return Ok(format!("{place}{}", text.get(first.len()..).unwrap_or("")));
    }
    let is_full = text.split('\\').nth(1).is_some_and(|name| name.eq_ignore_ascii_case("REGISTRY"));
    if text.starts_with('\\') && is_full {
        return Ok(text.to_string());
    }
    Err(format!("{text}: not a key's path: it begins with HKLM, HKU, HKCU, HKCR, HKCC or \\REGISTRY"))
}

/// A full path as regedit writes it.
pub fn short_path(path: &str) -> String {
    for (from, to) in [(MACHINE, "HKEY_LOCAL_MACHINE"), (USERS, "HKEY_USERS")] {
        if let Some(rest) = path.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with('\\')) {
            return format!("{to}{rest}");
        }
    }
    path.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_short_names() {
        for (text, full) in [
            ("HKLM", "\\REGISTRY\\MACHINE"),
            ("hklm\\Software\\", "\\REGISTRY\\MACHINE\\Software"),
            ("HKEY_USERS\\.DEFAULT", "\\REGISTRY\\USER\\.DEFAULT"),
            ("\\Registry\\Machine", "\\Registry\\Machine"),
        ] {
            assert_eq!(full_path(text).as_deref(), Ok(full));
        }
        for text in ["", "HKLMX\\a", "SOFTWARE", "\\Device", "\\"] {
            assert!(full_path(text).is_err(), "{text}");
        }
        assert_eq!(short_path("\\REGISTRY\\MACHINE\\SOFTWARE"), "HKEY_LOCAL_MACHINE\\SOFTWARE");
        assert_eq!(short_path("\\REGISTRY\\MACHINES"), "\\REGISTRY\\MACHINES");
    }
}
