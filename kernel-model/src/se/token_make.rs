//! The tokens there are without a logon: those of the accounts that Windows itself has.

use guest::AccessMask;

use super::ace::Ace;
use super::acl::Acl;
use super::privilege::{Luid, Privilege, PrivilegeSet};
use super::sid::Sid;
use super::token::{
    ElevationType, Group, POLICY_NEW_PROCESS_MIN, POLICY_NO_WRITE_UP, Token, TokenFlags, TokenKind, TokenSource,
    integrity,
};
use super::well_known::account;

/// An account whose token [`Token::of`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Account {
    /// An interactive administrator whose token is split: the half that is not elevated.
    User,
    /// The same, elevated.
    Administrator,
    /// An interactive user who is in no group of administrators.
    StandardUser,
    /// `NT AUTHORITY\SYSTEM`.
    LocalSystem,
    /// `NT AUTHORITY\LOCAL SERVICE`.
    LocalService,
    /// `NT AUTHORITY\NETWORK SERVICE`.
    NetworkService,
}

/// The groups and privileges of one account, as `whoami /all` and a debugger list them on a machine in no domain.
struct Template {
    user: Sid,
    groups: &'static [Group],
    /// Present and enabled.
    enabled: &'static [Privilege],
    /// Present, not enabled.
    disabled: &'static [Privilege],
    owner: Sid,
    primary_group: Sid,
    integrity: u32,
    authentication: Luid,
    session: u32,
    elevation: ElevationType,
    source: &'static [u8; 8],
    default_dacl: &'static [Ace],
}

/// The user's relative id: the first that a local account gets after set-up's own.
const USER: Sid = account(1001);
/// `None`, the primary group of local accounts.
const NO_GROUP: Sid = account(513);
/// The logon session of the interactive user; its elevated half has the one before.
const LOGON: Luid = Luid(0x2_6f3a);
const LOGON_ELEVATED: Luid = Luid(0x2_6f07);
const LOGON_SID: Sid = Sid::new(5, &[5, 0, 0x2_6d4e]);

/// `SYSTEM_LUID`, `LOCALSERVICE_LUID`, `NETWORKSERVICE_LUID`, `ANONYMOUS_LOGON_LUID` (ntifs.h).
const SYSTEM: Luid = Luid(0x3e7);
const LOCAL_SERVICE: Luid = Luid(0x3e5);
const NETWORK_SERVICE: Luid = Luid(0x3e4);
/// The logon session of the anonymous token.
pub const ANONYMOUS_LOGON: Luid = Luid(0x3e6);

/// Mandatory, enabled by default, enabled.
const ON: u32 = 7;
const DENY: u32 = 0x10;
const LOGON_ID: u32 = 0xc000_0007;
/// Enabled by default, enabled, may own; and mandatory.
const OWNS: u32 = 0xe;
const ALL: u32 = AccessMask::GENERIC_ALL.0;
const READ_EXECUTE: u32 = AccessMask::GENERIC_READ.0 | AccessMask::GENERIC_EXECUTE.0;

const fn on(sid: Sid) -> Group {
    Group::new(sid, ON)
}

const INTERACTIVE_TAIL: [Group; 10] = [
    on(Sid::USERS),
    on(Sid::INTERACTIVE),
    on(Sid::CONSOLE_LOGON),
    on(Sid::AUTHENTICATED_USERS),
    on(Sid::THIS_ORGANIZATION),
    on(Sid::LOCAL_ACCOUNT),
    Group::new(LOGON_SID, LOGON_ID),
    on(Sid::LOCAL),
    on(Sid::NTLM),
    on(Sid::EVERYONE),
];

const fn interactive(extra: [Group; 3]) -> [Group; 13] {
    let [a, b, c] = extra;
    let [d, e, f, g, h, i, j, k, l, everyone] = INTERACTIVE_TAIL;
    [a, everyone, b, c, d, e, f, g, h, i, j, k, l]
}

const USER_DACL: &[Ace] =
    &[Ace::allow(ALL, USER), Ace::allow(ALL, Sid::LOCAL_SYSTEM), Ace::allow(READ_EXECUTE, LOGON_SID)];
const ADMINISTRATOR_DACL: &[Ace] =
    &[Ace::allow(ALL, Sid::ADMINISTRATORS), Ace::allow(ALL, Sid::LOCAL_SYSTEM), Ace::allow(READ_EXECUTE, LOGON_SID)];
