//! `NtCreateUserProcess`.

use guest::layout::Side;
use guest::pe::PeImage;
use guest::types::{ObjectAttributes, StructWriter};
use guest::{AccessMask, Arch, GuestMemory, Handle, NtStatus, UserPtr};

use super::process_request::{CreateInfo, IMAGE_FILE_DLL, Request, State};
use super::{LoadFailure, NewProcess, ProcessId, ProcessParameters, ThreadId, ThreadStart};
use super::{attribute_list, create_thread, job, priority_class};
use crate::cx::Cx;
use crate::mm::ImageInformation;
use crate::ob::{Attributes, NameToOpen, ObjectType};
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtCreateUserProcess => nt_create_user_process,
    Support::Partial("of the attributes no memory reserve, processors, mitigations, protection or child policy; no section handle is given back; not with --dispatch kernel")
)];

/// `PROCESS_CREATE_FLAGS_*`
const BREAKAWAY: u32 = 0x1;
const NO_DEBUG_INHERIT: u32 = 0x2;
const INHERIT_HANDLES: u32 = 0x4;
const SUSPENDED: u32 = 0x200;
const KNOWN_FLAGS: u32 = 0x3_ffff;
/// `THREAD_CREATE_FLAGS_CREATE_SUSPENDED`
const THREAD_SUSPENDED: u32 = 1;

/// A process that is being made.
struct Making<'a> {
    info: CreateInfo,
    request: Request,
    parameters: ProcessParameters,
    flags: u32,
    suspended: bool,
    handles: [(UserPtr<Handle>, AccessMask); 2],
    names: [NameToOpen; 2],
    file: Handle,
    image: &'a PeImage,
}

/// `NtCreateUserProcess`: makes a process from an image's file, and its first thread; what it is told (process
/// parameters: command line, environment, current directory, standard handles) is copied into it.
///
/// `STATUS_INVALID_PARAMETER` (flags, sizes, no image name), `STATUS_INVALID_IMAGE_NOT_MZ`,
/// `STATUS_INVALID_IMAGE_FORMAT`, `STATUS_INVALID_IMAGE_WIN_64`,
/// `STATUS_ACCESS_DENIED` (a parent without `PROCESS_CREATE_PROCESS`, a job that cannot be left),
/// `STATUS_QUOTA_EXCEEDED` (a job's limit), `STATUS_NO_MEMORY`, and the statuses of opening the file. How far it got is in
/// `PS_CREATE_INFO`. A process that wants for a DLL or an export is made, and ends with `STATUS_DLL_NOT_FOUND` or
/// `STATUS_ENTRYPOINT_NOT_FOUND`.
#[expect(clippy::too_many_arguments, reason = "NtCreateUserProcess has eleven")]
fn nt_create_user_process(
    cx: &mut Cx<'_>, process_handle: UserPtr<Handle>, thread_handle: UserPtr<Handle>, process_access: AccessMask,
    thread_access: AccessMask, process_attributes: Option<UserPtr<ObjectAttributes>>,
    thread_attributes: Option<UserPtr<ObjectAttributes>>, process_flags: u32, thread_flags: u32, parameters: u64,
    create_info: u64, attributes: u64,
) -> NtResult {
    cx.probe_handle(process_handle)?;
    cx.probe_handle(thread_handle)?;
    if process_flags & !KNOWN_FLAGS != 0 || thread_flags & !THREAD_SUSPENDED != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if process_flags & !(BREAKAWAY | NO_DEBUG_INHERIT | INHERIT_HANDLES | SUSPENDED) != 0 {
        return Err(Unwind::unsupported(format!("ProcessFlags {process_flags:#x}")));
    }
    let info = CreateInfo::capture(cx, create_info)?;
    let names = [
        NameToOpen::capture(&mut cx.mem(), process_attributes)?,
        NameToOpen::capture(&mut cx.mem(), thread_attributes)?,
    ];
    let list = attribute_list::capture(cx, attributes)?;
    let request = Request::new(cx, &list)?;
    let parameters = match parameters {
        0 => ProcessParameters::default(),
        at => ProcessParameters::capture(cx, at)?,
    };
    if cx.kernel.single_threaded {
        return Err(Unwind::unsupported("a second process with --dispatch kernel"));
    }
    let file = match cx.open_image(&request.image, info.file_access) {
        Ok(file) => file,
        Err(failed) => {
            info.tell(cx, State::FailOnFileOpen, 0)?;
            return Err(failed);
        }
    };
    let result = cx.image_bytes(file).and_then(|bytes| {
        let image = check(cx, &bytes, &info, file)?;
        let suspended = thread_flags & THREAD_SUSPENDED != 0 || process_flags & SUSPENDED != 0;
        let handles = [(process_handle, process_access), (thread_handle, thread_access)];
        let making =
            Making { info, request, parameters, flags: process_flags, suspended, handles, names, file, image: &image };
        make(cx, making, bytes)
    });
    // What is told of as a file stays open.
    let told = matches!(result, Ok(_) | Err(Unwind::Status(NtStatus::INVALID_IMAGE_NOT_MZ)));
    if !(told && info.is_told()) {
        cx.close_image(file);
    }
    result
}

