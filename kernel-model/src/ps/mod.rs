//! Processes, threads and jobs, and the services that ask about them or end them.

mod debug_object;
mod job;
mod job_information;
mod open;
mod process;
mod query_process;
mod query_system;
mod query_thread;
mod terminate;
mod thread_name;
mod token;

pub use debug_object::DebugObject;
pub(crate) use job::LIMIT_KILL_ON_JOB_CLOSE;
pub use job::{Accounting, Job, Limits};
pub use process::{Process, ProcessId, ProcessObject, Processes, Thread, ThreadId, ThreadObject};

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    let tables = [query_process::SERVICES, query_thread::SERVICES, query_system::SERVICES, terminate::SERVICES];
    let objects = [open::SERVICES, job::SERVICES, job_information::SERVICES, debug_object::SERVICES];
    tables.into_iter().chain(objects).flatten().chain(token::services())
}
