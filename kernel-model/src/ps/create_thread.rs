//! Making threads: `NtCreateThreadEx`.

use guest::access::process as access;
use guest::layout::Side;
use guest::mem::Word;
use guest::registers::{Reg, Segments, UserState};
use guest::types::{ClientId, ObjectAttributes};
use guest::{AccessMask, Arch, GuestMemory, Handle, NtStatus, UserPtr};

use super::attribute_list::{self, PsAttribute, attribute};
use super::teb::{Teb, write_teb};
use super::wow64::{WOW_TEB_OFFSET, WOW64_STACK, Wow64Start, write_wow64};
use super::{GivenStack, ProcessId, Thread, ThreadId, ThreadObject, ThreadStart, ThreadState};
use crate::body::Body;
use crate::cx::Cx;
use crate::mm::{StackRequest, UserStack};
use crate::ob::{Attributes, NameToOpen};
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtCreateThreadEx => nt_create_thread_ex,
    Support::Partial("no attributes but the client id and the TEB address; no ZeroBits; not with --dispatch kernel")
)];

/// `THREAD_CREATE_FLAGS_*`
const CREATE_SUSPENDED: u32 = 1;
const SKIP_THREAD_ATTACH: u32 = 2;
const HIDE_FROM_DEBUGGER: u32 = 4;
const KNOWN_FLAGS: u32 = 0x77;

/// A thread that is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewThread {
    /// In which process.
    pub process: ProcessId,
    /// `StartRoutine` and its argument.
    pub start: [u64; 2],
    /// Bytes of stack: reserved and committed; 0: as the image says.
    pub stack: [u64; 2],
    /// It starts suspended.
    pub suspended: bool,
    /// What `NtCreateThread` gives it.
    pub given: Option<Given>,
}

/// Registers and a stack that whoever makes a thread has made for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// What it starts with.
    pub user: UserState,
    /// Its stack.
    pub stack: UserStack,
}

/// `NtCreateThreadEx`: makes a thread in a process, its stack (bytes committed, bytes reserved; 0: as the image says) and
/// its TEB. It starts at `RtlUserThreadStart`, which calls the routine with its argument.
///
/// `STATUS_INVALID_PARAMETER` (flags, attributes), `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED` without
/// `PROCESS_CREATE_THREAD`, `STATUS_PROCESS_IS_TERMINATING`, `STATUS_NO_MEMORY`, `STATUS_COMMITMENT_LIMIT`.
#[expect(clippy::too_many_arguments, reason = "NtCreateThreadEx has eleven")]
fn nt_create_thread_ex(
    cx: &mut Cx<'_>, thread_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, process: Handle, start: u64, argument: u64, flags: u32,
    zero_bits: u64, stack_size: u64, maximum_stack_size: u64, attributes: u64,
) -> NtResult {
    cx.probe_handle(thread_handle)?;
    if flags & !KNOWN_FLAGS != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    // What loader and debugger would do is not there to be left out.
    if flags & !(CREATE_SUSPENDED | SKIP_THREAD_ATTACH | HIDE_FROM_DEBUGGER) != 0 {
        return Err(Unwind::unsupported(format!("CreateFlags {flags:#x}")));
    }
    if zero_bits != 0 {
        return Err(Unwind::unsupported("ZeroBits"));
    }
    let outputs = capture_attributes(cx, attributes)?;
    let name = NameToOpen::capture(&mut cx.mem(), object_attributes)?;
    let id = cx.process_of(process, access::CREATE_THREAD)?;
    let new = NewThread {
        process: id,
        start: [start, argument],
        stack: [maximum_stack_size, stack_size],
        suspended: flags & CREATE_SUSPENDED != 0,
        given: None,
    };
    if cx.kernel.single_threaded {
        return Err(Unwind::unsupported("a second thread with --dispatch kernel"));
    }
    let thread = cx.create_thread(&new)?;
    let opened = open_new(cx, thread, desired_access, name.attributes);
    let result = opened.and_then(|handle| {
        cx.mem().store(thread_handle, &handle)?;
        outputs.store(cx, thread)
    });
    match result {
        Ok(()) => {
            cx.kernel.start_thread(thread);
            Ok(NtStatus::SUCCESS)
        }
        Err(failed) => {
            cx.kernel.end_thread(thread, NtStatus::UNSUCCESSFUL);
            Err(failed)
        }
    }
}

/// Where the attributes want something told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outputs {
    client_id: Option<UserPtr<ClientId>>,
    teb: Option<UserPtr<Word>>,
}

impl Outputs {
    /// Whether an attribute is one of these; where it wants its answer is kept.
    pub(super) fn take(&mut self, id: u64, value: u64) -> bool {
        match id {
            attribute::CLIENT_ID => self.client_id = Some(UserPtr::new(value)),
            attribute::TEB_ADDRESS => self.teb = Some(UserPtr::new(value)),
            _ => return false,
        }
        true
    }

