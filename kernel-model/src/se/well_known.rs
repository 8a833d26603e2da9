//! SIDs that mean the same everywhere, with their names.

use super::sid::Sid;

/// A row of the table: the SID, its alias in SDDL (empty: none), its name.
pub type WellKnown = (Sid, &'static str, &'static str);

const fn nt(parts: &[u32]) -> Sid {
    Sid::new(5, parts)
}

const fn builtin(rid: u32) -> Sid {
    Sid::new(5, &[32, rid])
}

const fn label(level: u32) -> Sid {
    Sid::new(16, &[level])
}

#[allow(missing_docs)]
impl Sid {
    pub const NOBODY: Self = Self::new(0, &[0]);
    pub const EVERYONE: Self = Self::new(1, &[0]);
    pub const LOCAL: Self = Self::new(2, &[0]);
    pub const CONSOLE_LOGON: Self = Self::new(2, &[1]);
    pub const CREATOR_OWNER: Self = Self::new(3, &[0]);
    pub const CREATOR_GROUP: Self = Self::new(3, &[1]);
    pub const CREATOR_OWNER_SERVER: Self = Self::new(3, &[2]);
    pub const CREATOR_GROUP_SERVER: Self = Self::new(3, &[3]);
    pub const OWNER_RIGHTS: Self = Self::new(3, &[4]);
    pub const NETWORK: Self = nt(&[2]);
    pub const INTERACTIVE: Self = nt(&[4]);
    pub const SERVICE: Self = nt(&[6]);
    pub const ANONYMOUS: Self = nt(&[7]);
    pub const SELF: Self = nt(&[10]);
    pub const AUTHENTICATED_USERS: Self = nt(&[11]);
    pub const RESTRICTED: Self = nt(&[12]);
    pub const THIS_ORGANIZATION: Self = nt(&[15]);
    pub const LOCAL_SYSTEM: Self = nt(&[18]);
    pub const LOCAL_SERVICE: Self = nt(&[19]);
    pub const NETWORK_SERVICE: Self = nt(&[20]);
    pub const WRITE_RESTRICTED: Self = nt(&[33]);
    pub const NTLM: Self = nt(&[64, 10]);
    pub const LOCAL_ACCOUNT: Self = nt(&[113]);
    pub const LOCAL_ADMIN_ACCOUNT: Self = nt(&[114]);
    pub const ADMINISTRATORS: Self = builtin(544);
    pub const USERS: Self = builtin(545);
    pub const ALL_PACKAGES: Self = Self::new(15, &[2, 1]);
    pub const ALL_RESTRICTED_PACKAGES: Self = Self::new(15, &[2, 2]);
}

/// The accounts of this machine: `S-1-5-21-` and the example that [MS-DTYP] and Windows' documentation use.
pub const MACHINE: Sid = nt(&[21, 1_004_336_348, 1_177_238_915, 682_003_330]);

/// An account of this machine.
pub const fn account(rid: u32) -> Sid {
    nt(&[21, 1_004_336_348, 1_177_238_915, 682_003_330, rid])
}

