//! The object store: headers, reference counts, names.

use std::sync::Arc;

use super::directory::{Directory, Lookup, ObjectName};
use super::types::{ObjectType, TypeInfo};
use crate::se::SecurityDescriptor;

/// An object's place in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub u32);

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
    /// A directory as a body.
    fn from_directory(directory: Directory) -> Self;
    /// Tries to satisfy a wait, with its side effects. `None`: the object cannot be waited on.
    fn try_acquire(&mut self) -> Option<bool>;
}

/// An object with its header.
#[derive(Clone, Debug)]
pub struct Object<B> {
    /// `HandleCount`.
    pub handle_count: u32,
    /// `PointerCount`: references, those by handles included.
    pub pointer_count: u64,
    /// It stays when its last handle goes.
    pub permanent: bool,
    /// Its directory and name.
    pub name: Option<(ObjectId, ObjectName)>,
    /// Its security descriptor, which objects that were made alike share; an unnamed object may have none.
    pub security: Option<Arc<SecurityDescriptor>>,
    /// What it is.
    pub body: B,
}

/// Every object of a machine.
#[derive(Clone, Debug)]
pub struct ObjectManager<B> {
    objects: Vec<Option<Object<B>>>,
    free: Vec<u32>,
    types: Vec<TypeInfo>,
    root: ObjectId,
}

impl<B: Body> ObjectManager<B> {
    /// A store with an empty root directory.
    pub fn new() -> Self {
        let mut manager = Self { objects: Vec::new(), free: Vec::new(), types: TypeInfo::all(), root: ObjectId(0) };
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
        let object = Object { handle_count: 0, pointer_count: 1, permanent: false, name: None, security: None, body };
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

    /// An object, to change it.
    #[inline]
    pub fn get_mut(&mut self, id: ObjectId) -> Option<&mut Object<B>> {
        self.objects.get_mut(id.0 as usize)?.as_mut()
    }

    /// An object's type.
    pub fn type_of(&self, id: ObjectId) -> Option<ObjectType> {
        self.get(id).map(|o| o.body.object_type())
    }

    /// What is known of a type.
    pub fn type_info(&self, object_type: ObjectType) -> Option<&TypeInfo> {
        self.types.iter().find(|t| t.object_type == object_type)
    }

    pub(super) fn directory(&self, id: ObjectId) -> Option<&Directory> {
        self.get(id)?.body.directory()
    }

    pub(super) fn link_target(&self, id: ObjectId) -> Option<&[u16]> {
        self.get(id)?.body.link_target()
    }

    /// `ObMakePermanentObject` for what exists from boot on.
    pub fn make_permanent(&mut self, id: ObjectId) {
        if let Some(object) = self.get_mut(id) {
            object.permanent = true;
        }
    }

    /// `ObReferenceObject`.
    pub fn reference(&mut self, id: ObjectId) {
        if let Some(object) = self.get_mut(id) {
            object.pointer_count += 1;
        }
    }

    /// `ObDereferenceObject`: the last reference deletes the object.
    pub fn dereference(&mut self, id: ObjectId) {
        let Some(object) = self.get_mut(id) else { return };
        object.pointer_count = object.pointer_count.saturating_sub(1);
        if object.pointer_count > 0 || object.permanent {
            return;
        }
        self.remove_name(id);
        if let Some(slot) = self.objects.get_mut(id.0 as usize) {
            *slot = None;
            self.free.push(id.0);
        }
    }

    /// A handle to the object was opened: it counts as a handle and as a reference.
    pub fn handle_opened(&mut self, id: ObjectId) {
        if let Some(object) = self.get_mut(id) {
            object.handle_count += 1;
            object.pointer_count += 1;
        }
    }

    /// A handle was closed: the last one takes a temporary object's name with it.
    pub fn handle_closed(&mut self, id: ObjectId) {
        let Some(object) = self.get_mut(id) else { return };
        object.handle_count = object.handle_count.saturating_sub(1);
        if object.handle_count == 0 && !object.permanent {
            self.remove_name(id);
        }
        self.dereference(id);
    }

    /// Enters an object into a directory, which is referenced for as long as the name is there.
    pub fn set_name(&mut self, id: ObjectId, directory: ObjectId, name: ObjectName) {
        if let Some(entries) = self.get_mut(directory).and_then(|d| d.body.directory_mut()) {
            entries.insert(name.clone(), id);
        }
        self.reference(directory);
        if let Some(object) = self.get_mut(id) {
            object.name = Some((directory, name));
        }
    }

    fn remove_name(&mut self, id: ObjectId) {
        let Some((directory, name)) = self.get_mut(id).and_then(|o| o.name.take()) else { return };
        if let Some(entries) = self.get_mut(directory).and_then(|d| d.body.directory_mut()) {
            entries.remove(&name);
        }
        self.dereference(directory);
    }

    /// An object's full path, where it has a name.
    pub fn path_of(&self, id: ObjectId) -> Option<String> {
        let mut parts = Vec::new();
        let mut at = id;
        while at != self.root {
            let (directory, name) = self.get(at)?.name.as_ref()?;
            parts.push(String::from_utf16_lossy(name));
            at = *directory;
        }
        parts.push(String::new());
        parts.reverse();
        Some(if parts.len() == 1 { "\\".into() } else { parts.join("\\") })
    }

    /// Boot-time set-up: makes a permanent object at a path whose directory exists.
    pub fn create_at(&mut self, path: &str, body: B) -> Option<ObjectId> {
        let path: ObjectName = path.encode_utf16().collect();
        let Ok(Lookup::Missing { directory, name }) = self.lookup(None, &path, false) else { return None };
        let id = self.create(body);
        self.make_permanent(id);
        self.set_name(id, directory, name);
        Some(id)
    }
}

impl<B: Body> Default for ObjectManager<B> {
    fn default() -> Self {
        Self::new()
    }
}