    pub(super) fn probe(&self, cx: &mut Cx<'_>) -> NtResult<()> {
        self.client_id.map_or(Ok(()), |pointer| cx.mem().probe(pointer))?;
        self.teb.map_or(Ok(()), |pointer| cx.mem().probe(pointer))?;
        Ok(())
    }

    pub(super) fn store(&self, cx: &mut Cx<'_>, id: ThreadId) -> NtResult<()> {
        let Some(thread) = cx.kernel.ps.thread(id) else { return Ok(()) };
        let (client, teb) = (ClientId { process: thread.process.0.into(), thread: id.0.into() }, thread.teb);
        if let Some(pointer) = self.client_id {
            cx.mem().store(pointer, &client)?;
        }
        if let Some(pointer) = self.teb {
            cx.mem().store(pointer, &Word(teb))?;
        }
        Ok(())
    }
}

/// Reads the attributes.
fn capture_attributes(cx: &mut Cx<'_>, list: u64) -> NtResult<Outputs> {
    let mut outputs = Outputs::default();
    for PsAttribute { id, value, .. } in attribute_list::capture(cx, list)? {
        if !outputs.take(id, value) {
            return Err(Unwind::unsupported(format!("attribute {id:#x}")));
        }
    }
    outputs.probe(cx)?;
    Ok(outputs)
}

/// A handle to a thread that was just made. Whoever made it has the access that it asks for.
pub(crate) fn open_new(
    cx: &mut Cx<'_>, thread: ThreadId, desired_access: AccessMask, attributes: Attributes,
) -> NtResult<Handle> {
    let object = cx.kernel.ps.thread(thread).map(|t| t.object).ok_or(NtStatus::UNSUCCESSFUL)?;
    let security = cx.security_of_new(crate::ob::ObjectType::Thread, None, None)?;
    if let Some(header) = cx.kernel.ob.get_mut(object) {
        header.security = security;
    }
    let granted = cx.grant_new(crate::ob::ObjectType::Thread, desired_access)?;
    Ok(cx.open_handle(object, granted, attributes - Attributes::KERNEL_HANDLE)?)
}

impl Cx<'_> {
    /// `PspCreateThread`: a thread with its stack and TEB, not started.
    pub(crate) fn create_thread(&mut self, new: &NewThread) -> NtResult<ThreadId> {
        let process = self.kernel.ps.get(new.process).filter(|p| p.exit_status == NtStatus::PENDING);
        let process = process.ok_or(NtStatus::PROCESS_IS_TERMINATING)?;
        if process.thread_start == 0 {
            return Err(Unwind::unsupported("a thread in a process that does not run"));
        }
        if let Some(first) = process.unborn {
            self.adopt_first(new, first)?;
            if let Some(process) = self.kernel.ps.get_mut(new.process) {
                process.unborn = None;
            }
            return Ok(first);
        }
        let mut tebs = process.tebs.clone();
        let id = ThreadId(self.kernel.ps.next_id());
        let prepared = self.attached(new.process, |cx| prepare(cx, new, id, &mut tebs));
        if let Some(process) = self.kernel.ps.get_mut(new.process) {
            process.tebs = tebs;
        }
        let Prepared { user, teb, wow64_teb, stacks } = prepared?;
        let given = new.given.map(|given| GivenStack { stack: given.stack, freed: false });
        let object = self.kernel.ob.create(Body::Thread(ThreadObject { id, ended: false }));
        let thread = Thread {
            user,
            teb,
            wow64_teb,
            stacks,
            start_address: new.start[0],
            start: if given.is_some() { ThreadStart::Changed } else { ThreadStart::of_new(self.kernel.own_loader) },
            given_stack: given,
            suspend_count: new.suspended.into(),
            ..Thread::new(id, new.process, object)
        };
        self.kernel.ps.add_thread(thread);
        Ok(id)
    }
}

/// What a thread finds in its process.
struct Prepared {
    user: UserState,
    teb: u64,
    wow64_teb: Option<u64>,
    stacks: Vec<UserStack>,
}

/// Makes stacks and TEBs in the process that is attached to.
fn prepare(cx: &mut Cx<'_>, new: &NewThread, id: ThreadId, tebs: &mut super::TebSlots) -> Result<Prepared, NtStatus> {
    let process = cx.kernel.ps.get(new.process).ok_or(NtStatus::PROCESS_IS_TERMINATING)?;
    let highest = process.highest;
    let teb = match (process.wow64_ways, cx.kernel.profile.arch) {
        (None, Arch::X86) if !cx.kernel.is_wine_root() => tebs.take_below(&mut cx.kernel.mm, process.peb)?,
        _ => tebs.take(&mut cx.kernel.mm, highest)?,
    };
    let mut stacks = Vec::new();
    let result = fill(cx, new, id, teb, &mut stacks);
    if result.is_err() {
        stacks.into_iter().for_each(|stack| cx.kernel.mm.delete_stack(stack));
        tebs.give_back(&mut cx.kernel.mm, teb);
    }
    result
}

