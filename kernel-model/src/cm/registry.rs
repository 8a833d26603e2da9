//! The registry: every key of a machine, in one store.

use std::collections::BTreeMap;
use std::sync::Arc;

use guest::NtStatus;

use super::node::{KeyId, Node, compare_names};
use crate::ob::{ObjectId, ObjectName};

/// The longest name of a key, in UTF-16 units ("Registry Element Size Limits").
pub const MAX_KEY_NAME: usize = 255;
/// How deep a tree of keys may be (the same).
pub const MAX_DEPTH: u16 = 512;
/// The most bytes that names and data may take. Source: none; Windows' is the disk's and the paged pool's.
const QUOTA: u64 = 512 << 20;
/// What a key counts for besides its name.
const KEY_COST: u64 = 80;

/// The keys. Cloning it is cheap: keys are shared until one of the copies changes them.
#[derive(Clone, Debug)]
pub struct Registry {
    nodes: Vec<Option<Arc<Node>>>,
    free: Vec<u32>,
    root: KeyId,
    bytes: u64,
    /// Key objects that wait for changes, by the key that they are of.
    pub(super) watches: BTreeMap<KeyId, Vec<ObjectId>>,
}

impl Registry {
    /// A registry of one key, its root.
    pub fn new(root: Node) -> Self {
        let nodes = vec![Some(Arc::new(Node { fixed: true, volatile: true, ..root }))];
        Self { nodes, free: Vec::new(), root: KeyId(0), bytes: 0, watches: BTreeMap::new() }
    }

    /// `\REGISTRY`.
    pub fn root(&self) -> KeyId {
        self.root
    }

    /// A key, which may be deleted and still open.
    pub fn get(&self, id: KeyId) -> Option<&Node> {
        self.nodes.get(id.0 as usize)?.as_deref()
    }

    /// A key, to change it.
    pub fn get_mut(&mut self, id: KeyId) -> Option<&mut Node> {
        self.nodes.get_mut(id.0 as usize)?.as_mut().map(Arc::make_mut)
    }

    /// A key that is not deleted.
    ///
    /// `STATUS_KEY_DELETED`.
    pub fn live(&self, id: KeyId) -> Result<&Node, NtStatus> {
        self.get(id).filter(|node| !node.deleted).ok_or(NtStatus::KEY_DELETED)
    }

    fn place(&self, children: &[KeyId], name: &[u16]) -> Result<usize, usize> {
        children.binary_search_by(|id| compare_names(self.get(*id).map_or(&[][..], |node| &node.name), name))
    }

    /// A subkey by name, in any case.
    pub fn child(&self, parent: KeyId, name: &[u16]) -> Option<KeyId> {
        let node = self.get(parent)?;
        node.children.iter().find_map(|list| list.get(self.place(list, name).ok()?).copied())
    }

    /// Counts bytes that are to be stored.
    ///
    /// `STATUS_REGISTRY_QUOTA_LIMIT`.
    pub fn charge(&mut self, bytes: u64) -> Result<(), NtStatus> {
        let total = self.bytes.saturating_add(bytes);
        if total > QUOTA {
            return Err(NtStatus::REGISTRY_QUOTA_LIMIT);
        }
        self.bytes = total;
        Ok(())
    }

