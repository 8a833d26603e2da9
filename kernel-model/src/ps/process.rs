//! `EPROCESS` and `ETHREAD`, as far as they exist.

use std::collections::{BTreeMap, VecDeque};

use guest::NtStatus;
use guest::mem::Width;
use guest::registers::UserState;

use super::about::{ProcessAbout, ThreadAbout};
use super::debug::{Debugged, ThreadDebug};
use super::dispatchers::Dispatchers;
use super::teb::TebSlots;
use super::wow64::Wow64Ways;
use crate::mm::UserStack;
use crate::ob::{HandleTable, ObjectId};
use crate::schedule::Wake;
use crate::se::Protection;
use crate::service::Wait;

/// A process id, a multiple of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId(pub u32);

/// A thread id, a multiple of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadId(pub u32);

/// What handles to a process name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessObject {
    /// The process.
    pub id: ProcessId,
    /// It has ended: the object is signalled.
    pub ended: bool,
}

/// What handles to a thread name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadObject {
    /// The thread.
    pub id: ThreadId,
    /// It has ended: the object is signalled.
    pub ended: bool,
}

/// A process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id.
    pub id: ProcessId,
    /// Its parent's id.
    pub parent: ProcessId,
    /// The object that handles to it name.
    pub object: ObjectId,
    /// Its handles.
    pub handles: HandleTable,
    /// Its session.
    pub session: u32,
    /// The jobs it is in, the outermost first.
    pub jobs: Vec<ObjectId>,
    /// Its primary token.
    pub token: ObjectId,
    /// Who debugs it.
    pub debug: Debugged,
    /// How it is protected from others.
    pub protection: Protection,
    /// Where its PEB is.
    pub peb: u64,
    /// Where the PEB of its 32-bit side is: a WOW64 process.
    pub wow64_peb: Option<u64>,
    /// The width of its pointers, as its calls arrive: that of the kernel, for a WOW64 process too.
    pub width: Width,
    /// `KiFastSystemCallRet`, where `sysexit` goes; 0 on a 64-bit kernel.
    pub sysexit_to: u32,
    /// Where its threads are sent in user mode.
    pub dispatchers: Dispatchers,
    /// `DisallowWin32kSystemCalls`: none of its threads can become a GUI thread.
    pub win32k_lockdown: bool,
    /// The image's file name.
    pub image: String,
    /// What is told of it.
    pub about: ProcessAbout,
    /// `STATUS_PENDING` while it runs.
    pub exit_status: NtStatus,
    /// It has ended, and its handles and memory are gone.
    pub buried: bool,
    /// Bytes of stack that its threads get where nobody says otherwise: reserved and committed, as the image says.
    pub stack: [u64; 2],
    /// Where its TEBs are.
    pub tebs: TebSlots,
    /// Where a new thread starts: `RtlUserThreadStart`, or `BTCpuSimulate` in a WOW64 process.
    pub thread_start: u64,
    /// What the threads of a WOW64 process have in common.
    pub wow64_ways: Option<Wow64Ways>,
    /// Where memory without a place of its own may lie at most.
    pub highest: u64,
    /// The thread that it was made with by `NtCreateProcessEx`, until somebody makes the first.
    pub unborn: Option<ThreadId>,
}

/// `KTHREAD_STATE`, as far as it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadState {
    /// It may run.
    Ready,
    /// It runs.
    Running,
    /// It waits.
    Waiting,
    /// It has ended.
    Terminated,
}

/// How a thread begins that has not run yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ThreadStart {
    /// It has begun.
    #[default]
    Begun,
    /// At `RtlUserThreadStart`, which does first what the loader has to do.
    Plain,
    /// Somebody has given it an APC or other registers: the loader has its turn first (`LdrInitializeThunk`), then APCs
    /// run, and then the thread goes on with the registers.
    Changed,
}

impl ThreadStart {
    /// Of a thread that is made: a root's own loader always has its turn first.
    pub(crate) fn of_new(loader_first: bool) -> Self {
        if loader_first { Self::Changed } else { Self::Plain }
    }

    /// After such a change.
    #[must_use]
    pub fn changed(self) -> Self {
        if self == Self::Plain { Self::Changed } else { self }
    }
}

/// A stack that a thread was made with (`INITIAL_TEB`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenStack {
    /// Where it is.
    pub stack: UserStack,
    /// It goes with the thread: `FreeStackOnTermination`.
    pub freed: bool,
}

