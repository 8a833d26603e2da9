//! The kernel layer: time, dispatcher objects, and the services that need nothing else.

pub mod clock;
pub mod dispatcher;
mod time;

pub use clock::Clock;
pub use dispatcher::{Event, EventKind, KeyedEvent, Mutant, Semaphore, Timer};
pub(crate) use time::SERVICES;
