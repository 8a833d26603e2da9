//! Device objects, file objects, and what the I/O manager keeps beside them.

use std::collections::BTreeMap;

use guest::NtStatus;

use super::console::Stream;
use super::journal::Journal;
use super::mailslot::Mailslots;
use super::name::Name;
use super::notify::Watch;
use super::pending::Pending;
use super::pipe::{PipeEnd, Pipes};
use super::random::Random;
use super::share::OpenShare;
use super::volume::{Place, Volume};
use super::wildcard::Pattern;
use crate::ob::ObjectId;

/// What a device object stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// What is written is gone, what is read is at its end.
    Null,
    /// Where random bytes come from: `\Device\KsecDD`.
    Random,
    /// The console.
    Console,
    /// Named pipes.
    NamedPipe,
    /// Mailslots.
    Mailslot,
    /// Network paths, which lead nowhere.
    Mup,
    /// A volume, by its place among them.
    Volume(u32),
}

impl Device {
    /// The device that `namespace.csv` calls so; the one volume there is C:.
    pub(crate) fn named(kind: &str) -> Self {
        match kind {
            "NamedPipe" => Self::NamedPipe,
            "Mailslot" => Self::Mailslot,
            "Mup" => Self::Mup,
            "Console" => Self::Console,
            "Random" => Self::Random,
            "Volume" => Self::Volume(0),
            _ => Self::Null,
        }
    }
}

/// What a file object is open on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A stream of the console's.
    Console(Stream),
    /// The console itself, both ways.
    ConsoleBoth,
    /// The null device.
    Null,
    /// The device of random bytes.
    Random,
    /// A file or directory.
    Node(Place),
    /// A volume itself.
    Volume(u32),
    /// One end of a pipe.
    Pipe(PipeEnd),
    /// The root directory of named pipes, or the device.
    Pipes,
    /// A mailslot, to be read.
    Mailslot(u32),
    /// The same, to be written.
    MailslotClient(u32),
    /// The device of the mailslots.
    Mailslots,
}

/// A directory scan that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// What is wanted.
    pub pattern: Pattern,
    /// The last name that was told, as directories sort; `None`: none was.
    pub last: Option<Name>,
    /// How many of `.` and `..` were told.
    pub dots: u8,
    /// Whether anything was ever found.
    pub found: bool,
}

/// `FILE_OBJECT`.
#[derive(Clone, Debug)]
pub struct FileObject {
    /// What it is open on.
    pub target: Target,
    /// Its path on its device, as it was opened.
    pub name: Name,
    /// Its device object.
    pub device: Option<ObjectId>,
    /// `FILE_*` options, as far as they matter later.
    pub options: u32,
    /// What it does and shares.
    pub share: OpenShare,
    /// `CurrentByteOffset`.
    pub position: u64,
    /// The completion port and key.
    pub port: Option<(ObjectId, u64)>,
    /// `FILE_SKIP_*`.
    pub notification: u32,
    /// The scan of a directory.
    pub scan: Option<Scan>,
    /// `FILE_DELETE_ON_CLOSE`.
    pub delete_on_close: bool,
    /// The file was written or cut through this object.
    pub changed: bool,
    /// Its last handle was closed.
    pub cleaned: bool,
    /// No operation that was begun is under way.
    pub signaled: bool,
    /// How an operation ended that a thread waits for in its call, and which thread.
    pub awaited: Option<(u32, NtStatus)>,
}

/// `FILE_SYNCHRONOUS_IO_ALERT` and `FILE_SYNCHRONOUS_IO_NONALERT`.
pub const SYNCHRONOUS: u32 = 0x30;

impl FileObject {
    /// A file object that is open on something.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            name: Name::new(),
            device: None,
            options: SYNCHRONOUS,
            share: OpenShare::default(),
            position: 0,
            port: None,
            notification: 0,
            scan: None,
            delete_on_close: false,
            changed: false,
            cleaned: false,
            signaled: true,
            awaited: None,
        }
    }

    /// What a wait on it ends with: for the thread whose operation it waits for, how that ended.
    pub(crate) fn take_awaited(&mut self, thread: u32) -> NtStatus {
        match self.awaited {
            Some((waiter, status)) if waiter == thread && status != NtStatus::PENDING => {
                self.awaited = None;
                status
            }
            _ => NtStatus::SUCCESS,
        }
    }

    /// `FO_SYNCHRONOUS_IO`.
    pub fn is_synchronous(&self) -> bool {
        self.options & SYNCHRONOUS != 0
    }
}

/// What the I/O manager has.
#[derive(Clone, Debug, Default)]
pub struct Io {
    /// The volumes; the first is C:.
    pub volumes: Vec<Volume>,
    /// The volumes' device objects, which are there for good.
    pub devices: Vec<ObjectId>,
    /// What was done to files.
    pub journal: Journal,
    /// What `\Device\KsecDD` gives.
    pub(super) random: Random,
    pub(super) pipes: Pipes,
    pub(super) mailslots: Mailslots,
    /// Operations that are under way, in the order in which they began.
    pub(super) pending: Vec<Pending>,
    /// File objects whose last handles were closed, referenced, until somebody cleans up behind them.
    pub(crate) closing: Vec<ObjectId>,
    /// File objects that went without.
    pub(crate) lost: Vec<FileObject>,
    /// Directories that somebody watches.
    pub(super) watches: BTreeMap<ObjectId, Watch>,
}

impl Io {
    /// A volume.
    pub fn volume(&self, index: u32) -> Result<&Volume, NtStatus> {
        self.volumes.get(index as usize).ok_or(NtStatus::NO_SUCH_DEVICE)
    }

    /// A volume, to change it.
    pub fn volume_mut(&mut self, index: u32) -> Result<&mut Volume, NtStatus> {
        self.volumes.get_mut(index as usize).ok_or(NtStatus::NO_SUCH_DEVICE)
    }

    /// Whether there is anything to clean up.
    #[inline]
    pub(crate) fn has_closing(&self) -> bool {
        !self.closing.is_empty() || !self.lost.is_empty()
    }

    /// The objects that operations under way and files point to.
    pub(crate) fn pointed(&self) -> impl Iterator<Item = ObjectId> {
        self.pending.iter().filter_map(Pending::event).chain(self.closing.iter().copied())
    }

    /// Checks the volumes against themselves.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.volumes.iter().try_for_each(Volume::check)
    }
}
