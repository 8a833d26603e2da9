//! What is told of processes and threads beside what they run with: names, times, priorities, settings.

use crate::mm::ImageInformation;

/// `PROCESS_PRIORITY_CLASS` values.
pub mod priority_class {
    #![allow(missing_docs)]
    pub const IDLE: u8 = 1;
    pub const NORMAL: u8 = 2;
    pub const HIGH: u8 = 3;
    pub const REALTIME: u8 = 4;
    pub const BELOW_NORMAL: u8 = 5;
    pub const ABOVE_NORMAL: u8 = 6;
    /// By class: the base priority that it gives a process ("Scheduling Priorities").
    pub const BASE: [u8; 7] = [8, 4, 8, 13, 24, 6, 10];
}

/// What is told of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessAbout {
    /// It was made at boot, and runs no code here: its threads wait for ever, and its address space is empty.
    pub booted: bool,
    /// Its place in the list of active processes that were made at boot: System has 1. Idle is not in it.
    pub boot_order: Option<u64>,
    /// It has no user mode at all: no image, no PEB.
    pub kernel_only: bool,
    /// Where its image is, from the device on; empty without one.
    pub path: String,
    /// Its command line.
    pub command_line: String,
    /// When it began, in 100 ns since 1601.
    pub created: u64,
    /// When it ended; 0 while it runs.
    pub ended: u64,
    /// `BreakOnTermination`: its end is the machine's.
    pub critical: bool,
    /// `BasePriority`.
    pub base_priority: u8,
    /// `PriorityClass`.
    pub priority_class: u8,
    /// It is in the foreground.
    pub foreground: bool,
    /// `SEM_*` flags, with the first inverted (`DefaultHardErrorProcessing`).
    pub hard_error_mode: u32,
    /// `MEM_EXECUTE_OPTION_*`.
    pub execute_options: u32,
    /// Priorities are not boosted.
    pub boost_disabled: bool,
    /// It has asked for a length of clock ticks.
    pub timer_resolution: bool,
    /// The processors it may use.
    pub affinity: u64,
    /// `IO_PRIORITY_HINT`.
    pub io_priority: u32,
    /// `MEMORY_PRIORITY_*`.
    pub page_priority: u32,
    /// `EPROCESS.Cookie`, by which pointers are encoded.
    pub cookie: u32,
    /// What its image says of itself (`ProcessImageInformation`).
    pub image: ImageInformation,
    /// `PROCESS_MITIGATION_POLICY` words, by policy.
    pub mitigations: [u32; MITIGATIONS],
}

/// Policies that [`ProcessAbout::mitigations`] has room for.
pub const MITIGATIONS: usize = 20;

/// What is told of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadAbout {
    /// `ES_*`: what it wants kept awake.
    pub execution_state: u32,
    /// Where the kernel started it, if that is not where it starts threads of its process.
    pub start: Option<u64>,
    /// The name of that place; empty where only the address is known.
    pub symbol: &'static str,
    /// When it began, in 100 ns since 1601.
    pub created: u64,
    /// When it ended; 0 while it runs.
    pub ended: u64,
    /// What it waits for, for ever (`KWAIT_REASON`): a thread of a process that was made at boot.
    pub waits: Option<u8>,
    /// `BreakOnTermination`.
    pub critical: bool,
    /// `HideFromDebugger`.
    pub hidden: bool,
    /// The processors it may use.
    pub affinity: u64,
    /// `IO_PRIORITY_HINT`.
    pub io_priority: u32,
    /// `MEMORY_PRIORITY_*`.
    pub page_priority: u32,
}

/// `IoPriorityNormal` and `MEMORY_PRIORITY_NORMAL`.
const NORMAL_IO: u32 = 2;
const NORMAL_PAGE: u32 = 5;
/// `MEM_EXECUTE_OPTION_DISABLE`, `_PERMANENT`.
pub const EXECUTE_DISABLE: u32 = 1;
/// Once set nothing else can be.
pub const EXECUTE_PERMANENT: u32 = 8;

impl Default for ProcessAbout {
    fn default() -> Self {
        Self {
            booted: false,
            boot_order: None,
            kernel_only: false,
            path: String::new(),
            command_line: String::new(),
            created: 0,
            ended: 0,
            critical: false,
            base_priority: 8,
            priority_class: priority_class::NORMAL,
            foreground: false,
            hard_error_mode: 1,
            execute_options: 0,
            boost_disabled: false,
            affinity: 1,
            timer_resolution: false,
            io_priority: NORMAL_IO,
            page_priority: NORMAL_PAGE,
            cookie: 0,
            image: ImageInformation::default(),
            mitigations: [0; MITIGATIONS],
        }
    }
}

impl Default for ThreadAbout {
    fn default() -> Self {
        Self {
            execution_state: super::execution_state::CONTINUOUS,
            start: None,
            symbol: "",
            created: 0,
            ended: 0,
            waits: None,
            critical: false,
            hidden: false,
            affinity: 1,
            io_priority: NORMAL_IO,
            page_priority: NORMAL_PAGE,
        }
    }
}

/// `KWAIT_REASON` (wdm.h), by value.
pub const WAIT_REASONS: &[&str] = &[
    "Executive",
    "FreePage",
    "PageIn",
    "PoolAllocation",
    "DelayExecution",
    "Suspended",
    "UserRequest",
    "WrExecutive",
    "WrFreePage",
    "WrPageIn",
    "WrPoolAllocation",
    "WrDelayExecution",
    "WrSuspended",
    "WrUserRequest",
    "WrEventPair",
    "WrQueue",
    "WrLpcReceive",
    "WrLpcReply",
    "WrVirtualMemory",
    "WrPageOut",
    "WrRendezvous",
    "WrKeyedEvent",
    "WrTerminated",
    "WrProcessInSwap",
    "WrCpuRateControl",
    "WrCalloutStack",
    "WrKernel",
    "WrResource",
    "WrPushLock",
    "WrMutex",
    "WrQuantumEnd",
    "WrDispatchInt",
    "WrPreempted",
    "WrYieldExecution",
    "WrFastMutex",
    "WrGuardedMutex",
    "WrRundown",
    "WrAlertByThreadId",
    "WrDeferredPreempt",
];

/// `KTHREAD_STATE`, by value.
pub const THREAD_STATES: &[&str] =
    &["Initialized", "Ready", "Running", "Standby", "Terminated", "Waiting", "Transition", "DeferredReady"];

/// The value of a wait reason's name.
pub fn wait_reason(name: &str) -> Option<u8> {
    WAIT_REASONS.iter().position(|reason| *reason == name).map(|at| at as u8)
}
