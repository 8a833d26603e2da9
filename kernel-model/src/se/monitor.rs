//! What the monitor remembers of the machine.

use std::collections::{BTreeMap, BTreeSet};

use guest::Handle;

use super::audit::AuditLog;
use super::privilege::Luid;
use super::sid::Sid;
use super::token::{ElevationType, Token};
use super::token_make::{ANONYMOUS_LOGON, Account};

/// The first LUID that is not reserved would be 1001; by the time that somebody is logged on, many are gone.
const FIRST_LUID: u64 = 0x3_0000;

/// The state of the security reference monitor.
#[derive(Clone, Debug)]
pub struct Monitor {
    /// Whether there are mandatory levels and split tokens: from Vista on.
    pub mandatory: bool,
    /// What was audited.
    pub audits: AuditLog,
    last_luid: u64,
    /// Logon sessions.
    sessions: BTreeSet<Luid>,
    /// Numbers of the AppContainers of each session.
    packages: BTreeMap<(u32, Sid), u32>,
    /// Handles of the kernel's that are kept for them.
    package_handles: BTreeMap<(u32, Sid), Vec<Handle>>,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            mandatory: true,
            audits: AuditLog::default(),
            last_luid: FIRST_LUID,
            sessions: BTreeSet::new(),
            packages: BTreeMap::new(),
            package_handles: BTreeMap::new(),
        }
    }
}

impl Monitor {
    /// `ExAllocateLocallyUniqueId`.
    pub fn new_luid(&mut self) -> Luid {
        self.last_luid += 1;
        Luid(self.last_luid)
    }

    /// The token of an account; its logon session, and those that are always there, exist from now on.
    pub fn logon(&mut self, account: Account) -> Token {
        let mut token = Token::of(account, &mut || self.new_luid());
        if !self.mandatory {
            (token.policy, token.linked, token.elevation) = (0, None, ElevationType::Default);
        }
        self.sessions.extend(Account::ALL.iter().filter(|a| a.is_service()).map(|a| a.session()));
        self.sessions.extend([ANONYMOUS_LOGON, token.authentication]);
        self.sessions.extend(token.linked.as_ref().map(|other| other.authentication));
        token
    }

    /// `SeCreateLogonSession`.
    pub fn add_session(&mut self, session: Luid) {
        self.sessions.insert(session);
    }

    /// Whether there is a logon session.
    pub fn is_session(&self, session: Luid) -> bool {
        self.sessions.contains(&session)
    }

    /// The number of an AppContainer in a session, the same whenever it is asked for.
    pub fn package_number(&mut self, session: u32, package: Sid) -> u32 {
        let next = self.packages.len() as u32 + 1;
        *self.packages.entry((session, package)).or_insert(next)
    }

    /// Whether handles are kept for an AppContainer of a session.
    pub fn has_package_handles(&self, session: u32, package: Sid) -> bool {
        self.package_handles.contains_key(&(session, package))
    }

    /// Keeps handles for it.
    pub fn keep_package_handles(&mut self, session: u32, package: Sid, handles: Vec<Handle>) {
        self.package_handles.insert((session, package), handles);
    }

    /// They are no longer kept.
    pub fn take_package_handles(&mut self, session: u32, package: Sid) -> Vec<Handle> {
        self.package_handles.remove(&(session, package)).unwrap_or_default()
    }
}