/// Whether the file is an image that this machine runs as a program.
fn check(cx: &mut Cx<'_>, bytes: &[u8], info: &CreateInfo, file: Handle) -> NtResult<PeImage> {
    if !bytes.starts_with(b"MZ") {
        info.tell(cx, State::FailOnSectionCreate, file.0)?;
        return Err(NtStatus::INVALID_IMAGE_NOT_MZ.into());
    }
    let Ok(image) = PeImage::parse(bytes) else { return Err(NtStatus::INVALID_IMAGE_FORMAT.into()) };
    if image.is_dll && info.prohibited & IMAGE_FILE_DLL != 0 {
        info.tell(cx, State::FailExeFormat, image.characteristics.1.into())?;
        return Err(NtStatus::INVALID_IMAGE_FORMAT.into());
    }
    runnable(cx, &image)?;
    Ok(image)
}

/// The same of an image in a section.
pub(super) fn check_image(cx: &Cx<'_>, bytes: &[u8]) -> NtResult<()> {
    let Ok(image) = PeImage::parse(bytes) else { return Err(NtStatus::INVALID_IMAGE_FORMAT.into()) };
    runnable(cx, &image)
}

fn runnable(cx: &Cx<'_>, image: &PeImage) -> NtResult<()> {
    if image.is_dll || image.is_managed() {
        return Err(Unwind::unsupported(if image.is_dll { "a DLL as a process" } else { "managed code (.NET)" }));
    }
    if cx.kernel.own_loader && image.arch != cx.kernel.profile.arch {
        return Err(Unwind::unsupported("a process of another architecture on a root of one"));
    }
    if cx.kernel.profile.stub_style_for(image.arch).is_none() {
        let wide = image.arch == Arch::X64;
        return Err(if wide { NtStatus::INVALID_IMAGE_WIN_64 } else { NtStatus::INVALID_IMAGE_FORMAT }.into());
    }
    Ok(())
}

/// `C:\folder\name` of an NT path.
pub(super) fn dos_path(path: &[u16]) -> String {
    let path = String::from_utf16_lossy(path);
    let rest = ["\\??\\", "\\DosDevices\\", "\\GLOBAL??\\"].iter().find_map(|prefix| path.strip_prefix(prefix));
    match rest {
        Some(rest) => rest.to_string(),
        None => path.strip_prefix(super::SYSTEM_VOLUME).map_or(path.clone(), |rest| format!("C:\\{rest}")),
    }
}

fn make(cx: &mut Cx<'_>, mut making: Making<'_>, image: Vec<u8>) -> NtResult {
    let path = dos_path(&making.request.image);
    let name = path.rsplit('\\').next().unwrap_or(&path).to_string();
    let made = cx.kernel.make_process(making.request.parent, making.request.token, &name);
    let (process, thread) = made.ok_or(NtStatus::PROCESS_IS_TERMINATING)?;
    hand_on(cx, &mut making, process);
    let parameters = std::mem::take(&mut making.parameters);
    let loaded = load(cx, thread, &NewProcess { image, path, parameters });
    let finished = match loaded {
        Ok(()) | Err(LoadFailure::AtStart(_)) => {
            debug(cx, &making, process).and_then(|()| finish(cx, &making, process, thread))
        }
        Err(LoadFailure::Status(status)) => Err(status.into()),
        Err(LoadFailure::Unsupported) => Err(Unwind::unsupported("a process on a machine without a loader")),
    };
    match (&finished, loaded) {
        (Err(_), _) => cx.kernel.end_process(process, NtStatus::UNSUCCESSFUL),
        (Ok(_), Err(LoadFailure::AtStart(status))) => cx.kernel.end_process(process, status),
        _ => {
            if let Some(thread) = cx.kernel.ps.thread_mut(thread) {
                thread.suspend_count = making.suspended.into();
            }
            cx.kernel.start_thread(thread);
        }
    }
    finished
}

/// What the child gets of its parent: handles, and what attributes say.
fn hand_on(cx: &mut Cx<'_>, making: &mut Making<'_>, process: ProcessId) {
    let (request, own) = (&making.request, cx.kernel.ps.process.id);
    let inherits = making.flags & INHERIT_HANDLES != 0;
    let mut only = if inherits { request.handles.clone() } else { Some(Vec::new()) };
    if let Some(list) = only.as_mut().filter(|_| cx.kernel.is_wine_root()) {
        // Wine's kernelbase leaves the standard handles to the kernel, at their values.
        list.extend(making.parameters.standard.map(Handle));
    }
    if inherits || cx.kernel.is_wine_root() {
        cx.kernel.inherit_handles(request.parent, process, only.as_deref());
    }
    for (index, standard) in making.parameters.standard.iter_mut().enumerate() {
        if *standard != 0 && request.std_handles.copies(index, making.image.subsystem) {
            let copy = cx.kernel.copy_handle(own, process, Handle(*standard));
            *standard = copy.map_or(0, |handle| handle.0);
        }
    }
    let Some(child) = cx.kernel.ps.get_mut(process) else { return };
    if let Some(class) = request.priority_class {
        child.about.priority_class = class;
        child.about.base_priority = priority_class::BASE.get(usize::from(class)).copied().unwrap_or(8);
    }
    if let Some(mode) = request.error_mode {
        child.about.hard_error_mode = mode;
    }
}

