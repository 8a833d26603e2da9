//! Tokens as objects, and the services about them.

mod access_check;
mod adjust;
mod audit;
mod audited_check;
mod create;
mod duplicate;
mod impersonate;
mod layout;
mod lowbox;
mod object_security;
mod open;
mod primary;
mod query;
mod read;
mod set;
mod subject;

pub(super) use impersonate::set_impersonation_token;
pub(super) use primary::set_primary;

use crate::service::Service;

/// `TOKEN_*` access rights (winnt.h).
mod access {
    use guest::AccessMask;

    pub const ASSIGN_PRIMARY: AccessMask = AccessMask(0x1);
    pub const DUPLICATE: AccessMask = AccessMask(0x2);
    pub const IMPERSONATE: AccessMask = AccessMask(0x4);
    pub const QUERY: AccessMask = AccessMask(0x8);
    pub const QUERY_SOURCE: AccessMask = AccessMask(0x10);
    pub const ADJUST_PRIVILEGES: AccessMask = AccessMask(0x20);
    pub const ADJUST_GROUPS: AccessMask = AccessMask(0x40);
    pub const ADJUST_DEFAULT: AccessMask = AccessMask(0x80);
    pub const ADJUST_SESSIONID: AccessMask = AccessMask(0x100);
}

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    let tables = [
        open::SERVICES,
        query::SERVICES,
        set::SERVICES,
        adjust::SERVICES,
        duplicate::SERVICES,
        create::SERVICES,
        impersonate::SERVICES,
        access_check::SERVICES,
        object_security::SERVICES,
        audit::SERVICES,
        audited_check::SERVICES,
        lowbox::SERVICES,
    ];
    tables.into_iter().flatten()
}