    /// Counts bytes that are stored no longer.
    pub fn uncharge(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Puts a new key into another.
    ///
    /// `STATUS_INVALID_PARAMETER` for a name that is empty or too long; `STATUS_OBJECT_NAME_COLLISION`,
    /// `STATUS_CHILD_MUST_BE_VOLATILE`, `STATUS_NAME_TOO_LONG` (512 levels), `STATUS_REGISTRY_QUOTA_LIMIT`,
    /// `STATUS_KEY_DELETED`.
    pub fn add(&mut self, parent: KeyId, mut node: Node) -> Result<KeyId, NtStatus> {
        if node.name.is_empty() || node.name.len() > MAX_KEY_NAME {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let above = self.live(parent)?;
        // What is above hives does not last, and they are put into it.
        if above.volatile && !node.volatile && !(node.fixed && above.depth <= 1) {
            return Err(NtStatus::CHILD_MUST_BE_VOLATILE);
        }
        node.depth = above.depth + 1;
        if node.depth >= MAX_DEPTH {
            return Err(NtStatus::NAME_TOO_LONG);
        }
        if self.child(parent, &node.name).is_some() {
            return Err(NtStatus::OBJECT_NAME_COLLISION);
        }
        self.charge(KEY_COST + 2 * node.name.len() as u64)?;
        node.parent = Some(parent);
        let id = match self.free.pop() {
            Some(index) => KeyId(index),
            None => {
                self.nodes.push(None);
                KeyId(self.nodes.len() as u32 - 1)
            }
        };
        if let Some(slot) = self.nodes.get_mut(id.0 as usize) {
            *slot = Some(Arc::new(node));
        }
        self.enter(parent, id);
        Ok(id)
    }

    /// Lists a key in the one it is in.
    fn enter(&mut self, parent: KeyId, id: KeyId) {
        let Some(node) = self.get(id) else { return };
        let (volatile, name) = (usize::from(node.volatile), node.name.clone());
        let place = self.get(parent).and_then(|above| above.children.get(volatile)).map(|l| self.place(l, &name));
        let list = self.get_mut(parent).and_then(|above| above.children.get_mut(volatile));
        if let (Some(list), Some(Ok(place) | Err(place))) = (list, place) {
            list.insert(place.min(list.len()), id);
        }
    }

    /// Takes a key out of the list of the one it is in.
    fn leave(&mut self, id: KeyId) {
        let Some((parent, volatile, name)) =
            self.get(id).and_then(|n| Some((n.parent?, usize::from(n.volatile), n.name.clone())))
        else {
            return;
        };
        let place = self.get(parent).and_then(|above| above.children.get(volatile)).map(|l| self.place(l, &name));
        let list = self.get_mut(parent).and_then(|above| above.children.get_mut(volatile));
        if let (Some(list), Some(Ok(place))) = (list, place) {
            list.remove(place);
        }
    }

    /// Deletes a key without subkeys. It stays for those who have it open.
    ///
    /// `STATUS_CANNOT_DELETE` for one with subkeys, or the root of a hive; `STATUS_KEY_DELETED`.
    pub fn delete(&mut self, id: KeyId) -> Result<(), NtStatus> {
        let node = self.live(id)?;
        if node.fixed || node.child_count() > 0 {
            return Err(NtStatus::CANNOT_DELETE);
        }
        self.unlink(id);
        Ok(())
    }

    /// Takes a key out of the tree, whatever is in it.
    fn unlink(&mut self, id: KeyId) {
        self.leave(id);
        let Some(node) = self.get_mut(id) else { return };
        let data: u64 = node.values.iter().map(|v| v.data.len() as u64 + 2 * v.name.len() as u64).sum();
        let bytes = KEY_COST + 2 * node.name.len() as u64 + data;
        (node.deleted, node.parent) = (true, None);
        node.children.iter_mut().for_each(Vec::clear);
        node.values = Default::default();
        self.uncharge(bytes);
        self.drop_unused(id);
    }

    /// Takes a key and all below it out of the tree, as unloading a hive does.
    pub fn delete_tree(&mut self, id: KeyId) {
        self.below(id).into_iter().rev().for_each(|id| self.unlink(id));
    }

    /// A key and all below it, parents first.
    pub fn below(&self, id: KeyId) -> Vec<KeyId> {
        let mut found = vec![id];
        let mut at = 0;
        while let Some(&next) = found.get(at) {
            found.extend(self.get(next).into_iter().flat_map(Node::children));
            at += 1;
        }
        found
    }

    /// Gives a key another name.
    ///
    /// `STATUS_CANNOT_DELETE` for the root of a hive or a name that is taken; `STATUS_KEY_DELETED`.
    pub fn rename(&mut self, id: KeyId, name: &[u16]) -> Result<(), NtStatus> {
        let node = self.live(id)?;
        let parent = node.parent.filter(|_| !node.fixed).ok_or(NtStatus::CANNOT_DELETE)?;
        if self.child(parent, name).is_some_and(|other| other != id) {
            return Err(NtStatus::CANNOT_DELETE);
        }
        self.leave(id);
        if let Some(node) = self.get_mut(id) {
            node.name = name.to_vec();
        }
        self.enter(parent, id);
        Ok(())
    }

    /// A key object was made.
    pub fn open(&mut self, id: KeyId) {
        if let Some(node) = self.get_mut(id) {
            node.opens += 1;
        }
    }

    /// A key object is gone.
    pub fn close(&mut self, id: KeyId) {
        if let Some(node) = self.get_mut(id) {
            node.opens = node.opens.saturating_sub(1);
        }
        self.drop_unused(id);
    }

    fn drop_unused(&mut self, id: KeyId) {
        if self.get(id).is_some_and(|node| node.deleted && node.opens == 0) {
            if let Some(slot) = self.nodes.get_mut(id.0 as usize) {
                *slot = None;
            }
            self.free.push(id.0);
        }
    }

    /// A key object asks for changes no longer.
    pub(crate) fn unwatch(&mut self, id: KeyId, object: ObjectId) {
        if let Some(watching) = self.watches.get_mut(&id) {
            watching.retain(|&other| other != object);
            if watching.is_empty() {
                self.watches.remove(&id);
            }
        }
    }

    /// The names from the root down to a key, without `REGISTRY`; `None` for a deleted key.
    pub fn components(&self, id: KeyId) -> Option<Vec<ObjectName>> {
        let mut names = Vec::new();
        let mut at = id;
        while at != self.root {
            let node = self.get(at)?;
            names.push(node.name.clone());
            at = node.parent?;
        }
        names.reverse();
        Some(names)
    }

    /// A key's full path, beginning with `\REGISTRY`; `None` for a deleted key.
    pub fn path_units(&self, id: KeyId) -> Option<ObjectName> {
        let mut path: ObjectName = "\\REGISTRY".encode_utf16().collect();
        for name in self.components(id)? {
            path.push(u16::from(b'\\'));
            path.extend(name);
        }
        Some(path)
    }

    /// The same as a text.
    pub fn path_of(&self, id: KeyId) -> Option<String> {
        Some(String::from_utf16_lossy(&self.path_units(id)?))
    }

    /// The key at a path that begins with `\REGISTRY`; links are not followed.
    pub fn find(&self, path: &str) -> Option<KeyId> {
        let mut names = path.split('\\').filter(|name| !name.is_empty());
        names.next().filter(|first| first.eq_ignore_ascii_case("REGISTRY"))?;
        names.try_fold(self.root, |at, name| self.child(at, &name.encode_utf16().collect::<Vec<_>>()))
    }

    /// Checks the store against itself.
    pub(crate) fn check(&self) -> Result<(), String> {
        let live = self.below(self.root);
        for &id in &live {
            let node = self.get(id).ok_or(format!("{id:?} is listed and not there"))?;
            if node.deleted || !node.check() {
                return Err(format!("{id:?} is deleted and listed, or its values are not in order"));
            }
            for (volatile, list) in node.children.iter().enumerate() {
                for &child in list {
                    let child_node = self.get(child).ok_or(format!("{child:?} is listed and not there"))?;
                    let fits = child_node.parent == Some(id) && usize::from(child_node.volatile) == volatile;
                    if !fits || self.child(id, &child_node.name) != Some(child) {
                        return Err(format!("{child:?} is not found in {id:?}"));
                    }
                }
            }
        }
        let there = self.nodes.iter().flatten();
        let left = there.filter(|node| node.deleted);
        if left.clone().any(|node| node.opens == 0) {
            return Err("a deleted key that nobody has open is there".into());
        }
        if live.len() + left.count() + self.free.len() != self.nodes.len() {
            return Err("a key is neither in the tree nor deleted".into());
        }
        Ok(())
    }

    /// How many key objects there are of each key, by the keys' own counts.
    pub(crate) fn opens(&self) -> BTreeMap<KeyId, u32> {
        let nodes = self.nodes.iter().zip(0..).filter_map(|(node, i)| Some((KeyId(i), node.as_ref()?.opens)));
        nodes.filter(|(_, opens)| *opens > 0).collect()
    }
}
