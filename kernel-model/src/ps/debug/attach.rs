//! `NtDebugActiveProcess` and `NtRemoveProcessDebug`: a process gets a debugger, or loses it.

use guest::access::process as access;
use guest::layout::Side;
use guest::mem::Word;
use guest::{Arch, GuestMemory, Handle, NtStatus, UserPtr};

use super::{DebugEvent, DebugMessage, DebugObject, PROCESS_ASSIGN};
use crate::cx::Cx;
use crate::ob::ObjectId;
use crate::ps::{ProcessId, ThreadId};
use crate::service::NtResult;

/// The most modules of a process that a debugger is told of.
const MAX_MODULES: usize = 500;

/// `NtDebugActiveProcess`: a debug object becomes a process's debug port. The debugger is told of the process, of its
/// threads and of its modules as if they had just come; each thread stands still until that is answered.
///
/// `STATUS_ACCESS_DENIED` for the caller's own process and those that are the kernel's, `STATUS_PROCESS_IS_PROTECTED`,
/// `STATUS_NOT_SUPPORTED` (a WOW64 process debugs a 64-bit one), `STATUS_PORT_ALREADY_SET`,
/// `STATUS_PROCESS_IS_TERMINATING`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`
/// without `PROCESS_SUSPEND_RESUME` or `DEBUG_PROCESS_ASSIGN`.
pub(super) fn nt_debug_active_process(cx: &mut Cx<'_>, process: Handle, debug_object: Handle) -> NtResult {
    let id = cx.process_of(process, access::SUSPEND_RESUME)?;
    let own = &cx.kernel.ps.process;
    let target = cx.kernel.ps.get(id).ok_or(NtStatus::INVALID_HANDLE)?;
    if id == own.id || target.about.kernel_only {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    if !own.protection.dominates(target.protection) {
        return Err(NtStatus::PROCESS_IS_PROTECTED.into());
    }
    if own.wow64_peb.is_some() && target.wow64_peb.is_none() {
        return Err(NtStatus::NOT_SUPPORTED.into());
    }
    let object = cx.reference_id::<DebugObject>(debug_object, PROCESS_ASSIGN)?;
    let target = cx.kernel.ps.get(id).ok_or(NtStatus::INVALID_HANDLE)?;
    if target.exit_status != NtStatus::PENDING {
        return Err(NtStatus::PROCESS_IS_TERMINATING.into());
    }
    if target.debug.port.is_some() {
        return Err(NtStatus::PORT_ALREADY_SET.into());
    }
    cx.set_debug_port(id, object)?;
    cx.tell_what_is_there(id, object);
    Ok(NtStatus::SUCCESS)
}

/// `NtRemoveProcessDebug`: a process goes on without its debugger. What is not answered is taken as not handled.
///
/// `STATUS_PORT_NOT_SET` where this debug object is not its port, `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `PROCESS_SUSPEND_RESUME` or `DEBUG_PROCESS_ASSIGN`.
pub(super) fn nt_remove_process_debug(cx: &mut Cx<'_>, process: Handle, debug_object: Handle) -> NtResult {
    let id = cx.process_of(process, access::SUSPEND_RESUME)?;
    let object = cx.reference_id::<DebugObject>(debug_object, PROCESS_ASSIGN)?;
    if cx.kernel.ps.get(id).is_none_or(|process| process.debug.port != Some(object)) {
        return Err(NtStatus::PORT_NOT_SET.into());
    }
    cx.kernel.detach_debugger(id);
    cx.mark_peb(id, false);
    Ok(NtStatus::SUCCESS)
}

impl Cx<'_> {
    /// Makes a debug object the port of a process that has none, whose threads have not run yet or are told of next.
    ///
    /// `STATUS_DEBUGGER_INACTIVE`.
    pub(crate) fn set_debug_port(&mut self, process: ProcessId, object: ObjectId) -> Result<(), NtStatus> {
        if self.kernel.debug_object(object).is_none_or(|debug| debug.inactive) {
            return Err(NtStatus::DEBUGGER_INACTIVE);
        }
        if let Some(process) = self.kernel.ps.get_mut(process) {
            process.debug.port = Some(object);
            self.kernel.ob.reference(object);
        }
        self.mark_peb(process, true);
        Ok(())
    }

    /// `DbgkpMarkProcessPeb`: `BeingDebugged`, on both sides of a WOW64 process. One without memory has none.
    pub(super) fn mark_peb(&mut self, id: ProcessId, debugged: bool) {
        let Some(process) = self.kernel.ps.get(id) else { return };
        let (native, wow64) = (process.peb, process.wow64_peb);
        let profile = self.kernel.profile;
        let native = (native != 0).then_some((native, profile.arch));
        let places: Vec<(u64, Arch)> = native.into_iter().chain(wow64.map(|peb| (peb, Arch::X86))).collect();
        self.attached(id, |cx| {
            for (peb, arch) in places {
                let at = peb.wrapping_add(Side::new(profile, arch).offset("PEB", "BeingDebugged"));
                // A program that has unmapped its PEB is none the worse for it.
                let _ = cx.mem().write(at, &[debugged.into()]);
            }
        });
    }

    /// `DbgkpPostFakeProcessCreateMessages`: the process, its threads and its modules.
    fn tell_what_is_there(&mut self, id: ProcessId, object: ObjectId) {
        let threads = self.kernel.ps.threads().filter(|t| t.process == id && !t.has_ended());
        let mut threads: Vec<(ThreadId, u64)> = threads.map(|t| (t.id, t.start_address)).collect();
        threads.sort_unstable();
        let entry = self.kernel.ps.get(id).map_or(0, |process| process.about.image.entry);
        for (index, &(thread, start)) in threads.iter().enumerate() {
            let message = match index {
                0 => DebugMessage::CreateProcess { start: entry },
                _ => DebugMessage::CreateThread { start },
            };
            self.kernel.freeze(thread);
            if let Some(thread) = self.kernel.ps.thread_mut(thread) {
                thread.debug.begun = true;
            }
            let event = DebugEvent { process: id, thread, message, read: false, frozen: vec![thread] };
            self.kernel.push_debug_event(object, event);
        }
        if let Some(process) = self.kernel.ps.get_mut(id) {
            process.debug.told = true;
        }
        if let Some(&(thread, _)) = threads.first() {
            self.tell_modules(id, thread, object, false);
        }
    }

    /// Tells of the modules of a process beside its image. `holds`: the thread stands still until that is answered.
    pub(super) fn tell_modules(&mut self, id: ProcessId, thread: ThreadId, object: ObjectId, holds: bool) {
        let image = self.image_base(id);
        for base in self.modules_of(id).into_iter().filter(|&module| module != image) {
            let frozen: Vec<ThreadId> = holds.then_some(thread).into_iter().collect();
            frozen.iter().for_each(|&thread| self.kernel.freeze(thread));
            let event =
                DebugEvent { process: id, thread, message: DebugMessage::LoadDll { base }, read: false, frozen };
            self.kernel.push_debug_event(object, event);
        }
    }

    /// A pointer in another process's memory; 0 where it cannot be read.
    fn peek_pointer(&mut self, at: u64, width: guest::mem::Width) -> u64 {
        let mut memory = self.kernel.user_memory(self.ram, width);
        memory.load::<Word>(UserPtr::new(at)).map_or(0, |word| word.0)
    }

    fn peek_u32(&mut self, at: u64) -> u32 {
        self.mem().load(UserPtr::<u32>::new(at)).unwrap_or(0)
    }

    /// Where a process's image is.
    pub(super) fn image_base(&mut self, id: ProcessId) -> u64 {
        let peb = self.kernel.ps.get(id).map_or(0, |process| process.peb);
        if peb == 0 {
            return 0;
        }
        let side = Side::new(self.kernel.profile, self.kernel.profile.arch);
        let at = peb.wrapping_add(side.offset("PEB", "ImageBaseAddress"));
        self.attached(id, |cx| cx.peek_pointer(at, side.width()))
    }

    /// Where an image's symbols are and how many, by its header, which the program may have changed.
    pub(super) fn image_symbols(&mut self, id: ProcessId, base: u64) -> (u32, u32) {
        const E_LFANEW: u64 = 0x3c;
        /// `PointerToSymbolTable`, behind the signature.
        const SYMBOLS: u64 = 0xc;
        if base == 0 {
            return (0, 0);
        }
        self.attached(id, |cx| {
            let header = base.wrapping_add(cx.peek_u32(base.wrapping_add(E_LFANEW)).into()).wrapping_add(SYMBOLS);
            (cx.peek_u32(header), cx.peek_u32(header.wrapping_add(4)))
        })
    }

    /// The modules of both sides of a process, in the order in which they were loaded.
    fn modules_of(&mut self, id: ProcessId) -> Vec<u64> {
        let Some(process) = self.kernel.ps.get(id).filter(|p| p.peb != 0) else { return Vec::new() };
        let profile = self.kernel.profile;
        let wow64 = process.wow64_peb.map(|peb| (peb, Arch::X86));
        let pebs: Vec<(u64, Arch)> = [(process.peb, profile.arch)].into_iter().chain(wow64).collect();
        self.attached(id, |cx| {
            let mut modules = Vec::new();
            for (peb, arch) in pebs {
                let side = Side::new(profile, arch);
                let ldr = cx.peek_pointer(peb.wrapping_add(side.offset("PEB", "Ldr")), side.width());
                let head = ldr.wrapping_add(side.offset("PEB_LDR_DATA", "InLoadOrderModuleList"));
                let base = side.offset("LDR_DATA_TABLE_ENTRY", "DllBase");
                let mut at = if ldr == 0 { head } else { cx.peek_pointer(head, side.width()) };
                // A program may have tied it into a ring.
                while at != head && at != 0 && modules.len() < MAX_MODULES {
                    let module = cx.peek_pointer(at.wrapping_add(base), side.width());
                    modules.extend((module != 0).then_some(module));
                    at = cx.peek_pointer(at, side.width());
                }
            }
            modules
        })
    }
}
