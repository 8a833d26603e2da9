//! Executive objects.

mod event;

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    event::SERVICES.iter()
}
