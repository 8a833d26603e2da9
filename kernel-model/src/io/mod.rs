//! The I/O manager: devices, volumes and file objects, operations on them, and completion ports.

mod close;
mod completion;
mod console;
mod control;
mod create;
mod data;
mod directory;
mod file;
mod host;
mod image_file;
mod journal;
mod listing;
mod lock;
mod mailslot;
mod mapped;
mod mount;
mod name;
mod nls;
mod notify;
mod open;
mod pending;
mod pipe;
mod pipe_data;
mod query;
mod random;
mod read_write;
mod rename;
mod rights;
mod set;
mod share;
mod tree;
mod volume;
mod volume_info;
mod whole;
mod wildcard;

pub(crate) use completion::take_packets;
pub use completion::{IoCompletion, Packet};
pub use console::{Console, Stream};
pub use data::Data;
pub use file::{Device, FileObject, Io, Target};
pub use host::{HostEntry, HostFolders, HostPath, Times};
pub use journal::{Change, Journal};
pub use mount::Mount;
pub use name::{FilePath, Name, is_dos_special, is_legal, key, name_of};
pub use pipe::PipeEnd;
pub(crate) use rights::attribute;
pub use volume::{DEFAULT_DISK, Kind, Node, NodeId, Place, Volume};

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    let tables = [
        create::SERVICES,
        read_write::SERVICES,
        query::SERVICES,
        set::SERVICES,
        directory::SERVICES,
        volume_info::SERVICES,
        lock::SERVICES,
        notify::SERVICES,
        control::SERVICES,
        pipe::SERVICES,
        mailslot::SERVICES,
        completion::SERVICES,
        nls::SERVICES,
    ];
    tables.into_iter().flatten()
}
