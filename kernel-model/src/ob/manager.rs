//! The object store: headers, reference counts, names.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use guest::NtStatus;

use super::directory::{Directory, ObjectName, hash_of};
use super::handle_table::HandleTable;
use super::lookup::{Lookup, Walk};
use super::types::{ObjectType, TypeInfo, Types};
use crate::se::SecurityDescriptor;

/// An object's place in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub u32);

/// Who waits, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// The thread's id.
    pub thread: u32,
    /// The interrupt time.
    pub now: u64,
    /// Which side of an object that has several ([`WaitOn::Objects`](crate::service::WaitOn)).
    pub side: u8,
}

/// What the kernel puts behind an object's header. The object manager itself knows directories and links.
pub trait Body: Clone {
    /// The type.
    fn object_type(&self) -> ObjectType;
    /// The directory in it.
    fn directory(&self) -> Option<&Directory>;
    /// The same, to change it.
    fn directory_mut(&mut self) -> Option<&mut Directory>;
    /// The target of the symbolic link in it.
    fn link_target(&self) -> Option<&[u16]>;
    /// Whether the object looks up what stands behind its own name itself (`OBJECT_TYPE.ParseProcedure`).
    fn parses(&self) -> bool;
    /// A directory as a body.
    fn from_directory(directory: Directory) -> Self;
    /// The type object of the type with this index.
    fn from_type(index: u8) -> Self;
    /// Whether a wait would be satisfied. `None`: the object cannot be waited on.
    fn signaled(&self, waiter: Waiter) -> Option<bool>;
    /// What a satisfied wait does to the object.
    ///
    /// `STATUS_ABANDONED` for a mutant whose owner has ended; `STATUS_MUTANT_LIMIT_EXCEEDED`.
    fn satisfy(&mut self, waiter: Waiter) -> Result<NtStatus, NtStatus>;
    /// The interrupt time at which the object will become signalled by itself.
    fn due(&self) -> Option<u64>;
    /// Whether somebody must be told when the object is deleted ([`ObjectManager::take_dead`]).
    fn has_delete_procedure(&self) -> bool;
    /// Whether somebody must be told when its last handle is closed ([`ObjectManager::take_closed`]).
    fn has_close_procedure(&self) -> bool;
}

/// An object with its header.
#[derive(Clone, Debug)]
pub struct Object<B> {
    /// `HandleCount`.
    pub handle_count: u32,
    /// References: one for each handle, one for the name, one for whoever else points to the object.
    pub references: u64,
    /// References that handles hold in store ([`RefCache`](super::RefCache)).
    pub cached: u64,
    /// `OB_FLAG_PERMANENT_OBJECT`: it stays when its last handle goes.
    pub permanent: bool,
    /// `OB_FLAG_EXCLUSIVE_OBJECT`: only one handle may be open.
    pub exclusive: bool,
    /// When it was made, in system time; only links tell.
    pub created: u64,
    /// Its directory and name.
    pub name: Option<(ObjectId, ObjectName)>,
    /// Where in the directory the name is.
    name_slot: u32,
    /// How many waits are on it; each is a reference.
    waiters: u32,
    /// Its security descriptor, which objects that were made alike share; an unnamed object may have none.
    pub security: Option<Arc<SecurityDescriptor>>,
    /// What it is.
    pub body: B,
}

impl<B> Object<B> {
    /// `PointerCount`, as the header has it.
    pub fn pointer_count(&self) -> u64 {
        self.references + self.cached
    }
}

/// Every object of a machine.
#[derive(Clone, Debug)]
pub struct ObjectManager<B> {
    objects: Vec<Option<Object<B>>>,
    free: Vec<u32>,
    /// The types.
    pub types: Types,
    root: ObjectId,
    /// `ObpKernelHandleTable`.
    pub kernel_handles: HandleTable,
    /// The directory that `\??` names for the processes there are.
    pub device_map: Option<ObjectId>,
    /// Private namespaces by boundary descriptor.
    pub(super) namespaces: BTreeMap<Vec<u8>, ObjectId>,
    dead: Vec<B>,
    closed: Vec<ObjectId>,
    /// `WaitListHead`: the threads that wait on an object, in order.
    waiters: BTreeMap<ObjectId, VecDeque<u32>>,
    /// Objects that somebody waits on and that may have changed.
    touched: Vec<ObjectId>,
}

