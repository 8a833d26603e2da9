//! What a service works with: the kernel, physical memory, and the doors from guest values to kernel ones.

use guest::access::process as access;
use guest::registers::UserState;
use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use crate::body::{Body, BodyKind};
use crate::io::HostFolders;
use crate::kernel::Kernel;
use crate::mm::{Phys, UserMemory};
use crate::ob::{
    Attributes, Body as _, Entry, HandleAttributes, Lookup, NameToOpen, ObjectId, ObjectType, Traverse, Walk,
    to_kernel_handle,
};
use crate::ps::{LoadFailure, NewProcess, ProcessId, ProcessObject};
use crate::se::Privilege;
use crate::service::{NtResult, Unwind};

/// The key of a process in the process table, for the components below `ps`.
pub type ProcessKey = ProcessId;

/// What the machine has that the executive has not: physical memory, and the host's folders that are mounted.
pub trait Outside: Phys {
    /// The mounted folders; `None`: there is none.
    fn folders(&mut self) -> Option<&mut dyn HostFolders> {
        None
    }

    /// Fills a new process, which is the current one while that is done: its modules, its PEB, the stack and the TEB of its
    /// first thread; what that thread starts with.
    fn load_process(&mut self, _kernel: &mut Kernel, _new: &NewProcess) -> Result<UserState, LoadFailure> {
        Err(LoadFailure::Unsupported)
    }
}

/// The context of one call.
pub struct Cx<'a> {
    /// The kernel.
    pub kernel: &'a mut Kernel,
    /// Physical memory, and what else lies outside.
    pub ram: &'a mut dyn Outside,
}

