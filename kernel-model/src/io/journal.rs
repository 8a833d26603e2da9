//! What the guest did to files: for a list at the end of a run.

use std::collections::BTreeMap;

/// What became of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there before.
    Created,
    /// It was there and is another now.
    Changed,
    /// It was there and is gone.
    Deleted,
}

impl Change {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

/// Changes by path, drive letter first.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    changes: BTreeMap<String, Change>,
}

impl Journal {
    /// Every change.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Change)> {
        self.changes.iter().map(|(path, change)| (path.as_str(), *change))
    }

    pub(super) fn created(&mut self, path: String) {
        let change = match self.changes.get(&path) {
            Some(Change::Deleted) => Change::Changed,
            _ => Change::Created,
        };
        self.changes.insert(path, change);
    }

    pub(super) fn changed(&mut self, path: String) {
        self.changes.entry(path).or_insert(Change::Changed);
    }

    pub(super) fn deleted(&mut self, path: String) {
        match self.changes.get(&path) {
            Some(Change::Created) => drop(self.changes.remove(&path)),
            _ => drop(self.changes.insert(path, Change::Deleted)),
        }
    }
}
