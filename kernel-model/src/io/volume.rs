//! Volumes in memory, as NTFS would have them: files and directories with names that keep their case and are found
//! without it. A directory may be a folder of the host's, whose files are known only while they are open.

use std::collections::BTreeMap;
use std::sync::Arc;

use guest::NtStatus;

use super::data::Data;
use super::host::{HostPath, Times};
use super::lock::Lock;
use super::name::{Name, SEPARATOR, key, name_of};
use super::rights::attribute;
use super::share::Opens;
use crate::se::SecurityDescriptor;

/// Bytes of a record in the master file table.
const RECORD: u64 = 0x400;

/// A file or directory of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// A file or directory, and its volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The volume's place among them.
    pub volume: u32,
    /// The file.
    pub node: NodeId,
}

/// What a file is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A directory: names in the order in which NTFS lists them.
    Directory(BTreeMap<Name, NodeId>),
    /// A file.
    File(Data),
}

/// A file or directory.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its directory; `None`: the root.
    pub parent: Option<NodeId>,
    /// Its name, as it was given.
    pub name: Name,
    /// What it is.
    pub kind: Kind,
    /// `FILE_ATTRIBUTE_*`, as far as they are kept.
    pub attributes: u32,
    /// Times.
    pub times: Times,
    /// Its number, which no other file of the volume ever has.
    pub id: u64,
    /// Its descriptor; on a host's folder there are none.
    pub security: Option<Arc<SecurityDescriptor>>,
    /// The mounted folder that it is, or is in.
    pub folder: Option<u32>,
    /// It is that folder.
    pub is_mount: bool,
    /// Who has it open.
    pub opens: Opens,
    /// It goes when nobody has it open any more.
    pub delete_pending: bool,
    /// Ranges that are locked.
    pub locks: Vec<Lock>,
}

impl Node {
    /// A new one. Its place and number come when it is added.
    pub fn new(kind: Kind, attributes: u32, now: u64) -> Self {
        Self {
            parent: None,
            name: Name::new(),
            kind,
            attributes,
            times: Times { created: now, accessed: now, written: now, changed: now },
            id: 0,
            security: None,
            folder: None,
            is_mount: false,
            opens: Opens::default(),
            delete_pending: false,
            locks: Vec::new(),
        }
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory(_))
    }

    /// What it takes on the volume.
    fn cost(&self) -> u64 {
        match &self.kind {
            Kind::File(data) => RECORD + data.allocated(),
            Kind::Directory(_) => RECORD,
        }
    }
}

/// A volume.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Its drive letter, in upper case.
    pub letter: char,
    /// Its label.
    pub label: Name,
    /// Its serial number.
    pub serial: u32,
    /// Bytes on it.
    pub capacity: u64,
    /// Bytes in use.
    pub used: u64,
    /// When it was made.
    pub created: u64,
    nodes: Vec<Option<Node>>,
    free: Vec<u32>,
    next_id: u64,
}

impl Volume {
    /// The root directory.
    pub const ROOT: NodeId = NodeId(0);

    /// A volume with an empty root directory.
    pub fn new(letter: char, label: &str, capacity: u64, now: u64) -> Self {
        // The number of NTFS's root directory; files' own begin behind the system's.
        let mut root = Node::new(Kind::Directory(BTreeMap::new()), attribute::HIDDEN | attribute::SYSTEM, now);
        root.id = 5 | 5 << 48;
        let serial = 0x5447_0000 | u32::from(letter);
        let (nodes, label) = (vec![Some(root)], name_of(label));
        Self { letter, label, serial, capacity, used: 0, created: now, nodes, free: Vec::new(), next_id: 0x27 }
    }