impl Cx<'_> {
    /// The caller's memory, with the caller's rights.
    #[inline]
    pub fn mem(&mut self) -> UserMemory<'_> {
        let width = self.kernel.width();
        let kernel = self.kernel.ps.thread.kernel_mode;
        UserMemory { memory: &mut self.kernel.mm, ram: self.ram, width, kernel }
    }

    /// The registers of the calling thread. The first time the call is made again, when they are at hand. What is written
    /// there counts where the call ends in [`Unwind::Resume`].
    pub fn user_state(&mut self) -> NtResult<&mut UserState> {
        let thread = &mut self.kernel.ps.thread;
        if thread.state_at_hand { Ok(&mut thread.user) } else { Err(Unwind::NeedState) }
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
            _ => {
                let table = self.handle_table(ps.process.id, handle);
                table.and_then(|(table, key)| table.get(key)).copied().ok_or(NtStatus::INVALID_HANDLE)
            }
        }
    }

    /// The entry a handle stands for, which uses it: on newer builds that takes one of its references out of store.
    ///
    /// `STATUS_INVALID_HANDLE`.
    #[inline]
    pub fn use_handle(&mut self, handle: Handle) -> Result<Entry, NtStatus> {
        match self.kernel.ps.process.handles.take_reference(handle) {
            Some((entry, change)) => {
                self.kernel.ob.handle_used(entry.object, change);
                Ok(entry)
            }
            None => self.use_other_handle(handle),
        }
    }

    /// The same for what is not in the process's table: a kernel handle, a pseudo handle, or nothing.
    #[cold]
    fn use_other_handle(&mut self, handle: Handle) -> Result<Entry, NtStatus> {
        let process = self.kernel.ps.process.id;
        self.use_entry(process, handle).map_or_else(|| self.entry_of(handle), Ok)
    }

    /// `ObReferenceObjectByHandle` for any type.
    ///
    /// `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED`.
    pub fn reference_any(&mut self, handle: Handle, access: AccessMask) -> Result<ObjectId, NtStatus> {
        let entry = self.use_handle(handle)?;
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
        let entry = self.use_handle(handle)?;
        let object = self.kernel.ob.get_mut(entry.object).ok_or(NtStatus::INVALID_HANDLE)?;
        let body = T::of(&mut object.body).ok_or(NtStatus::OBJECT_TYPE_MISMATCH)?;
        if !any.iter().any(|access| entry.granted.contains(*access)) {
            return Err(NtStatus::ACCESS_DENIED);
        }
        Ok(body)
    }

    /// The same, where the object itself is wanted.
    pub fn reference_id<T: BodyKind>(&mut self, handle: Handle, access: AccessMask) -> Result<ObjectId, NtStatus> {
        let object = self.entry_of(handle)?.object;
        self.reference::<T>(handle, access)?;
        Ok(object)
    }

    /// The process that a handle names.
    pub fn process_of(&mut self, handle: Handle, access: AccessMask) -> Result<ProcessId, NtStatus> {
        Ok(self.reference::<ProcessObject>(handle, access)?.id)
    }

    /// The process that a handle names, whose memory is to be worked on ([`Cx::attached`]).
    ///
    /// `STATUS_PROCESS_IS_TERMINATING`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
    #[inline]
    pub(crate) fn process_with_memory(&mut self, handle: Handle, access: AccessMask) -> NtResult<ProcessId> {
        if handle == Handle::CURRENT_PROCESS {
            return Ok(self.kernel.ps.process.id);
        }
        let id = self.process_of(handle, access)?;
        match self.kernel.ps.get(id) {
            Some(process) if process.exit_status == NtStatus::PENDING => Ok(id),
            _ => Err(NtStatus::PROCESS_IS_TERMINATING.into()),
        }
    }

    /// Acts on the memory of a process, which need not be the one that runs (`KeStackAttachProcess`).
    #[inline]
    pub(crate) fn attached<T>(&mut self, process: ProcessId, act: impl FnOnce(&mut Self) -> T) -> T {
        let running = self.kernel.ps.process.id;
        self.kernel.mm.switch_space(running.0, process.0);
        let result = act(self);
        self.kernel.mm.switch_space(process.0, running.0);
        result
    }

    /// `SeCreatePermanentPrivilege`.
    pub fn require_create_permanent(&self) -> Result<(), NtStatus> {
        self.require_privilege(Privilege::CREATE_PERMANENT)
    }

    fn root_of(&mut self, name: &NameToOpen) -> Result<Option<ObjectId>, NtStatus> {
        let Some(handle) = name.root else { return Ok(None) };
        let object = self.use_handle(handle)?.object;
        match self.kernel.ob.type_of(object) {
            Some(ObjectType::Directory) => Ok(Some(object)),
            _ => Err(NtStatus::OBJECT_TYPE_MISMATCH),
        }
    }

    /// Who directories are asked about while a name is walked: nobody for kernel code, nor for whoever holds
    /// `SeChangeNotifyPrivilege`, which bypasses traverse checking.
    pub(crate) fn traverse(&self, name: &NameToOpen) -> NtResult<Option<Traverse<'_>>> {
        let subject = self.subject()?;
        if !self.checks_access(name.attributes) || subject.has_privilege(Privilege::CHANGE_NOTIFY) {
            return Ok(None);
        }
        let directory = self.kernel.ob.type_info(ObjectType::Directory).ok_or(NtStatus::INVALID_PARAMETER)?;
        Ok(Some(Traverse { subject, mapping: &directory.mapping }))
    }

    /// Whether access is checked at all: for user mode always, for kernel code where it says `OBJ_FORCE_ACCESS_CHECK`.
    pub(crate) fn checks_access(&self, attributes: Attributes) -> bool {
        !self.kernel.ps.thread.kernel_mode || attributes.contains(Attributes::FORCE_ACCESS_CHECK)
    }

    /// Looks a captured name up.
    pub(crate) fn look_up(&mut self, name: &NameToOpen, path: &[u16], object_type: ObjectType) -> NtResult<Lookup> {
        let root = self.root_of(name)?;
        let traverse = self.traverse(name)?;
        let ob = &self.kernel.ob;
        ob.lookup(&Walk {
            root,
            path,
            ignore_case: name.attributes.contains(Attributes::CASE_INSENSITIVE),
            link_itself: object_type == ObjectType::SymbolicLink,
            no_links: name.attributes.contains(Attributes::DONT_REPARSE),
            device_map: ob.device_map,
            traverse,
        })
    }

    /// `ObpCreateHandle`: opens a handle in the calling process, or in the kernel's table for kernel code that asks for it.
    ///
    /// `STATUS_ACCESS_DENIED` where one handle is all that there may be, `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn open_handle(
        &mut self, object: ObjectId, granted: AccessMask, attributes: Attributes,
    ) -> Result<Handle, NtStatus> {
        let header = self.kernel.ob.get(object).ok_or(NtStatus::INVALID_HANDLE)?;
        if header.handle_count > 0 && (header.exclusive || attributes.contains(Attributes::EXCLUSIVE)) {
            return Err(NtStatus::ACCESS_DENIED);
        }
        let of_kernel = self.wants_kernel_handle(attributes);
        let kernel = &mut *self.kernel;
        let handles = if of_kernel { &mut kernel.ob.kernel_handles } else { &mut kernel.ps.process.handles };
        let handle = handles.insert(Entry { object, granted, attributes: attributes.handle_attributes() })?;
        let cached = handles.initial_cache();
        kernel.ob.handle_opened(object, cached);
        Ok(if of_kernel { to_kernel_handle(handle) } else { handle })
    }

    /// `ObCreateObject` and `ObInsertObject`: gives a new object its name and a first handle, or opens what has the
    /// name already. The body's delete procedure is called where it comes to nothing.
    ///
    /// `STATUS_OBJECT_NAME_EXISTS` (a success) with `OBJ_OPENIF`; `STATUS_OBJECT_NAME_COLLISION`,
    /// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_INVALID_PARAMETER` for attributes that the type does not have,
    /// `STATUS_PRIVILEGE_NOT_HELD` (`OBJ_PERMANENT`), and the statuses of looking a name up.
    pub fn create_object(
        &mut self, desired_access: AccessMask, attributes: Option<UserPtr<ObjectAttributes>>, body: Body,
    ) -> NtResult<(Handle, NtStatus)> {
        let object_type = body.object_type();
        // The creator's reference: where the creation fails, the object goes, and its delete procedure is called.
        let object = self.kernel.ob.create(body);
        let name = NameToOpen::capture(&mut self.mem(), attributes);
        let result = name.and_then(|name| self.insert_object(object, object_type, desired_access, &name));
        self.kernel.ob.dereference(object);
        result
    }

    fn insert_object(
        &mut self, object: ObjectId, object_type: ObjectType, desired_access: AccessMask, name: &NameToOpen,
    ) -> NtResult<(Handle, NtStatus)> {
        let info = self.kernel.ob.type_info(object_type).ok_or(NtStatus::INVALID_PARAMETER)?;
        if name.attributes.bits() & info.invalid_attributes != 0 {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        if name.attributes.contains(Attributes::PERMANENT) {
            self.require_create_permanent()?;
        }
        let place = match &name.name {
            None => None,
            Some(path) => match self.look_up(name, path, object_type)? {
                Lookup::Found(existing) => return self.open_existing(existing, object_type, desired_access, name),
                Lookup::Parse { .. } => return Err(NtStatus::OBJECT_TYPE_MISMATCH.into()),
                Lookup::Missing { directory, name } => Some((directory, name)),
            },
        };
        let granted = self.grant_new(object_type, desired_access)?;
        let directory = place.as_ref().map(|place| place.0);
        let security = self.security_of_new(object_type, directory, name.security.as_ref())?;
        let handle = self.open_handle(object, granted, name.attributes)?;
        let ob = &mut self.kernel.ob;
        if let Some(header) = ob.get_mut(object) {
            header.security = security;
            header.exclusive = name.attributes.contains(Attributes::EXCLUSIVE);
            // Without a name nothing is permanent.
            header.permanent = name.attributes.contains(Attributes::PERMANENT) && place.is_some();
        }
        if let Some((directory, name)) = place {
            ob.set_name(object, directory, name);
        }
        Ok((handle, NtStatus::SUCCESS))
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
        Ok((self.open_by_pointer(object, desired_access, name.attributes)?, NtStatus::OBJECT_NAME_EXISTS))
    }

    /// `ObOpenObjectByPointer`: a handle to an object that was found some other way.
    ///
    /// `STATUS_ACCESS_DENIED`.
    pub fn open_by_pointer(
        &mut self, object: ObjectId, desired_access: AccessMask, attributes: Attributes,
    ) -> NtResult<Handle> {
        let granted = self.grant_for(object, desired_access, attributes);
        let audited = self.audit_open(object, desired_access, granted.as_ref().ok().copied());
        let handle = self.open_handle(object, granted?, attributes)?;
        if let Some(entry) = self.handle_entry_mut(handle).filter(|_| audited) {
            entry.attributes |= HandleAttributes::AUDIT_OBJECT_CLOSE;
        }
        Ok(handle)
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
        let object = match &name.name {
            None => self.root_of(&name)?.ok_or(NtStatus::OBJECT_PATH_SYNTAX_BAD)?,
            Some(path) => match self.look_up(&name, path, T::TYPE)? {
                Lookup::Found(object) => object,
                Lookup::Parse { object, rest } if rest.is_empty() => object,
                Lookup::Parse { .. } => return Err(NtStatus::OBJECT_TYPE_MISMATCH.into()),
                Lookup::Missing { .. } => return Err(NtStatus::OBJECT_NAME_NOT_FOUND.into()),
            },
        };
        if self.kernel.ob.type_of(object) != Some(T::TYPE) {
            return Err(NtStatus::OBJECT_TYPE_MISMATCH.into());
        }
        self.open_by_pointer(object, desired_access, name.attributes)
    }

    /// What the services that create an object have in common: the handle is probed, and stored.
    pub fn create_and_store(
        &mut self, handle: UserPtr<Handle>, desired_access: AccessMask, attributes: Option<UserPtr<ObjectAttributes>>,
        body: Body,
    ) -> NtResult {
        let (opened, status) = self.create_object(desired_access, attributes, body)?;
        self.mem().store(handle, &opened)?;
        Ok(status)
    }

    /// What the services that open an object by name have in common.
    pub fn open_and_store<T: BodyKind>(
        &mut self, handle: UserPtr<Handle>, desired_access: AccessMask, attributes: Option<UserPtr<ObjectAttributes>>,
    ) -> NtResult {
        self.probe_handle(handle)?;
        let opened = self.open_object::<T>(desired_access, attributes)?;
        self.mem().store(handle, &opened)?;
        Ok(NtStatus::SUCCESS)
    }
}
