//! Hives: a tree of keys on its way into the registry, and a part of the registry as the bytes of a hive file.
//!
//! The format is described in "Windows registry file format specification" (M. Suhanov); version 1.5 is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use guest::NtStatus;
use guest::mem::Width;
use guest::types::StructWriter;

use super::node::{KeyId, Node, Value};
use super::registry::Registry;
use crate::ob::{ObjectName, upcase};
use crate::se::SecurityDescriptor;

/// A key of a hive with all below it, as whoever reads hive files hands it over.
#[derive(Clone, Debug, Default)]
pub struct HiveKey {
    /// Its name.
    pub name: ObjectName,
    /// Its class.
    pub class: ObjectName,
    /// When it was last changed, in system time.
    pub last_write: u64,
    /// It is a symbolic link.
    pub link: bool,
    /// Its descriptor; `None`: as the key above it.
    pub security: Option<SecurityDescriptor>,
    /// Its values.
    pub values: Vec<Value>,
    /// Its subkeys.
    pub children: Vec<HiveKey>,
}

/// How a hive file's bytes are read; `None`: they are damaged. Whoever makes a machine says how.
pub type HiveReader = fn(&[u8]) -> Option<HiveKey>;

/// The first bytes of a hive file.
const SIGNATURE: &[u8] = b"regf";

impl Registry {
    /// `CmLoadKey`: puts a hive file's keys under a name that is free.
    ///
    /// `STATUS_NOT_REGISTRY_FILE`, `STATUS_REGISTRY_CORRUPT`, `STATUS_NOT_SUPPORTED` on a machine that reads no hives, and
    /// the statuses of [`Self::mount`].
    pub fn load(&mut self, parent: KeyId, name: &[u16], file: &[u8]) -> Result<KeyId, NtStatus> {
        let read = self.hive_reader.ok_or(NtStatus::NOT_SUPPORTED)?;
        if !file.starts_with(SIGNATURE) {
            return Err(NtStatus::NOT_REGISTRY_FILE);
        }
        let root = read(file).ok_or(NtStatus::REGISTRY_CORRUPT)?;
        self.mount(parent, name, root)
    }

    /// Puts a hive's tree into a key, under a name that is free; its root cannot be deleted.
    ///
    /// The statuses of [`Self::add`].
    pub fn mount(&mut self, parent: KeyId, name: &[u16], root: HiveKey) -> Result<KeyId, NtStatus> {
        let (id, children) = self.graft(parent, HiveKey { name: name.to_vec(), ..root }, true)?;
        // A loop, because a file may nest keys as deep as it likes.
        let mut left: Vec<(KeyId, HiveKey)> = children.into_iter().map(|child| (id, child)).collect();
        while let Some((above, key)) = left.pop() {
            match self.graft(above, key, false) {
                Ok((id, children)) => left.extend(children.into_iter().map(|child| (id, child))),
                Err(status) => {
                    self.delete_tree(id);
                    return Err(status);
                }
            }
        }
        Ok(id)
    }

    /// Puts one key into another; what is to be put into it.
    fn graft(&mut self, parent: KeyId, key: HiveKey, fixed: bool) -> Result<(KeyId, Vec<HiveKey>), NtStatus> {
        let above = self.live(parent)?.security.clone();
        let security = key.security.map_or(above, Arc::new);
        let (class, last_write, link) = (key.class, key.last_write, key.link);
        let id = self.add(parent, Node { class, last_write, link, fixed, ..Node::new(&key.name, security) })?;
        for value in key.values {
            self.charge(value.data.len() as u64 + 2 * value.name.len() as u64)?;
            if let Some(node) = self.get_mut(id) {
                node.values.set(&value.name, value.kind, value.data);
            }
        }
        Ok((id, key.children))
    }
}

const BASE_BLOCK: usize = 0x1000;
const BIN: usize = 0x1000;
const BIN_HEADER: usize = 0x20;
const NO_CELL: u32 = u32::MAX;
/// The most data in one cell; more is split.
const SEGMENT: usize = 16_344;
/// Keys in one list of subkeys; more take a list of lists.
const LIST: usize = 500;
/// `KEY_COMP_NAME`, `VALUE_COMP_NAME`: a name of one byte a unit.
const KEY_COMP_NAME: u64 = 0x20;
/// `KEY_HIVE_ENTRY` and `KEY_NO_DELETE`; `KEY_SYM_LINK`.
const ROOT_FLAGS: u64 = 0xc;
const SYM_LINK: u64 = 0x10;

/// The cells of a hive while it is written.
#[derive(Default)]
struct Cells {
    data: Vec<u8>,
    at: usize,
}

impl Cells {
    /// Reserves a cell; its offset.
    fn reserve(&mut self, length: usize) -> u32 {
        let size = (length + 4).next_multiple_of(8);
        if self.at + size > self.data.len() {
            self.close_bin();
            let bin = (BIN_HEADER + size).next_multiple_of(BIN);
            let start = self.data.len();
            let header = StructWriter::new(BIN_HEADER, Width::W64).field(0, 4, u32::from_le_bytes(*b"hbin").into());
            let header = header.field(4, 4, start as u64).field(8, 4, bin as u64).finish();
            self.data.resize(start + bin, 0);
            self.put(start, &header);
            self.at = start + BIN_HEADER;
        }
        let offset = self.at;
        self.put(offset, &(-(size as i32)).to_le_bytes());
        self.at += size;
        offset as u32
    }

