//! `NtContinue`, `NtGetContextThread`, `NtSetContextThread`, `NtRaiseException`: a thread's registers as a program sees
//! and sets them.

use guest::access::process as access;
use guest::context::{ContextLayout, ExceptionRecord, Parts};
use guest::mem::Access;
use guest::registers::UserState;
use guest::{Fault, FaultKind, GuestMemory, Handle, NtStatus, UserPtr};

use super::{ThreadId, ThreadObject};
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtContinue => nt_continue, Support::Full),
    service!(NtContinueEx => nt_continue_ex, Support::Partial("KCONTINUE_RESUME and KCONTINUE_UNWIND only")),
    service!(NtGetContextThread => nt_get_context_thread, Support::Full),
    service!(NtSetContextThread => nt_set_context_thread, Support::Full),
    service!(NtRaiseException => nt_raise_exception, Support::Full),
];

impl Cx<'_> {
    /// The layout of the contexts of the kernel's own width.
    fn native_context(&self) -> ContextLayout {
        ContextLayout::new(self.kernel.profile.arch)
    }

    /// Reads a `CONTEXT`, and which parts it names.
    ///
    /// `STATUS_DATATYPE_MISALIGNMENT`, `STATUS_ACCESS_VIOLATION`, and the statuses of [`Cx::context_parts`].
    pub(super) fn read_context(&mut self, layout: ContextLayout, at: UserPtr<u8>) -> NtResult<(Vec<u8>, Parts)> {
        if !at.va.is_multiple_of(layout.align()) {
            let fault = Fault { va: at.va, access: Access::Read, kind: FaultKind::Misaligned };
            return Err(fault.into());
        }
        let mut bytes = vec![0; layout.size()];
        self.mem().read(at.va, &mut bytes)?;
        let parts = self.context_parts(layout, &bytes)?;
        Ok((bytes, parts))
    }

    /// The parts that `ContextFlags` names.
    ///
    /// `STATUS_INVALID_PARAMETER` for another architecture's, which before Windows 7 are none; `STATUS_NOT_SUPPORTED` for
    /// what XSAVE keeps, since this CPU has no XSAVE.
    pub(super) fn context_parts(&self, layout: ContextLayout, bytes: &[u8]) -> Result<Parts, NtStatus> {
        let strict = (self.kernel.profile.version.0, self.kernel.profile.version.1) >= (6, 1);
        match layout.parts(bytes) {
            None if strict => Err(NtStatus::INVALID_PARAMETER),
            None => Ok(Parts::empty()),
            Some(parts) if strict && parts.contains(Parts::XSTATE) => Err(NtStatus::NOT_SUPPORTED),
            Some(parts) => Ok(parts),
        }
    }

    /// Has the calling thread go on with other registers.
    fn continue_with(&mut self, layout: ContextLayout, bytes: &[u8], parts: Parts) -> NtResult<()> {
        let (kernel, highest) = (self.kernel.profile.arch, self.kernel.mm.space.limits.highest);
        let state = self.user_state()?;
        layout.apply(bytes, parts, kernel, highest, state);
        Ok(())
    }

    /// The registers of a thread, the calling one's if it is that.
    pub(super) fn state_of(&mut self, thread: ThreadId) -> NtResult<&mut UserState> {
        if thread == self.kernel.ps.thread.id {
            return self.user_state();
        }
        let thread = self.kernel.ps.thread_mut(thread).ok_or(NtStatus::INVALID_HANDLE)?;
        Ok(&mut thread.user)
    }
}

/// `NtContinue`: goes on with the registers of a `CONTEXT`, as far as user mode may have them.
///
/// `STATUS_DATATYPE_MISALIGNMENT`, `STATUS_ACCESS_VIOLATION`, `STATUS_INVALID_PARAMETER`, `STATUS_NOT_SUPPORTED`: the
/// call has failed then. Otherwise it does not return.
fn nt_continue(cx: &mut Cx<'_>, context: UserPtr<u8>, test_alert: bool) -> NtResult {
    let layout = cx.native_context();
    let (bytes, parts) = cx.read_context(layout, context)?;
    cx.continue_with(layout, &bytes, parts)?;
    if test_alert {
        let thread = &mut cx.kernel.ps.thread;
        thread.alerted = false;
        thread.apc_pending |= !thread.apcs.is_empty();
    }
    Err(Unwind::Resume)
}

