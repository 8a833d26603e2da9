//! Processes, threads and jobs, and the services that ask about them or end them.

mod about;
mod apc;
mod attribute_list;
mod bug_check;
mod context;
mod counters;
mod create_process;
mod create_thread;
mod debug;
mod dispatchers;
mod execution_state;
mod given_thread;
mod hard_error;
mod instrumentation;
mod job;
mod job_information;
mod loading;
mod next;
mod old_process;
mod open;
mod parameters;
mod process;
mod process_information;
mod process_request;
mod raise;
mod system;
mod system_image;
mod teb;
mod terminate;
mod thread_information;
mod thread_name;
mod thread_services;
mod timer_apc;
mod token;
mod worker_factory;
mod worker_information;
mod workers;
mod wow64;
pub(crate) mod wow64_context;

pub use about::{
    EXECUTE_DISABLE, EXECUTE_PERMANENT, MITIGATIONS, ProcessAbout, THREAD_STATES, ThreadAbout, WAIT_REASONS,
    priority_class, wait_reason,
};
pub use bug_check::BugCheck;
pub use counters::MemoryCounters;
pub use debug::{DebugEvent, DebugMessage, DebugObject, Debugged, ThreadDebug};
pub use dispatchers::{Dispatchers, UserEntries, is_64};
pub(crate) use job::LIMIT_KILL_ON_JOB_CLOSE;
pub use job::{Accounting, Job, Limits};
pub use loading::{LoadFailure, NewProcess};
pub use parameters::{NUMBERS, ProcessParameters, RUNTIME, STANDARD, TEXTS};
pub use process::{
    Apc, GivenStack, Process, ProcessId, ProcessObject, Processes, Thread, ThreadId, ThreadObject, ThreadStart,
    ThreadState,
};
pub use system_image::{SYSTEM_VOLUME, SystemImage};
pub use teb::{Teb, TebSlots, write_teb};
pub use worker_factory::{Worker, WorkerFactory};
pub use workers::Workers;
pub use wow64::{WOW_TEB_OFFSET, WOW64_SLOT, WOW64_STACK, Wow64Start, Wow64Ways, write_wow64};

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    let information =
        [process_information::QUERY, process_information::SET, thread_information::QUERY, thread_information::SET];
    let tables = [
        execution_state::SERVICES,
        system::SERVICES,
        system::EXTENDED_SERVICES,
        system::SET,
        terminate::SERVICES,
        next::SERVICES,
    ];
    let objects = [open::SERVICES, job::SERVICES, job_information::SERVICES, debug::SERVICES];
    let threads = [
        create_process::SERVICES,
        create_thread::SERVICES,
        thread_services::SERVICES,
        given_thread::SERVICES,
        old_process::SERVICES,
    ];
    let errors = [context::SERVICES, hard_error::SERVICES, worker_factory::SERVICES, worker_information::SERVICES];
    let tables = tables.into_iter().chain(information).chain(objects).chain(threads).chain(errors);
    tables.flatten().chain(token::services())
}