    /// What is left of a bin is a free cell.
    fn close_bin(&mut self) {
        let left = self.data.len() - self.at;
        if left > 0 {
            self.put(self.at, &(left as i32).to_le_bytes());
        }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.data.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn fill(&mut self, cell: u32, bytes: &[u8]) {
        self.put(cell as usize + 4, bytes);
    }

    fn cell(&mut self, bytes: &[u8]) -> u32 {
        let cell = self.reserve(bytes.len());
        self.fill(cell, bytes);
        cell
    }

    fn list(&mut self, cells: &[u32]) -> u32 {
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_le_bytes()).collect();
        self.cell(&bytes)
    }
}

/// A name as it is stored: one byte a unit where that will do.
fn stored(name: &[u16]) -> (bool, Vec<u8>) {
    let narrow: Option<Vec<u8>> = name.iter().map(|&unit| u8::try_from(unit).ok()).collect();
    match narrow {
        Some(bytes) => (true, bytes),
        None => (false, name.iter().flat_map(|unit| unit.to_le_bytes()).collect()),
    }
}

fn signature(text: &[u8; 2]) -> u64 {
    u16::from_le_bytes(*text).into()
}

fn write_value(cells: &mut Cells, value: &Value) -> u32 {
    let length = value.data.len();
    let (size, data) = match length {
        0..=4 => {
            let mut resident = [0; 4];
            resident.iter_mut().zip(value.data.iter()).for_each(|(to, from)| *to = *from);
            (length as u32 | 1 << 31, u32::from_le_bytes(resident))
        }
        5..=SEGMENT => (length as u32, cells.cell(&value.data)),
        _ => {
            let segments: Vec<u32> = value.data.chunks(SEGMENT).map(|part| cells.cell(part)).collect();
            let list = cells.list(&segments);
            let head = StructWriter::new(8, Width::W64).field(0, 2, signature(b"db"));
            let head = head.field(2, 2, segments.len() as u64).field(4, 4, list.into());
            (length as u32, cells.cell(&head.finish()))
        }
    };
    let (narrow, name) = stored(&value.name);
    let head = StructWriter::new(0x14, Width::W64).field(0, 2, signature(b"vk")).field(2, 2, name.len() as u64);
    let head = head.field(4, 4, size.into()).field(8, 4, data.into()).field(0xc, 4, value.kind.into());
    let bytes: Vec<u8> = head.field(0x10, 2, narrow.into()).finish().into_iter().chain(name).collect();
    cells.cell(&bytes)
}

/// The hash by which a list of subkeys is searched.
fn list_hash(name: &[u16]) -> u32 {
    name.iter().fold(0_u32, |hash, &unit| hash.wrapping_mul(37).wrapping_add(upcase(unit).into()))
}

fn write_list(cells: &mut Cells, children: &[(u32, u32)]) -> u32 {
    if children.is_empty() {
        return NO_CELL;
    }
    let leaf = |cells: &mut Cells, part: &[(u32, u32)]| {
        let mut bytes = b"lh".to_vec();
        bytes.extend((part.len() as u16).to_le_bytes());
        bytes.extend(part.iter().flat_map(|(cell, hash)| [cell.to_le_bytes(), hash.to_le_bytes()].concat()));
        cells.cell(&bytes)
    };
    let leaves: Vec<u32> = children.chunks(LIST).map(|part| leaf(cells, part)).collect();
    match leaves.as_slice() {
        [only] => *only,
        many => {
            let mut bytes = b"ri".to_vec();
            bytes.extend((many.len() as u16).to_le_bytes());
            bytes.extend(many.iter().flat_map(|leaf| leaf.to_le_bytes()));
            cells.cell(&bytes)
        }
    }
}

/// Every descriptor once, each a link of a ring.
fn write_security(cells: &mut Cells, nodes: &[(KeyId, &Node)]) -> BTreeMap<Vec<u8>, u32> {
    let mut counted: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    nodes.iter().for_each(|(_, node)| *counted.entry(node.security.to_bytes()).or_default() += 1);
    let offsets: Vec<u32> = counted.keys().map(|bytes| cells.reserve(0x14 + bytes.len())).collect();
    let around = |index: usize| offsets.get(index % offsets.len().max(1)).copied().unwrap_or(NO_CELL);
    for (index, (bytes, count)) in counted.iter().enumerate() {
        let (next, previous) = (around(index + 1), around(index + offsets.len() - 1));
        let head = StructWriter::new(0x14, Width::W64).field(0, 2, signature(b"sk")).field(4, 4, next.into());
        let head = head.field(8, 4, previous.into()).field(0xc, 4, (*count).into());
        let whole: Vec<u8> =
            head.field(0x10, 4, bytes.len() as u64).finish().into_iter().chain(bytes.clone()).collect();
        cells.fill(around(index), &whole);
    }
    counted.into_keys().zip(offsets).collect()
}

