//! Page protections.

use guest::NtStatus;
use guest::mem::Access;

/// A `PAGE_*` protection that has been checked: one base value and its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protect(u16);

const GUARD: u16 = 0x100;
const NOCACHE: u16 = 0x200;
const WRITECOMBINE: u16 = 0x400;
/// `PAGE_TARGETS_INVALID`, `PAGE_TARGETS_NO_UPDATE`.
const TARGETS: u32 = 0x4000_0000;
const TARGETS_SINCE: u32 = 9600;

#[allow(missing_docs)]
impl Protect {
    pub const NOACCESS: Self = Self(0x01);
    pub const READONLY: Self = Self(0x02);
    pub const READWRITE: Self = Self(0x04);
    pub const WRITECOPY: Self = Self(0x08);
    pub const EXECUTE: Self = Self(0x10);
    pub const EXECUTE_READ: Self = Self(0x20);
    pub const EXECUTE_READWRITE: Self = Self(0x40);
    pub const EXECUTE_WRITECOPY: Self = Self(0x80);
}

impl Protect {
    /// Checks a protection argument: exactly one base value, no modifier that contradicts it.
    ///
    /// `STATUS_INVALID_PAGE_PROTECTION` otherwise.
    pub fn from_raw(raw: u32) -> Result<Self, NtStatus> {
        let base = raw & 0xff;
        let modifiers = raw & !0xff;
        let exclusive = modifiers & u32::from(GUARD) != 0 && modifiers & u32::from(NOCACHE | WRITECOMBINE) != 0
            || modifiers == u32::from(NOCACHE | WRITECOMBINE);
        let known = modifiers & !u32::from(GUARD | NOCACHE | WRITECOMBINE) == 0;
        if !base.is_power_of_two() || !known || exclusive || base == 1 && modifiers != 0 {
            return Err(NtStatus::INVALID_PAGE_PROTECTION);
        }
        Ok(Self(raw as u16))
    }

    /// What a kernel of a build takes a protection argument for: since Windows 8.1 executable pages may be said to be no
    /// targets of indirect calls, or to stay what they are (`PAGE_TARGETS_INVALID`, `PAGE_TARGETS_NO_UPDATE`), which is of
    /// no consequence in a process without control flow guard.
    ///
    /// As [`Protect::from_raw`].
    pub fn for_build(raw: u32, build: u32) -> Result<Self, NtStatus> {
        let protect = Self::from_raw(raw & !TARGETS)?;
        let refused = raw & TARGETS != 0 && (build < TARGETS_SINCE || !protect.allows(Access::Execute));
        if refused { Err(NtStatus::INVALID_PAGE_PROTECTION) } else { Ok(protect) }
    }

    /// The `PAGE_*` value.
    pub const fn raw(self) -> u32 {
        self.0 as u32
    }

    /// From a value that [`Protect::raw`] gave.
    pub(super) const fn restore(raw: u16) -> Self {
        Self(raw)
    }

    const fn base(self) -> u16 {
        self.0 & 0xff
    }

    /// Copy-on-write, with or without execute.
    pub const fn is_write_copy(self) -> bool {
        self.base() == Self::WRITECOPY.0 || self.base() == Self::EXECUTE_WRITECOPY.0
    }

    /// `PAGE_GUARD` is set.
    pub const fn is_guard(self) -> bool {
        self.0 & GUARD != 0
    }

    /// Without `PAGE_GUARD`.
    #[must_use]
    pub const fn without_guard(self) -> Self {
        Self(self.0 & !GUARD)
    }

    /// With `PAGE_GUARD`.
    #[must_use]
    pub const fn with_guard(self) -> Self {
        Self(self.0 | GUARD)
    }

    /// What a copy-on-write page becomes once it has been written.
    #[must_use]
    pub const fn after_copy(self) -> Self {
        match self.base() {
            0x08 => Self(self.0 & !0xff | Self::READWRITE.0),
            0x80 => Self(self.0 & !0xff | Self::EXECUTE_READWRITE.0),
            _ => self,
        }
    }

    /// What a request for this protection means on a page that belongs to an image: writable becomes
    /// copy-on-write.
    #[must_use]
    pub const fn on_image(self) -> Self {
        match self.base() {
            0x04 => Self(self.0 & !0xff | Self::WRITECOPY.0),
            0x40 => Self(self.0 & !0xff | Self::EXECUTE_WRITECOPY.0),
            _ => self,
        }
    }

    /// Whether a page of a section may be mapped, or protected, so where this is what the section, or the view, has:
    /// writing shared pages needs `PAGE_READWRITE`, executing needs an execute right.
    pub fn includes(self, wanted: Self) -> bool {
        let writes = |p: Self| p.allows(Access::Write) && !p.is_write_copy();
        (writes(self) || !writes(wanted)) && (self.allows(Access::Execute) || !wanted.allows(Access::Execute))
    }

    /// Whether an access is allowed, leaving the guard aside. Execute-only pages can be read, as on x86.
    pub const fn allows(self, access: Access) -> bool {
        match access {
            Access::Read => self.base() != Self::NOACCESS.0,
            Access::Write => self.0 & 0xcc != 0,
            Access::Execute => self.0 & 0xf0 != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_protection() {
        for raw in [0, 3, 0x100, 0x101, 0x600, 0x304, 0x804, 0x1_0004, 0xff] {
            assert_eq!(Protect::from_raw(raw), Err(NtStatus::INVALID_PAGE_PROTECTION), "{raw:#x}");
        }
        assert_eq!(Protect::for_build(0x4000_0040, 19045), Ok(Protect::EXECUTE_READWRITE));
        for (raw, build) in [(0x4000_0004, 19045), (0x4000_0040, 7601), (0x4000_0000, 19045)] {
            assert_eq!(Protect::for_build(raw, build), Err(NtStatus::INVALID_PAGE_PROTECTION), "{raw:#x}");
        }
        for raw in [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x104, 0x204, 0x404] {
            assert_eq!(Protect::from_raw(raw).map(Protect::raw), Ok(raw));
        }
    }

    #[test]
    fn rights() {
        let rights = |p: Protect| [Access::Read, Access::Write, Access::Execute].map(|a| p.allows(a));
        assert_eq!(rights(Protect::NOACCESS), [false, false, false]);
        assert_eq!(rights(Protect::READONLY), [true, false, false]);
        assert_eq!(rights(Protect::READWRITE), [true, true, false]);
        assert_eq!(rights(Protect::EXECUTE), [true, false, true]);
        assert_eq!(rights(Protect::EXECUTE_WRITECOPY), [true, true, true]);
        assert_eq!(Protect::EXECUTE_WRITECOPY.after_copy(), Protect::EXECUTE_READWRITE);
    }
}
