//! The configuration manager: the registry's keys and values, and the services that are about them.

mod answer;
mod change;
mod hive;
mod key;
mod load;
mod node;
mod notify;
mod open;
mod parse;
mod query_key;
mod registry;
mod start;
mod transaction;
mod value;
mod wow64;

pub use hive::{HiveKey, save};
pub use key::{Key, Waiting, access};
pub use node::{KeyId, Node, Value, Values, compare_names};
pub use notify::{Notify, Post};
pub use parse::{LINK_VALUE, REG_LINK};
pub use registry::{MAX_DEPTH, MAX_KEY_NAME, Registry};

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    let tables = [
        open::SERVICES,
        query_key::SERVICES,
        value::SERVICES,
        change::SERVICES,
        notify::SERVICES,
        load::SERVICES,
        transaction::SERVICES,
    ];
    tables.into_iter().flatten()
}
