//! Processes, threads and jobs, and the services that ask about them or end them.

mod about;
mod bug_check;
mod counters;
mod debug_object;
mod job;
mod job_information;
mod next;
mod open;
mod process;
mod process_information;
mod system;
mod system_image;
mod terminate;
mod thread_information;
mod token;

pub use about::{
    EXECUTE_DISABLE, EXECUTE_PERMANENT, ImageInformation, MITIGATIONS, ProcessAbout, THREAD_STATES, ThreadAbout,
    WAIT_REASONS, priority_class, wait_reason,
};
pub use bug_check::BugCheck;
pub use counters::MemoryCounters;
pub use debug_object::DebugObject;
pub(crate) use job::LIMIT_KILL_ON_JOB_CLOSE;
pub use job::{Accounting, Job, Limits};
pub use process::{Process, ProcessId, ProcessObject, Processes, Thread, ThreadId, ThreadObject};
pub use system_image::{SYSTEM_VOLUME, SystemImage};

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    let information =
        [process_information::QUERY, process_information::SET, thread_information::QUERY, thread_information::SET];
    let tables = [system::SERVICES, terminate::SERVICES, next::SERVICES];
    let objects = [open::SERVICES, job::SERVICES, job_information::SERVICES, debug_object::SERVICES];
    tables.into_iter().chain(information).chain(objects).flatten().chain(token::services())
}
