//! Access to objects: the check when one is opened, the descriptor when one is made.

use std::sync::Arc;

use guest::access::process;
use guest::{AccessMask, GenericMapping, NtStatus};

use super::attributes::Attributes;
use super::handle_table::Entry;
use super::manager::ObjectId;
use super::types::ObjectType;
use crate::body::Body;
use crate::cx::Cx;
use crate::se::{Assign, Granted, Privilege, Request, SecurityDescriptor, access_check, assign_security};
use crate::service::NtResult;

/// What is missing where objects are made and opened.
pub(crate) const SECURITY_GAP: &str = "conditional entries and access filters in descriptors are not evaluated";

/// The first build with limited rights for processes and threads: Vista.
const LIMITED_RIGHTS: u32 = 6000;

/// `DIRECTORY_CREATE_OBJECT` and `DIRECTORY_CREATE_SUBDIRECTORY`.
const CREATE_OBJECT: AccessMask = AccessMask(4);
const CREATE_SUBDIRECTORY: AccessMask = AccessMask(8);

/// `SYSTEM_MANDATORY_LABEL_NO_WRITE_UP` and `NO_READ_UP`, with which processes and threads are labelled.
const PROCESS_LABEL: u32 = 3;

impl ObjectType {
    /// The policy of the label that objects of the type always have.
    pub const fn label(self) -> Option<u32> {
        if matches!(self, Self::Process | Self::Thread) { Some(PROCESS_LABEL) } else { None }
    }

    /// `SecurityRequired`: objects of the type have a descriptor, with or without a name.
    pub const fn needs_security(self) -> bool {
        matches!(self, Self::Process | Self::Thread | Self::Token)
    }
}

