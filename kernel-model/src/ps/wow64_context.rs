//! `ThreadWow64Context`: the 32-bit registers of a thread on a 64-bit kernel. While it runs 32-bit code they are the
//! processor's; otherwise `wow64cpu.dll` keeps them in the thread's CPU area and loads them when it goes back.

use guest::access::process as access;
use guest::context::{ContextLayout, Parts};
use guest::mem::Word;
use guest::registers::{Reg, UserState};
use guest::{Arch, GuestMemory, Handle, NtStatus, UserPtr};

use super::{ThreadId, ThreadObject, is_64};
use crate::cx::Cx;
use crate::service::NtResult;

/// `WOW64_TLS_CPURESERVED`: the slot that leads to the CPU area.
const TLS_CPU_AREA: u64 = 1;
/// `WOW64_CPURESERVED`: flags and machine type, then a CONTEXT.
const CPU_CONTEXT: u64 = 4;
/// `WOW64_CPURESERVED_FLAG_RESET_STATE`: everything is to be loaded from the area.
const RESET_STATE: u16 = 1;
/// The x87 and XMM are in the processor, not in the area.
const IN_PROCESSOR: Parts = Parts::FLOATING_POINT.union(Parts::EXTENDED_REGISTERS).union(Parts::DEBUG_REGISTERS);

/// CS of 32-bit user code on a 64-bit kernel.
const CODE_32: u16 = 0x23;

const LAYOUT: ContextLayout = ContextLayout::new(Arch::X86);

impl Cx<'_> {
    /// Where a thread's CPU area is.
    ///
    /// `STATUS_INVALID_PARAMETER`: it has no 32-bit side.
    fn cpu_area(&mut self, thread: ThreadId) -> NtResult<u64> {
        let ps = &self.kernel.ps;
        let thread = ps.thread(thread).ok_or(NtStatus::INVALID_HANDLE)?;
        if ps.get(thread.process).is_none_or(|p| p.wow64_peb.is_none()) {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        let slots = self.kernel.profile.layout_for(Arch::X64).offset("TEB", "TlsSlots").unwrap_or(0);
        let slot = UserPtr::<Word>::new(thread.teb.wrapping_add(slots + 8 * TLS_CPU_AREA));
        Ok(self.mem().load(slot)?.0)
    }

    /// A thread's state as 32-bit code has it.
    fn wow64_state(&mut self, thread: ThreadId, area: u64) -> NtResult<UserState> {
        let state = *self.state_of(thread)?;
        if !is_64(&state) {
            return Ok(state);
        }
        let mut bytes = vec![0; LAYOUT.size()];
        self.mem().read(area.wrapping_add(CPU_CONTEXT), &mut bytes)?;
        let mut narrow = state;
        let highest = self.kernel.mm.space.limits.highest;
        LAYOUT.apply(&bytes, Parts::ALL.difference(IN_PROCESSOR), Arch::X64, highest, &mut narrow);
        Ok(narrow)
    }
}