const SYSTEM_DACL: &[Ace] =
    &[Ace::allow(ALL, Sid::LOCAL_SYSTEM), Ace::allow(READ_EXECUTE | AccessMask::READ_CONTROL.0, Sid::ADMINISTRATORS)];

use Privilege as P;

const USER_DISABLED: &[P] = &[P::SHUTDOWN, P::UNDOCK, P::INCREASE_WORKING_SET, P::TIME_ZONE];

/// In the order of [`Account`].
#[rustfmt::skip]
static TEMPLATES: [Template; 6] = [
    Template {
        user: USER,
        groups: &interactive([
            on(NO_GROUP), Group::new(Sid::LOCAL_ADMIN_ACCOUNT, DENY), Group::new(Sid::ADMINISTRATORS, DENY),
        ]),
        enabled: &[P::CHANGE_NOTIFY],
        disabled: USER_DISABLED,
        owner: USER, primary_group: NO_GROUP, integrity: integrity::MEDIUM, authentication: LOGON, session: 1,
        elevation: ElevationType::Limited, source: b"User32 \0", default_dacl: USER_DACL,
    },
    Template {
        user: USER,
        groups: &interactive([
            on(NO_GROUP), on(Sid::LOCAL_ADMIN_ACCOUNT), Group::new(Sid::ADMINISTRATORS, OWNS | 1),
        ]),
        enabled: &[P::CHANGE_NOTIFY, P::IMPERSONATE, P::CREATE_GLOBAL],
        disabled: &[
            P::INCREASE_QUOTA, P::SECURITY, P::TAKE_OWNERSHIP, P::LOAD_DRIVER, P::SYSTEM_PROFILE, P::SYSTEMTIME,
            P::PROFILE_SINGLE_PROCESS, P::INCREASE_BASE_PRIORITY, P::CREATE_PAGEFILE, P::BACKUP, P::RESTORE,
            P::SHUTDOWN, P::DEBUG, P::SYSTEM_ENVIRONMENT, P::REMOTE_SHUTDOWN, P::UNDOCK, P::MANAGE_VOLUME,
            P::INCREASE_WORKING_SET, P::TIME_ZONE, P::CREATE_SYMBOLIC_LINK, P::DELEGATE_SESSION_USER_IMPERSONATE,
        ],
        owner: Sid::ADMINISTRATORS, primary_group: NO_GROUP, integrity: integrity::HIGH,
        authentication: LOGON_ELEVATED, session: 1,
        elevation: ElevationType::Full, source: b"User32 \0", default_dacl: ADMINISTRATOR_DACL,
    },
    Template {
        user: USER,
        groups: &[
            on(NO_GROUP), on(Sid::EVERYONE), on(Sid::USERS), on(Sid::INTERACTIVE), on(Sid::CONSOLE_LOGON),
            on(Sid::AUTHENTICATED_USERS), on(Sid::THIS_ORGANIZATION), on(Sid::LOCAL_ACCOUNT),
            Group::new(LOGON_SID, LOGON_ID), on(Sid::LOCAL), on(Sid::NTLM),
        ],
        enabled: &[P::CHANGE_NOTIFY],
        disabled: USER_DISABLED,
        owner: USER, primary_group: NO_GROUP, integrity: integrity::MEDIUM, authentication: LOGON, session: 1,
        elevation: ElevationType::Default, source: b"User32 \0", default_dacl: USER_DACL,
    },
    Template {
        user: Sid::LOCAL_SYSTEM,
        groups: &[Group::new(Sid::ADMINISTRATORS, OWNS), on(Sid::EVERYONE), on(Sid::AUTHENTICATED_USERS)],
        enabled: &[
            P::LOCK_MEMORY, P::TCB, P::SYSTEM_PROFILE, P::PROFILE_SINGLE_PROCESS, P::INCREASE_BASE_PRIORITY,
            P::CREATE_PAGEFILE, P::CREATE_PERMANENT, P::DEBUG, P::AUDIT, P::CHANGE_NOTIFY, P::IMPERSONATE,
            P::CREATE_GLOBAL, P::INCREASE_WORKING_SET, P::TIME_ZONE, P::CREATE_SYMBOLIC_LINK,
            P::DELEGATE_SESSION_USER_IMPERSONATE,
        ],
        disabled: &[
            P::ASSIGN_PRIMARY_TOKEN, P::INCREASE_QUOTA, P::SECURITY, P::TAKE_OWNERSHIP, P::LOAD_DRIVER, P::SYSTEMTIME,
            P::BACKUP, P::RESTORE, P::SHUTDOWN, P::SYSTEM_ENVIRONMENT, P::UNDOCK, P::MANAGE_VOLUME,
        ],
        owner: Sid::ADMINISTRATORS, primary_group: Sid::LOCAL_SYSTEM, integrity: integrity::SYSTEM,
        authentication: SYSTEM, session: 0,
        elevation: ElevationType::Default, source: b"*SYSTEM*", default_dacl: SYSTEM_DACL,
    },
    Template {
        user: Sid::LOCAL_SERVICE,
        groups: &[
            on(Sid::EVERYONE), on(Sid::USERS), on(Sid::SERVICE), on(Sid::CONSOLE_LOGON), on(Sid::AUTHENTICATED_USERS),
            on(Sid::THIS_ORGANIZATION), on(Sid::LOCAL),
        ],
        enabled: &[P::CHANGE_NOTIFY, P::IMPERSONATE, P::CREATE_GLOBAL],
        disabled: &[
            P::ASSIGN_PRIMARY_TOKEN, P::INCREASE_QUOTA, P::SYSTEMTIME, P::SHUTDOWN, P::AUDIT, P::UNDOCK,
            P::INCREASE_WORKING_SET, P::TIME_ZONE,
        ],
        owner: Sid::LOCAL_SERVICE, primary_group: Sid::LOCAL_SERVICE, integrity: integrity::SYSTEM,
        authentication: LOCAL_SERVICE, session: 0,
        elevation: ElevationType::Default, source: b"Advapi  ",
        default_dacl: &[Ace::allow(ALL, Sid::LOCAL_SYSTEM), Ace::allow(ALL, Sid::LOCAL_SERVICE)],
    },
    Template {
        user: Sid::NETWORK_SERVICE,
        groups: &[
            on(Sid::EVERYONE), on(Sid::USERS), on(Sid::SERVICE), on(Sid::CONSOLE_LOGON), on(Sid::AUTHENTICATED_USERS),
            on(Sid::THIS_ORGANIZATION), on(Sid::LOCAL),
        ],
        enabled: &[P::CHANGE_NOTIFY, P::IMPERSONATE, P::CREATE_GLOBAL],
        disabled: &[
            P::ASSIGN_PRIMARY_TOKEN, P::INCREASE_QUOTA, P::SHUTDOWN, P::AUDIT, P::UNDOCK, P::INCREASE_WORKING_SET,
            P::TIME_ZONE,
        ],
        owner: Sid::NETWORK_SERVICE, primary_group: Sid::NETWORK_SERVICE, integrity: integrity::SYSTEM,
        authentication: NETWORK_SERVICE, session: 0,
        elevation: ElevationType::Default, source: b"Advapi  ",
        default_dacl: &[Ace::allow(ALL, Sid::LOCAL_SYSTEM), Ace::allow(ALL, Sid::NETWORK_SERVICE)],
    },
];

