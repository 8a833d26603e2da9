//! Every handle of every process: `SystemHandleInformation` and its wide form.

use guest::NtStatus;
use guest::mem::Width;
use guest::types::StructWriter;

use super::Reply;
use super::processes::in_order;
use crate::cx::Cx;
use crate::service::NtResult;

/// `SYSTEM_HANDLE_INFORMATION`, or with `wide` `SYSTEM_HANDLE_INFORMATION_EX`: a count, then each handle, by process.
///
/// `STATUS_ACCESS_DENIED` for a restricted caller.
pub(super) fn handles(cx: &Cx<'_>, width: Width, wide: bool) -> NtResult<Reply> {
    if cx.is_restricted_caller()? {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let (kernel, w) = (&*cx.kernel, width.bytes());
    let told = cx.sees_kernel_addresses();
    let processes = in_order(kernel);
    let count: usize = processes.iter().map(|p| p.handles.count()).sum();
    let head = if wide { 2 * w } else { w };
    let mut bytes = StructWriter::new(head, width).word(0, count as u64).finish();
    for process in processes {
        let id = u64::from(process.id.0);
        for (handle, entry) in process.handles.iter() {
            let kind = kernel.ob.type_of(entry.object).and_then(|t| kernel.ob.type_info(t)).map_or(0, |t| t.index);
            let object = if told { kernel.address_of(entry.object) } else { 0 };
            let (access, attributes) = (u64::from(entry.granted.0), u64::from(entry.attributes.bits()));
            bytes.extend(if wide {
                // Object, UniqueProcessId, HandleValue, GrantedAccess, CreatorBackTraceIndex, ObjectTypeIndex,
                // HandleAttributes, Reserved
                let out = StructWriter::new(3 * w + 16, width).word(0, object).word(w, id).word(2 * w, handle.0);
                out.field(3 * w, 4, access).field(3 * w + 6, 2, kind.into()).field(3 * w + 8, 4, attributes).finish()
            } else {
                // UniqueProcessId, CreatorBackTraceIndex, ObjectTypeIndex, HandleAttributes, HandleValue, Object,
                // GrantedAccess
                let out = StructWriter::new(8 + 2 * w, width).field(0, 2, id).field(4, 1, kind.into());
                let out = out.field(5, 1, attributes).field(6, 2, handle.0);
                out.word(8, object).field(8 + w, 4, access).finish()
            });
        }
    }
    Ok(Reply::whole(bytes))
}
