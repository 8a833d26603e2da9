//! The dispatcher: which thread runs, which wait, and what ends a wait.

use std::collections::{BTreeMap, VecDeque};

use guest::NtStatus;

use crate::cx::Cx;
use crate::ke::clock::NEVER;
pub use crate::ke::quanta::{QUANTUM, Quanta};
use crate::ke::ready::{HIGH_PRIORITY, LOW_REALTIME};
use crate::ke::{Due, ReadyQueues, TimerTable};
use crate::kernel::{Kernel, WaitEnd};
use crate::ob::{self, Body as _, ObjectId, WaitBlock, WaitKind, Waiter};
use crate::ps::{ProcessId, ThreadId, ThreadState};
use crate::service::{NtResult, Unwind, Wait, WaitOn};

/// What a thread that was woken does first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Its call returns this status.
    Status(NtStatus),
    /// Its call is made again.
    Again,
}

/// `EVENT_INCREMENT`, `SEMAPHORE_INCREMENT`, `MUTANT_INCREMENT`: what a wait that was satisfied adds to the priority.
const WAIT_INCREMENT: u8 = 1;

/// Two halves of a keyed event's exchange: event, process, key, and whether the thread releases.
type Half = (u32, ProcessId, u64, bool);

/// The state of the dispatcher.
#[derive(Clone, Debug)]
pub struct Scheduler {
    /// Who is ready.
    pub ready: ReadyQueues,
    pub(crate) timers: TimerTable,
    keyed: BTreeMap<Half, VecDeque<ThreadId>>,
    /// The running thread is to make way.
    pub(crate) preempt: bool,
    /// How long threads run at a time.
    pub quanta: Quanta,
    /// When the running thread's quantum ends, in instructions retired.
    pub quantum_end: u64,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            ready: ReadyQueues::default(),
            timers: TimerTable::default(),
            keyed: BTreeMap::new(),
            preempt: false,
            quanta: Quanta::default(),
            quantum_end: QUANTUM,
        }
    }
}

impl Cx<'_> {
    /// Has the thread wait, unless it is alerted or the time is over already. A call that is made again keeps the
    /// deadline of the first time.
    ///
    /// `STATUS_ALERTED` and `STATUS_USER_APC` where the wait is alertable, its timeout status.
    pub fn wait(&mut self, mut wait: Wait) -> NtResult {
        if let Some(deadline) = self.kernel.ps.thread.first_deadline.take() {
            wait.deadline = deadline;
        }
        if wait.alertable
            && let Some(status) = self.kernel.take_alert()
        {
            return Ok(status);
        }
        if wait.deadline.is_some_and(|end| end <= self.kernel.clock.interrupt_time()) {
            return Ok(wait.timeout_status);
        }
        Err(Unwind::Blocked(wait))
    }
}

impl Kernel {
    /// Sets where quanta come from, before anything runs.
    pub fn set_quanta(&mut self, quanta: Quanta) {
        self.scheduler.quanta = quanta;
        self.scheduler.quantum_end = self.clock.instructions.saturating_add(self.scheduler.quanta.next());
    }

    /// A thread as one that waits, now.
    pub(crate) fn waiter(&self, thread: ThreadId, side: u8) -> Waiter {
        Waiter { thread: thread.0, now: self.clock.interrupt_time(), side }
    }

    /// Whether an alert or an APC would end an alertable wait of the running thread at once.
    pub(crate) fn has_alert(&self) -> bool {
        let thread = &self.ps.thread;
        thread.alerted || !thread.apcs.is_empty()
    }

    /// `KiTestAlert` on the way into an alertable wait: `STATUS_ALERTED`, or `STATUS_USER_APC`, whose delivery follows.
    pub(crate) fn take_alert(&mut self) -> Option<NtStatus> {
        let thread = &mut self.ps.thread;
        if std::mem::take(&mut thread.alerted) {
            return Some(NtStatus::ALERTED);
        }
        if thread.apcs.is_empty() {
            return None;
        }
        thread.apc_pending = true;
        Some(NtStatus::USER_APC)
    }

