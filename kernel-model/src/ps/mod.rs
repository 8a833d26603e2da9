//! Processes and threads, and the services that ask about them or end them.

mod process;
mod query_process;
mod query_system;
mod query_thread;
mod terminate;
mod token;

pub use process::{Process, ProcessId, Processes, Thread, ThreadId};

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    let tables = [query_process::SERVICES, query_thread::SERVICES, query_system::SERVICES, terminate::SERVICES];
    tables.into_iter().flatten().chain(token::services())
}
