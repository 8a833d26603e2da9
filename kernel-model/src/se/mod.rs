//! The security reference monitor: who somebody is, what an object allows whom, and the check that brings both
//! together. Everything here is data and pure functions; what needs handles is with the object manager and `ps`.

mod access_check;
mod ace;
mod acl;
mod assign;
mod audit;
mod check_list;
mod descriptor;
mod mandatory;
mod monitor;
mod privilege;
mod protection;
mod sddl;
mod sddl_parse;
mod sid;
mod token;
mod token_change;
mod token_make;
mod well_known;

pub use access_check::{Granted, Request, SubjectContext, access_check};
pub use ace::{Ace, AceBody, AceFlags, Guid, ace_type};
pub use acl::Acl;
pub use assign::{Assign, assign_security, set_security};
pub use audit::{AuditEvent, AuditKind, AuditLog, AuditPolicy, is_audited};
pub use check_list::{ObjectTypeNode, access_check_by_type};
pub use descriptor::{Control, Parts, SecurityDescriptor};
pub use mandatory::mandatory_limit;
pub use monitor::Monitor;
pub use privilege::{Luid, Privilege, PrivilegeSet};
pub use protection::Protection;
pub use sddl_parse::SddlError;
pub use sid::{MAX_SUB_AUTHORITIES, Sid};
pub use token::{
    ElevationType, Group, GroupAttributes, Level, LowBox, POLICY_NEW_PROCESS_MIN, POLICY_NO_WRITE_UP, Token,
    TokenFlags, TokenKind, TokenSource, integrity,
};
pub use token_change::{Filter, lowbox_token};
pub use token_make::{ANONYMOUS_LOGON, Account};
pub use well_known::{MACHINE, WELL_KNOWN, account};
