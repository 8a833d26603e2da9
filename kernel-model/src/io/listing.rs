//! What is in a directory, in memory or on the host.

use guest::NtStatus;

use super::name::{Name, key, name_of};
use super::tree::Stat;
use super::volume::{NodeId, Place};
use crate::cx::Cx;

impl Cx<'_> {
    /// Whether a directory has nothing in it that the guest can see; the host has the last word.
    pub(super) fn is_empty_directory(&mut self, place: Place) -> Result<bool, NtStatus> {
        match self.host_path(place) {
            Some(path) => Ok(self.folders()?.list(&path)?.is_empty()),
            None => Ok(self.kernel.io.volume(place.volume)?.children(place.node).is_none_or(|c| c.is_empty())),
        }
    }

    /// Names in a directory with what is known of each, by name in upper case.
    pub(super) fn list(&mut self, place: Place) -> Result<Vec<(Name, Name, Stat)>, NtStatus> {
        if let Some(path) = self.host_path(place) {
            let mut entries: Vec<_> = self
                .folders()?
                .list(&path)?
                .iter()
                .map(|entry| {
                    let name = name_of(&entry.name);
                    (key(&name), name, Stat::from(entry))
                })
                .collect();
            // Another folder that is mounted below this one.
            let mounts: Vec<Place> = self
                .kernel
                .io
                .volume(place.volume)?
                .children(place.node)
                .into_iter()
                .flat_map(|children| children.values())
                .map(|&node| Place { node, ..place })
                .collect();
            for mount in mounts {
                if self.node(mount)?.is_mount {
                    let name = self.node(mount)?.name.clone();
                    entries.insert(0, (key(&name), name, self.stat(mount)?));
                }
            }
            entries.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
            // Names that differ by case alone: the guest can have one of them.
            entries.dedup_by(|b, a| a.0 == b.0);
            return Ok(entries);
        }
        let volume = self.kernel.io.volume(place.volume)?;
        let children = volume.children(place.node).ok_or(NtStatus::INVALID_PARAMETER)?;
        let of = |(key, id): (&Name, &NodeId)| {
            Some((key.clone(), volume.node(*id)?.name.clone(), Stat::from(volume.node(*id)?)))
        };
        Ok(children.iter().filter_map(of).collect())
    }
}