fn fill(
    cx: &mut Cx<'_>, new: &NewThread, id: ThreadId, teb: u64, stacks: &mut Vec<UserStack>,
) -> Result<Prepared, NtStatus> {
    let profile = cx.kernel.profile;
    let process = cx.kernel.ps.get(new.process).ok_or(NtStatus::PROCESS_IS_TERMINATING)?;
    let (peb, wow64_peb, ways, rip) = (process.peb, process.wow64_peb, process.wow64_ways, process.thread_start);
    let (highest, defaults) = (process.highest, process.stack);
    let [reserve, commit] = [0, 1].map(|i| [new.stack, defaults].map(|of| of[i]).into_iter().find(|&n| n > 0));
    // Wine's loader clears that much below a new thread's context.
    let least = if cx.kernel.is_wine_root() { 0x12_0000 } else { 0 };
    let commit = commit.unwrap_or(0).max(least);
    let reserve = reserve.unwrap_or(0x10_0000).max(commit.saturating_add(0x1_0000)).min(1 << 32);
    let mut stack = |cx: &mut Cx<'_>, side: &Side, teb: u64, [reserve, commit]: [u64; 2]| {
        let limit_field = teb + side.offset("NT_TIB", "StackLimit");
        let request = StackRequest { reserve, commit, at: None, highest, limit_field, width: side.width() };
        let stack = cx.kernel.mm.create_stack(&request)?;
        stacks.push(stack);
        Ok::<_, NtStatus>(stack)
    };
    let ids = (new.process, id);
    let native = Side::new(profile, profile.arch);
    let mut user = UserState { segments: Segments::of(profile.arch), ..UserState::default() };
    let mut set = |register: Reg, value: u64| user.file.set(register, value);
    set(Reg::Rflags, 0x202);
    set(Reg::Rip, rip);
    let [routine, argument] = new.start;
    let mut wow64_teb = None;
    match (ways, wow64_peb) {
        (Some(ways), Some(wow64_peb)) => {
            let sides = [Arch::X64, Arch::X86].map(|arch| Side::new(profile, arch));
            let teb32 = teb + WOW_TEB_OFFSET;
            let stack64 = stack(cx, &sides[0], teb, [WOW64_STACK, 0])?;
            let stack32 = stack(cx, &sides[1], teb32, [reserve, commit])?;
            for (side, at, peb, stack) in [(&sides[0], teb, peb, stack64), (&sides[1], teb32, wow64_peb, stack32)] {
                write_teb(&mut cx.kernel.mm, cx.ram, side, &Teb { at, peb, stack, ids, tls: 0 })?;
            }
            let start = Wow64Start { ways, start: new.start, stack: stack32 };
            write_wow64(&mut cx.kernel.mm, cx.ram, &sides, teb, &start)?;
            set(Reg::Rsp, stack64.base - 0x28);
            wow64_teb = Some(teb32);
        }
        _ if let Some(given) = new.given => {
            write_teb(&mut cx.kernel.mm, cx.ram, &native, &Teb { at: teb, peb, stack: given.stack, ids, tls: 0 })?;
            let limit_field = teb + native.offset("NT_TIB", "StackLimit");
            cx.kernel.mm.adopt_stack(given.stack, limit_field, native.width());
            user = given.user;
        }
        _ => {
            let stack = stack(cx, &native, teb, [reserve, commit])?;
            write_teb(&mut cx.kernel.mm, cx.ram, &native, &Teb { at: teb, peb, stack, ids, tls: 0 })?;
            let (first, second, below) = match profile.arch {
                // As after a call: the stack is 8 below a multiple of 16, and there is home space above.
                Arch::X64 => (Reg::Rcx, Reg::Rdx, 0x28),
                Arch::X86 => (Reg::Rax, Reg::Rbx, 0x10),
            };
            set(first, routine);
            set(second, argument);
            set(Reg::Rsp, stack.base - below);
        }
    }
    Ok(Prepared { user, teb, wow64_teb, stacks: std::mem::take(stacks) })
}

impl crate::kernel::Kernel {
    /// A thread that was made may run.
    pub(crate) fn start_thread(&mut self, id: ThreadId) {
        if self.ps.thread(id).is_some_and(|thread| thread.state == ThreadState::Waiting) {
            self.make_ready(id, false);
        }
    }
}
