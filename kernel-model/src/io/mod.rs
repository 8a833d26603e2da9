//! The I/O manager: file objects and completion ports. So far there is one device, the console.

mod completion;
mod console;
mod read_write;

pub use completion::{IoCompletion, Packet};
pub use console::{Console, FileObject, Stream};

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    read_write::SERVICES.iter().chain(completion::SERVICES)
}