impl<B: Body> ObjectManager<B> {
    /// A store with an empty root directory.
    pub fn new(types: Types) -> Self {
        let mut manager = Self {
            objects: Vec::new(),
            free: Vec::new(),
            types,
            root: ObjectId(0),
            kernel_handles: HandleTable::default(),
            device_map: None,
            namespaces: BTreeMap::new(),
            dead: Vec::new(),
            closed: Vec::new(),
            waiters: BTreeMap::new(),
            touched: Vec::new(),
        };
        manager.root = manager.create(B::from_directory(Directory::default()));
        manager.make_permanent(manager.root);
        manager
    }

    /// The directory `\`.
    pub fn root(&self) -> ObjectId {
        self.root
    }

    /// Makes an object with one reference, the creator's.
    pub fn create(&mut self, body: B) -> ObjectId {
        if let Some(info) = self.types.get_mut(body.object_type()) {
            info.count_object();
        }
        let object = Object {
            handle_count: 0,
            references: 1,
            cached: 0,
            permanent: false,
            exclusive: false,
            created: 0,
            name: None,
            name_slot: 0,
            waiters: 0,
            security: None,
            body,
        };
        if let Some(index) = self.free.pop() {
            if let Some(slot) = self.objects.get_mut(index as usize) {
                *slot = Some(object);
            }
            return ObjectId(index);
        }
        self.objects.push(Some(object));
        ObjectId((self.objects.len() - 1) as u32)
    }

    /// An object.
    #[inline]
    pub fn get(&self, id: ObjectId) -> Option<&Object<B>> {
        self.objects.get(id.0 as usize)?.as_ref()
    }

    /// An object, to change it. Where somebody waits on it, the waits are looked at again ([`ObjectManager::take_touched`]).
    #[inline]
    pub fn get_mut(&mut self, id: ObjectId) -> Option<&mut Object<B>> {
        let object = self.objects.get_mut(id.0 as usize)?.as_mut()?;
        if object.waiters > 0 && self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
        Some(object)
    }

    /// Enters a thread that waits on an object: a reference.
    pub fn add_waiter(&mut self, id: ObjectId, thread: u32) {
        let Some(object) = self.objects.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
        object.waiters += 1;
        object.references += 1;
        self.waiters.entry(id).or_default().push_back(thread);
    }

    /// Takes one of a thread's waits off an object.
    pub fn remove_waiter(&mut self, id: ObjectId, thread: u32) {
        let Some(queue) = self.waiters.get_mut(&id) else { return };
        let Some(at) = queue.iter().position(|&t| t == thread) else { return };
        queue.remove(at);
        if queue.is_empty() {
            self.waiters.remove(&id);
        }
        if let Some(object) = self.objects.get_mut(id.0 as usize).and_then(Option::as_mut) {
            object.waiters = object.waiters.saturating_sub(1);
        }
        self.dereference(id);
    }

    /// The `index`-th thread that waits on an object.
    pub fn waiter_of(&self, id: ObjectId, index: usize) -> Option<u32> {
        self.waiters.get(&id)?.get(index).copied()
    }

    /// An object that is waited on and that may have become signalled.
    #[inline]
    pub fn take_touched(&mut self) -> Option<ObjectId> {
        self.touched.pop()
    }

    /// Every object, by place.
    pub fn iter(&self) -> impl Iterator<Item = (ObjectId, &Object<B>)> {
        self.objects.iter().zip(0..).filter_map(|(o, i)| Some((ObjectId(i), o.as_ref()?)))
    }

    /// An object's type.
    pub fn type_of(&self, id: ObjectId) -> Option<ObjectType> {
        self.get(id).map(|o| o.body.object_type())
    }

    /// What is known of a type.
    #[inline]
    pub fn type_info(&self, object_type: ObjectType) -> Option<&TypeInfo> {
        self.types.get(object_type)
    }

    pub(super) fn directory(&self, id: ObjectId) -> Option<&Directory> {
        self.get(id)?.body.directory()
    }

    fn directory_mut(&mut self, id: ObjectId) -> Option<&mut Directory> {
        self.get_mut(id)?.body.directory_mut()
    }

