//! The kernel layer: time, dispatcher objects, and the services that need nothing else.

pub mod clock;
pub mod dispatcher;
mod processor;
pub mod quanta;
pub mod ready;
mod time;

pub use clock::Clock;
pub use dispatcher::{Event, EventKind, IrTimer, KeyedEvent, Mutant, Semaphore, Timer, TimerApc};
pub use ready::{Due, ReadyQueues, TimerTable};

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    [time::SERVICES, processor::SERVICES].into_iter().flatten()
}
