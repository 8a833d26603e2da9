//! How long threads run at a time: by a seed, or as in a run that was recorded.

use std::path::{Path, PathBuf};

use clap::Args;
use kernel_model::schedule::Quanta;

use crate::machine::Machine;

/// The first line of a recorded schedule.
const HEAD: &str = "trapgate schedule 1";

/// Options about the order of threads.
#[derive(Debug, Args)]
pub struct ScheduleOptions {
    /// Let threads take turns after random, mostly short times, that this seed picks; a seed gives the same run always
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Instructions that a thread runs before others of its priority have their turn
    #[arg(long, value_name = "N", conflicts_with = "seed", value_parser = clap::value_parser!(u64).range(1..))]
    pub quantum: Option<u64>,
    /// Replay the order of threads in this file; if it is not there, record it
    #[arg(long, value_name = "FILE", conflicts_with = "quantum")]
    pub schedule: Option<PathBuf>,
}

impl ScheduleOptions {
    /// Where quanta come from. A file that exists is replayed.
    pub(super) fn quanta(&self) -> Result<Quanta, String> {
        let own = match (self.seed, self.quantum) {
            (Some(seed), _) => Quanta::seeded(seed),
            (None, Some(quantum)) => Quanta::Fixed(quantum),
            (None, None) => Quanta::default(),
        };
        match &self.schedule {
            None => Ok(own),
            Some(path) if path.exists() => {
                if self.seed.is_some() {
                    return Err(format!("{}: is there, and would be replayed: leave --seed out", path.display()));
                }
                Ok(Quanta::Replayed(read(path)?.into(), 0))
            }
            Some(_) => Ok(own.recorded()),
        }
    }

    /// Writes what was recorded.
    pub(super) fn save(&self, machine: &Machine) -> Result<(), String> {
        let (Some(path), Some(quanta)) = (&self.schedule, machine.kernel().scheduler.quanta.record()) else {
            return Ok(());
        };
        let lines: Vec<String> = quanta.iter().map(u64::to_string).collect();
        let text = format!("{HEAD}\n{}\n", lines.join("\n"));
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn read(path: &Path) -> Result<Vec<u64>, String> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        return Err(wrong(format!("is no recorded schedule: its first line is not \"{HEAD}\"")));
    }
    let quantum = |(line, number): (&str, usize)| match line.parse() {
        Ok(quantum) if quantum > 0 => Ok(quantum),
        _ => Err(wrong(format!("line {number} is no number of instructions"))),
    };
    lines.zip(2..).filter(|(line, _)| !line.is_empty()).map(quantum).collect()
}
