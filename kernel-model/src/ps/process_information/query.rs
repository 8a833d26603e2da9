//! `NtQueryInformationProcess`.

use guest::access::process as access;
use guest::mem::Width;
use guest::types::StructWriter;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::{QUERY_INFORMATION, class, image, is_too_new, simple};
use crate::cx::Cx;
use crate::kernel::Kernel;
use crate::ob::Attributes;
use crate::ps::{Process, ProcessId};
use crate::service::{Information, NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtQueryInformationProcess => nt_query_information_process,
    Support::Partial("no I/O counts, pool quotas, handle tracing, working-set watch, LDT, device map, console host, window, CPU sets, energy or enclaves")
)];

/// What the answer of a class needs: the lengths that its buffer may have (none: any that is long enough), and the right.
fn shape(class: u32, width: Width) -> Option<(&'static [usize], AccessMask)> {
    let limited = access::QUERY_LIMITED_INFORMATION;
    let by_width = |narrow: &'static [usize], wide: &'static [usize]| match width {
        Width::W32 => narrow,
        Width::W64 => wide,
    };
    let word = by_width(&[4], &[8]);
    Some(match class {
        class::BASIC => (by_width(&[0x18, 0x20], &[0x30, 0x40]), limited),
        class::QUOTA_LIMITS => (by_width(&[0x20, 0x38], &[0x30, 0x58]), limited),
        class::IO_COUNTERS => (&[0x30], limited),
        class::VM_COUNTERS => (by_width(&[0x2c, 0x30, 0x40], &[0x58, 0x60, 0x70]), limited),
        class::TIMES => (&[0x20], limited),
        class::DEBUG_PORT | class::DEBUG_OBJECT_HANDLE => (word, QUERY_INFORMATION),
        class::WOW64 => (word, limited),
        class::POOLED_USAGE => (by_width(&[0x1c], &[0x38]), QUERY_INFORMATION),
        class::PRIORITY_CLASS => (&[2], limited),
        class::HANDLE_COUNT => (&[4, 8], limited),
        // KAFFINITY, or GROUP_AFFINITY.
        class::AFFINITY_MASK => (by_width(&[4, 0xc], &[8, 0x10]), limited),
        class::DEFAULT_HARD_ERROR_MODE | class::PRIORITY_BOOST | class::SESSION | class::SUBSYSTEM => (&[4], limited),
        class::LUID_DEVICE_MAPS | class::BREAK_ON_TERMINATION | class::DEBUG_FLAGS => (&[4], QUERY_INFORMATION),
        class::IO_PRIORITY | class::EXECUTE_FLAGS | class::COOKIE | class::PAGE_PRIORITY => (&[4], QUERY_INFORMATION),
        class::IMAGE => (by_width(&[0x30], &[0x40]), QUERY_INFORMATION),
        class::CYCLE_TIME => (&[0x10], limited),
        class::MITIGATION_POLICY => (&[8], QUERY_INFORMATION),
        class::PROTECTION => (&[1], limited),
        class::CHILD_PROCESS => (&[3], limited),
        class::IMAGE_FILE_NAME | class::IMAGE_FILE_NAME_WIN32 | class::COMMAND_LINE | class::GROUP => (&[], limited),
        class::HANDLES => (&[], QUERY_INFORMATION),
        // They can only be set.
        _ => return None,
    })
}

