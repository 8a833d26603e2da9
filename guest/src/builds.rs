//! Builds side by side: which neighbours agree on something.

use std::fmt;

use crate::{Arch, Profile};

/// Profiles of one architecture, each the next build after the one before, that agree on a value.
#[derive(Clone, Debug)]
pub struct Run<T> {
    /// The profiles, oldest first; there is at least one.
    pub profiles: Vec<&'static Profile>,
    /// What they agree on.
    pub value: T,
}

/// The profiles of an architecture in the order of the data, cut where the value changes.
pub fn runs<T: PartialEq>(arch: Arch, value_of: impl Fn(&'static Profile) -> T) -> Vec<Run<T>> {
    let mut runs: Vec<Run<T>> = Vec::new();
    for profile in Profile::all().iter().filter(|p| p.arch == arch) {
        let value = value_of(profile);
        match runs.last_mut().filter(|run| run.value == value) {
            Some(run) => run.profiles.push(profile),
            None => runs.push(Run { profiles: vec![profile], value }),
        }
    }
    runs
}

/// The first and the last profile: `win10-1507-x64 .. win10-1803-x64`.
impl<T> fmt::Display for Run<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.profiles.as_slice() {
            [] => Ok(()),
            [only] => f.pad(only.name),
            [first, .., last] => f.pad(&format!("{} .. {}", first.name, last.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_agree_are_one_run() {
        let runs = runs(Arch::X64, |p| p.version.0);
        let shown: Vec<String> = runs.iter().map(|r| format!("{} {r}", r.value)).collect();
        assert_eq!(
            shown,
            [
                "5 xp-sp1-x64 .. srv2003-r2sp2-x64",
                "6 vista-sp0-x64 .. win81-x64",
                "10 win10-1507-x64 .. win11-25h2-x64"
            ]
        );
        assert_eq!(runs.iter().map(|r| r.profiles.len()).sum::<usize>(), 35);
        assert_eq!(format!("{:>12}|", Run { profiles: vec![&Profile::all()[0]], value: () }), "    nt31-x86|");
    }
}