    /// The running thread waits from now on.
    pub fn block(&mut self, wait: Wait) {
        let thread = self.ps.thread.id;
        match &wait.on {
            WaitOn::Objects { objects, .. } => objects.iter().for_each(|&id| self.wait_on(ObjectId(id), thread)),
            WaitOn::Again(id) => self.wait_on(ObjectId(*id), thread),
            &WaitOn::Key { event, key, release } => {
                self.ob.reference(ObjectId(event));
                self.scheduler.keyed.entry((event, self.ps.process.id, key, release)).or_default().push_back(thread);
            }
            WaitOn::Delay | WaitOn::Alert | WaitOn::Debugger => {}
        }
        let deadline = wait.deadline.filter(|&at| at < NEVER);
        let timeout = deadline.map(|at| self.scheduler.timers.insert(at, Due::Thread(thread.0)));
        let thread = &mut self.ps.thread;
        thread.timeout = timeout;
        thread.state = ThreadState::Waiting;
        thread.wait = Some(wait);
    }

    fn wait_on(&mut self, object: ObjectId, thread: ThreadId) {
        self.ob.add_waiter(object, thread.0);
        self.watch_timer(object);
    }

    /// Enters when an object will be signalled by itself, unless it is signalled already.
    pub(crate) fn watch_timer(&mut self, object: ObjectId) {
        let now = self.waiter(self.ps.thread.id, 0);
        let waits =
            |body: &crate::body::Body| body.due().filter(|&due| due < NEVER && body.signaled(now) == Some(false));
        if let Some(due) = self.ob.get(object).and_then(|o| waits(&o.body)) {
            self.scheduler.timers.insert(due, Due::Timer(object.0));
        }
    }

    /// Takes a thread out of everything it waits in.
    pub(crate) fn unwait(&mut self, id: ThreadId) -> Option<Wait> {
        let thread = self.ps.thread_mut(id)?;
        let (wait, process) = (thread.wait.take()?, thread.process);
        if let Some(timeout) = thread.timeout.take() {
            self.scheduler.timers.remove(timeout, Due::Thread(id.0));
        }
        match &wait.on {
            WaitOn::Objects { objects, .. } => objects.iter().for_each(|&o| self.ob.remove_waiter(ObjectId(o), id.0)),
            WaitOn::Again(object) => self.ob.remove_waiter(ObjectId(*object), id.0),
            &WaitOn::Key { event, key, release } => {
                let half = (event, process, key, release);
                if let Some(queue) = self.scheduler.keyed.get_mut(&half) {
                    queue.retain(|&thread| thread != id);
                    if queue.is_empty() {
                        self.scheduler.keyed.remove(&half);
                    }
                }
                self.ob.dereference(ObjectId(event));
            }
            WaitOn::Delay | WaitOn::Alert | WaitOn::Debugger => {}
        }
        Some(wait)
    }

    /// Ends a thread's wait.
    pub(crate) fn wake(&mut self, id: ThreadId, wake: Wake, increment: u8) {
        let Some(wait) = self.unwait(id) else { return };
        let Some(thread) = self.ps.thread_mut(id) else { return };
        thread.first_deadline = (wake == Wake::Again).then_some(wait.deadline);
        thread.wake = Some(wake);
        thread.boost(increment);
        self.make_ready(id, false);
    }

    /// `KiReadyThread`: a thread may run, unless it is suspended.
    pub(crate) fn make_ready(&mut self, id: ThreadId, in_front: bool) {
        let running = (self.ps.thread.priority, self.ps.thread.state);
        let Some(thread) = self.ps.thread_mut(id) else { return };
        thread.state = ThreadState::Ready;
        if thread.is_held() || !thread.debug.begun && self.tell_start(id) {
            return;
        }
        let Some(priority) = self.ps.thread(id).map(|thread| thread.priority) else { return };
        self.scheduler.ready.insert(priority, id.0, in_front);
        self.scheduler.preempt |= running.1 == ThreadState::Running && priority > running.0;
    }

    /// Takes a thread that is ready out of its queue.
    pub(crate) fn unready(&mut self, id: ThreadId) {
        if let Some(thread) = self.ps.thread(id) {
            self.scheduler.ready.remove(thread.priority, id.0);
        }
    }

