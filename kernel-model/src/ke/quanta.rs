//! How long threads run at a time.

use std::sync::Arc;

/// How many instructions a thread runs before another of its priority has its turn: two clock ticks, as on a
/// workstation.
pub const QUANTUM: u64 = 2 * 15_625_000;

/// Where the lengths of quanta come from, in instructions. The same ones give the same run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quanta {
    /// Always as long.
    Fixed(u64),
    /// By chance, from a state: mostly short ones, so that threads meet in ever other places.
    Seeded(u64),
    /// Those of a run that was recorded, from one on; then [`QUANTUM`].
    Replayed(Arc<[u64]>, usize),
    /// By others, and kept.
    Recorded(Box<Quanta>, Vec<u64>),
}

impl Default for Quanta {
    fn default() -> Self {
        Self::Fixed(QUANTUM)
    }
}

impl Quanta {
    /// By a seed, which may be any number.
    pub fn seeded(seed: u64) -> Self {
        // Xorshift stands still at 0.
        Self::Seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The same, and what was given is kept.
    pub fn recorded(self) -> Self {
        Self::Recorded(Box::new(self), Vec::new())
    }

    /// What was given, if that is kept.
    pub fn record(&self) -> Option<&[u64]> {
        if let Self::Recorded(_, record) = self { Some(record) } else { None }
    }

    /// The next quantum.
    pub(crate) fn next(&mut self) -> u64 {
        match self {
            Self::Fixed(quantum) => *quantum,
            Self::Seeded(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                // As many of each length: 8, 16, up to 8192 instructions.
                let longest = 8_u64 << ((*state >> 32 & 0xff) % 11);
                1 + (*state >> 40) % longest
            }
            Self::Replayed(quanta, at) => {
                let quantum = quanta.get(*at).copied().unwrap_or(QUANTUM);
                *at += 1;
                quantum
            }
            Self::Recorded(from, record) => {
                let quantum = from.next();
                record.push(quantum);
                quantum
            }
        }
    }
}