/// `KCONTINUE_TYPE`: both kinds that a program without a shadow stack can have.
const CONTINUE_UNWIND: u32 = 0;
const CONTINUE_RESUME: u32 = 1;
/// `KCONTINUE_FLAG_TEST_ALERT`.
const CONTINUE_TEST_ALERT: u32 = 1;
/// What is no pointer to a `KCONTINUE_ARGUMENT` but a `BOOLEAN`.
const LARGEST_BOOLEAN: u64 = 0xff;

/// `NtContinueEx`: the same; its second argument is a `BOOLEAN`, or points to a `KCONTINUE_ARGUMENT`.
fn nt_continue_ex(cx: &mut Cx<'_>, context: UserPtr<u8>, argument: UserPtr<u32>) -> NtResult {
    if argument.va <= LARGEST_BOOLEAN {
        return nt_continue(cx, context, argument.va != 0);
    }
    let kind = cx.mem().load(argument)?;
    let flags = cx.mem().load(UserPtr::<u32>::new(argument.va.wrapping_add(4)))?;
    match kind {
        CONTINUE_UNWIND | CONTINUE_RESUME => nt_continue(cx, context, flags & CONTINUE_TEST_ALERT != 0),
        _ => Err(Unwind::unsupported(format!("ContinueType {kind}"))),
    }
}

/// `NtGetContextThread`: the parts of a thread's registers that `ContextFlags` names.
///
/// `STATUS_DATATYPE_MISALIGNMENT`, `STATUS_ACCESS_VIOLATION`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`,
/// `STATUS_ACCESS_DENIED`, `STATUS_INVALID_PARAMETER`, `STATUS_NOT_SUPPORTED`.
fn nt_get_context_thread(cx: &mut Cx<'_>, thread: Handle, context: UserPtr<u8>) -> NtResult {
    let layout = cx.native_context();
    let id = cx.reference::<ThreadObject>(thread, access::THREAD_GET_CONTEXT)?.id;
    let (mut bytes, parts) = cx.read_context(layout, context)?;
    layout.write(cx.state_of(id)?, parts, &mut bytes);
    cx.mem().write(context.va, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtSetContextThread`: a thread goes on with other registers, the calling one at once.
///
/// The statuses of `NtGetContextThread`.
fn nt_set_context_thread(cx: &mut Cx<'_>, thread: Handle, context: UserPtr<u8>) -> NtResult {
    let layout = cx.native_context();
    let id = cx.reference::<ThreadObject>(thread, access::THREAD_SET_CONTEXT)?.id;
    let (bytes, parts) = cx.read_context(layout, context)?;
    if id == cx.kernel.ps.thread.id {
        cx.continue_with(layout, &bytes, parts)?;
        return Err(Unwind::Resume);
    }
    let (kernel, highest) = (cx.kernel.profile.arch, cx.kernel.mm.space.limits.highest);
    layout.apply(&bytes, parts, kernel, highest, cx.state_of(id)?);
    cx.kernel.change_start(id);
    Ok(NtStatus::SUCCESS)
}

/// `NtRaiseException`: an exception with these registers. It goes to the process's debugger; then, the first time, to the
/// process's handlers. The second time nobody has handled it, and the process ends with its code.
///
/// `STATUS_DATATYPE_MISALIGNMENT`, `STATUS_ACCESS_VIOLATION`, `STATUS_INVALID_PARAMETER`.
fn nt_raise_exception(cx: &mut Cx<'_>, record: UserPtr<u8>, context: UserPtr<u8>, first_chance: bool) -> NtResult {
    let layout = cx.native_context();
    let width = cx.kernel.profile.arch.width();
    let mut raw = vec![0; ExceptionRecord::size(width)];
    cx.mem().read(record.va, &mut raw)?;
    let (bytes, parts) = cx.read_context(layout, context)?;
    let record = ExceptionRecord::decode(&raw, width).ok_or(NtStatus::INVALID_PARAMETER)?;
    cx.continue_with(layout, &bytes, parts)?;
    let mut state = *cx.user_state()?;
    if cx.kernel.tell_exception(&state, &record, first_chance) {
        return Err(Unwind::Resume);
    }
    if first_chance && cx.kernel.dispatch_exception(cx.ram, &mut state, &record).is_ok() {
        *cx.user_state()? = state;
        return Err(Unwind::Resume);
    }
    Err(Unwind::Unhandled(Box::new(record)))
}