    /// `KeSetPriorityThread`: another base priority, without a boost.
    pub(crate) fn set_priority(&mut self, id: ThreadId, priority: u8) {
        let Some(thread) = self.ps.thread(id) else { return };
        let (queued, running) = (thread.state == ThreadState::Ready && !thread.is_held(), id == self.ps.thread.id);
        if queued {
            self.unready(id);
        }
        if let Some(thread) = self.ps.thread_mut(id) {
            (thread.priority, thread.base_priority) = (priority, priority);
        }
        if queued {
            self.make_ready(id, false);
        }
        self.scheduler.preempt |= running && self.scheduler.ready.highest().is_some_and(|ready| ready > priority);
    }

    /// `KeSetPriorityAndQuantumProcess`: the priorities of a process's threads move with its own.
    pub(crate) fn shift_priorities(&mut self, process: ProcessId, before: u8, after: u8) {
        let threads = self.ps.threads().filter(|t| t.process == process && !t.has_ended() && before != after);
        let shifted = |base: u8| {
            let highest = if after < LOW_REALTIME { LOW_REALTIME - 1 } else { HIGH_PRIORITY };
            let lowest = if after < LOW_REALTIME { 1 } else { LOW_REALTIME };
            base.saturating_add(after).saturating_sub(before).clamp(lowest, highest)
        };
        let threads: Vec<(ThreadId, u8)> = threads.map(|t| (t.id, shifted(t.base_priority))).collect();
        threads.into_iter().for_each(|(id, priority)| self.set_priority(id, priority));
    }

    /// Looks at the waits on an object that may have become signalled, in order.
    pub(crate) fn satisfy_waits(&mut self, object: ObjectId) {
        let mut index = 0;
        while let Some(thread) = self.ob.waiter_of(object, index).map(ThreadId) {
            match self.try_wake(thread, object) {
                // The next one has moved up.
                Some(true) => {}
                Some(false) => index += 1,
                None => break,
            }
        }
        if self.ob.waiter_of(object, 0).is_some() {
            self.watch_timer(object);
        }
    }

    /// Whether a thread's wait is over; `None`: neither its nor that of any thread behind it.
    fn try_wake(&mut self, id: ThreadId, object: ObjectId) -> Option<bool> {
        let wait = self.ps.thread(id).and_then(|thread| thread.wait.as_ref());
        let (block, side, again) = match wait.map(|wait| &wait.on) {
            Some(WaitOn::Objects { objects, all, side }) => {
                let kind = if *all { WaitKind::All } else { WaitKind::Any };
                (WaitBlock { objects: objects.iter().map(|&id| ObjectId(id)).collect(), kind }, *side, false)
            }
            Some(WaitOn::Again(object)) => {
                (WaitBlock { objects: vec![ObjectId(*object)], kind: WaitKind::Any }, 0, true)
            }
            _ => return Some(false),
        };
        let waiter = self.waiter(id, side);
        let signaled = |o: &ob::Object<crate::body::Body>| o.body.signaled(waiter).unwrap_or(false);
        let is_signaled = self.ob.get(object).is_some_and(signaled);
        if !is_signaled {
            // A mutant may be signalled for its owner alone, a side of a pair for others.
            return if side == 0 { None } else { Some(false) };
        }
        if again {
            self.wake(id, Wake::Again, WAIT_INCREMENT);
            // It takes what there is, and whatever it leaves is looked at then.
            return None;
        }
        let Some(status) = ob::try_wait(&mut self.ob, &block, waiter) else { return Some(false) };
        self.wake(id, Wake::Status(status), WAIT_INCREMENT);
        Some(true)
    }

    /// One half of a keyed event's exchange meets the other, if that waits: it is woken.
    pub(crate) fn meet(&mut self, event: ObjectId, key: u64, release: bool) -> bool {
        let half = (event.0, self.ps.process.id, key, !release);
        let Some(other) = self.scheduler.keyed.get(&half).and_then(|queue| queue.front().copied()) else {
            return false;
        };
        self.wake(other, Wake::Status(NtStatus::SUCCESS), WAIT_INCREMENT);
        true
    }

    /// When time will next change something.
    #[inline]
    pub fn next_due(&self) -> Option<u64> {
        self.scheduler.timers.next()
    }

    /// Does what is due by now: waits time out, timers expire.
    pub fn expire(&mut self) {
        while let Some(due) = self.scheduler.timers.take(self.clock.interrupt_time()) {
            match due {
                Due::Thread(thread) => self.time_out(ThreadId(thread)),
                Due::Timer(object) => self.timer_expired(ObjectId(object)),
            }
        }
        self.run_down();
    }

