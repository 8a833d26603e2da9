//! The virtual clock: time is what retired instructions make it.

/// Virtual nanoseconds one instruction takes.
pub const NS_PER_INSTRUCTION: u64 = 1;
/// The clock interrupt's period in 100 ns units: 15.625 ms, as on most machines.
pub const TICK: u64 = 156_250;
/// `QueryPerformanceFrequency`: 10 MHz, as Windows 10 reports wherever it uses the TSC.
pub const QPC_FREQUENCY: u64 = 10_000_000;
/// How long the machine has been up when the first process starts, in 100 ns units: one hour.
const UPTIME: u64 = 36_000_000_000;
/// The system time at that moment, in 100 ns units since 1601: 2024-01-01 12:00 UTC.
const SYSTEM_TIME: u64 = 133_485_840_000_000_000;

/// An interrupt time that the clock does not reach: nanoseconds end after 584 years.
pub const NEVER: u64 = (u64::MAX - UPTIME) / 100;

/// The machine's time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Instructions retired so far.
    pub instructions: u64,
    /// Nanoseconds that passed while every thread waited.
    skipped: u64,
}

impl Clock {
    fn nanoseconds_at(&self, instructions: u64) -> u64 {
        instructions.wrapping_mul(NS_PER_INSTRUCTION).wrapping_add(self.skipped)
    }

    fn nanoseconds(&self) -> u64 {
        self.nanoseconds_at(self.instructions)
    }

    /// `KeQueryInterruptTime` with full precision: 100 ns units since boot.
    pub fn interrupt_time(&self) -> u64 {
        UPTIME + self.nanoseconds() / 100
    }

    /// The interrupt time at the last clock tick, which is what KUSER_SHARED_DATA shows.
    pub fn ticked_interrupt_time(&self) -> u64 {
        self.interrupt_time() / TICK * TICK
    }

    /// Clock ticks since boot (`KeTickCount`).
    pub fn tick_count(&self) -> u64 {
        self.interrupt_time() / TICK
    }

    /// The system time that belongs to an interrupt time: 100 ns units since 1601.
    pub fn system_time_at(&self, interrupt_time: u64) -> u64 {
        SYSTEM_TIME - UPTIME + interrupt_time
    }

    /// The time that programs have run, in 100 ns units.
    pub fn busy_time(&self) -> u64 {
        self.instructions.wrapping_mul(NS_PER_INSTRUCTION) / 100
    }

    /// The system time now.
    pub fn system_time(&self) -> u64 {
        self.system_time_at(self.interrupt_time())
    }

    /// The system time at boot.
    pub fn boot_time(&self) -> u64 {
        self.system_time_at(0)
    }

    /// The interrupt time that belongs to a system time; times before boot are 0.
    pub fn interrupt_time_at(&self, system_time: u64) -> u64 {
        system_time.saturating_sub(SYSTEM_TIME - UPTIME)
    }

    /// The performance counter, in units of [`QPC_FREQUENCY`].
    pub fn performance_counter(&self) -> u64 {
        self.interrupt_time()
    }

    /// The time-stamp counter: one count a nanosecond.
    pub fn tsc(&self) -> u64 {
        self.tsc_at(self.instructions)
    }

    /// The same when this many instructions have retired.
    pub fn tsc_at(&self, instructions: u64) -> u64 {
        UPTIME * 100 + self.nanoseconds_at(instructions)
    }

    /// Instructions until the next clock tick, at least one.
    pub fn instructions_to_tick(&self) -> u64 {
        self.instructions_to((self.tick_count() + 1) * TICK)
    }

    /// Instructions until an interrupt time, at least one.
    pub fn instructions_to(&self, interrupt_time: u64) -> u64 {
        let ns = interrupt_time.saturating_sub(UPTIME).saturating_mul(100).saturating_sub(self.nanoseconds());
        (ns / NS_PER_INSTRUCTION).max(1)
    }

    /// Lets time pass, with nobody running, up to an interrupt time.
    pub fn advance_to(&mut self, interrupt_time: u64) {
        let ns = interrupt_time.saturating_sub(self.interrupt_time());
        self.skipped = self.skipped.saturating_add(ns.saturating_mul(100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_by_instructions_and_by_waiting() {
        let mut clock = Clock::default();
        let start = clock.interrupt_time();
        clock.instructions = 1_000;
        assert_eq!(clock.interrupt_time() - start, 10, "1000 ns");
        clock.advance_to(start + 10_000_000);
        assert_eq!(clock.interrupt_time() - start, 10_000_000, "one second");
        clock.advance_to(start);
        assert_eq!(clock.interrupt_time() - start, 10_000_000, "time does not go back");
        assert_eq!(clock.interrupt_time_at(clock.system_time_at(5)), 5);
    }

    #[test]
    fn a_tick_is_reached_after_just_so_many_instructions() {
        let mut clock = Clock { instructions: 123_456_789, ..Clock::default() };
        let before = clock.tick_count();
        let left = clock.instructions_to_tick();
        clock.instructions += left - 1;
        assert_eq!(clock.tick_count(), before);
        clock.instructions += 1;
        assert_eq!(clock.tick_count(), before + 1);
    }
}
