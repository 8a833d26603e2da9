//! The APCs of timers: `NtSetTimer` with a routine.

use super::{Apc, ThreadId};
use crate::body::Body;
use crate::ke::clock::NEVER;
use crate::ke::{Due, Timer, TimerApc};
use crate::kernel::Kernel;
use crate::ob::{ObjectId, ObjectType};

impl Kernel {
    fn timer(&mut self, object: ObjectId) -> Option<&mut Timer> {
        match self.ob.get_mut(object).map(|object| &mut object.body) {
            Some(Body::Timer(timer)) => Some(timer),
            _ => None,
        }
    }

    /// A timer queues this routine, with its context, to the calling thread at `due`, and each `period` after.
    pub(crate) fn arm_timer_apc(&mut self, object: ObjectId, words: [u64; 2], due: u64, period: u64) {
        let thread = self.ps.thread.id.0;
        let Some(timer) = self.timer(object) else { return };
        timer.apc = Some(TimerApc { thread, words, due, period, queued: false });
        self.ob.reference(object);
        self.await_timer_apc(object, due);
    }

    fn await_timer_apc(&mut self, object: ObjectId, due: u64) {
        if due <= self.clock.interrupt_time() {
            self.queue_timer_apc(object);
        } else if due < NEVER {
            self.scheduler.timers.insert(due, Due::Timer(object.0));
        }
    }

    /// A timer queues its routine no more, and takes it back if it waits in the thread's queue.
    pub(crate) fn disarm_timer_apc(&mut self, object: ObjectId) {
        let Some(apc) = self.timer(object).and_then(|timer| timer.apc.take()) else { return };
        self.scheduler.timers.remove((apc.due, 0), Due::Timer(object.0));
        if let Some(thread) = self.ps.thread_mut(ThreadId(apc.thread)) {
            thread.apcs.retain(|queued| queued.timer != Some(object));
        }
        self.ob.dereference(object);
    }

    /// A timer may have expired: the APC that it was set with is queued. Its arguments are the system time then.
    pub(crate) fn queue_timer_apc(&mut self, object: ObjectId) {
        let (now, time) = (self.clock.interrupt_time(), self.clock.system_time());
        let due = |apc: &&mut TimerApc| !apc.queued && apc.due <= now;
        let Some(apc) = self.timer(object).and_then(|timer| timer.apc.as_mut()).filter(due) else { return };
        apc.queued = true;
        let (thread, [routine, context]) = (ThreadId(apc.thread), apc.words);
        let words = [routine, context, time & 0xffff_ffff, time >> 32];
        if self.queue_apc(thread, Apc { words, special: false, timer: Some(object) }).is_err() {
            self.disarm_timer_apc(object);
        }
    }

    /// The APC of a timer has been delivered: that of a periodic one is queued again when the next period is over.
    pub(crate) fn timer_apc_delivered(&mut self, object: ObjectId) {
        let now = self.clock.interrupt_time();
        let periodic = |apc: &&mut TimerApc| apc.period > 0;
        let Some(apc) = self.timer(object).and_then(|timer| timer.apc.as_mut()).filter(periodic) else {
            self.disarm_timer_apc(object);
            return;
        };
        let missed = now.saturating_sub(apc.due) / apc.period + 1;
        apc.due = apc.due.saturating_add(missed.saturating_mul(apc.period));
        apc.queued = false;
        let due = apc.due;
        self.await_timer_apc(object, due);
    }

    /// `ExTimerRundown`: the timers that a thread has set with a routine are cancelled when it ends.
    pub(crate) fn cancel_timers_of(&mut self, thread: ThreadId) {
        if self.ob.type_info(ObjectType::Timer).is_none_or(|info| info.objects == 0) {
            return;
        }
        let of_it = |body: &Body| matches!(body, Body::Timer(timer) if timer.apc.is_some_and(|a| a.thread == thread.0));
        let timers: Vec<ObjectId> = self.ob.iter().filter(|(_, o)| of_it(&o.body)).map(|(id, _)| id).collect();
        let now = self.clock.interrupt_time();
        for id in timers {
            if let Some(timer) = self.timer(id) {
                timer.cancel(now);
            }
            self.disarm_timer_apc(id);
        }
    }
}