/// Where the parts of a key went.
struct Parts {
    parent: u32,
    children: (usize, u32),
    values: u32,
    security: u32,
    class: u32,
    root: bool,
}

fn key_cell(cm: &Registry, node: &Node, parts: &Parts) -> Vec<u8> {
    let (narrow, name) = stored(&node.name);
    let flags = if narrow { KEY_COMP_NAME } else { 0 }
        | if parts.root { ROOT_FLAGS } else { 0 }
        | if node.link { SYM_LINK } else { 0 };
    let children = || node.children.first().into_iter().flatten().filter_map(|id| cm.get(*id));
    let longest = [
        2 * children().map(|child| child.name.len()).max().unwrap_or(0),
        2 * children().map(|child| child.class.len()).max().unwrap_or(0),
        2 * node.values.iter().map(|value| value.name.len()).max().unwrap_or(0),
        node.values.iter().map(|value| value.data.len()).max().unwrap_or(0),
    ];
    let out = StructWriter::new(0x4c, Width::W64).field(0, 2, signature(b"nk")).field(2, 2, flags);
    let out = out.field(4, 8, node.last_write).field(0x10, 4, parts.parent.into());
    let out = out.field(0x14, 4, parts.children.0 as u64).field(0x1c, 4, parts.children.1.into());
    let out = out.field(0x20, 4, NO_CELL.into()).field(0x24, 4, node.values.len() as u64);
    let out = out.field(0x28, 4, parts.values.into()).field(0x2c, 4, parts.security.into());
    let out = out.field(0x30, 4, parts.class.into());
    let out = longest.iter().zip(0..).fold(out, |out, (n, i)| out.field(0x34 + 4 * i, 4, *n as u64));
    let out = out.field(0x48, 2, name.len() as u64).field(0x4a, 2, 2 * node.class.len() as u64);
    out.finish().into_iter().chain(name).collect()
}

/// A key and what is below it as a hive file (`NtSaveKey`): what does not last is left out.
pub fn save(cm: &Registry, root: KeyId) -> Vec<u8> {
    let mut nodes: Vec<(KeyId, &Node)> = cm.get(root).map(|node| (root, node)).into_iter().collect();
    let mut at = 0;
    while let Some((_, node)) = nodes.get(at) {
        let children = node.children.first().into_iter().flatten();
        nodes.extend(children.filter_map(|id| Some((*id, cm.get(*id)?))));
        at += 1;
    }
    let mut cells = Cells::default();
    let places: BTreeMap<KeyId, u32> =
        nodes.iter().map(|(id, node)| (*id, cells.reserve(0x4c + stored(&node.name).1.len()))).collect();
    let place = |id: &KeyId| places.get(id).copied().unwrap_or(NO_CELL);
    let security = write_security(&mut cells, &nodes);
    for (id, node) in &nodes {
        let stable = node.children.first().map_or(&[][..], Vec::as_slice);
        let listed = stable.iter().filter_map(|child| Some((place(child), list_hash(&cm.get(*child)?.name))));
        let listed: Vec<(u32, u32)> = listed.collect();
        let children = (listed.len(), write_list(&mut cells, &listed));
        let values: Vec<u32> = node.values.iter().map(|value| write_value(&mut cells, value)).collect();
        let values = if values.is_empty() { NO_CELL } else { cells.list(&values) };
        let class: Vec<u8> = node.class.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let class = if class.is_empty() { NO_CELL } else { cells.cell(&class) };
        let parent = node.parent.filter(|_| *id != root).map_or(NO_CELL, |parent| place(&parent));
        let security = security.get(&node.security.to_bytes()).copied().unwrap_or(NO_CELL);
        let parts = Parts { parent, children, values, security, class, root: *id == root };
        let bytes = key_cell(cm, node, &parts);
        cells.fill(place(id), &bytes);
    }
    cells.close_bin();
    let time = nodes.first().map_or(0, |(_, node)| node.last_write);
    let mut file = base_block(place(&root), cells.data.len(), time);
    file.extend(cells.data);
    file
}

/// The first page of a hive file.
fn base_block(root: u32, length: usize, time: u64) -> Vec<u8> {
    let out = StructWriter::new(BASE_BLOCK, Width::W64).field(0, 4, u32::from_le_bytes(*b"regf").into());
    // Both sequence numbers; time; version 1.5; type and format; root; length; clustering factor
    let out = out.field(4, 4, 1).field(8, 4, 1).field(0xc, 8, time).field(0x14, 4, 1).field(0x18, 4, 5);
    let out = out.field(0x1c, 4, 0).field(0x20, 4, 1).field(0x24, 4, root.into()).field(0x28, 4, length as u64);
    let mut block = out.field(0x2c, 4, 1).finish();
    let words = block.as_chunks().0.iter().take(127).map(|word| u32::from_le_bytes(*word));
    let sum = match words.fold(0, |sum, word| sum ^ word) {
        0 => 1,
        u32::MAX => u32::MAX - 1,
        sum => sum,
    };
    if let Some(place) = block.get_mut(0x1fc..0x200) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
    block
}
