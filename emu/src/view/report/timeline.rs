//! Calls over time, in a number of slices that stays small however long a run is.

use serde::Serialize;

/// How many slices there are at most.
const SLICES: usize = 64;
/// The width of a slice at first, in nanoseconds.
const FIRST_WIDTH: u64 = 256;

/// What calls are about, going by their services' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Files, directories, pipes, mailslots.
    Files,
    /// Keys and values.
    Registry,
    /// Virtual memory, sections.
    Memory,
    /// Processes, threads, jobs, tokens.
    Processes,
    /// Whatever else.
    Other,
}

impl Kind {
    /// All, in the order of [`Slice::calls`].
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Files, "files"),
        (Self::Registry, "registry"),
        (Self::Memory, "memory"),
        (Self::Processes, "processes and threads"),
        (Self::Other, "other"),
    ];

    /// By the words that a service's name has.
    pub fn of(service: &str) -> Self {
        const WORDS: &[(Kind, &[&str])] = &[
            (Kind::Other, &["KeyedEvent", "PowerInformation"]),
            (Kind::Registry, &["Key"]),
            (Kind::Memory, &["VirtualMemory", "Section", "View", "WriteWatch"]),
            (Kind::Files, &["File", "Mailslot", "Pipe", "VolumeInformation", "IoControl", "FsControl"]),
            (Kind::Processes, &["Process", "Thread", "Job", "Token", "Apc", "Context", "Delay", "Yield", "Alert"]),
        ];
        let named = WORDS.iter().find(|(_, words)| words.iter().any(|word| service.contains(word)));
        named.map_or(Self::Other, |(kind, _)| *kind)
    }
}

/// The calls of a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// By kind: files, registry, memory, processes and threads, other.
    pub calls: [u64; 5],
    /// Direct system calls among them.
    pub direct: u64,
    /// Exceptions.
    pub exceptions: u64,
}

impl Slice {
    fn add(&mut self, other: &Self) {
        self.calls.iter_mut().zip(other.calls).for_each(|(to, n)| *to += n);
        self.direct += other.direct;
        self.exceptions += other.exceptions;
    }

    /// All its calls.
    pub fn total(&self) -> u64 {
        self.calls.iter().sum()
    }
}

/// Calls over virtual time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// The width of a slice in nanoseconds.
    pub width_ns: u64,
    /// The slices, from the first call on.
    pub slices: Vec<Slice>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { width_ns: FIRST_WIDTH, slices: Vec::new() }
    }
}

impl Timeline {
    /// The slice of a moment, counted from the start. Where there are too many, two become one.
    pub(super) fn at(&mut self, time_ns: u64) -> &mut Slice {
        while time_ns / self.width_ns >= SLICES as u64 {
            self.width_ns = self.width_ns.saturating_mul(2);
            self.slices = self.slices.chunks(2).map(|pair| pair.iter().fold(Slice::default(), sum)).collect();
        }
        let index = (time_ns / self.width_ns) as usize;
        if self.slices.len() <= index {
            self.slices.resize(index + 1, Slice::default());
        }
        &mut self.slices[index]
    }
}

fn sum(mut all: Slice, one: &Slice) -> Slice {
    all.add(one);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_tell_their_kind() {
        let of = |name| Kind::ALL[Kind::of(name) as usize].1;
        assert_eq!(of("NtOpenKeyEx"), "registry");
        assert_eq!(of("NtWaitForKeyedEvent"), "other");
        assert_eq!(of("NtQueryVolumeInformationFile"), "files");
        assert_eq!(of("NtMapViewOfSection"), "memory");
        assert_eq!(of("NtQueueApcThreadEx"), "processes and threads");
        assert_eq!(of("NtClose"), "other");
    }

    #[test]
    fn slices_stay_few_and_lose_nothing() {
        let mut timeline = Timeline::default();
        for time in (0..1_000_000).step_by(100) {
            timeline.at(time).calls[0] += 1;
        }
        assert!(timeline.slices.len() <= SLICES);
        assert_eq!(timeline.slices.iter().map(Slice::total).sum::<u64>(), 10_000);
        assert!(timeline.at(u64::MAX).total() == 0);
        assert_eq!(timeline.slices.iter().map(Slice::total).sum::<u64>(), 10_000);
    }
}