impl Cx<'_> {
    fn mapping_of(&self, object_type: ObjectType) -> Result<GenericMapping, NtStatus> {
        self.kernel.ob.type_info(object_type).map(|info| info.mapping).ok_or(NtStatus::INVALID_PARAMETER)
    }

    /// `ObCheckObjectAccess`: what a handle to an object that exists may do. Rights that the type does not have are
    /// refused, and so is asking for nothing.
    ///
    /// `STATUS_ACCESS_DENIED`, `STATUS_PRIVILEGE_NOT_HELD` (`ACCESS_SYSTEM_SECURITY`), `STATUS_BAD_IMPERSONATION_LEVEL`.
    pub fn grant_existing(&self, id: ObjectId, desired: AccessMask) -> NtResult<AccessMask> {
        self.grant_for(id, desired, Attributes::empty())
    }

    /// The same for whoever opens the object with these attributes: `OBJ_FORCE_ACCESS_CHECK` has kernel code checked too.
    pub fn grant_for(&self, id: ObjectId, desired: AccessMask, attributes: Attributes) -> NtResult<AccessMask> {
        let object = self.kernel.ob.get(id).ok_or(NtStatus::INVALID_HANDLE)?;
        let mapping = self.mapping_of(self.kernel.ob.type_of(id).ok_or(NtStatus::INVALID_HANDLE)?)?;
        let subject = self.subject()?;
        let known = mapping.valid.0 | AccessMask::MAXIMUM_ALLOWED.0 | AccessMask::ACCESS_SYSTEM_SECURITY.0;
        let desired = desired.map_generic(&mapping);
        if desired.0 & !known != 0 {
            return Err(NtStatus::ACCESS_DENIED.into());
        }
        // Kernel code is not checked.
        if !self.checks_access(attributes) {
            let all = desired.intersects(AccessMask::MAXIMUM_ALLOWED);
            let rights = desired.0 | if all { mapping.all.0 } else { 0 };
            let rights = AccessMask(rights & (mapping.valid.0 | AccessMask::ACCESS_SYSTEM_SECURITY.0));
            return Ok(self.with_implied(id, rights));
        }
        let system = desired.intersects(AccessMask::ACCESS_SYSTEM_SECURITY);
        if system && !subject.has_privilege(Privilege::SECURITY) {
            return Err(NtStatus::PRIVILEGE_NOT_HELD.into());
        }
        let desired = self.by_privilege_debug(&object.body, desired);
        let request = Request::new(desired.0, &mapping);
        let Granted { access, .. } = match request.desired {
            // SeDebugPrivilege was enough.
            AccessMask(0) if desired.1.0 != 0 => Granted::default(),
            _ => access_check(&subject, object.security.as_deref(), &request)?,
        };
        let access = AccessMask((access.0 | desired.1.0) & (mapping.valid.0 | AccessMask::ACCESS_SYSTEM_SECURITY.0));
        let denied = self.protected_rights(&object.body);
        match (desired.0.intersects(AccessMask::MAXIMUM_ALLOWED), access.intersects(denied)) {
            (_, false) => Ok(self.with_implied(id, access)),
            (true, true) if access.0 & !denied.0 != 0 => Ok(self.with_implied(id, AccessMask(access.0 & !denied.0))),
            _ => Err(NtStatus::ACCESS_DENIED.into()),
        }
    }

    /// What a descriptor that stands for an object of a type lets the caller do; without one, everything.
    ///
    /// As [`Self::grant_existing`].
    pub fn grant_by(
        &self, security: Option<&SecurityDescriptor>, object_type: ObjectType, desired: AccessMask,
    ) -> NtResult<AccessMask> {
        let mapping = self.mapping_of(object_type)?;
        let subject = self.subject()?;
        let known = mapping.valid.0 | AccessMask::MAXIMUM_ALLOWED.0 | AccessMask::ACCESS_SYSTEM_SECURITY.0;
        let desired = desired.map_generic(&mapping);
        if desired.0 & !known != 0 {
            return Err(NtStatus::ACCESS_DENIED.into());
        }
        if self.kernel.ps.thread.kernel_mode {
            let all = desired.intersects(AccessMask::MAXIMUM_ALLOWED);
            return Ok(AccessMask((desired.0 | if all { mapping.all.0 } else { 0 }) & mapping.valid.0));
        }
        if desired.intersects(AccessMask::ACCESS_SYSTEM_SECURITY) && !subject.has_privilege(Privilege::SECURITY) {
            return Err(NtStatus::PRIVILEGE_NOT_HELD.into());
        }
        let Granted { access, .. } = access_check(&subject, security, &Request::new(desired, &mapping))?;
        Ok(AccessMask(access.0 & (mapping.valid.0 | AccessMask::ACCESS_SYSTEM_SECURITY.0)))
    }

    /// What comes with rights that are granted: a handle that may query or set a process or thread may query or set what
    /// is limited too ("Process Security and Access Rights", "Thread Security and Access Rights").
    fn with_implied(&self, id: ObjectId, granted: AccessMask) -> AccessMask {
        let pairs: &[(u32, u32)] = match self.kernel.ob.type_of(id) {
            _ if !self.has_limited_rights() => &[],
            // PROCESS_QUERY_INFORMATION and PROCESS_QUERY_LIMITED_INFORMATION
            Some(ObjectType::Process) => &[(0x400, 0x1000)],
            // THREAD_QUERY_INFORMATION, THREAD_SET_INFORMATION and their limited forms
            Some(ObjectType::Thread) => &[(0x40, 0x800), (0x20, 0x400)],
            _ => &[],
        };
        let implied = pairs.iter().filter(|(right, _)| granted.0 & right != 0);
        AccessMask(implied.fold(granted.0, |mask, (_, limited)| mask | limited))
    }

    /// Whether this Windows has the limited rights, `PROCESS_QUERY_LIMITED_INFORMATION` and its like.
    fn has_limited_rights(&self) -> bool {
        self.kernel.profile.version.2 >= LIMITED_RIGHTS
    }

    /// The right with which the little is told of a process that everybody may know: the limited one, where there is one.
    pub fn process_query(&self) -> AccessMask {
        if self.has_limited_rights() { process::QUERY_LIMITED_INFORMATION } else { process::QUERY_INFORMATION }
    }

    /// The same of a thread.
    pub fn thread_query(&self) -> AccessMask {
        if self.has_limited_rights() {
            process::THREAD_QUERY_LIMITED_INFORMATION
        } else {
            process::THREAD_QUERY_INFORMATION
        }
    }

    /// What a duplicate of a handle may do: rights that the source has are not checked again.
    ///
    /// `STATUS_ACCESS_DENIED`, and the other statuses of [`Self::grant_existing`].
    pub fn grant_duplicate(&self, source: &Entry, desired: AccessMask) -> NtResult<AccessMask> {
        let mapping = self.mapping_of(self.kernel.ob.type_of(source.object).ok_or(NtStatus::INVALID_HANDLE)?)?;
        let mapped = desired.map_generic(&mapping);
        if source.granted.contains(mapped) {
            Ok(self.with_implied(source.object, mapped))
        } else {
            self.grant_existing(source.object, desired)
        }
    }

    /// `PsOpenProcess` and `PsOpenThread` let whoever holds `SeDebugPrivilege` have everything: what is left to check,
    /// and what is granted without.
    fn by_privilege_debug(&self, body: &Body, desired: AccessMask) -> (AccessMask, AccessMask) {
        let debugged = matches!(body, Body::Process(_) | Body::Thread(_));
        if !debugged || self.require_privilege(Privilege::DEBUG).is_err() {
            return (desired, AccessMask(0));
        }
        let all = guest::access::process::ALL;
        let granted = if desired.intersects(AccessMask::MAXIMUM_ALLOWED) { all } else { AccessMask(desired.0 & all.0) };
        (AccessMask(desired.0 & AccessMask::ACCESS_SYSTEM_SECURITY.0), granted)
    }

    /// What the protection of a process keeps from the caller.
    fn protected_rights(&self, body: &Body) -> AccessMask {
        let (target, thread) = match body {
            Body::Process(process) => (Some(process.id), false),
            Body::Thread(thread) => (self.kernel.ps.thread(thread.id).map(|thread| thread.process), true),
            _ => return AccessMask(0),
        };
        let current = &self.kernel.ps.process;
        let target = target.filter(|&id| id != current.id).and_then(|id| self.kernel.ps.get(id));
        target.map_or(AccessMask(0), |target| target.protection.denies(current.protection, thread))
    }

    /// What the creator of an object gets: all that it asks for and the type has.
    ///
    /// `STATUS_PRIVILEGE_NOT_HELD` for `ACCESS_SYSTEM_SECURITY` without `SeSecurityPrivilege`.
    pub fn grant_new(&self, object_type: ObjectType, desired: AccessMask) -> NtResult<AccessMask> {
        let mapping = self.mapping_of(object_type)?;
        let security = AccessMask::ACCESS_SYSTEM_SECURITY;
        if desired.intersects(security) {
            self.require_privilege(Privilege::SECURITY)?;
        }
        let mut mask = desired.map_generic(&mapping);
        if mask.intersects(AccessMask::MAXIMUM_ALLOWED) {
            mask.0 |= mapping.all.0;
        }
        Ok(AccessMask(mask.0 & (mapping.valid.0 | security.0)))
    }

    /// `ObCheckCreateObjectAccess`: whether the caller may make a name in a directory.
    ///
    /// `STATUS_ACCESS_DENIED`.
    fn check_create(&self, directory: ObjectId, object_type: ObjectType) -> NtResult<()> {
        let right = if object_type == ObjectType::Directory { CREATE_SUBDIRECTORY } else { CREATE_OBJECT };
        self.grant_existing(directory, right).map(|_| ())
    }

    /// `ObAssignSecurity`: the descriptor of a new object, from what its creator wants, what its directory passes on
    /// and the creator's token. An object without a name gets one if its type needs it or its creator wants it.
    ///
    /// `STATUS_ACCESS_DENIED` if the directory does not let the caller make names; the statuses of
    /// [`assign_security`].
    pub fn security_of_new(
        &self, object_type: ObjectType, directory: Option<ObjectId>, explicit: Option<&SecurityDescriptor>,
    ) -> NtResult<Option<Arc<SecurityDescriptor>>> {
        if directory.is_none() && explicit.is_none() && !object_type.needs_security() {
            return Ok(None);
        }
        if let Some(directory) = directory {
            self.check_create(directory, object_type)?;
        }
        let mapping = self.mapping_of(object_type)?;
        let parent = directory.and_then(|id| self.kernel.ob.get(id)).and_then(|object| object.security.clone());
        let assign = Assign {
            parent: parent.as_deref(),
            explicit,
            container: object_type == ObjectType::Directory,
            label: object_type.label(),
            ..Assign::new(self.subject()?.effective(), &mapping)
        };
        Ok(Some(Arc::new(assign_security(&assign)?)))
    }
}
