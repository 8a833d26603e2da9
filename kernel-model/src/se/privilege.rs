//! Privileges: what a subject may do whatever the descriptors say.

use std::fmt;

/// A `LUID`: a value that is used once while the machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Luid(pub u64);

/// A privilege, by the low half of its LUID; the high half is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Privilege(u8);

/// A set of privileges, a bit each (`SEP_TOKEN_PRIVILEGES` keeps them so too).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PrivilegeSet(pub u64);

macro_rules! privileges {
    ($($value:literal $constant:ident $name:literal)*) => {
        #[allow(missing_docs)]
        impl Privilege {
            $(pub const $constant: Self = Self($value);)*
        }
        /// Values and names (source: wdm.h `SE_*_PRIVILEGE`, "Privilege Constants" in Windows' documentation).
        const NAMES: &[(u8, &str)] = &[$(($value, $name)),*];
    };
}
privileges! {
    2 CREATE_TOKEN "SeCreateTokenPrivilege"
    3 ASSIGN_PRIMARY_TOKEN "SeAssignPrimaryTokenPrivilege"
    4 LOCK_MEMORY "SeLockMemoryPrivilege"
    5 INCREASE_QUOTA "SeIncreaseQuotaPrivilege"
    6 MACHINE_ACCOUNT "SeMachineAccountPrivilege"
    7 TCB "SeTcbPrivilege"
    8 SECURITY "SeSecurityPrivilege"
    9 TAKE_OWNERSHIP "SeTakeOwnershipPrivilege"
    10 LOAD_DRIVER "SeLoadDriverPrivilege"
    11 SYSTEM_PROFILE "SeSystemProfilePrivilege"
    12 SYSTEMTIME "SeSystemtimePrivilege"
    13 PROFILE_SINGLE_PROCESS "SeProfileSingleProcessPrivilege"
    14 INCREASE_BASE_PRIORITY "SeIncreaseBasePriorityPrivilege"
    15 CREATE_PAGEFILE "SeCreatePagefilePrivilege"
    16 CREATE_PERMANENT "SeCreatePermanentPrivilege"
    17 BACKUP "SeBackupPrivilege"
    18 RESTORE "SeRestorePrivilege"
    19 SHUTDOWN "SeShutdownPrivilege"
    20 DEBUG "SeDebugPrivilege"
    21 AUDIT "SeAuditPrivilege"
    22 SYSTEM_ENVIRONMENT "SeSystemEnvironmentPrivilege"
    23 CHANGE_NOTIFY "SeChangeNotifyPrivilege"
    24 REMOTE_SHUTDOWN "SeRemoteShutdownPrivilege"
    25 UNDOCK "SeUndockPrivilege"
    26 SYNC_AGENT "SeSyncAgentPrivilege"
    27 ENABLE_DELEGATION "SeEnableDelegationPrivilege"
    28 MANAGE_VOLUME "SeManageVolumePrivilege"
    29 IMPERSONATE "SeImpersonatePrivilege"
    30 CREATE_GLOBAL "SeCreateGlobalPrivilege"
    31 TRUSTED_CREDMAN_ACCESS "SeTrustedCredManAccessPrivilege"
    32 RELABEL "SeRelabelPrivilege"
    33 INCREASE_WORKING_SET "SeIncreaseWorkingSetPrivilege"
    34 TIME_ZONE "SeTimeZonePrivilege"
    35 CREATE_SYMBOLIC_LINK "SeCreateSymbolicLinkPrivilege"
    36 DELEGATE_SESSION_USER_IMPERSONATE "SeDelegateSessionUserImpersonatePrivilege"
}

impl Privilege {
    /// Every privilege there is.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|row| Self(row.0))
    }

    /// The privilege with this LUID.
    pub fn from_luid(luid: Luid) -> Option<Self> {
        NAMES.iter().find(|row| u64::from(row.0) == luid.0).map(|row| Self(row.0))
    }

    /// The privilege of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|row| row.1.eq_ignore_ascii_case(name)).map(|row| Self(row.0))
    }

    /// Its LUID.
    pub const fn luid(self) -> Luid {
        Luid(self.0 as u64)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|row| row.0 == self.0).map_or("?", |row| row.1)
    }

    const fn bit(self) -> u64 {
        1 << self.0
    }
}

impl PrivilegeSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// A set of these.
    pub const fn of(list: &[Privilege]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < list.len() {
            bits |= list[i].bit();
            i += 1;
        }
        Self(bits)
    }

    /// Whether it is there.
    pub const fn contains(self, privilege: Privilege) -> bool {
        self.0 & privilege.bit() != 0
    }

    /// With it too.
    #[must_use]
    pub const fn with(self, privilege: Privilege) -> Self {
        Self(self.0 | privilege.bit())
    }

    /// Without it.
    #[must_use]
    pub const fn without(self, privilege: Privilege) -> Self {
        Self(self.0 & !privilege.bit())
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Each, by value.
    pub fn iter(self) -> impl Iterator<Item = Privilege> {
        Privilege::all().filter(move |p| self.contains(*p))
    }
}

impl fmt::Debug for PrivilegeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Privilege::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_have_luids_and_names() {
        assert_eq!(Privilege::all().count(), 35, "2 to 36");
        assert_eq!(Privilege::from_name("sedebugprivilege").map(Privilege::luid), Some(Luid(20)));
        assert_eq!(Privilege::from_luid(Luid(36)), Some(Privilege::DELEGATE_SESSION_USER_IMPERSONATE));
        for none in [0, 1, 37, 64, 1 << 32 | 20] {
            assert_eq!(Privilege::from_luid(Luid(none)), None, "{none:#x}");
        }
        let set = PrivilegeSet::of(&[Privilege::DEBUG, Privilege::TCB]);
        assert_eq!(set.without(Privilege::TCB).iter().collect::<Vec<_>>(), [Privilege::DEBUG]);
    }
}