/// Well-known SIDs (source: Windows documentation, "Well-known SIDs", "SID Strings"; [MS-DTYP] 2.4.2.4).
pub const WELL_KNOWN: &[WellKnown] = &[
    (Sid::NOBODY, "", "Nobody"),
    (Sid::EVERYONE, "WD", "Everyone"),
    (Sid::LOCAL, "", "LOCAL"),
    (Sid::CONSOLE_LOGON, "", "CONSOLE LOGON"),
    (Sid::CREATOR_OWNER, "CO", "CREATOR OWNER"),
    (Sid::CREATOR_GROUP, "CG", "CREATOR GROUP"),
    (Sid::CREATOR_OWNER_SERVER, "", "CREATOR OWNER SERVER"),
    (Sid::CREATOR_GROUP_SERVER, "", "CREATOR GROUP SERVER"),
    (Sid::OWNER_RIGHTS, "OW", "OWNER RIGHTS"),
    (nt(&[1]), "", "NT AUTHORITY\\DIALUP"),
    (Sid::NETWORK, "NU", "NT AUTHORITY\\NETWORK"),
    (nt(&[3]), "", "NT AUTHORITY\\BATCH"),
    (Sid::INTERACTIVE, "IU", "NT AUTHORITY\\INTERACTIVE"),
    (Sid::SERVICE, "SU", "NT AUTHORITY\\SERVICE"),
    (Sid::ANONYMOUS, "AN", "NT AUTHORITY\\ANONYMOUS LOGON"),
    (nt(&[8]), "", "NT AUTHORITY\\PROXY"),
    (nt(&[9]), "ED", "NT AUTHORITY\\ENTERPRISE DOMAIN CONTROLLERS"),
    (Sid::SELF, "PS", "NT AUTHORITY\\SELF"),
    (Sid::AUTHENTICATED_USERS, "AU", "NT AUTHORITY\\Authenticated Users"),
    (Sid::RESTRICTED, "RC", "NT AUTHORITY\\RESTRICTED"),
    (nt(&[13]), "", "NT AUTHORITY\\TERMINAL SERVER USER"),
    (nt(&[14]), "", "NT AUTHORITY\\REMOTE INTERACTIVE LOGON"),
    (Sid::THIS_ORGANIZATION, "", "NT AUTHORITY\\This Organization"),
    (nt(&[17]), "", "NT AUTHORITY\\IUSR"),
    (Sid::LOCAL_SYSTEM, "SY", "NT AUTHORITY\\SYSTEM"),
    (Sid::LOCAL_SERVICE, "LS", "NT AUTHORITY\\LOCAL SERVICE"),
    (Sid::NETWORK_SERVICE, "NS", "NT AUTHORITY\\NETWORK SERVICE"),
    (Sid::WRITE_RESTRICTED, "WR", "NT AUTHORITY\\WRITE RESTRICTED"),
    (Sid::NTLM, "", "NT AUTHORITY\\NTLM Authentication"),
    (nt(&[84, 0, 0, 0, 0, 0]), "UD", "NT AUTHORITY\\USER MODE DRIVERS"),
    (Sid::LOCAL_ACCOUNT, "", "NT AUTHORITY\\Local account"),
    (Sid::LOCAL_ADMIN_ACCOUNT, "", "NT AUTHORITY\\Local account and member of Administrators group"),
    (Sid::ADMINISTRATORS, "BA", "BUILTIN\\Administrators"),
    (Sid::USERS, "BU", "BUILTIN\\Users"),
    (builtin(546), "BG", "BUILTIN\\Guests"),
    (builtin(547), "PU", "BUILTIN\\Power Users"),
    (builtin(548), "AO", "BUILTIN\\Account Operators"),
    (builtin(549), "SO", "BUILTIN\\Server Operators"),
    (builtin(550), "PO", "BUILTIN\\Print Operators"),
    (builtin(551), "BO", "BUILTIN\\Backup Operators"),
    (builtin(552), "RE", "BUILTIN\\Replicator"),
    (builtin(554), "RU", "BUILTIN\\Pre-Windows 2000 Compatible Access"),
    (builtin(555), "RD", "BUILTIN\\Remote Desktop Users"),
    (builtin(556), "NO", "BUILTIN\\Network Configuration Operators"),
    (builtin(558), "MU", "BUILTIN\\Performance Monitor Users"),
    (builtin(559), "LU", "BUILTIN\\Performance Log Users"),
    (builtin(568), "IS", "BUILTIN\\IIS_IUSRS"),
    (builtin(569), "CY", "BUILTIN\\Cryptographic Operators"),
    (builtin(573), "ER", "BUILTIN\\Event Log Readers"),
    (builtin(574), "CD", "BUILTIN\\Certificate Service DCOM Access"),
    (builtin(575), "RA", "BUILTIN\\RDS Remote Access Servers"),
    (builtin(576), "ES", "BUILTIN\\RDS Endpoint Servers"),
    (builtin(577), "MS", "BUILTIN\\RDS Management Servers"),
    (builtin(578), "HA", "BUILTIN\\Hyper-V Administrators"),
    (builtin(579), "AA", "BUILTIN\\Access Control Assistance Operators"),
    (builtin(580), "RM", "BUILTIN\\Remote Management Users"),
    (Sid::ALL_PACKAGES, "AC", "APPLICATION PACKAGE AUTHORITY\\ALL APPLICATION PACKAGES"),
    (Sid::ALL_RESTRICTED_PACKAGES, "", "APPLICATION PACKAGE AUTHORITY\\ALL RESTRICTED APPLICATION PACKAGES"),
    (Sid::new(15, &[3, 1]), "", "APPLICATION PACKAGE AUTHORITY\\Your Internet connection"),
    (label(0), "", "Mandatory Label\\Untrusted Mandatory Level"),
    (label(0x1000), "LW", "Mandatory Label\\Low Mandatory Level"),
    (label(0x2000), "ME", "Mandatory Label\\Medium Mandatory Level"),
    (label(0x2100), "MP", "Mandatory Label\\Medium Plus Mandatory Level"),
    (label(0x3000), "HI", "Mandatory Label\\High Mandatory Level"),
    (label(0x4000), "SI", "Mandatory Label\\System Mandatory Level"),
    (label(0x5000), "", "Mandatory Label\\Protected Process Mandatory Level"),
    (Sid::new(18, &[1]), "AS", "Authentication authority asserted identity"),
    (Sid::new(18, &[2]), "SS", "Service asserted identity"),
    (account(500), "LA", "Administrator"),
    (account(501), "LG", "Guest"),
];

impl Sid {
    /// Its name, where it is well known.
    pub fn name(&self) -> Option<&'static str> {
        WELL_KNOWN.iter().find(|row| row.0 == *self).map(|row| row.2)
    }

    /// Its two letters in SDDL.
    pub fn alias(&self) -> Option<&'static str> {
        WELL_KNOWN.iter().find(|row| row.0 == *self && !row.1.is_empty()).map(|row| row.1)
    }

    /// The SID of two letters in SDDL.
    pub fn from_alias(alias: &str) -> Option<Self> {
        WELL_KNOWN.iter().find(|row| !row.1.is_empty() && row.1.eq_ignore_ascii_case(alias)).map(|row| row.0)
    }

    /// The SID of a mandatory level.
    pub const fn integrity(level: u32) -> Self {
        label(level)
    }

    /// The level that a mandatory label names.
    pub fn integrity_level(&self) -> Option<u32> {
        if self.authority() == 16 && self.subs().len() == 1 { self.rid() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_sid_and_no_alias_stands_twice() {
        let sids: BTreeSet<_> = WELL_KNOWN.iter().map(|row| row.0).collect();
        assert_eq!(sids.len(), WELL_KNOWN.len());
        let aliases: Vec<_> = WELL_KNOWN.iter().map(|row| row.1).filter(|alias| !alias.is_empty()).collect();
        assert_eq!(aliases.iter().collect::<BTreeSet<_>>().len(), aliases.len());
        assert_eq!(Sid::from_alias("ba").map(|sid| sid.to_string()).as_deref(), Some("S-1-5-32-544"));
        assert_eq!(Sid::from_alias(""), None);
    }
}