/// A user APC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apc {
    /// `NormalRoutine`, `NormalContext` and the two system arguments, as `KiUserApcDispatcher` gets them.
    pub words: [u64; 4],
    /// `QUEUE_USER_APC_FLAGS_SPECIAL_USER_APC`: it does not wait for an alertable wait.
    pub special: bool,
    /// The timer that queued it, which has one at most.
    pub timer: Option<ObjectId>,
}

/// A thread.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its id.
    pub id: ThreadId,
    /// Its process.
    pub process: ProcessId,
    /// The object that handles to it name.
    pub object: ObjectId,
    /// The token it impersonates with.
    pub impersonation: Option<ObjectId>,
    /// `ThreadName`, which `SetThreadDescription` gives it.
    pub name: Vec<u16>,
    /// Where its TEB is.
    pub teb: u64,
    /// `Win32Thread` is set: it has called win32k.
    pub gui: bool,
    /// Where the TEB of its 32-bit side is: a thread of a WOW64 process.
    pub wow64_teb: Option<u64>,
    /// Where it starts, as whoever made it said.
    pub start_address: u64,
    /// How it begins.
    pub start: ThreadStart,
    /// Its stacks, which go with it.
    pub stacks: Vec<UserStack>,
    /// What it does.
    pub state: ThreadState,
    /// What it waits for, while it waits.
    pub wait: Option<Wait>,
    /// Where its timeout is in the timer table.
    pub timeout: Option<(u64, u64)>,
    /// What it does when it runs next, if it was woken.
    pub wake: Option<Wake>,
    /// The deadline of a call that is made again.
    pub first_deadline: Option<Option<u64>>,
    /// `Priority`: 0 to 31.
    pub priority: u8,
    /// `BasePriority`.
    pub base_priority: u8,
    /// `DisableBoost`.
    pub boost_disabled: bool,
    /// It makes way for whoever is ready.
    pub yielded: bool,
    /// `SuspendCount`.
    pub suspend_count: u8,
    /// What its process's debugger has to do with it.
    pub debug: ThreadDebug,
    /// The worker factory that it works for.
    pub worker: Option<super::Worker>,
    /// Its stack, where whoever made it gave it one.
    pub given_stack: Option<GivenStack>,
    /// `Alerted[UserMode]`
    pub alerted: bool,
    /// `NtAlertThreadByThreadId` came before the wait for it.
    pub alerted_by_id: bool,
    /// `ApcState.ApcListHead[UserMode]`
    pub apcs: VecDeque<Apc>,
    /// `ApcState.UserApcPending`: the next is delivered when the thread goes back to user mode.
    pub apc_pending: bool,
    /// What its user code has in the processor, while it does not run; of the running one, what it had when
    /// `state_at_hand` was set.
    pub user: UserState,
    /// `user` is that of the running thread, now.
    pub state_at_hand: bool,
    /// `PreviousMode` is `KernelMode`: the call under way was made by kernel code.
    pub kernel_mode: bool,
    /// What is told of it.
    pub about: ThreadAbout,
    /// `STATUS_PENDING` while it runs.
    pub exit_status: NtStatus,
}