impl Account {
    /// Every account.
    pub const ALL: [Self; 6] = [
        Self::User,
        Self::Administrator,
        Self::StandardUser,
        Self::LocalSystem,
        Self::LocalService,
        Self::NetworkService,
    ];

    /// Whether it is one of a service.
    pub fn is_service(self) -> bool {
        self.template().session == 0
    }

    /// Its logon session.
    pub fn session(self) -> Luid {
        self.template().authentication
    }

    fn template(self) -> &'static Template {
        let [user, administrator, standard, system, local, network] = &TEMPLATES;
        match self {
            Self::User => user,
            Self::Administrator => administrator,
            Self::StandardUser => standard,
            Self::LocalSystem => system,
            Self::LocalService => local,
            Self::NetworkService => network,
        }
    }
}

impl Template {
    fn token(&self, id: Luid) -> Token {
        let enabled = PrivilegeSet::of(self.enabled);
        let elevated = self.integrity >= integrity::HIGH;
        let mut flags = TokenFlags::empty();
        flags.set(TokenFlags::ELEVATED, elevated);
        flags.set(TokenFlags::VIRTUALIZE_ALLOWED, !elevated);
        Token {
            id,
            modified: Luid(id.0 + 1),
            authentication: self.authentication,
            parent: Luid(0),
            origin: if self.session == 0 { Luid(0) } else { SYSTEM },
            expiration: i64::MAX,
            kind: TokenKind::Primary,
            user: Group::new(self.user, 0),
            groups: self.groups.to_vec(),
            privileges: enabled.or(PrivilegeSet::of(self.disabled)),
            enabled,
            enabled_by_default: enabled,
            restricted: Vec::new(),
            owner: self.owner,
            primary_group: self.primary_group,
            default_dacl: Some(Acl::new(self.default_dacl.to_vec())),
            source: TokenSource { name: *self.source, id: Luid(0) },
            session: self.session,
            integrity: self.integrity,
            policy: if self.integrity >= integrity::SYSTEM {
                POLICY_NO_WRITE_UP
            } else {
                POLICY_NO_WRITE_UP | POLICY_NEW_PROCESS_MIN
            },
            flags,
            elevation: self.elevation,
            linked: None,
            lowbox: None,
        }
    }
}