    pub(super) fn link_target(&self, id: ObjectId) -> Option<&[u16]> {
        self.get(id)?.body.link_target()
    }

    /// `ObMakePermanentObject`: the object keeps its name when its last handle goes.
    pub fn make_permanent(&mut self, id: ObjectId) {
        if let Some(object) = self.get_mut(id) {
            object.permanent = true;
        }
    }

    /// `ObMakeTemporaryObject`: the object is deleted when it is no longer used; at once, if it is not now.
    pub fn make_temporary(&mut self, id: ObjectId) {
        let Some(object) = self.get_mut(id) else { return };
        object.permanent = false;
        if object.handle_count == 0 && id != self.root {
            self.remove_name(id);
        }
    }

    /// `ObReferenceObject`.
    pub fn reference(&mut self, id: ObjectId) {
        if let Some(object) = self.get_mut(id) {
            object.references += 1;
        }
    }

    /// `ObDereferenceObject`: the last reference deletes the object.
    pub fn dereference(&mut self, id: ObjectId) {
        let mut next = Some(id);
        // A directory takes the last reference of the one it shadows with it, and so on: a loop, because a guest can
        // make as many as it likes.
        while let Some(id) = next.take() {
            let Some(object) = self.get_mut(id) else { return };
            object.references = object.references.saturating_sub(1);
            if object.references == 0 {
                next = self.delete(id);
            }
        }
    }

    /// Deletes an object; the directory that it shadowed is told.
    fn delete(&mut self, id: ObjectId) -> Option<ObjectId> {
        let object = self.objects.get_mut(id.0 as usize).and_then(Option::take)?;
        self.free.push(id.0);
        if let Some(info) = self.types.get_mut(object.body.object_type()) {
            info.objects = info.objects.saturating_sub(1);
        }
        let directory = object.body.directory();
        let shadow = directory.and_then(|d| d.shadow);
        if directory.is_some_and(|d| d.private) {
            self.namespaces.retain(|_, &mut namespace| namespace != id);
        }
        if object.body.has_delete_procedure() {
            self.dead.push(object.body);
        }
        shadow
    }

    /// The bodies of deleted objects that somebody must look after.
    #[inline]
    pub fn take_dead(&mut self) -> Option<B> {
        self.dead.pop()
    }

    /// The objects with a close procedure whose last handle was closed. They are referenced.
    #[inline]
    pub fn take_closed(&mut self) -> Option<ObjectId> {
        self.closed.pop()
    }

    /// A handle to the object was opened: it counts as a handle and as references, one of its own and those in store.
    pub fn handle_opened(&mut self, id: ObjectId, cached: u16) {
        let Some(object) = self.get_mut(id) else { return };
        object.handle_count += 1;
        object.references += 1;
        object.cached += u64::from(cached);
        let object_type = object.body.object_type();
        if let Some(info) = self.types.get_mut(object_type) {
            info.count_handle();
        }
    }

    /// A handle took references into store, or used one up.
    #[inline]
    pub fn handle_used(&mut self, id: ObjectId, change: i64) {
        if let Some(object) = self.get_mut(id) {
            object.cached = object.cached.saturating_add_signed(change);
        }
    }

    /// A handle was closed: the last one takes a temporary object's name with it.
    pub fn handle_closed(&mut self, id: ObjectId, cached: u16) {
        let Some(object) = self.get_mut(id) else { return };
        object.handle_count = object.handle_count.saturating_sub(1);
        object.cached = object.cached.saturating_sub(cached.into());
        let (last, permanent) = (object.handle_count == 0, object.permanent);
        let (object_type, tell) = (object.body.object_type(), object.body.has_close_procedure());
        if let Some(info) = self.types.get_mut(object_type) {
            info.handles = info.handles.saturating_sub(1);
        }
        if last && tell {
            self.reference(id);
            self.closed.push(id);
        }
        if last && !permanent {
            self.remove_name(id);
        }
        self.dereference(id);
    }

    /// Enters an object into a directory. The name is a reference to the object, and one to the directory.
    pub fn set_name(&mut self, id: ObjectId, directory: ObjectId, name: ObjectName) {
        let hash = hash_of(&name);
        let Some(slot) = self.directory_mut(directory).map(|d| d.insert(hash, id)) else { return };
        self.reference(directory);
        if let Some(object) = self.get_mut(id) {
            object.name = Some((directory, name));
            object.name_slot = slot;
            object.references += 1;
        }
    }

