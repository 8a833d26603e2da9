//! Every process with its threads: `SYSTEM_PROCESS_INFORMATION`.

use guest::NtStatus;
use guest::mem::Width;
use guest::types::StructWriter;

use super::{Place, Reply};
use crate::cx::Cx;
use crate::ke::clock::TICK;
use crate::kernel::Kernel;
use crate::ps::{Process, Thread};
use crate::service::NtResult;

/// The first build that counts I/O in the structure: Windows 2000.
const WITH_IO: u32 = 2195;
/// The first that tells a process's key and its cycles: Windows 7.
const WITH_KEY: u32 = 7600;

/// The processes that have not ended, in the order of their creation.
pub(super) fn in_order(kernel: &Kernel) -> Vec<&Process> {
    let mut all: Vec<&Process> = kernel.ps.iter().filter(|p| p.exit_status == NtStatus::PENDING).collect();
    all.sort_by_key(|process| (process.about.created, process.id));
    all
}

/// Where the fields of `SYSTEM_PROCESS_INFORMATION` are, behind those that both widths have at one place.
struct Layout {
    width: Width,
    /// Bytes before the threads, and of a thread.
    size: usize,
    thread: usize,
}

impl Layout {
    fn new(width: Width, build: u32, extended: bool) -> Self {
        let (size, counted, thread, more) = match width {
            Width::W32 => (0x88, 0xb8, 0x40, 0x60),
            Width::W64 => (0xd0, 0x100, 0x50, 0x88),
        };
        Self {
            width,
            size: if build >= WITH_IO { counted } else { size },
            thread: if extended { more } else { thread },
        }
    }
}

/// `SystemProcessInformation`, with `extended` that with `SYSTEM_EXTENDED_THREAD_INFORMATION`; of all sessions, or one.
/// Names are where the buffer will be.
pub(super) fn processes(cx: &Cx<'_>, place: Place, extended: bool, session: Option<u32>) -> NtResult<Reply> {
    let kernel = &*cx.kernel;
    let layout = Layout::new(place.width, kernel.profile.version.2, extended);
    let told = !cx.is_restricted_caller()? && cx.sees_kernel_addresses();
    let wanted = |process: &&&Process| session.is_none_or(|session| process.session == session);
    let (mut bytes, mut last) = (Vec::new(), None);
    for process in in_order(kernel).iter().filter(wanted) {
        let at = bytes.len();
        if let Some(last) = last.replace(at) {
            link(&mut bytes, last, at - last);
        }
        let threads = threads_of(kernel, process);
        let text: Vec<u8> = name_of(process).encode_utf16().flat_map(u16::to_le_bytes).collect();
        let text_at = at + layout.size + threads.len() * layout.thread;
        let text_va = place.buffer.va.wrapping_add(text_at as u64);
        bytes.extend(head(kernel, process, &layout, threads.len(), (text.len(), text_va)));
        threads.iter().for_each(|thread| bytes.extend(thread_bytes(kernel, process, thread, extended, told)));
        if !text.is_empty() {
            bytes.extend(&text);
            bytes.extend([0, 0]);
        }
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    Ok(Reply::whole(bytes))
}

/// `NextEntryOffset`.
fn link(bytes: &mut [u8], at: usize, distance: usize) {
    let field = bytes.iter_mut().skip(at);
    field.zip((distance as u32).to_le_bytes()).for_each(|(to, from)| *to = from);
}

fn threads_of<'k>(kernel: &'k Kernel, process: &Process) -> Vec<&'k Thread> {
    let mine = |t: &&Thread| t.process == process.id && t.exit_status == NtStatus::PENDING;
    let mut threads: Vec<&Thread> = kernel.ps.threads().filter(mine).collect();
    threads.sort_by_key(|thread| thread.id);
    threads
}

/// Idle has no name here: whoever shows the list gives it one.
fn name_of(process: &Process) -> &str {
    let image = process.image.rsplit(['\\', '/']).next().unwrap_or(&process.image);
    if process.id.0 == 0 { "" } else { image }
}

