//! The registry from and to the outside: hive files, what a run leaves as text or JSON, and what it changed.

mod data;
mod diff;
mod export;
mod hive;
mod names;

pub use data::{Data, ValueRow};
pub use diff::{Change, Changes, KeyChange, ValueChange, changes, changes_text};
pub use export::{KeyRow, json, key_rows, reg_text};
pub use hive::{HiveError, HiveFile, MountError, mount, read_hive};
pub use names::{full_path, short_path};