/// `NtQueryInformationThread`, `ThreadWow64Context`.
///
/// `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED`, `STATUS_INVALID_PARAMETER` without a
/// 32-bit side.
pub(in crate::ps) fn query(cx: &mut Cx<'_>, thread: Handle, buffer: UserPtr<u8>, length: u32) -> NtResult {
    if length as usize != LAYOUT.size() {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut bytes = vec![0; LAYOUT.size()];
    cx.mem().read(buffer.va, &mut bytes)?;
    let parts = cx.context_parts(LAYOUT, &bytes)?;
    let id = cx.reference::<ThreadObject>(thread, access::THREAD_GET_CONTEXT)?.id;
    let state = in_process_of(cx, id, |cx| {
        let area = cx.cpu_area(id)?;
        cx.wow64_state(id, area)
    })?;
    LAYOUT.write(&state, parts, &mut bytes);
    cx.mem().write(buffer.va, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtSetInformationThread`, `ThreadWow64Context`: takes effect when the thread goes back to 32-bit code, or at once if
/// it is there.
///
/// The statuses of the query.
pub(in crate::ps) fn set(cx: &mut Cx<'_>, thread: Handle, buffer: UserPtr<u8>, length: u32) -> NtResult {
    if length as usize != LAYOUT.size() {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut bytes = vec![0; LAYOUT.size()];
    cx.mem().read(buffer.va, &mut bytes)?;
    let parts = cx.context_parts(LAYOUT, &bytes)?;
    let id = cx.reference::<ThreadObject>(thread, access::THREAD_SET_CONTEXT)?.id;
    in_process_of(cx, id, |cx| {
        let area = cx.cpu_area(id)?;
        let mut state = cx.wow64_state(id, area)?;
        let highest = cx.kernel.mm.space.limits.highest;
        LAYOUT.apply(&bytes, parts, Arch::X64, highest, &mut state);
        if !is_64(cx.state_of(id)?) {
            *cx.state_of(id)? = state;
            return Ok(());
        }
        cx.state_of(id)?.debug = state.debug;
        store(cx, area, &state)
    })?;
    cx.kernel.change_start(id);
    Ok(NtStatus::SUCCESS)
}

/// Acts where a thread's CPU area is.
fn in_process_of<T>(cx: &mut Cx<'_>, thread: ThreadId, act: impl FnOnce(&mut Cx<'_>) -> NtResult<T>) -> NtResult<T> {
    let process = cx.kernel.ps.thread(thread).ok_or(NtStatus::INVALID_HANDLE)?.process;
    cx.attached(process, act)
}

/// Has a thread that has not run yet begin in ntdll's loader, and then go on with its 32-bit registers as they are.
pub(crate) fn begin(cx: &mut Cx<'_>) -> NtResult<()> {
    let area = cx.cpu_area(cx.kernel.ps.thread.id)?;
    let mut bytes = vec![0; LAYOUT.size()];
    cx.mem().read(area.wrapping_add(CPU_CONTEXT), &mut bytes)?;
    let mut state = cx.kernel.ps.thread.user;
    let highest = cx.kernel.mm.space.limits.highest;
    LAYOUT.apply(&bytes, Parts::ALL.difference(IN_PROCESSOR), Arch::X64, highest, &mut state);
    state.segments.cs = CODE_32;
    if cx.kernel.put_start(cx.ram, &mut state).is_none() {
        return Ok(());
    }
    store(cx, area, &state)
}

/// Has wow64cpu.dll load these registers when the thread goes back to 32-bit code.
fn store(cx: &mut Cx<'_>, area: u64, state: &UserState) -> NtResult<()> {
    // All of it: what has not changed is written as it was.
    let all = Parts::ALL | Parts::EXTENDED_REGISTERS;
    cx.mem().write(area.wrapping_add(CPU_CONTEXT), &LAYOUT.encode(state, all))?;
    cx.mem().write(area, &RESET_STATE.to_le_bytes())?;
    Ok(())
}

/// Has the calling thread, which is on its way back to 32-bit code, run an APC there first. The call that it is in returns
/// `STATUS_USER_APC` afterwards.
pub(crate) fn interrupt(cx: &mut Cx<'_>, words: [u64; 4]) -> NtResult<()> {
    let (area, mut state) = returning_state(cx, NtStatus::USER_APC)?;
    cx.put_narrow_apc(&mut state, words)?;
    store(cx, area, &state)
}

/// Has the calling thread, whose call returns this status, raise it as an exception when it is back in 32-bit code.
pub(crate) fn raise(cx: &mut Cx<'_>, status: NtStatus) -> NtResult<()> {
    cx.user_state()?;
    let (area, mut state) = returning_state(cx, status)?;
    cx.kernel.raise_in(cx.ram, &mut state).ok_or(NtStatus::ACCESS_VIOLATION)?;
    store(cx, area, &state)
}

/// The CPU area of the calling thread, and what it goes back to 32-bit code with.
fn returning_state(cx: &mut Cx<'_>, status: NtStatus) -> NtResult<(u64, UserState)> {
    let id = cx.kernel.ps.thread.id;
    let area = cx.cpu_area(id)?;
    let mut bytes = vec![0; LAYOUT.size()];
    cx.mem().read(area.wrapping_add(CPU_CONTEXT), &mut bytes)?;
    let mut state = cx.kernel.ps.thread.user;
    let highest = cx.kernel.mm.space.limits.highest;
    LAYOUT.apply(&bytes, Parts::ALL.difference(IN_PROCESSOR), Arch::X64, highest, &mut state);
    state.segments.cs = CODE_32;
    // A call that returns sets EAX alone; one that has set them all (NtContinue) has set that too.
    let flags = cx.mem().load(UserPtr::<u16>::new(area))?;
    if flags & RESET_STATE == 0 {
        state.file.set(Reg::Rax, status.0.into());
    }
    Ok((area, state))
}
