//! Hive files: read with nt-hive into trees of keys. Whatever is wrong with one is told in a line.

use std::path::Path;
use std::sync::Arc;

use guest::NtStatus;
use kernel_model::cm::{HiveKey, LINK_VALUE, MAX_DEPTH, REG_LINK, Registry, Value};
use nt_hive::{Hive, KeyNode, KeyValue, NtHiveError, NtHiveNameString};

use super::names::full_path;
use crate::loader::read_file;

/// The fewest bytes that a key or a value takes: a damaged file could list the same ones again and again.
const LEAST: usize = 0x10;

/// What is wrong with a hive.
#[derive(Debug, thiserror::Error)]
pub enum HiveError {
    /// It is damaged, or of a kind that is not read.
    #[error("not a registry hive that can be read: {0}")]
    Damaged(#[from] NtHiveError),
    /// Its keys run in a circle.
    #[error("not a registry hive that can be read: keys are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// It has no end.
    #[error("not a registry hive that can be read: it lists more keys and values than it has room for")]
    TooMany,
    /// More data than the file has.
    #[error("not a registry hive that can be read: its values are longer than the file")]
    TooLong,
}

/// Why a hive cannot be put into the registry.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct MountError {
    path: String,
    why: String,
}

/// A hive file, and where it goes.
#[derive(Clone, Debug)]
pub struct HiveFile {
    /// The key's full path.
    pub path: String,
    /// Its keys.
    pub root: HiveKey,
}

impl HiveFile {
    /// From `PATH=FILE`.
    pub fn open(option: &str) -> Result<Self, String> {
        let (path, file) = option
            .split_once('=')
            .filter(|(path, file)| !path.is_empty() && !file.is_empty())
            .ok_or_else(|| format!("--hive {option}: should be PATH=FILE, for instance HKLM\\SOFTWARE=software.hiv"))?;
        let path = full_path(path)?;
        let bytes = read_file(Path::new(file)).map_err(|e| e.to_string())?;
        let root = read_hive(&bytes).map_err(|e| format!("{file}: {e}"))?;
        Ok(Self { path, root })
    }
}

fn units(name: &NtHiveNameString<'_>) -> Vec<u16> {
    match name {
        NtHiveNameString::Latin1(bytes) => bytes.iter().map(|byte| u16::from(*byte)).collect(),
        NtHiveNameString::Utf16LE(bytes) => bytes.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect(),
    }
}

/// What a file may still take: things, and bytes of data.
struct Left {
    things: usize,
    bytes: usize,
}

impl Left {
    fn take(&mut self, bytes: usize) -> Result<(), HiveError> {
        self.things = self.things.checked_sub(1).ok_or(HiveError::TooMany)?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or(HiveError::TooLong)?;
        Ok(())
    }
}

type Bytes<'a> = &'a [u8];

fn read_value(value: &KeyValue<'_, Bytes<'_>>, left: &mut Left) -> Result<Value, HiveError> {
    let kind = match value.data_type() {
        Ok(kind) => kind as u32,
        // Any number may be a type.
        Err(NtHiveError::UnsupportedKeyValueDataType { actual, .. }) => actual,
        Err(error) => return Err(error.into()),
    };
    left.take(value.data_size() as usize)?;
    let data: Arc<[u8]> = value.data()?.into_vec()?.into();
    Ok(Value { name: units(&value.name()?), kind, data })
}

fn read_key(key: &KeyNode<'_, Bytes<'_>>, depth: u16, left: &mut Left) -> Result<HiveKey, HiveError> {
    if depth >= MAX_DEPTH {
        return Err(HiveError::TooDeep);
    }
    left.take(0)?;
    let mut read = HiveKey { name: units(&key.name()?), ..HiveKey::default() };
    if let Some(class) = key.class_name() {
        read.class = units(&class?);
    }
    if let Some(values) = key.values() {
        for value in values? {
            read.values.push(read_value(&value?, left)?);
        }
    }
    if let Some(children) = key.subkeys() {
        for child in children? {
            read.children.push(read_key(&child?, depth + 1, left)?);
        }
    }
    // What the file says of a key's kind is not told; a link gives itself away.
    let link: Vec<u16> = LINK_VALUE.encode_utf16().collect();
    read.link = read.values.iter().any(|value| value.kind == REG_LINK && value.name == link);
    Ok(read)
}

/// Reads a hive file's bytes. Descriptors and times are not read: keys get those of where they go.
pub fn read_hive(bytes: &[u8]) -> Result<HiveKey, HiveError> {
    let hive = Hive::new(bytes)?;
    let mut left = Left { things: bytes.len() / LEAST, bytes: bytes.len() };
    read_key(&hive.root_key_node()?, 0, &mut left)
}

/// Puts a hive's keys where they go, in place of what is there.
pub fn mount(cm: &mut Registry, hive: &HiveFile) -> Result<(), MountError> {
    let wrong = |why: String| MountError { path: hive.path.clone(), why };
    let (above, name) = hive.path.rsplit_once('\\').unwrap_or(("", &hive.path));
    let parent = cm.find(above).ok_or_else(|| wrong("the key that it should be in is not there".into()))?;
    if parent == cm.root() {
        return Err(wrong("only what is in it can be a hive".into()));
    }
    let mut name: Vec<u16> = name.encode_utf16().collect();
    let mut root = hive.root.clone();
    if let Some(old) = cm.child(parent, &name) {
        if let Some(node) = cm.get(old) {
            name.clone_from(&node.name);
            root.security = Some((*node.security).clone());
        }
        cm.delete_tree(old);
    }
    let told = |status: NtStatus| match status {
        NtStatus::INVALID_PARAMETER => wrong("a key's name is empty or too long".into()),
        NtStatus::OBJECT_NAME_COLLISION => wrong("two keys have the same name".into()),
        NtStatus::CHILD_MUST_BE_VOLATILE => wrong("what is in it does not last, and a hive does".into()),
        other => wrong(other.to_string()),
    };
    cm.mount(parent, &name, root).map(|_| ()).map_err(told)
}
