//! `NtReadVirtualMemory` and `NtWriteVirtualMemory`.

use guest::access::process as access;
use guest::mem::{Access, Word};
use guest::{Fault, FaultKind, GuestMemory, Handle, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtReadVirtualMemory => nt_read_virtual_memory, Support::Full),
    service!(NtWriteVirtualMemory => nt_write_virtual_memory, Support::Full),
];

/// Bytes copied at a time, so that a huge length costs no huge buffer.
const CHUNK: u64 = 0x1_0000;

/// `NtReadVirtualMemory`: copies `size` bytes out of a process.
///
/// `STATUS_PARTIAL_COPY` if a page on the way cannot be read, with the number of bytes that were;
/// `STATUS_ACCESS_VIOLATION` if either range leaves user space.
fn nt_read_virtual_memory(
    cx: &mut Cx<'_>, process: Handle, base_address: u64, buffer: u64, size: u64, bytes_read: Option<UserPtr<Word>>,
) -> NtResult {
    copy(cx, process, false, [base_address, buffer], size, bytes_read)
}

/// `NtWriteVirtualMemory`: copies `size` bytes into a process. The pages must be writable.
///
/// Statuses as for `NtReadVirtualMemory`.
fn nt_write_virtual_memory(
    cx: &mut Cx<'_>, process: Handle, base_address: u64, buffer: u64, size: u64, bytes_written: Option<UserPtr<Word>>,
) -> NtResult {
    copy(cx, process, true, [buffer, base_address], size, bytes_written)
}

fn copy(
    cx: &mut Cx<'_>, process: Handle, write: bool, [from, to]: [u64; 2], size: u64, count: Option<UserPtr<Word>>,
) -> NtResult {
    let mut mem = cx.mem();
    for va in [from, to] {
        if va.checked_add(size).is_none_or(|end| end > mem.memory.space.limits.highest + 1) {
            return Err(Fault { va, access: Access::Read, kind: FaultKind::KernelRange }.into());
        }
    }
    if let Some(count) = count {
        mem.probe(count)?;
    }
    let mut done = 0;
    let mut status = NtStatus::SUCCESS;
    if size > 0 {
        let access = if write { access::VM_WRITE } else { access::VM_READ };
        let other = cx.process_with_memory(process, access)?;
        let own = cx.kernel.ps.process.id;
        let [reader, writer] = if write { [own, other] } else { [other, own] };
        let mut chunk = vec![0; size.min(CHUNK) as usize];
        while done < size && status == NtStatus::SUCCESS {
            let len = (size - done).min(CHUNK) as usize;
            let chunk = chunk.get_mut(..len).unwrap_or(&mut []);
            let (read, fault) = cx.attached(reader, |cx| cx.mem().read_some(from + done, chunk));
            let bytes = chunk.get(..read).unwrap_or(&[]);
            let (written, refused) = cx.attached(writer, |cx| cx.mem().write_some(to + done, bytes));
            done += written as u64;
            if fault.or(refused).is_some() {
                status = NtStatus::PARTIAL_COPY;
            }
        }
    }
    if let Some(count) = count {
        cx.mem().store(count, &Word(done))?;
    }
    Ok(status)
}
