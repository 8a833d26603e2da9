//! Names that a user types: profiles and services, and which one was meant.

use std::cmp::Reverse;

use guest::services::ServiceInfo;
use guest::{Profile, services};

/// How many names a message offers.
const OFFERED: usize = 4;
/// A name that differs by no more than this is a slip of the finger.
const SLIP: usize = 2;

pub(super) fn profile(name: &str) -> Result<&'static Profile, String> {
    Profile::by_name(name).ok_or_else(|| {
        // Of the builds of one version, the newest first.
        let meant = did_you_mean(name, Profile::all().iter().rev().map(|p| p.name));
        format!("no profile is called {name}{meant} (trapgate profiles lists them)")
    })
}

/// A service by its name, whatever the case; a `Zw` name means the `Nt` one.
pub(super) fn service(name: &str) -> Result<&'static ServiceInfo, String> {
    let nt = match name.split_at_checked(2) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("zw") => format!("Nt{rest}"),
        _ => name.to_string(),
    };
    services::all().iter().find(|s| s.name.eq_ignore_ascii_case(&nt)).ok_or_else(|| {
        let meant = did_you_mean(&nt, services::all().iter().map(|s| s.name));
        format!("no service is called {name}{meant}")
    })
}

/// `; did you mean A, B or C?`, or nothing where no name is near.
fn did_you_mean<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near = nearest(wrong, names);
    match near.as_slice() {
        [] => String::new(),
        [only] => format!("; did you mean {only}?"),
        [some @ .., last] => format!("; did you mean {} or {last}?", some.join(", ")),
    }
}

/// The names that are a slip away, or else contain what was typed, or else are not far.
fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wrong = wrong.to_lowercase();
    let mut names: Vec<(usize, bool, &str)> = names
        .map(|name| {
            let lower = name.to_lowercase();
            (distance(&wrong, &lower), !wrong.is_empty() && lower.contains(&wrong), name)
        })
        .collect();
    let least = names.iter().map(|n| n.0).min().unwrap_or(usize::MAX);
    // What begins as typed is a better guess than what has it somewhere.
    names.sort_by_key(|n| (n.0, Reverse(n.2.to_lowercase().starts_with(&wrong))));
    let any_contains = names.iter().any(|n| n.1);
    let offered = names.into_iter().filter(|&(distance, contains, _)| match () {
        () if least <= SLIP => distance == least,
        () if any_contains => contains,
        () => distance == least && distance <= wrong.len() / 3,
    });
    offered.map(|n| n.2).take(OFFERED).collect()
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour to make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // The last two rows of the table of distances between the words' beginnings.
    let (mut before, mut row) = (Vec::new(), (0..=b.len()).collect::<Vec<usize>>());
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = row[j] + usize::from(x != y);
            let mut best = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(wrong: &str) -> Vec<&'static str> {
        nearest(wrong, Profile::all().iter().rev().map(|p| p.name))
    }

    #[test]
    fn a_swap_is_one_slip() {
        assert_eq!(distance("2h22", "22h2"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("ab", "ba"), 1);
    }

    #[test]
    fn the_nearest_profiles() {
        assert_eq!(profiles("win10-2h22-x64"), ["win10-22h2-x64"]);
        assert_eq!(profiles("win10-22h2"), ["win10-22h2-x64", "win10-22h2-x86"]);
        assert_eq!(profiles("Win11"), ["win11-25h2-x64", "win11-24h2-x64", "win11-23h2-x64", "win11-22h2-x64"]);
        assert_eq!(profiles("windows10-22h2-x64"), ["win10-22h2-x64"]);
        assert_eq!(profiles("beos"), [""; 0]);
        assert_eq!(profiles(""), [""; 0]);
    }

    #[test]
    fn services_by_any_case_and_by_zw() {
        assert_eq!(service("zwCREATEfile").map(|s| s.name), Ok("NtCreateFile"));
        let wrong = service("NtCreatFile").expect_err("no such service");
        assert_eq!(wrong, "no service is called NtCreatFile; did you mean NtCreateFile?");
    }
}