    /// A file.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize)?.as_ref()
    }

    /// A file, to change it.
    pub fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id.0 as usize)?.as_mut()
    }

    /// Every file.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().zip(0..).filter_map(|(node, id)| Some((NodeId(id), node.as_ref()?)))
    }

    /// What a directory has, by name in upper case.
    pub fn children(&self, id: NodeId) -> Option<&BTreeMap<Name, NodeId>> {
        match &self.node(id)?.kind {
            Kind::Directory(children) => Some(children),
            Kind::File(_) => None,
        }
    }

    /// A directory's entry, in any spelling.
    pub fn child(&self, id: NodeId, name: &[u16]) -> Option<NodeId> {
        self.children(id)?.get(&key(name)).copied()
    }

    /// Takes clusters.
    ///
    /// `STATUS_DISK_FULL`.
    pub fn charge(&mut self, bytes: u64) -> Result<(), NtStatus> {
        let used = self.used.saturating_add(bytes);
        if used > self.capacity {
            return Err(NtStatus::DISK_FULL);
        }
        self.used = used;
        Ok(())
    }

    /// Gives clusters back.
    pub fn release(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// Enters a file into a directory.
    ///
    /// `STATUS_DISK_FULL`.
    pub fn add(&mut self, parent: NodeId, name: &[u16], mut node: Node) -> Result<NodeId, NtStatus> {
        if node.folder.is_none() || node.is_mount {
            self.charge(node.cost())?;
        }
        if node.id == 0 {
            node.id = self.next_id | 1 << 48;
            self.next_id += 1;
        }
        (node.parent, node.name) = (Some(parent), name.to_vec());
        let id = match self.free.pop() {
            Some(id) => NodeId(id),
            None => {
                self.nodes.push(None);
                NodeId((self.nodes.len() - 1) as u32)
            }
        };
        if let Some(slot) = self.nodes.get_mut(id.0 as usize) {
            *slot = Some(node);
        }
        self.enter(parent, name, id);
        Ok(id)
    }

    fn enter(&mut self, parent: NodeId, name: &[u16], id: NodeId) {
        if let Some(Kind::Directory(children)) = self.node_mut(parent).map(|node| &mut node.kind) {
            children.insert(key(name), id);
        }
    }

    fn leave(&mut self, id: NodeId) {
        let Some(node) = self.node(id) else { return };
        let (parent, old) = (node.parent, key(&node.name));
        if let Some(Kind::Directory(children)) = parent.and_then(|p| self.node_mut(p)).map(|node| &mut node.kind) {
            children.remove(&old);
        }
    }

    /// Takes a file off the volume.
    pub fn remove(&mut self, id: NodeId) {
        if id == Self::ROOT {
            return;
        }
        self.leave(id);
        let Some(node) = self.nodes.get_mut(id.0 as usize).and_then(Option::take) else { return };
        if node.folder.is_none() || node.is_mount {
            self.release(node.cost());
        }
        self.free.push(id.0);
    }

    /// Gives a file another name or directory.
    pub fn move_to(&mut self, id: NodeId, parent: NodeId, name: &[u16]) {
        self.leave(id);
        if let Some(node) = self.node_mut(id) {
            (node.parent, node.name) = (Some(parent), name.to_vec());
        }
        self.enter(parent, name, id);
    }

    /// The names from the root to a file.
    fn names(&self, id: NodeId) -> Vec<&Name> {
        let mut names = Vec::new();
        let mut at = self.node(id);
        while let Some((node, parent)) = at.and_then(|node| Some((node, node.parent?))) {
            names.push(&node.name);
            at = self.node(parent);
        }
        names.reverse();
        names
    }

    /// A file's path on the volume; the root's is `\`.
    pub fn path(&self, id: NodeId) -> Name {
        let path: Name = self.names(id).into_iter().flat_map(|name| [&[SEPARATOR], name.as_slice()].concat()).collect();
        if path.is_empty() { vec![SEPARATOR] } else { path }
    }

    /// Where a file is on the host, if it is in a mounted folder.
    pub fn host_path(&self, id: NodeId) -> Option<HostPath> {
        let folder = self.node(id)?.folder?;
        let mut names = Vec::new();
        let mut at = self.node(id);
        while let Some(node) = at.filter(|node| !node.is_mount) {
            names.push(String::from_utf16_lossy(&node.name));
            at = node.parent.and_then(|parent| self.node(parent));
        }
        names.reverse();
        let own = self.node(id).filter(|node| !node.is_mount).map_or(0, |node| node.id);
        Some(HostPath { folder, path: names.join("/"), id: own })
    }

    /// Whether a file is another, or below it.
    pub fn is_below(&self, id: NodeId, other: NodeId) -> bool {
        let mut at = Some(id);
        while let Some(here) = at {
            if here == other {
                return true;
            }
            at = self.node(here).and_then(|node| node.parent);
        }
        false
    }

    /// Whether anything below a directory is open.
    pub fn has_open_below(&self, id: NodeId) -> bool {
        self.iter().any(|(at, node)| at != id && !node.opens.is_empty() && self.is_below(at, id))
    }

    /// Forgets a host's file that nobody has open, and those above it.
    pub fn forget(&mut self, id: NodeId) {
        let mut at = Some(id);
        while let Some(here) = at {
            let Some(node) = self.node(here) else { return };
            let empty = self.children(here).is_none_or(BTreeMap::is_empty);
            if node.folder.is_none() || node.is_mount || !node.opens.is_empty() || !empty {
                return;
            }
            at = node.parent;
            self.remove(here);
        }
    }

    /// Makes a directory at a path and those above it, or finds it. For what is there at boot.
    pub fn make_directories(&mut self, path: &str, now: u64) -> Result<NodeId, NtStatus> {
        let mut at = Self::ROOT;
        for part in path.split('\\').filter(|part| !part.is_empty()) {
            let name = name_of(part);
            at = match self.child(at, &name) {
                Some(child) => child,
                None => self.add(at, &name, Node::new(Kind::Directory(BTreeMap::new()), 0, now))?,
            };
        }
        Ok(at)
    }

    /// Recounts what is in use.
    pub(super) fn check(&self) -> Result<(), String> {
        let own = self.iter().filter(|(id, node)| *id != Self::ROOT && (node.folder.is_none() || node.is_mount));
        let counted: u64 = own.map(|(_, node)| node.cost()).sum();
        if counted != self.used {
            return Err(format!("{}: {counted} bytes are in use, {} are counted", self.letter, self.used));
        }
        for (id, node) in self.iter() {
            let entered = node.parent.is_none_or(|parent| self.child(parent, &node.name) == Some(id));
            if !entered || node.parent.is_none() != (id == Self::ROOT) {
                return Err(format!(
                    "{}: {:?} is not in its directory",
                    self.letter,
                    String::from_utf16_lossy(&node.name)
                ));
            }
            if node.folder.is_some()
                && !node.is_mount
                && node.opens.is_empty()
                && self.children(id).is_none_or(BTreeMap::is_empty)
            {
                return Err(format!("{}: a host's file is kept that nobody has open", self.letter));
            }
        }
        Ok(())
    }
}
