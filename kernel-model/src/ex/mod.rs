//! Executive objects.

mod atom;
mod debug_filter;
mod event;
mod event_pair;
mod keyed_event;
mod locale;
mod mutant;
mod semaphore;
mod timer;
mod timer2;
mod timer_ex;

pub use atom::AtomTable;
pub use debug_filter::DebugFilter;
pub use event_pair::EventPair;

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    let tables = [event::SERVICES, mutant::SERVICES, semaphore::SERVICES, timer::SERVICES, keyed_event::SERVICES];
    tables
        .into_iter()
        .chain([
            event_pair::SERVICES,
            timer_ex::SERVICES,
            timer2::SERVICES,
            locale::SERVICES,
            atom::SERVICES,
            debug_filter::SERVICES,
        ])
        .flatten()
}
