//! The I/O manager: file objects. So far there is one device, the console.

mod console;
mod read_write;

pub use console::{Console, FileObject, Stream};
pub(crate) use read_write::SERVICES;