impl Thread {
    /// A thread that does not run yet and nobody has started: of the System process's kind, where nobody ever will.
    pub(crate) fn new(id: ThreadId, process: ProcessId, object: ObjectId) -> Self {
        Self {
            id,
            process,
            object,
            impersonation: None,
            name: Vec::new(),
            teb: 0,
            wow64_teb: None,
            start_address: 0,
            start: ThreadStart::Begun,
            stacks: Vec::new(),
            gui: false,
            kernel_mode: false,
            state: ThreadState::Waiting,
            wait: None,
            timeout: None,
            wake: None,
            first_deadline: None,
            priority: NORMAL_PRIORITY,
            base_priority: NORMAL_PRIORITY,
            boost_disabled: false,
            yielded: false,
            suspend_count: 0,
            debug: ThreadDebug::default(),
            worker: None,
            given_stack: None,
            alerted: false,
            alerted_by_id: false,
            apcs: VecDeque::new(),
            apc_pending: false,
            user: UserState::default(),
            state_at_hand: false,
            about: ThreadAbout::default(),
            exit_status: NtStatus::PENDING,
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.exit_status != NtStatus::PENDING
    }

    /// Whether it has ended, or only waits for its debugger to know.
    pub fn is_ending(&self) -> bool {
        self.has_ended() || self.debug.exiting.is_some()
    }

    /// Whether it is kept from running: suspended, or frozen for a debugger.
    pub fn is_held(&self) -> bool {
        self.suspend_count > 0 || self.debug.frozen > 0
    }
}

/// The base priority of processes of the normal class.
const NORMAL_PRIORITY: u8 = 8;

/// The processes of a machine. One thread of one process runs; the others wait for their turn, or are there to be asked
/// about and to hold handles.
#[derive(Clone, Debug)]
pub struct Processes {
    /// The process that runs.
    pub process: Process,
    /// The thread that runs.
    pub thread: Thread,
    /// Every other process that is not deleted yet.
    pub others: BTreeMap<ProcessId, Process>,
    /// Every other thread that is not deleted yet.
    pub other_threads: BTreeMap<ThreadId, Thread>,
    /// What the first process has ended with.
    pub first_exit: Option<NtStatus>,
}

/// Bits of an id that look-up ignores, as with handles.
const IGNORED: u64 = 3;

impl Processes {
    /// The process whose thread runs.
    #[inline]
    pub fn current_process(&self) -> &Process {
        &self.process
    }

    /// The same, to change it.
    #[inline]
    pub fn current_process_mut(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A process.
    pub fn get(&self, id: ProcessId) -> Option<&Process> {
        if id == self.process.id { Some(&self.process) } else { self.others.get(&id) }
    }

    /// A process, to change it.
    pub fn get_mut(&mut self, id: ProcessId) -> Option<&mut Process> {
        if id == self.process.id { Some(&mut self.process) } else { self.others.get_mut(&id) }
    }

    /// A thread.
    pub fn thread(&self, id: ThreadId) -> Option<&Thread> {
        if id == self.thread.id { Some(&self.thread) } else { self.other_threads.get(&id) }
    }

    /// A thread, to change it.
    pub fn thread_mut(&mut self, id: ThreadId) -> Option<&mut Thread> {
        if id == self.thread.id { Some(&mut self.thread) } else { self.other_threads.get_mut(&id) }
    }

    /// `PsLookupProcessByProcessId`.
    pub fn by_unique_id(&self, id: u64) -> Option<&Process> {
        // Idle's id leads nowhere.
        let id = u32::try_from(id & !IGNORED).ok().filter(|&id| id != 0)?;
        self.get(ProcessId(id))
    }

    /// `PsLookupThreadByThreadId`.
    pub fn thread_by_unique_id(&self, id: u64) -> Option<&Thread> {
        let id = u32::try_from(id & !IGNORED).ok().filter(|&id| id != 0)?;
        self.thread(ThreadId(id))
    }

    /// Every process, the running one first.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        std::iter::once(&self.process).chain(self.others.values())
    }

    /// Every thread, the running one first.
    pub fn threads(&self) -> impl Iterator<Item = &Thread> {
        std::iter::once(&self.thread).chain(self.other_threads.values())
    }

    /// Enters a thread that does not run.
    pub(crate) fn add_thread(&mut self, thread: Thread) {
        self.other_threads.insert(thread.id, thread);
    }

    /// Whether the running thread is the only one of its process that has not ended.
    pub fn is_last_thread(&self) -> bool {
        !self.other_threads.values().any(|t| t.process == self.process.id && !t.is_ending())
    }

    /// Makes another thread the one that runs, and its process the one.
    pub(crate) fn switch_to(&mut self, id: ThreadId) {
        let Some(next) = self.other_threads.remove(&id) else { return };
        let before = std::mem::replace(&mut self.thread, next);
        self.other_threads.insert(before.id, before);
        if self.thread.process != self.process.id
            && let Some(next) = self.others.remove(&self.thread.process)
        {
            let before = std::mem::replace(&mut self.process, next);
            self.others.insert(before.id, before);
        }
    }

    /// The lowest id above those there are.
    pub(crate) fn next_id(&self) -> u32 {
        let processes = [Some(self.process.id.0), self.others.last_key_value().map(|(id, _)| id.0)];
        let threads = [Some(self.thread.id.0), self.other_threads.last_key_value().map(|(id, _)| id.0)];
        processes.into_iter().chain(threads).flatten().max().unwrap_or(0) + 4
    }
}