impl Token {
    /// The primary token of an account; `next` gives LUIDs that nobody has yet. A half of a split token has the
    /// other linked.
    pub fn of(account: Account, next: &mut dyn FnMut() -> Luid) -> Self {
        let mut token = account.template().token(next());
        token.modified = next();
        let other = match account {
            Account::User => Account::Administrator,
            Account::Administrator => Account::User,
            _ => return token,
        };
        token.linked = Some(Box::new(other.template().token(next())));
        token
    }

    /// The token of somebody unknown, for impersonation (`NtImpersonateAnonymousToken`): the anonymous user; also
    /// Everyone unless `EveryoneIncludesAnonymous` is off, as it is by default.
    pub fn anonymous(next: &mut dyn FnMut() -> Luid) -> Self {
        let mut token = Account::NetworkService.template().token(next());
        token.modified = next();
        token.authentication = ANONYMOUS_LOGON;
        token.kind = TokenKind::Impersonation(super::token::Level::Impersonation);
        token.user = Group::new(Sid::ANONYMOUS, 0);
        token.groups.clear();
        (token.privileges, token.enabled, token.enabled_by_default) = Default::default();
        (token.owner, token.primary_group) = (Sid::ANONYMOUS, Sid::NOBODY);
        token.default_dacl = Some(Acl::new(vec![Ace::allow(ALL, Sid::EVERYONE), Ace::allow(ALL, Sid::ANONYMOUS)]));
        token.integrity = integrity::UNTRUSTED;
        token.source = TokenSource { name: *b"*SYSTEM*", id: Luid(0) };
        token.flags = TokenFlags::empty();
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::se::GroupAttributes;

    fn make(account: Account) -> Token {
        let mut last = 0x1000;
        Token::of(account, &mut || {
            last += 1;
            Luid(last)
        })
    }

    /// What `whoami /groups` and `/priv` show of these accounts, and what [MS-DTYP] and UAC's documentation say.
    #[test]
    fn each_account_has_its_own_token() {
        let user = make(Account::User);
        assert!(!user.has_sid(&Sid::ADMINISTRATORS, false) && user.has_sid(&Sid::ADMINISTRATORS, true));
        assert_eq!((user.integrity, user.elevation), (integrity::MEDIUM, ElevationType::Limited));
        assert!(user.has_privilege(Privilege::CHANGE_NOTIFY) && !user.has_privilege(Privilege::SHUTDOWN));
        assert_eq!(user.privileges.iter().count(), 5);
        let full = user.linked.as_ref().expect("the other half");
        assert_eq!((full.integrity, full.elevation), (integrity::HIGH, ElevationType::Full));
        assert!(full.has_sid(&Sid::ADMINISTRATORS, false) && full.may_own(&Sid::ADMINISTRATORS));
        assert!(full.privileges.contains(Privilege::DEBUG) && !full.has_privilege(Privilege::DEBUG));
        assert_ne!(full.id, user.id);
        assert_eq!(full.user, user.user);
        let system = make(Account::LocalSystem);
        assert!(system.has_privilege(Privilege::TCB) && !system.privileges.contains(Privilege::CREATE_TOKEN));
        assert_eq!((system.session, system.integrity, system.authentication), (0, 0x4000, Luid(0x3e7)));
        for account in Account::ALL {
            let token = make(account);
            assert!(token.may_own(&token.owner), "{account:?}");
            assert!(token.enabled.minus(token.privileges) == PrivilegeSet::EMPTY, "{account:?}");
            let logons = token.groups.iter().filter(|g| g.attributes.contains(GroupAttributes::LOGON_ID)).count();
            assert_eq!(logons, usize::from(token.session == 1), "{account:?}");
        }
    }
}
