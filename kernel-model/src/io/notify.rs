//! `NtNotifyChangeDirectoryFile`, `NtNotifyChangeDirectoryFileEx`: what changes in a directory.

use std::collections::VecDeque;

use guest::types::IoStatusBlock;
use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use super::file::Target;
use super::name::{Name, SEPARATOR};
use super::pending::{Kind, Op};
use super::rights;
use super::volume::Place;
use crate::cx::Cx;
use crate::ob::ObjectId;
use crate::service::{NtResult, Service, Support, Unwind, service};

const GAP: &str = "what the host itself changes in a mounted folder is not told";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtNotifyChangeDirectoryFile => nt_notify_change_directory_file, Support::Partial(GAP)),
    service!(NtNotifyChangeDirectoryFileEx => nt_notify_change_directory_file_ex,
        Support::Partial("DirectoryNotifyInformation only; what the host itself changes is not told")),
];

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Added,
    Removed,
    Written,
    Attributes,
    RenamedFrom,
    RenamedTo,
}

/// `FILE_NOTIFY_CHANGE_*`.
const FILE_NAME: u32 = 0x1;
const DIR_NAME: u32 = 0x2;
const ATTRIBUTES: u32 = 0x4;
const SIZE: u32 = 0x8;
const LAST_WRITE: u32 = 0x10;
const VALID_FILTER: u32 = 0xfff;
/// `DirectoryNotifyInformation`.
const BASIC_CLASS: u32 = 1;
/// Bytes of changes that are kept until somebody asks, as a buffer would; beyond, all are lost.
const MAX_KEPT: usize = 0x1_0000;

impl Event {
    /// `FILE_ACTION_*`.
    const fn action(self) -> u32 {
        match self {
            Self::Added => 1,
            Self::Removed => 2,
            Self::Written | Self::Attributes => 3,
            Self::RenamedFrom => 4,
            Self::RenamedTo => 5,
        }
    }

    const fn filter(self, directory: bool) -> u32 {
        match self {
            Self::Written => SIZE | LAST_WRITE,
            Self::Attributes => ATTRIBUTES,
            _ if directory => DIR_NAME,
            _ => FILE_NAME,
        }
    }
}

/// What one file object watches.
#[derive(Clone, Debug)]
pub struct Watch {
    place: Place,
    filter: u32,
    tree: bool,
    changes: VecDeque<(u32, Name)>,
    kept: usize,
    overflowed: bool,
}