/// `NtQueryInformationProcess`.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH` (fixed structures want their length exactly; for texts and
/// lists what is needed is returned), `STATUS_PORT_NOT_SET` (no debug object), `STATUS_INVALID_PARAMETER` (the cookie or
/// execute flags of another process, an unknown policy), `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED`.
fn nt_query_information_process(
    cx: &mut Cx<'_>, process: Handle, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    let name = class_name("PROCESSINFOCLASS", class)?;
    if is_too_new(class, cx.kernel.profile.version.2) || ONLY_SET.contains(&class) {
        return Err(NtStatus::INVALID_INFO_CLASS.into());
    }
    let width = cx.kernel.width();
    let (sizes, right) =
        shape(class, width).ok_or_else(|| Unwind::unsupported(format!("ProcessInformationClass {name}")))?;
    let out = Information { buffer, length, return_length };
    let size = length as usize;
    if !sizes.is_empty() && !sizes.contains(&size) {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    out.probe(cx, size)?;
    if matches!(class, class::COOKIE | class::EXECUTE_FLAGS) && process != Handle::CURRENT_PROCESS {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    // What the caller has to fill in: the length of the extended form, the policy it asks for.
    let input = match class {
        class::BASIC | class::MITIGATION_POLICY => cx.mem().load::<u32>(buffer.cast())?,
        _ => 0,
    };
    let right = if right == access::QUERY_LIMITED_INFORMATION { cx.process_query() } else { right };
    let id = cx.process_of(process, right)?;
    if class == class::DEBUG_OBJECT_HANDLE {
        return debug_object(cx, id, &out);
    }
    let process = cx.kernel.ps.get(id).ok_or(NtStatus::INVALID_HANDLE)?;
    if sizes.is_empty() {
        let bytes = long(cx.kernel, process, class, buffer.va);
        return fitting(cx, &out, &bytes);
    }
    let writer = StructWriter::new(size, width);
    let bytes = fixed(cx.kernel, process, class, size, input, writer)?;
    out.write(cx, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// `ProcessDebugObjectHandle`: a handle to the debug object, with all the rights that the caller may have to it; NULL where
/// there is none.
fn debug_object(cx: &mut Cx<'_>, id: ProcessId, out: &Information) -> NtResult {
    let port = cx.kernel.ps.get(id).and_then(|process| process.debug.port);
    let opened = match port {
        Some(port) => cx.open_by_pointer(port, AccessMask::MAXIMUM_ALLOWED, Attributes::empty()),
        None => Err(NtStatus::PORT_NOT_SET.into()),
    };
    let handle = opened.as_ref().copied().unwrap_or(Handle::NULL);
    let width = cx.kernel.width();
    out.write(cx, &StructWriter::new(width.bytes(), width).word(0, handle.0).finish())?;
    opened.map(|_| NtStatus::SUCCESS)
}

/// Classes that there is nothing to ask of.
const ONLY_SET: &[u32] = &[class::BASE_PRIORITY, class::RAISE_PRIORITY, class::ACCESS_TOKEN, class::FOREGROUND];

/// Writes an answer that has to fit; what it needs is told in any case.
fn fitting(cx: &mut Cx<'_>, out: &Information, bytes: &[u8]) -> NtResult {
    if let Some(pointer) = out.return_length {
        cx.mem().store(pointer, &(bytes.len() as u32))?;
    }
    if (out.length as usize) < bytes.len() {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    cx.mem().write(out.buffer.va, bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// Texts and lists.
fn long(kernel: &Kernel, process: &Process, class: u32, va: u64) -> Vec<u8> {
    match class {
        class::IMAGE_FILE_NAME => image::text(&process.about.path, va, kernel.width()),
        class::IMAGE_FILE_NAME_WIN32 => image::text(&image::dos_path(&process.about.path), va, kernel.width()),
        class::COMMAND_LINE => image::text(&process.about.command_line, va, kernel.width()),
        class::HANDLES => simple::handles(kernel, process),
        // ProcessGroupInformation: the processor groups that it uses, of which there is one.
        _ => vec![0, 0],
    }
}

/// Structures of a known size.
fn fixed(
    kernel: &Kernel, process: &Process, class: u32, size: usize, input: u32, out: StructWriter,
) -> NtResult<Vec<u8>> {
    let about = &process.about;
    let own = kernel.ps.process.id == process.id;
    let number = |value: u64| StructWriter::new(size, kernel.width()).field(0, size.min(8), value).finish();
    Ok(match class {
        class::BASIC => return simple::basic(kernel, process, size, input),
        class::QUOTA_LIMITS => simple::quota_limits(kernel.width(), out),
        class::VM_COUNTERS => simple::vm_counters(kernel, process, size, out),
        class::TIMES => simple::times(kernel, process, out),
        // BOOLEAN Foreground, UCHAR PriorityClass
        class::PRIORITY_CLASS => number(u64::from(about.foreground) | u64::from(about.priority_class) << 8),
        // The second number is the most there were at once, which nobody keeps: those there are.
        class::HANDLE_COUNT => {
            let count = process.handles.count() as u64;
            out.field(0, 4, count).field(4, 4, count).finish()
        }
        class::AFFINITY_MASK => out.word(0, about.affinity).finish(),
        class::DEFAULT_HARD_ERROR_MODE => number(about.hard_error_mode.into()),
        class::PRIORITY_BOOST => number(about.boost_disabled.into()),
        class::SESSION => number(process.session.into()),
        class::WOW64 => number(process.wow64_peb.unwrap_or(0)),
        class::LUID_DEVICE_MAPS => number(1),
        class::BREAK_ON_TERMINATION => number(about.critical.into()),
        class::DEBUG_PORT => number(if process.debug.port.is_some() { u64::MAX } else { 0 }),
        // NoDebugInherit, negated.
        class::DEBUG_FLAGS => number((!process.debug.no_inherit).into()),
        class::IO_PRIORITY => number(about.io_priority.into()),
        class::EXECUTE_FLAGS => number(simple::execute_flags(kernel, process).into()),
        class::COOKIE => number(about.cookie.into()),
        class::IMAGE => about.image.bytes(kernel.width(), out),
        class::CYCLE_TIME => {
            let (user, system) = kernel.times_of(process);
            out.field(0, 8, (user + system) * 100).field(8, 8, if own { kernel.clock.tsc() } else { 0 }).finish()
        }
        class::PAGE_PRIORITY => number(about.page_priority.into()),
        class::MITIGATION_POLICY => return simple::mitigation(kernel, process, input),
        class::PROTECTION => number(process.protection.0.into()),
        // I/O, pool, children, the Win32 subsystem: nothing is counted, forbidden or there.
        _ => out.finish(),
    })
}
