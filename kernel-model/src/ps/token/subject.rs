//! The doors from a call to the tokens that speak for its caller.

use guest::{AccessMask, Handle, NtStatus};

use super::access;
use crate::body::Body;
use crate::cx::Cx;
use crate::ob::{Entry, HandleAttributes, ObjectId};
use crate::ps::ThreadId;
use crate::se::{Luid, Privilege, SubjectContext, Token};

/// `NtCurrentProcessToken()`, `NtCurrentThreadToken()`, `NtCurrentThreadEffectiveToken()`.
const PROCESS_TOKEN: Handle = Handle(-4i64 as u64);
const THREAD_TOKEN: Handle = Handle(-5i64 as u64);
const EFFECTIVE_TOKEN: Handle = Handle(-6i64 as u64);
/// The first build with them: Windows 8.
const PSEUDO_TOKENS: u32 = 9200;

impl Cx<'_> {
    /// The token in an object.
    pub fn token(&self, id: ObjectId) -> Result<&Token, NtStatus> {
        match self.kernel.ob.get(id).map(|object| &object.body) {
            Some(Body::Token(token)) => Ok(token),
            _ => Err(NtStatus::OBJECT_TYPE_MISMATCH),
        }
    }

    /// The same, to change it: it gets a new `ModifiedId`.
    pub fn token_mut(&mut self, id: ObjectId) -> Result<&mut Token, NtStatus> {
        let modified = self.kernel.se.new_luid();
        match self.kernel.ob.get_mut(id).map(|object| &mut object.body) {
            Some(Body::Token(token)) => {
                token.modified = modified;
                Ok(token)
            }
            _ => Err(NtStatus::OBJECT_TYPE_MISMATCH),
        }
    }

    /// `SeCaptureSubjectContext`: who calls. A token that is no longer there cannot be: it is referenced.
    pub fn subject(&self) -> Result<SubjectContext<'_>, NtStatus> {
        let primary = self.token(self.kernel.ps.process.token)?;
        let client = self.kernel.ps.thread.impersonation.map(|id| self.token(id)).transpose()?;
        Ok(SubjectContext { primary, client })
    }

    /// `SeSinglePrivilegeCheck`.
    ///
    /// `STATUS_PRIVILEGE_NOT_HELD`.
    pub fn require_privilege(&self, privilege: Privilege) -> Result<(), NtStatus> {
        if self.subject()?.has_privilege(privilege) { Ok(()) } else { Err(NtStatus::PRIVILEGE_NOT_HELD) }
    }

    /// What a token handle stands for, pseudo handles too: those give `TOKEN_QUERY` and `TOKEN_QUERY_SOURCE`.
    ///
    /// `STATUS_INVALID_HANDLE`; `STATUS_NO_TOKEN` for `NtCurrentThreadToken()` of a thread that does not impersonate.
    fn token_entry(&self, handle: Handle) -> Result<Entry, NtStatus> {
        let (process, thread) = (self.kernel.ps.process.token, self.kernel.ps.thread.impersonation);
        let object = match handle {
            _ if self.kernel.profile.version.2 < PSEUDO_TOKENS => return self.entry_of(handle),
            PROCESS_TOKEN => process,
            THREAD_TOKEN => thread.ok_or(NtStatus::NO_TOKEN)?,
            EFFECTIVE_TOKEN => thread.unwrap_or(process),
            _ => return self.entry_of(handle),
        };
        let granted = AccessMask(access::QUERY.0 | access::QUERY_SOURCE.0);
        Ok(Entry { object, granted, attributes: HandleAttributes::empty() })
    }

    /// The token object that a handle names, and what the handle grants.
    ///
    /// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`, `STATUS_NO_TOKEN`.
    pub(super) fn token_by_handle(
        &self, handle: Handle, access: AccessMask,
    ) -> Result<(ObjectId, AccessMask), NtStatus> {
        let entry = self.token_entry(handle)?;
        self.token(entry.object)?;
        if entry.granted.contains(access) { Ok((entry.object, entry.granted)) } else { Err(NtStatus::ACCESS_DENIED) }
    }

    /// The token that a handle names, for a process that is to be made with it.
    pub(in crate::ps) fn primary_token(&self, handle: Handle, access: AccessMask) -> Result<ObjectId, NtStatus> {
        Ok(self.token_by_handle(handle, access)?.0)
    }

    /// A LUID that nothing has yet.
    pub(super) fn new_luid(&mut self) -> Luid {
        self.kernel.se.new_luid()
    }

    /// Makes a thread impersonate with a token, or stop.
    pub(super) fn impersonate(&mut self, thread: ThreadId, token: Option<ObjectId>) {
        if let Some(id) = token {
            self.kernel.ob.reference(id);
        }
        let old = match self.kernel.ps.thread_mut(thread) {
            Some(thread) => std::mem::replace(&mut thread.impersonation, token),
            None => token,
        };
        old.into_iter().for_each(|old| self.kernel.ob.dereference(old));
    }

    /// Makes a token object with the creator's reference.
    pub(super) fn new_token(&mut self, token: Token) -> ObjectId {
        self.kernel.ob.create(Body::Token(Box::new(token)))
    }
}