/// `NtNotifyChangeDirectoryFile`: ends when something changes in a directory, with `FILE_NOTIFY_INFORMATION` of what has.
/// Changes between two calls are kept.
///
/// `STATUS_PENDING`, `STATUS_NOTIFY_ENUM_DIR` if the changes do not fit the buffer; `STATUS_INVALID_PARAMETER` for a
/// filter that is none or what is no directory, `STATUS_ACCESS_DENIED` without `FILE_LIST_DIRECTORY`.
#[expect(clippy::too_many_arguments, reason = "NtNotifyChangeDirectoryFile has nine")]
fn nt_notify_change_directory_file(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc_routine: u64, context: u64, iosb: UserPtr<IoStatusBlock>,
    buffer: u64, length: u32, filter: u32, tree: bool,
) -> NtResult {
    cx.mem().probe(iosb)?;
    if length != 0 {
        cx.mem().probe_write(buffer, length.into())?;
    }
    if filter == 0 || filter & !VALID_FILTER != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let id = cx.file_id(file, &[rights::LIST_DIRECTORY])?;
    let Target::Node(place) = cx.file(id)?.target else { return Err(NtStatus::INVALID_DEVICE_REQUEST.into()) };
    if !cx.node(place)?.is_directory() {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let op = Op::begin(cx, id, event, apc_routine, context, iosb)?;
    let new = || Watch { place, filter, tree, changes: VecDeque::new(), kept: 0, overflowed: false };
    let watch = cx.kernel.io.watches.entry(id).or_insert_with(new);
    if watch.changes.is_empty() && !watch.overflowed {
        return op.pend(cx, Kind::Notify { buffer, length });
    }
    let (status, bytes) = watch.take(length);
    cx.mem().write(buffer, &bytes)?;
    op.finish(cx, status, bytes.len() as u64)
}

/// `NtNotifyChangeDirectoryFileEx`: the same, by information class.
///
/// As `NtNotifyChangeDirectoryFile`; `STATUS_INVALID_PARAMETER` for a class that is none.
#[expect(clippy::too_many_arguments, reason = "NtNotifyChangeDirectoryFileEx has ten")]
fn nt_notify_change_directory_file_ex(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc_routine: u64, context: u64, iosb: UserPtr<IoStatusBlock>,
    buffer: u64, length: u32, filter: u32, tree: bool, class: u32,
) -> NtResult {
    match class {
        BASIC_CLASS => {
            nt_notify_change_directory_file(cx, file, event, apc_routine, context, iosb, buffer, length, filter, tree)
        }
        2 | 3 => Err(Unwind::unsupported("DirectoryNotifyInformationClass beyond DirectoryNotifyInformation")),
        _ => Err(NtStatus::INVALID_PARAMETER.into()),
    }
}

impl Watch {
    fn push(&mut self, action: u32, name: Name) {
        self.kept += 12 + 2 * name.len();
        if self.kept > MAX_KEPT {
            self.changes.clear();
            self.overflowed = true;
        }
        if !self.overflowed && self.changes.back() != Some(&(action, name.clone())) {
            self.changes.push_back((action, name));
        }
    }

    /// What there is, if it fits. `STATUS_NOTIFY_ENUM_DIR`: it does not, and the caller must look for itself.
    fn take(&mut self, length: u32) -> (NtStatus, Vec<u8>) {
        let changes: Vec<(u32, Name)> = self.changes.drain(..).collect();
        let overflowed = std::mem::take(&mut self.overflowed);
        self.kept = 0;
        let mut bytes = Vec::new();
        for (index, (action, name)) in changes.iter().enumerate() {
            // NextEntryOffset, Action, FileNameLength, FileName
            let size = 12 + 2 * name.len();
            let next = if index + 1 < changes.len() { size.next_multiple_of(4) } else { 0 };
            for field in [next as u32, *action, 2 * name.len() as u32] {
                bytes.extend(field.to_le_bytes());
            }
            bytes.extend(name.iter().flat_map(|unit| unit.to_le_bytes()));
            bytes.resize(bytes.len() + next.saturating_sub(size), 0);
        }
        if overflowed || bytes.len() > length as usize {
            (NtStatus::NOTIFY_ENUM_DIR, Vec::new())
        } else {
            (NtStatus::SUCCESS, bytes)
        }
    }
}

impl Cx<'_> {
    /// Tells those who watch a file's directory, or one above it.
    pub(super) fn notify(&mut self, place: Place, event: Event) {
        if self.kernel.io.watches.is_empty() {
            return;
        }
        let Ok(node) = self.node(place) else { return };
        let (filter, parent) = (event.filter(node.is_directory()), node.parent);
        let Ok(volume) = self.kernel.io.volume(place.volume) else { return };
        let (path, mut told) = (volume.path(place.node), Vec::new());
        let wanted = |watch: &Watch| {
            watch.place.volume == place.volume
                && watch.filter & filter != 0
                && (Some(watch.place.node) == parent
                    || watch.tree && watch.place.node != place.node && volume.is_below(place.node, watch.place.node))
        };
        let prefixes: Vec<(ObjectId, usize)> = self
            .kernel
            .io
            .watches
            .iter()
            .filter(|(_, watch)| wanted(watch))
            .map(|(id, watch)| (*id, volume.path(watch.place.node).len()))
            .collect();
        for (id, prefix) in prefixes {
            let name = path.get(prefix..).unwrap_or(&[]);
            let name = name.strip_prefix(&[SEPARATOR]).unwrap_or(name).to_vec();
            if let Some(watch) = self.kernel.io.watches.get_mut(&id) {
                watch.push(event.action(), name);
                told.push(id);
            }
        }
        // The new name comes right behind the old one.
        if event != Event::RenamedFrom {
            told.into_iter().for_each(|id| self.tell_watcher(id));
        }
    }

    /// Ends the operation that waits for a change.
    fn tell_watcher(&mut self, id: ObjectId) {
        let waits = |p: &super::pending::Pending| p.op.file == id && matches!(p.kind, Kind::Notify { .. });
        let Some(at) = self.kernel.io.pending.iter().position(waits) else { return };
        let Some(&Kind::Notify { buffer, length }) = self.kernel.io.pending.get(at).map(|p| &p.kind) else { return };
        let Some(watch) = self.kernel.io.watches.get_mut(&id) else { return };
        let (status, bytes) = watch.take(length);
        let _ = self.write_pending(at, buffer, &bytes);
        self.complete_pending(at, status, bytes.len() as u64);
    }
}
