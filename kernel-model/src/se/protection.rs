//! Protected processes: who is kept from them, and from what.

use guest::AccessMask;

/// `PS_PROTECTION`: how a process is protected, in one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Protection(pub u8);

/// By signer (`PS_PROTECTED_SIGNER`): the signers it is at least as good as, a bit each, and the rights to its
/// processes and threads that the others do not get (source: "The Evolution of Protected Processes", A. Ionescu, 2013,
/// for Windows 8.1; the last two rows came later).
const SIGNERS: &[(u16, u32, u32)] = &[
    (0x000, 0, 0),               // None
    (0x002, 0xf_c7fe, 0xf_e3fd), // Authenticode
    (0x004, 0xf_c7fe, 0xf_e3fd), // CodeGen
    (0x008, 0xf_c7fe, 0xf_e3fd), // Antimalware
    (0x010, 0xf_c7fe, 0xf_e3fd), // Lsa
    (0x03e, 0xf_c7fe, 0xf_e3fd), // Windows
    (0x07e, 0xf_c7ff, 0xf_e3ff), // WinTcb
    (0x0fe, 0xf_c7ff, 0xf_e3ff), // WinSystem
    (0x100, 0xf_c7fe, 0xf_e3fd), // App
];

impl Protection {
    /// From type (0 none, 1 light, 2 full) and signer.
    pub const fn new(kind: u8, signer: u8) -> Self {
        Self(kind & 7 | signer << 4)
    }

    const fn kind(self) -> u8 {
        self.0 & 7
    }

    fn row(self) -> (u16, u32, u32) {
        SIGNERS.get(usize::from(self.0 >> 4)).copied().unwrap_or((0, u32::MAX, u32::MAX))
    }

    /// `RtlTestProtectedAccess`: whether a process with this protection may do anything to one with the other.
    pub fn dominates(self, target: Self) -> bool {
        let signer = 1u16.checked_shl(u32::from(target.0 >> 4)).unwrap_or(0);
        target.kind() == 0 || self.kind() >= target.kind() && self.row().0 & signer != 0
    }

    /// The rights to this process, or to a thread of it, that a caller does not get whatever its privileges.
    pub fn denies(self, caller: Self, thread: bool) -> AccessMask {
        let (_, process_rights, thread_rights) = self.row();
        let rights = if thread { thread_rights } else { process_rights };
        AccessMask(if caller.dominates(self) { 0 } else { rights })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation of `OpenProcess` allows on protected processes: PROCESS_QUERY_LIMITED_INFORMATION,
    /// PROCESS_SET_LIMITED_INFORMATION, PROCESS_SUSPEND_RESUME, PROCESS_TERMINATE ("Process Security and Access
    /// Rights", Protected Processes), and SYNCHRONIZE.
    #[test]
    fn others_are_kept_from_a_protected_process() {
        let (nobody, light, full) = (Protection(0), Protection::new(1, 4), Protection::new(2, 6));
        let denied = light.denies(nobody, false);
        assert!(!denied.intersects(AccessMask(0x1000 | 0x2000 | 0x800 | 0x1 | 0x10_0000)));
        assert!(denied.contains(AccessMask(0x10 | 0x20 | 0x8 | 0x2 | 0x40 | 0x400)), "memory, threads, handles");
        assert!(full.denies(light, false).contains(AccessMask(0x1)), "nor may any end a WinTcb process");
        assert_eq!(light.denies(full, false), AccessMask(0), "who is better is not kept out");
        assert_eq!(nobody.denies(light, false), AccessMask(0));
        assert_eq!(full.denies(Protection::new(1, 6), true), AccessMask(0xf_e3ff), "light is less than full");
    }
}
