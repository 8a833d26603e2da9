//! What a service works with: the kernel, physical memory, and the doors from guest values to kernel ones.

use guest::access::process as access;
use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use crate::body::{Body, BodyKind};
use crate::kernel::Kernel;
use crate::mm::{Phys, UserMemory};
use crate::ob::{Attributes, Body as _, Entry, HandleAttributes, Lookup, NameToOpen, ObjectId, ObjectType};
use crate::ps::ProcessId;
use crate::se::Privilege;
use crate::service::{NtResult, Unwind};

/// The context of one call.
pub struct Cx<'a> {
    /// The kernel.
    pub kernel: &'a mut Kernel,
    /// Physical memory.
    pub ram: &'a mut dyn Phys,
}

impl Cx<'_> {
    /// The caller's memory, with the caller's rights.
    #[inline]
    pub fn mem(&mut self) -> UserMemory<'_> {
        let width = self.kernel.width();
        UserMemory { memory: &mut self.kernel.mm, ram: self.ram, width }
    }

    /// Probes where a new handle is to go, and sets it to NULL, which is what a failing call leaves there.
    pub fn probe_handle(&mut self, pointer: UserPtr<Handle>) -> NtResult<()> {
        let mut mem = self.mem();
        mem.probe(pointer)?;
        mem.store(pointer, &Handle::NULL)?;
        Ok(())
    }

    /// The entry a handle stands for: one in the table, or what a pseudo handle means.
    ///
    /// `STATUS_INVALID_HANDLE`.
    pub fn entry_of(&self, handle: Handle) -> Result<Entry, NtStatus> {
        let ps = &self.kernel.ps;
        let own = |object| Entry { object, granted: access::ALL, attributes: HandleAttributes::empty() };
        match handle {
            Handle::CURRENT_PROCESS => Ok(own(ps.process.object)),
            Handle::CURRENT_THREAD => Ok(own(ps.thread.object)),
            _ => ps.process.handles.get(handle).copied().ok_or(NtStatus::INVALID_HANDLE),
        }
    }

    /// `ObReferenceObjectByHandle` for any type.
    ///
    /// `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED`.
    pub fn reference_any(&self, handle: Handle, access: AccessMask) -> Result<ObjectId, NtStatus> {
        let entry = self.entry_of(handle)?;
        if !entry.granted.contains(access) {
            return Err(NtStatus::ACCESS_DENIED);
        }
        Ok(entry.object)
    }

    /// `ObReferenceObjectByHandle`: the type is checked before the access.
    ///
    /// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
    pub fn reference<T: BodyKind>(&mut self, handle: Handle, access: AccessMask) -> Result<&mut T, NtStatus> {
        self.reference_either(handle, &[access])
    }

    /// The same, where any of several rights will do.
    pub fn reference_either<T: BodyKind>(&mut self, handle: Handle, any: &[AccessMask]) -> Result<&mut T, NtStatus> {
        let entry = self.entry_of(handle)?;
        let object = self.kernel.ob.get_mut(entry.object).ok_or(NtStatus::INVALID_HANDLE)?;
        let body = T::of(&mut object.body).ok_or(NtStatus::OBJECT_TYPE_MISMATCH)?;
        if !any.iter().any(|access| entry.granted.contains(*access)) {
            return Err(NtStatus::ACCESS_DENIED);
        }
        Ok(body)
    }

    /// Checks that a handle names the calling process and grants `access`. There is no other process yet.
    pub fn require_current_process(&mut self, handle: Handle, access: AccessMask) -> NtResult<()> {
        let current = self.kernel.ps.process.id;
        if handle == Handle::CURRENT_PROCESS {
            return Ok(());
        }
        let id = *self.reference::<ProcessId>(handle, access)?;
        if id == current { Ok(()) } else { Err(Unwind::unsupported("ProcessHandle of another process")) }
    }

    fn root_of(&mut self, name: &NameToOpen) -> Result<Option<ObjectId>, NtStatus> {
        let Some(handle) = name.root else { return Ok(None) };
        let object = self.entry_of(handle)?.object;
        match self.kernel.ob.type_of(object) {
            Some(ObjectType::Directory) => Ok(Some(object)),
            _ => Err(NtStatus::OBJECT_TYPE_MISMATCH),
        }
    }

    fn open_handle(&mut self, object: ObjectId, granted: AccessMask, name: &NameToOpen) -> Result<Handle, NtStatus> {
        let entry = Entry { object, granted, attributes: name.attributes.handle_attributes() };
        let handle = self.kernel.ps.process.handles.insert(entry)?;
        self.kernel.ob.handle_opened(object);
        Ok(handle)
    }

    /// `ObInsertObject`: gives a new object its name and a first handle, or opens what has the name already.
    ///
    /// `STATUS_OBJECT_NAME_EXISTS` (a success) with `OBJ_OPENIF`; `STATUS_OBJECT_NAME_COLLISION`,
    /// `STATUS_OBJECT_TYPE_MISMATCH`, and the statuses of looking a name up.
    pub fn create_object(
        &mut self, desired_access: AccessMask, attributes: Option<UserPtr<ObjectAttributes>>, body: Body,
    ) -> NtResult<(Handle, NtStatus)> {
        let name = NameToOpen::capture(&mut self.mem(), attributes)?;
        if name.attributes.intersects(Attributes::PERMANENT) {
            self.require_privilege(Privilege::CREATE_PERMANENT)?;
        }
        let object_type = body.object_type();
        let place = match &name.name {
            None => None,
            Some(path) => {
                let root = self.root_of(&name)?;
                match self.kernel.ob.lookup(root, path, name.ignore_case())? {
                    Lookup::Found(existing) => return self.open_existing(existing, object_type, desired_access, &name),
                    Lookup::Missing { directory, name } => Some((directory, name)),
                }
            }
        };
        let granted = self.grant_new(object_type, desired_access)?;
        let directory = place.as_ref().map(|place| place.0);
        let security = self.security_of_new(object_type, directory, name.security.as_ref())?;
        let object = self.kernel.ob.create(body);
        if let Some(object) = self.kernel.ob.get_mut(object) {
            object.security = security;
        }
        if let Some((directory, name)) = place {
            self.kernel.ob.set_name(object, directory, name);
        }
        let handle = self.open_handle(object, granted, &name);
        // The creator's own reference goes; the handle's stays.
        self.kernel.ob.dereference(object);
        Ok((handle?, NtStatus::SUCCESS))
    }

    fn open_existing(
        &mut self, object: ObjectId, object_type: ObjectType, desired_access: AccessMask, name: &NameToOpen,
    ) -> NtResult<(Handle, NtStatus)> {
        if self.kernel.ob.type_of(object) != Some(object_type) {
            return Err(NtStatus::OBJECT_TYPE_MISMATCH.into());
        }
        if !name.attributes.contains(Attributes::OPENIF) {
            return Err(NtStatus::OBJECT_NAME_COLLISION.into());
        }
        let granted = self.grant_existing(object, desired_access)?;
        Ok((self.open_handle(object, granted, name)?, NtStatus::OBJECT_NAME_EXISTS))
    }

    /// `ObOpenObjectByPointer`: a handle to an object that was found some other way.
    ///
    /// `STATUS_ACCESS_DENIED`.
    pub fn open_by_pointer(
        &mut self, object: ObjectId, desired_access: AccessMask, attributes: Attributes,
    ) -> NtResult<Handle> {
        let granted = self.grant_existing(object, desired_access)?;
        let name = NameToOpen { attributes, ..NameToOpen::default() };
        Ok(self.open_handle(object, granted, &name)?)
    }

    /// `ObOpenObjectByName`.
    ///
    /// `STATUS_OBJECT_PATH_SYNTAX_BAD` without a name, `STATUS_OBJECT_NAME_NOT_FOUND`,
    /// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`, and the statuses of looking a name up.
    pub fn open_object<T: BodyKind>(
        &mut self, desired_access: AccessMask, attributes: Option<UserPtr<ObjectAttributes>>,
    ) -> NtResult<Handle> {
        if attributes.is_none() {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        let name = NameToOpen::capture(&mut self.mem(), attributes)?;
        let root = self.root_of(&name)?;
        let object = match (&name.name, root) {
            (None, None) => return Err(NtStatus::OBJECT_PATH_SYNTAX_BAD.into()),
            (None, Some(root)) => root,
            (Some(path), root) => match self.kernel.ob.lookup(root, path, name.ignore_case())? {
                Lookup::Found(object) => object,
                Lookup::Missing { .. } => return Err(NtStatus::OBJECT_NAME_NOT_FOUND.into()),
            },
        };
        if self.kernel.ob.type_of(object) != Some(T::TYPE) {
            return Err(NtStatus::OBJECT_TYPE_MISMATCH.into());
        }
        self.open_by_pointer(object, desired_access, name.attributes)
    }
}