    fn time_out(&mut self, id: ThreadId) {
        let Some(thread) = self.ps.thread_mut(id) else { return };
        thread.timeout = None;
        if let Some(status) = thread.wait.as_ref().map(|wait| wait.timeout_status) {
            self.wake(id, Wake::Status(status), 0);
        }
    }

    fn timer_expired(&mut self, object: ObjectId) {
        self.queue_timer_apc(object);
        self.satisfy_waits(object);
    }

    /// Whether another thread is to run now: one of a higher priority is ready, or the quantum is over and one of the
    /// same is.
    #[inline]
    pub fn must_switch(&self) -> bool {
        self.scheduler.preempt
    }

    /// `KeYieldExecution`: the running thread makes way for any ready one; whether there is one.
    pub(crate) fn yield_execution(&mut self) -> bool {
        let any = self.scheduler.ready.highest().is_some();
        if any {
            self.ps.thread.yielded = true;
            self.scheduler.preempt = true;
        }
        any
    }

    /// `KiQuantumEnd`: the running thread's boost decays, and it makes way for one of its priority.
    pub fn quantum_end(&mut self) {
        let thread = &mut self.ps.thread;
        thread.decay();
        self.scheduler.quantum_end = self.clock.instructions.saturating_add(self.scheduler.quanta.next());
        if self.scheduler.ready.highest().is_some_and(|ready| ready >= self.ps.thread.priority) {
            self.ps.thread.yielded = true;
            self.scheduler.preempt = true;
        }
    }

    /// Takes the thread that is to run next. The running one, if it can go on, goes back among the ready ones: in front
    /// if it was preempted, to the end if its turn is over.
    pub fn pick(&mut self) -> Option<ThreadId> {
        self.scheduler.preempt = false;
        let thread = &mut self.ps.thread;
        if thread.state == ThreadState::Running {
            let (id, yielded) = (thread.id, std::mem::take(&mut thread.yielded));
            if yielded {
                // Whoever is ready has its turn, of a lower priority too.
                let Some(next) = self.scheduler.ready.take() else {
                    if self.ps.thread.suspend_count == 0 {
                        return Some(id);
                    }
                    // It has suspended itself.
                    self.ps.thread.state = ThreadState::Ready;
                    return None;
                };
                self.make_ready(id, false);
                self.scheduler.preempt = false;
                return Some(ThreadId(next));
            }
            self.make_ready(id, true);
        }
        self.scheduler.preempt = false;
        self.scheduler.ready.take().map(ThreadId)
    }

    /// `KiSwapThread`: another thread is the running one. Whether its process is another too.
    pub fn switch_to(&mut self, id: ThreadId) -> bool {
        let before = (self.ps.process.id, self.ps.thread.id);
        self.ps.switch_to(id);
        self.ps.thread.state = ThreadState::Running;
        self.scheduler.quantum_end = self.clock.instructions.saturating_add(self.scheduler.quanta.next());
        let moved = self.ps.process.id != before.0;
        if moved {
            self.mm.switch_space(before.0.0, self.ps.process.id.0);
        }
        if before.1 != id {
            self.bury(before.1);
        }
        moved
    }

    /// Ends a wait of the running thread while no other runs: time passes until something ends it.
    pub fn finish_wait(&mut self, wait: &Wait) -> WaitEnd {
        let id = self.ps.thread.id;
        self.block(wait.clone());
        loop {
            if let Some(wake) = self.ps.thread.wake.take() {
                self.unready(id);
                self.ps.thread.state = ThreadState::Running;
                return WaitEnd::Woken(wake);
            }
            let Some(due) = self.next_due() else { break };
            self.clock.advance_to(due);
            self.expire();
        }
        self.unwait(id);
        self.ps.thread.state = ThreadState::Running;
        WaitEnd::Deadlock
    }
}

impl crate::ps::Thread {
    /// A boost, which no thread of the real-time priorities gets and which does not lead there.
    fn boost(&mut self, increment: u8) {
        if self.base_priority < LOW_REALTIME && !self.boost_disabled {
            self.priority = self.priority.max(self.base_priority.saturating_add(increment).min(LOW_REALTIME - 1));
        }
    }

    /// A boost goes down by one for each quantum.
    fn decay(&mut self) {
        if self.priority > self.base_priority {
            self.priority -= 1;
        }
    }
}
