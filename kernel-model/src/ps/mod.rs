//! Processes, threads and jobs, and the services that ask about them or end them.

mod apc;
mod debug_object;
mod job;
mod job_information;
mod open;
mod process;
mod query_process;
mod query_system;
mod query_thread;
mod create_thread;
mod teb;
mod terminate;
mod thread_services;
mod token;
mod wow64;

pub use debug_object::DebugObject;
pub(crate) use job::LIMIT_KILL_ON_JOB_CLOSE;
pub use job::{Accounting, Job, Limits};
pub use process::{
    Apc, Process, ProcessId, ProcessObject, Processes, Thread, ThreadId, ThreadObject, ThreadState,
};

pub use teb::{Teb, TebSlots, write_teb};
pub use wow64::{WOW_TEB_OFFSET, WOW64_SLOT, WOW64_STACK, Wow64Start, Wow64Ways, write_wow64};

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    let tables = [query_process::SERVICES, query_thread::SERVICES, query_system::SERVICES, terminate::SERVICES];
    let objects = [open::SERVICES, job::SERVICES, job_information::SERVICES, debug_object::SERVICES];
    let threads = [create_thread::SERVICES, thread_services::SERVICES];
    tables.into_iter().chain(objects).chain(threads).flatten().chain(token::services())
}
