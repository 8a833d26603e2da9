//! The system service table: how a service is declared, typed, found and answered.

mod args;
mod declare;
mod outcome;
mod table;

pub use args::{Args, FromRaw, MAX_ARGS};
pub use declare::{RawService, Service, ServiceFn, Support, arity};
pub(crate) use declare::service;
pub use outcome::{Unwind, NtResult, Wait, WaitObject};
pub use table::{Row, ServiceTable};