/// The debugger of the process: the one that is asked for, or the parent's, if children of that are debugged.
fn debug(cx: &mut Cx<'_>, making: &Making<'_>, process: ProcessId) -> NtResult<()> {
    let parent = cx.kernel.ps.get(making.request.parent).map(|parent| parent.debug);
    let inherited = parent.filter(|debug| !debug.no_inherit).and_then(|debug| debug.port);
    if let Some(child) = cx.kernel.ps.get_mut(process) {
        child.debug.no_inherit = making.flags & NO_DEBUG_INHERIT != 0;
    }
    match making.request.debug.or(inherited) {
        Some(object) => Ok(cx.set_debug_port(process, object)?),
        None => Ok(()),
    }
}

/// Has the process filled, and its thread told where to start.
pub(super) fn load(cx: &mut Cx<'_>, thread: ThreadId, new: &NewProcess) -> Result<(), LoadFailure> {
    let ram = &mut *cx.ram;
    cx.kernel.as_thread(thread, |kernel| {
        let user = ram.load_process(kernel, new)?;
        kernel.ps.thread.user = user;
        kernel.ps.thread.start = ThreadStart::of_new(kernel.own_loader);
        Ok(())
    })
}

/// Jobs, handles, and what the caller is told.
fn finish(cx: &mut Cx<'_>, making: &Making<'_>, process: ProcessId, thread: ThreadId) -> NtResult {
    let Making { info, request, handles, names, .. } = making;
    job::join_new(cx, request.parent, process, making.flags & BREAKAWAY != 0, &request.jobs)?;
    let base = cx.kernel.ps.get(process).map_or(8, |process| process.about.base_priority);
    if let Some(thread) = cx.kernel.ps.thread_mut(thread) {
        (thread.priority, thread.base_priority) = (base, base);
    }
    let [(process_handle, process_access), (thread_handle, thread_access)] = *handles;
    let opened = open_new(cx, process, process_access, &names[0])?;
    cx.mem().store(process_handle, &opened)?;
    let opened = create_thread::open_new(cx, thread, thread_access, names[1].attributes)?;
    cx.mem().store(thread_handle, &opened)?;
    request.outputs.store(cx, thread)?;
    if let Some(at) = request.image_info {
        let (width, about) = (cx.kernel.width(), cx.kernel.ps.get(process).map(|process| process.about.image));
        let out = StructWriter::new(ImageInformation::size(width), width);
        let bytes = about.unwrap_or_default().bytes(width, out);
        cx.mem().write(at, &bytes)?;
    }
    let (native, wow64) = places(cx, process);
    info.tell_success(cx, making.file, native, wow64)?;
    Ok(NtStatus::SUCCESS)
}

/// Where a process's parameters and its PEB are, on both of its sides.
fn places(cx: &mut Cx<'_>, process: ProcessId) -> ([u64; 2], [u64; 2]) {
    let profile = cx.kernel.profile;
    let Some((peb, wow64_peb)) = cx.kernel.ps.get(process).map(|p| (p.peb, p.wow64_peb)) else {
        return Default::default();
    };
    cx.attached(process, |cx| {
        let parameters = |arch: Arch, peb: u64| {
            let at = peb + Side::new(profile, arch).offset("PEB", "ProcessParameters");
            let mut bytes = [0; 8];
            let width = arch.width().bytes();
            cx.kernel.mm.peek(cx.ram, at, bytes.get_mut(..width).unwrap_or(&mut []));
            u64::from_le_bytes(bytes)
        };
        let native = [parameters(profile.arch, peb), peb];
        (native, wow64_peb.map_or([0; 2], |peb| [parameters(Arch::X86, peb), peb]))
    })
}

/// A handle to a process that was just made. Whoever made it has the access that it asks for.
pub(super) fn open_new(
    cx: &mut Cx<'_>, process: ProcessId, desired: AccessMask, name: &NameToOpen,
) -> NtResult<Handle> {
    let object = cx.kernel.ps.get(process).map(|p| p.object).ok_or(NtStatus::UNSUCCESSFUL)?;
    let security = cx.security_of_new(ObjectType::Process, None, name.security.as_ref())?;
    if let Some(header) = cx.kernel.ob.get_mut(object) {
        header.security = security;
    }
    let granted = cx.grant_new(ObjectType::Process, desired)?;
    Ok(cx.open_handle(object, granted, name.attributes - Attributes::KERNEL_HANDLE)?)
}
