//! What a run counts.

use std::collections::BTreeMap;

/// Counters of a run.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// System calls.
    pub calls: u64,
    nt: Vec<u64>,
    win32k: Vec<u64>,
    /// Calls with a number that no table has.
    pub unknown: u64,
    /// Calls of win32k by a thread that could not become a GUI thread.
    pub no_gui: u64,
    /// What was called and is not there, by service and parameter: how often.
    pub missing: BTreeMap<String, u64>,
}

impl Stats {
    /// Counts a call of a service number that a table has.
    #[inline]
    pub(super) fn count(&mut self, number: u32) {
        self.calls += 1;
        let table = if number & 0x1000 == 0 { &mut self.nt } else { &mut self.win32k };
        let row = (number & 0xfff) as usize;
        if row >= table.len() {
            table.resize(row + 1, 0);
        }
        table[row] += 1;
    }

    /// Calls by service number, those that happened.
    pub fn by_number(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let rows = |table: &'static str, counts: &'_ [u64]| {
            let base = if table == "nt" { 0 } else { 0x1000 };
            counts.iter().copied().zip(base..).map(|(n, number)| (number, n)).collect::<Vec<_>>()
        };
        rows("nt", &self.nt).into_iter().chain(rows("win32k", &self.win32k)).filter(|(_, n)| *n > 0)
    }
}
