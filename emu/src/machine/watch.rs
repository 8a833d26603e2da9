//! Somebody who looks at a machine while it runs, and may stop it.

use super::{End, Machine};
use crate::cpu::Reg;

/// What is seen of a machine that runs.
#[derive(Clone, Debug)]
pub struct Look<'a> {
    /// Instructions retired.
    pub instructions: u64,
    /// System calls.
    pub calls: u64,
    /// The module that runs; `None`: code in none.
    pub module: Option<&'a str>,
}

/// Looks at a machine again and again, at least once in some million instructions. What it does changes nothing that the
/// guest sees.
pub trait Watch {
    /// Whether the machine is to stop. Asked often.
    fn stops(&mut self) -> bool;
    /// Whether it is time for a look. Asked as often.
    fn is_due(&mut self) -> bool;
    /// Has a look.
    fn look(&mut self, look: &Look<'_>);
}

/// Instructions between two looks.
const SLICE: u64 = 2_000_000;

impl Machine {
    /// Has somebody look while it runs.
    pub fn set_watch(&mut self, watch: Box<dyn Watch>) {
        self.watch = Some(watch);
    }

    /// Up to how many instructions it runs before the next look. Kernel code is not interrupted.
    pub(super) fn next_look(&self) -> u64 {
        match &self.watch {
            Some(_) if self.world.ring_0.is_none() => self.cpu.retired().saturating_add(SLICE),
            _ => u64::MAX,
        }
    }

    /// Lets whoever looks have a look.
    pub(super) fn look(&mut self) -> Option<End> {
        let watch = self.watch.as_mut()?;
        if watch.stops() {
            return Some(End::Stopped);
        }
        if !watch.is_due() {
            return None;
        }
        let rip = self.cpu.registers().get(Reg::Rip);
        let module = self.world.modules.at(rip).map(|module| module.name.as_str());
        let look = Look { instructions: self.cpu.retired(), calls: self.world.stats.calls, module };
        watch.look(&look);
        None
    }
}
