//! `NTSTATUS` values and their names (source: windows-sys and mingw-w64 headers, see `data/NOTICE`).

use std::fmt;

/// An `NTSTATUS`: 32 bits, severity in the top two.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NtStatus(pub u32);

include!(concat!(env!("OUT_DIR"), "/status.rs"));

impl NtStatus {
    /// `NT_SUCCESS`: success and informational values.
    pub const fn is_success(self) -> bool {
        (self.0 as i32) >= 0
    }

    /// `NT_ERROR`: the two severity bits are both set.
    pub const fn is_error(self) -> bool {
        self.0 >> 30 == 3
    }

    /// The symbolic name (`STATUS_…`), where the value has one.
    pub fn name(self) -> Option<&'static str> {
        let at = STATUS_NAMES.binary_search_by_key(&self.0, |row| row.0).ok()?;
        STATUS_NAMES.get(at).map(|row| row.1)
    }
}

impl fmt::Display for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:08X}", self.0),
        }
    }
}

impl fmt::Debug for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X} {}", self.0, self.name().unwrap_or("?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_severities() {
        assert_eq!(NtStatus(0xc000_0005).to_string(), "STATUS_ACCESS_VIOLATION");
        assert_eq!(NtStatus(0).to_string(), "STATUS_SUCCESS");
        assert_eq!(NtStatus(0x4000_0000).name(), Some("STATUS_OBJECT_NAME_EXISTS"));
        assert_eq!(NtStatus(0xdead_beef).to_string(), "DEADBEEF");
        assert!(NtStatus::OBJECT_NAME_EXISTS.is_success() && !NtStatus::PARTIAL_COPY.is_success());
        assert!(NtStatus::ACCESS_DENIED.is_error() && !NtStatus::GUARD_PAGE_VIOLATION.is_error());
    }
}