fn head(kernel: &Kernel, process: &Process, layout: &Layout, threads: usize, name: (usize, u64)) -> Vec<u8> {
    let (width, w) = (layout.width, layout.width.bytes());
    let (text, text_va) = name;
    let (user, system) = kernel.times_of(process);
    let memory = kernel.memory_of(process);
    let newer = kernel.profile.version.2 >= WITH_KEY;
    // NumberOfThreads; NumberOfThreadsHighWatermark and CycleTime; CreateTime, UserTime, KernelTime
    let out = StructWriter::new(layout.size, width).field(4, 4, threads as u64);
    let out = if newer { out.field(0x14, 4, threads as u64).field(0x18, 8, (user + system) * 100) } else { out };
    let out = out.field(0x20, 8, process.about.created).field(0x28, 8, user).field(0x30, 8, system);
    let out = if text == 0 {
        out
    } else {
        out.field(0x38, 2, text as u64).field(0x3a, 2, text as u64 + 2).word(0x38 + w, text_va)
    };
    // BasePriority, UniqueProcessId, InheritedFromUniqueProcessId, HandleCount, SessionId, UniqueProcessKey
    let at = 0x38 + 2 * w;
    let out = out.field(at, 4, process.about.base_priority.into()).word(at + w, process.id.0.into());
    let out = out.word(at + 2 * w, process.parent.0.into());
    let at = at + 3 * w;
    let out = out.field(at, 4, process.handles.count() as u64).field(at + 4, 4, process.session.into());
    let out = if newer { out.word(at + 8, process.id.0.into()) } else { out };
    // PeakVirtualSize, VirtualSize, PageFaultCount, PeakWorkingSetSize, WorkingSetSize; pool; PagefileUsage,
    // PeakPagefileUsage, PrivatePageCount
    let at = at + 8 + w;
    let out = out.word(at, memory.virtual_size).word(at + w, memory.virtual_size);
    let out = out.field(at + 2 * w, 4, memory.faults).word(at + 3 * w, memory.working_set);
    let out = out.word(at + 4 * w, memory.working_set).word(at + 9 * w, memory.private);
    out.word(at + 10 * w, memory.private).word(at + 11 * w, memory.private).finish()
}

/// `SYSTEM_THREAD_INFORMATION`, or the extended one.
pub(crate) fn thread_bytes(kernel: &Kernel, process: &Process, thread: &Thread, extended: bool, told: bool) -> Vec<u8> {
    let width = kernel.width();
    let layout = Layout::new(width, kernel.profile.version.2, extended);
    let w = width.bytes();
    let (user, system) = kernel.thread_times(thread);
    let (state, reason) = kernel.thread_state(thread);
    let about = &thread.about;
    // An address of the kernel's is for those who may know it.
    let shown = |address: u64| if kernel.mm.is_system(address) && !told { 0 } else { address };
    let since = about.created.saturating_sub(kernel.clock.boot_time()) / TICK;
    // KernelTime, UserTime, CreateTime, WaitTime, StartAddress, ClientId
    let out = StructWriter::new(layout.thread, width).field(0, 8, system).field(8, 8, user);
    let out = out.field(0x10, 8, about.created).field(0x18, 4, since);
    let at = if width == Width::W64 { 0x20 } else { 0x1c };
    let out = out
        .word(at, shown(kernel.start_of(thread)))
        .word(at + w, process.id.0.into())
        .word(at + 2 * w, thread.id.0.into());
    // Priority, BasePriority, ContextSwitches, ThreadState, WaitReason
    let at = at + 3 * w;
    let out = out.field(at, 4, thread.priority.into()).field(at + 4, 4, thread.base_priority.into());
    let out = out.field(at + 8, 4, 1).field(at + 12, 4, state.into()).field(at + 16, 4, reason.into());
    if !extended {
        return out.finish();
    }
    // StackBase, StackLimit (the kernel stack's, of which there are none), Win32StartAddress, TebBase
    let at = if width == Width::W64 { 0x50 } else { 0x40 };
    out.word(at + 2 * w, shown(thread.start_address)).word(at + 3 * w, thread.teb).finish()
}
