//! The images in kernel space: `SystemModuleInformation`.

use guest::NtStatus;
use guest::mem::Width;
use guest::types::StructWriter;

use super::Reply;
use crate::cx::Cx;
use crate::service::NtResult;

/// `RTL_PROCESS_MODULE_INFORMATION`: its size, where the words and numbers are, bytes of the path.
const PATH: usize = 256;

/// `RTL_PROCESS_MODULES`: a count, then each image.
///
/// `STATUS_ACCESS_DENIED` for a restricted caller.
pub(super) fn modules(cx: &Cx<'_>, width: Width) -> NtResult<Reply> {
    if cx.is_restricted_caller()? {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let w = width.bytes();
    let images = &cx.kernel.images;
    let told = cx.sees_kernel_addresses();
    let mut bytes = StructWriter::new(w, width).field(0, 4, images.len() as u64).finish();
    for (order, image) in (0..).zip(images) {
        let name = image.path.rfind('\\').map_or(0, |at| at + 1);
        // Section, MappedBase, ImageBase; ImageSize, Flags, LoadOrderIndex, InitOrderIndex, LoadCount, OffsetToFileName
        let out = StructWriter::new(3 * w + 16 + PATH, width).word(2 * w, if told { image.base } else { 0 });
        let out = out.field(3 * w, 4, image.size).field(3 * w + 8, 2, order).field(3 * w + 12, 2, 1);
        let mut one = out.field(3 * w + 14, 2, name as u64).finish();
        let path = image.path.bytes().take(PATH - 1);
        one.iter_mut().skip(3 * w + 16).zip(path).for_each(|(to, from)| *to = from);
        bytes.extend(one);
    }
    Ok(Reply::whole(bytes))
}
