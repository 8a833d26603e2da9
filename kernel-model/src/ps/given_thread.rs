//! `NtCreateThread`: a thread whose registers and stack its maker has made, as programs did before Vista.

use guest::context::ContextLayout;
use guest::layout::Side;
use guest::mem::Word;
use guest::registers::{Reg, Segments, UserState};
use guest::types::{ClientId, ObjectAttributes};
use guest::{AccessMask, Arch, GuestMemory, Handle, NtStatus, UserPtr, access::process as access};

use super::create_thread::{Given, NewThread, open_new};
use super::{GivenStack, ThreadId, ThreadStart};
use crate::cx::Cx;
use crate::mm::UserStack;
use crate::ob::NameToOpen;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtCreateThread => nt_create_thread,
    Support::Partial("not in a 32-bit process on a 64-bit build; not with --dispatch kernel")
)];

/// `NtCreateThread`: makes a thread that starts with the registers of a `CONTEXT`, on a stack that `INITIAL_TEB` describes.
/// The loader has its turn first (`LdrInitializeThunk`).
///
/// `STATUS_INVALID_PARAMETER` without a context, `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED` without
/// `PROCESS_CREATE_THREAD`, `STATUS_PROCESS_IS_TERMINATING`, `STATUS_NO_MEMORY`, and the statuses of reading a context.
#[expect(clippy::too_many_arguments, reason = "NtCreateThread has eight")]
fn nt_create_thread(
    cx: &mut Cx<'_>, thread_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, process: Handle, client_id: Option<UserPtr<ClientId>>,
    context: UserPtr<u8>, initial_teb: u64, suspended: bool,
) -> NtResult {
    cx.probe_handle(thread_handle)?;
    client_id.map_or(Ok(()), |pointer| cx.mem().probe(pointer))?;
    if context.is_null() {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let arch = cx.kernel.profile.arch;
    let layout = ContextLayout::new(arch);
    let (bytes, parts) = cx.read_context(layout, context)?;
    let stack = read_stack(cx, initial_teb)?;
    let name = NameToOpen::capture(&mut cx.mem(), object_attributes)?;
    let id = cx.process_of(process, access::CREATE_THREAD)?;
    if cx.kernel.ps.get(id).is_some_and(|process| process.wow64_peb.is_some()) {
        return Err(Unwind::unsupported("a thread with registers of its own in a 32-bit process of a 64-bit build"));
    }
    if cx.kernel.single_threaded {
        return Err(Unwind::unsupported("a second thread with --dispatch kernel"));
    }
    let mut user = UserState { segments: Segments::of(arch), ..UserState::default() };
    user.file.set(Reg::Rflags, 0x202);
    layout.apply(&bytes, parts, arch, cx.kernel.mm.space.limits.highest, &mut user);
    let first = if arch == Arch::X64 { Reg::Rcx } else { Reg::Rax };
    let start = [user.file.get(first), 0];
    let given = Some(Given { user, stack });
    let thread = cx.create_thread(&NewThread { process: id, start, stack: [0; 2], suspended, given })?;
    let result = open_new(cx, thread, desired_access, name.attributes).and_then(|handle| {
        cx.mem().store(thread_handle, &handle)?;
        let ids = ClientId { process: id.0.into(), thread: thread.0.into() };
        client_id.map_or(Ok(()), |pointer| cx.mem().store(pointer, &ids))?;
        Ok(())
    });
    match result {
        Ok(()) => cx.kernel.start_thread(thread),
        Err(_) => cx.kernel.end_thread(thread, NtStatus::UNSUCCESSFUL),
    }
    result.map(|()| NtStatus::SUCCESS)
}

/// `INITIAL_TEB`: base and limit of an old stack; or, where those are 0, of a new one, and where that is reserved.
fn read_stack(cx: &mut Cx<'_>, at: u64) -> NtResult<UserStack> {
    let word = cx.kernel.width().bytes() as u64;
    let mut load = |n: u64| cx.mem().load(UserPtr::<Word>::new(at.wrapping_add(n * word)));
    let [old_base, old_limit, base, limit, reserved] = [load(0)?.0, load(1)?.0, load(2)?.0, load(3)?.0, load(4)?.0];
    Ok(match (old_base, old_limit) {
        (0, 0) => UserStack { base, limit, reserved },
        _ => UserStack { base: old_base, limit: old_limit, reserved: old_limit },
    })
}

impl Cx<'_> {
    /// The running thread ends itself: whether its stack goes with it.
    pub(super) fn note_given_stack(&mut self) {
        let profile = self.kernel.profile;
        let Some(field) = profile.layout_for(profile.arch).offset("TEB", "FreeStackOnTermination") else { return };
        if self.kernel.ps.thread.given_stack.is_none() {
            return;
        }
        let at = UserPtr::<u8>::new(self.kernel.ps.thread.teb.wrapping_add(field));
        let freed = self.mem().load(at).is_ok_and(|flag| flag != 0);
        if let Some(given) = &mut self.kernel.ps.thread.given_stack {
            given.freed = freed;
        }
    }

    /// The thread that a process was made with by `NtCreateProcessEx` becomes the first that somebody makes in it.
    pub(super) fn adopt_first(&mut self, new: &NewThread, id: ThreadId) -> NtResult<()> {
        let native = Side::new(self.kernel.profile, self.kernel.profile.arch);
        let Some(thread) = self.kernel.ps.thread_mut(id) else { return Err(NtStatus::UNSUCCESSFUL.into()) };
        (thread.start_address, thread.suspend_count, thread.start) =
            (new.start[0], new.suspended.into(), ThreadStart::Plain);
        let teb = thread.teb;
        match (new.given, thread.wow64_teb) {
            (Some(given), _) => {
                (thread.user, thread.start) = (given.user, ThreadStart::Changed);
                thread.given_stack = Some(GivenStack { stack: given.stack, freed: false });
                let own = std::mem::take(&mut thread.stacks);
                let fields = [
                    (native.offset("NT_TIB", "StackBase"), given.stack.base),
                    (native.offset("NT_TIB", "StackLimit"), given.stack.limit),
                    (native.offset("TEB", "DeallocationStack"), given.stack.reserved),
                ];
                let width = native.width();
                self.attached(new.process, |cx| {
                    own.into_iter().for_each(|stack| cx.kernel.mm.delete_stack(stack));
                    cx.kernel.mm.adopt_stack(given.stack, teb + native.offset("NT_TIB", "StackLimit"), width);
                    for (field, value) in fields {
                        let bytes = value.to_le_bytes();
                        cx.kernel.mm.poke(cx.ram, teb + field, bytes.get(..width.bytes()).unwrap_or(&bytes));
                    }
                });
            }
            (None, Some(_)) => {
                // EAX and EBX of the 32-bit registers in the CPU area.
                let [routine, argument] = new.start.map(|word| (word as u32).to_le_bytes());
                let area = teb + super::wow64::CPU_AREA + super::wow64::CPU_CONTEXT;
                self.attached(new.process, |cx| {
                    cx.kernel.mm.poke(cx.ram, area + 0xb0, &routine);
                    cx.kernel.mm.poke(cx.ram, area + 0xa4, &argument);
                });
            }
            (None, None) => {
                let (first, second) =
                    if native.arch == Arch::X64 { (Reg::Rcx, Reg::Rdx) } else { (Reg::Rax, Reg::Rbx) };
                thread.user.file.set(first, new.start[0]);
                thread.user.file.set(second, new.start[1]);
            }
        }
        Ok(())
    }
}