    fn remove_name(&mut self, id: ObjectId) {
        let Some(object) = self.get_mut(id) else { return };
        let slot = object.name_slot;
        let Some((directory, _)) = object.name.take() else { return };
        if let Some(entries) = self.directory_mut(directory) {
            entries.remove(slot);
        }
        self.dereference(directory);
        self.dereference(id);
    }

    /// Puts a directory behind another: what is not in the first is searched there.
    pub fn set_shadow(&mut self, directory: ObjectId, shadow: ObjectId) {
        self.reference(shadow);
        if let Some(entries) = self.directory_mut(directory) {
            entries.shadow = Some(shadow);
        }
    }

    /// An object's full path, where it has a name.
    pub fn path_of(&self, id: ObjectId) -> Option<String> {
        Some(String::from_utf16_lossy(&self.path_units(id)?))
    }

    /// The same in UTF-16 units.
    pub fn path_units(&self, id: ObjectId) -> Option<ObjectName> {
        let mut parts = Vec::new();
        let mut at = id;
        while at != self.root {
            let (directory, name) = self.get(at)?.name.as_ref()?;
            parts.push(name);
            at = *directory;
        }
        let separator = u16::from(b'\\');
        if parts.is_empty() {
            return Some(vec![separator]);
        }
        Some(parts.iter().rev().flat_map(|part| std::iter::once(separator).chain(part.iter().copied())).collect())
    }

    /// Boot-time set-up: makes a permanent object at a path whose directory exists.
    pub fn create_at(&mut self, path: &str, body: B) -> Option<ObjectId> {
        let path: ObjectName = path.encode_utf16().collect();
        let walk = Walk { path: &path, ..Walk::default() };
        let Ok(Lookup::Missing { directory, name }) = self.lookup(&walk) else { return None };
        let id = self.create(body);
        self.make_permanent(id);
        self.set_name(id, directory, name);
        // The name's reference keeps it.
        self.dereference(id);
        Some(id)
    }

    /// Boot-time set-up: an object for each type in `\ObjectTypes`.
    pub fn create_type_objects(&mut self) {
        let types: Vec<(u8, &str)> = self.types.iter().map(|t| (t.index, t.name)).collect();
        for (index, name) in types {
            self.create_at(&format!("\\ObjectTypes\\{name}"), B::from_type(index));
        }
    }

    /// Checks the store against itself; references and handles are counted by [`crate::Kernel::check_invariants`].
    pub(crate) fn check(&self) -> Result<(), String> {
        for (id, object) in self.iter() {
            if object.references == 0 {
                return Err(format!("{id:?} has no reference and is there"));
            }
            if let Some(directory) = object.body.directory() {
                let names: Vec<ObjectId> = directory.iter().collect();
                if names.len() != directory.len() {
                    return Err(format!("{id:?} has {} names and counts {}", names.len(), directory.len()));
                }
                for child in names {
                    let name = self.get(child).and_then(|o| o.name.as_ref()).filter(|(parent, _)| *parent == id);
                    let (_, name) = name.ok_or(format!("{child:?} is in {id:?} and has no name there"))?;
                    if self.entry(id, name, false).is_none() {
                        return Err(format!("{child:?} is not found in {id:?}"));
                    }
                }
            }
        }
        for object_type in ObjectType::ALL {
            let objects = self.iter().filter(|(_, o)| o.body.object_type() == *object_type);
            let counted = objects.fold((0, 0), |(n, h), (_, o)| (n + 1, h + o.handle_count));
            let told = self.type_info(*object_type).map(|t| (t.objects, t.handles));
            if told != Some(counted) {
                return Err(format!("{object_type:?}: {counted:?} objects and handles, {told:?} told"));
            }
        }
        for (id, queue) in &self.waiters {
            if self.get(*id).is_none_or(|o| o.waiters as usize != queue.len()) || queue.is_empty() {
                return Err(format!("{id:?} does not have the {} waiters that are listed", queue.len()));
            }
        }
        if self.free.iter().any(|&id| self.get(ObjectId(id)).is_some()) {
            return Err("a free place is in use".into());
        }
        Ok(())
    }
}
