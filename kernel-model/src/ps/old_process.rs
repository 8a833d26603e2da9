//! `NtCreateProcess`, `NtCreateProcessEx`: a process over an image section, in which its maker then makes the first thread.

use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr, access::process as access};

use super::create_process::{dos_path, load, open_new};
use super::debug::{DebugObject, PROCESS_ASSIGN};
use super::process_request::token;
use super::{LoadFailure, NewProcess, ProcessParameters, job};
use crate::cx::Cx;
use crate::mm::Section;
use crate::ob::NameToOpen;
use crate::service::{NtResult, Service, Support, Unwind, service};

const GAP: &str = "no cloning (a process without a section); its first thread is there before it is made, and waits; \
                   not with --dispatch kernel, nor on Wine's DLLs";
pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateProcess => nt_create_process, Support::Partial(GAP)),
    service!(NtCreateProcessEx => nt_create_process_ex, Support::Partial(GAP)),
];

/// `PROCESS_CREATE_FLAGS_*`
const BREAKAWAY: u32 = 0x1;
const NO_DEBUG_INHERIT: u32 = 0x2;
const INHERIT_HANDLES: u32 = 0x4;
const KNOWN_FLAGS: u32 = 0x3_ffff;
/// `SECTION_MAP_EXECUTE`.
const MAP_EXECUTE: AccessMask = AccessMask(8);

/// `NtCreateProcessEx`: makes a process from an image section. Its memory has the image and ntdll; process parameters are
/// for its maker to put there, and the first thread is the one that `NtCreateThread` or `NtCreateThreadEx` makes in it.
///
/// `STATUS_INVALID_PARAMETER` (flags), `STATUS_SECTION_NOT_IMAGE`, `STATUS_INVALID_IMAGE_FORMAT`, `STATUS_INVALID_IMAGE_WIN_64`,
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`, `STATUS_PROCESS_IS_TERMINATING`,
/// `STATUS_NO_MEMORY`.
#[expect(clippy::too_many_arguments, reason = "NtCreateProcessEx has nine")]
fn nt_create_process_ex(
    cx: &mut Cx<'_>, process_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, parent: Handle, flags: u32, section: Handle, debug: Handle,
    token_handle: Handle, _reserved: u32,
) -> NtResult {
    cx.probe_handle(process_handle)?;
    if flags & !KNOWN_FLAGS != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if flags & !(BREAKAWAY | NO_DEBUG_INHERIT | INHERIT_HANDLES) != 0 {
        return Err(Unwind::unsupported(format!("Flags {flags:#x}")));
    }
    let name = NameToOpen::capture(&mut cx.mem(), object_attributes)?;
    let parent = cx.process_of(parent, access::CREATE_PROCESS)?;
    if section == Handle::NULL {
        return Err(Unwind::unsupported("a process without a section, a clone of its parent"));
    }
    let segment = cx.reference::<Section>(section, MAP_EXECUTE)?.segment;
    let (raw, path) = cx.kernel.mm.segments.raw_image(segment).ok_or(NtStatus::SECTION_NOT_IMAGE)?;
    let debug = match debug {
        Handle::NULL => None,
        handle => Some(cx.reference_id::<DebugObject>(handle, PROCESS_ASSIGN)?),
    };
    let token = match token_handle {
        Handle::NULL => None,
        handle => Some(token(cx, handle)?),
    };
    if cx.kernel.single_threaded || cx.kernel.is_wine_root() {
        return Err(Unwind::unsupported("a second process with --dispatch kernel or on Wine's DLLs"));
    }
    super::create_process::check_image(cx, &raw)?;
    let path = dos_path(&path.encode_utf16().collect::<Vec<u16>>());
    let image_name = path.rsplit('\\').next().unwrap_or(&path).to_string();
    let made = cx.kernel.make_process(parent, token, &image_name);
    let (process, thread) = made.ok_or(NtStatus::PROCESS_IS_TERMINATING)?;
    if flags & INHERIT_HANDLES != 0 {
        cx.kernel.inherit_handles(parent, process, None);
    }
    let new = NewProcess { image: raw, path, parameters: ProcessParameters::default() };
    let finished = match load(cx, thread, &new) {
        Ok(()) | Err(LoadFailure::AtStart(_)) => job::join_new(cx, parent, process, flags & BREAKAWAY != 0, &[])
            .and_then(|()| debug.map_or(Ok(()), |object| Ok(cx.set_debug_port(process, object)?)))
            .and_then(|()| open_new(cx, process, desired_access, &name)),
        Err(LoadFailure::Status(status)) => Err(status.into()),
        Err(LoadFailure::Unsupported) => Err(Unwind::unsupported("a process on a machine without a loader")),
    };
    let stored = finished.and_then(|handle| Ok(cx.mem().store(process_handle, &handle)?));
    match &stored {
        Err(_) => cx.kernel.end_process(process, NtStatus::UNSUCCESSFUL),
        Ok(()) => {
            if let Some(process) = cx.kernel.ps.get_mut(process) {
                process.unborn = Some(thread);
                process.debug.no_inherit = flags & NO_DEBUG_INHERIT != 0;
            }
        }
    }
    stored.map(|()| NtStatus::SUCCESS)
}

/// `NtCreateProcess`: the same without flags, but for the inheritance of handles.
///
/// The statuses of `NtCreateProcessEx`.
#[expect(clippy::too_many_arguments, reason = "NtCreateProcess has eight")]
fn nt_create_process(
    cx: &mut Cx<'_>, process_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, parent: Handle, inherit: bool, section: Handle,
    debug: Handle, token: Handle,
) -> NtResult {
    let flags = if inherit { INHERIT_HANDLES } else { 0 };
    nt_create_process_ex(cx, process_handle, desired_access, object_attributes, parent, flags, section, debug, token, 0)
}
