//! The system service table: how a service is declared, typed, found and answered.

mod args;
mod declare;
mod information;
mod outcome;
mod table;

pub use args::{Args, FromRaw, MAX_ARGS};
pub(crate) use declare::service;
pub use declare::{RawService, Service, ServiceFn, Support, arity};
pub use information::{Information, class_name, load_setting};
pub use outcome::{NtResult, Unwind, Wait, WaitOn};
pub use table::{Row, ServiceTable};
