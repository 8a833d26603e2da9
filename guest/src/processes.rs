//! The processes that a machine has when it has booted (source: the last column but one of `data/processes.csv`).
//!
//! Ids are of the shape that Windows gives them, multiples of 4 that grow with time; the numbers themselves are ours.

/// Whose token a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// `NT AUTHORITY\SYSTEM`.
    LocalSystem,
    /// `NT AUTHORITY\LOCAL SERVICE`.
    LocalService,
    /// `NT AUTHORITY\NETWORK SERVICE`.
    NetworkService,
    /// Whoever is logged on.
    User,
}

/// How a thread of such a process began, and what it waits for since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartRow {
    /// `module!function`.
    pub symbol: &'static str,
    /// The wait reason's name (`KWAIT_REASON`).
    pub wait: &'static str,
    /// Its priority.
    pub priority: u8,
}

/// A process, and the builds that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessRow {
    /// The name of its image.
    pub image: &'static str,
    builds: (u32, u32),
    /// Its id.
    pub pid: u32,
    /// Its parent's id; a parent may have ended.
    pub parent: u32,
    /// Its session.
    pub session: u32,
    /// Whose token it has.
    pub owner: Owner,
    /// Its mandatory level, where the build has levels.
    pub integrity: u32,
    /// How it is protected (`PS_PROTECTION`), each from a build on.
    protection: &'static [(u32, u8)],
    /// The build from which on it is critical.
    critical: u32,
    /// Its base priority.
    pub priority: u8,
    /// How many threads it has.
    pub threads: u32,
    /// How they began, by order; the last row is that of all further ones.
    starts: &'static [StartRow],
    /// Where its image is on the system volume; empty for a process without user mode.
    pub path: &'static str,
    /// Its command line.
    pub command: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/processes.rs"));

impl ProcessRow {
    /// How it is protected on a build.
    pub fn protection_on(&self, build: u32) -> u8 {
        self.protection.iter().rev().find(|(from, _)| build >= *from).map_or(0, |(_, value)| *value)
    }

    /// Whether its end is the machine's on a build.
    pub fn is_critical_on(&self, build: u32) -> bool {
        build >= self.critical
    }

    /// Which of its starts is the first with a symbol: threads with one symbol started at one place.
    pub fn place_of(&self, symbol: &str) -> u64 {
        self.starts.iter().position(|start| start.symbol == symbol).unwrap_or(0) as u64
    }

    /// How its thread of this number began.
    pub fn start_of(&self, thread: u32) -> Option<&'static StartRow> {
        self.starts.get(thread as usize).or(self.starts.last())
    }
}

/// The processes of a build, parents first.
pub fn processes_of(build: u32) -> impl Iterator<Item = &'static ProcessRow> {
    PROCESSES.iter().filter(move |p| (p.builds.0..=p.builds.1).contains(&build))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profile;

    #[test]
    fn ids_are_multiples_of_four_and_nobody_s_twice() {
        for profile in Profile::all() {
            let build = profile.version.2;
            let mut seen = std::collections::BTreeSet::new();
            for row in processes_of(build) {
                assert!(row.pid.is_multiple_of(4) && seen.insert(row.pid), "{} on {build}", row.image);
                assert!(row.parent <= row.pid && row.start_of(0).is_some(), "{} on {build}", row.image);
            }
        }
    }

    fn images(build: u32) -> Vec<&'static str> {
        processes_of(build).map(|row| row.image).collect()
    }

    #[test]
    fn each_version_has_its_own() {
        let count = |build, image: &str| images(build).iter().filter(|i| **i == image).count();
        for (build, image, expected) in [
            (2600, "wininit.exe", 0),
            (2600, "csrss.exe", 1),
            (7601, "csrss.exe", 2),
            (7601, "lsm.exe", 1),
            (7601, "Registry", 0),
            (17763, "Registry", 1),
            (19045, "Memory Compression", 1),
            (1381, "svchost.exe", 0),
            (19045, "explorer.exe", 1),
        ] {
            assert_eq!(count(build, image), expected, "{image} on {build}");
        }
        let row = |build, image: &str| processes_of(build).find(|row| row.image == image).expect("a process");
        assert_eq!(row(2600, "services.exe").parent, row(2600, "winlogon.exe").pid);
        assert_eq!(row(7601, "services.exe").parent, row(7601, "wininit.exe").pid);
        assert_eq!((row(7601, "csrss.exe").protection_on(7601), row(9600, "csrss.exe").protection_on(9600)), (0, 0x61));
        assert!(row(2600, "csrss.exe").is_critical_on(2600) && !row(19045, "lsass.exe").is_critical_on(19045));
    }
}
