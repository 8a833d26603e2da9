//! Who may run: the ready queues by priority, and what becomes due when.

use std::collections::{BTreeSet, VecDeque};

/// The lowest and the highest priority that the boosts of ordinary threads reach are below this one.
pub const LOW_REALTIME: u8 = 16;
/// The highest priority.
pub const HIGH_PRIORITY: u8 = 31;

/// `KPRCB.DispatcherReadyListHead`: threads by id, in 32 queues.
#[derive(Clone, Debug, Default)]
pub struct ReadyQueues {
    queues: [VecDeque<u32>; 32],
    /// `ReadySummary`: which queues have somebody.
    summary: u32,
}

impl ReadyQueues {
    /// Puts a thread at the end of its priority's queue, or in front.
    pub fn insert(&mut self, priority: u8, thread: u32, in_front: bool) {
        let priority = priority.min(HIGH_PRIORITY);
        let Some(queue) = self.queues.get_mut(usize::from(priority)) else { return };
        if in_front {
            queue.push_front(thread);
        } else {
            queue.push_back(thread);
        }
        self.summary |= 1 << priority;
    }

    /// Takes a thread out.
    pub fn remove(&mut self, priority: u8, thread: u32) {
        let Some(queue) = self.queues.get_mut(usize::from(priority.min(HIGH_PRIORITY))) else { return };
        if let Some(at) = queue.iter().position(|&t| t == thread) {
            queue.remove(at);
        }
        if queue.is_empty() {
            self.summary &= !(1 << priority.min(HIGH_PRIORITY));
        }
    }

    /// The highest priority of a ready thread.
    #[inline]
    pub fn highest(&self) -> Option<u8> {
        self.summary.checked_ilog2().map(|n| n as u8)
    }

    /// Takes the first of the highest.
    pub fn take(&mut self) -> Option<u32> {
        let priority = self.highest()?;
        let queue = self.queues.get_mut(usize::from(priority))?;
        let thread = queue.pop_front();
        if queue.is_empty() {
            self.summary &= !(1 << priority);
        }
        thread
    }
}

/// What time brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// A thread's wait ends.
    Thread(u32),
    /// A timer in this slot of the object store expires.
    Timer(u32),
}

/// The timer table: what is due, in order of time, and of the same time in order of entry.
#[derive(Clone, Debug, Default)]
pub struct TimerTable {
    entries: BTreeSet<(u64, u64, Due)>,
    next: u64,
}

impl TimerTable {
    /// Enters something; what takes it out again. A timer is entered for each time once.
    pub fn insert(&mut self, at: u64, due: Due) -> (u64, u64) {
        let number = match due {
            Due::Timer(_) => 0,
            Due::Thread(_) => {
                self.next += 1;
                self.next
            }
        };
        self.entries.insert((at, number, due));
        (at, number)
    }

    /// Takes it out.
    pub fn remove(&mut self, (at, number): (u64, u64), due: Due) {
        self.entries.remove(&(at, number, due));
    }

    /// When the next is due.
    #[inline]
    pub fn next(&self) -> Option<u64> {
        self.entries.first().map(|entry| entry.0)
    }

    /// Takes what is due at a time.
    pub fn take(&mut self, now: u64) -> Option<Due> {
        let entry = *self.entries.first().filter(|entry| entry.0 <= now)?;
        self.entries.remove(&entry);
        Some(entry.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_priority_goes_first_and_equals_take_turns() {
        let mut ready = ReadyQueues::default();
        assert_eq!((ready.highest(), ready.take()), (None, None));
        for (priority, thread) in [(8, 1), (8, 2), (15, 3), (0, 4), (31, 5)] {
            ready.insert(priority, thread, false);
        }
        ready.insert(8, 6, true);
        ready.remove(31, 5);
        assert_eq!(ready.highest(), Some(15));
        let order: Vec<u32> = std::iter::from_fn(|| ready.take()).collect();
        assert_eq!(order, [3, 6, 1, 2, 4]);
    }

    #[test]
    fn what_is_due_comes_in_order_of_time_and_of_entry() {
        let mut table = TimerTable::default();
        let late = table.insert(20, Due::Thread(1));
        table.insert(10, Due::Timer(9));
        table.insert(10, Due::Thread(2));
        table.remove(late, Due::Thread(1));
        assert_eq!(table.next(), Some(10));
        assert_eq!([table.take(9), table.take(10), table.take(10)], [None, Some(Due::Timer(9)), Some(Due::Thread(2))]);
        assert_eq!((table.next(), table.take(100)), (None, None));
    }
}
