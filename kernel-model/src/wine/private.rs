//! The services that Wine's DLLs have beside Windows'. Their names and arguments are those of the root's exports; what Wine's
//! server or its other halves would do has nobody to do it here, and is answered with a failure.

use guest::mem::{Width, Word};
use guest::services::{ArgInfo, Direction, LenUnit, ServiceInfo, ServiceTableId, Widening};
use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::io::Stream;
use crate::service::{Args, FromRaw, NtResult, Service, Support};

const fn info(name: &'static str, args: u32) -> ServiceInfo {
    ServiceInfo { name, table: ServiceTableId::Nt, arg_count: Some(args), ret: "NTSTATUS", args: &[] }
}

const fn arg(name: &'static str, widening: Widening) -> ArgInfo {
    let (dir, len_unit) = (Direction::In, LenUnit::Bytes);
    ArgInfo { name, ty: "ULONG", dir, optional: true, len: None, len_unit, widening }
}

/// 4-byte slots of a unix call.
pub const UNIX_CALL_SLOTS: u32 = 4;

/// The name under which a unix call comes in: its thunk is the loader's.
pub(super) const UNIX_CALL: &str = "__wine_unix_call";

/// What a table of numbers has beside Windows' services.
pub(super) static INFOS: &[ServiceInfo] = &[
    info("RtlGetNativeSystemInformation", 4),
    ServiceInfo {
        args: &[
            arg("handle", Widening::TwoSlots),
            arg("code", Widening::Zero),
            ArgInfo { dir: Direction::InOut, ..arg("args", Widening::Zero) },
        ],
        ..info(UNIX_CALL, 3)
    },
    info("__wine_dbg_write", 2),
    info("__wine_unix_spawnvp", 2),
    info("wine_nt_to_unix_file_name", 4),
    info("wine_server_call", 1),
    info("wine_server_fd_to_handle", 4),
    info("wine_server_handle_to_fd", 4),
    info("wine_unix_to_nt_file_name", 3),
];

const NO_SERVER: Support = Support::Partial("always a failure: there is no wineserver");
const NO_UNIX: Support = Support::Partial("always a failure: the guest has no files of the host's but those mapped");

const fn service(
    name: &'static str, support: Support, run: fn(&mut Cx<'_>, &Args) -> NtResult, args: usize,
) -> Service {
    Service { name, support, run, arg_count: args }
}

/// The services, and those of Windows' that a root asks for more of.
pub(super) static SERVICES: &[Service] = &[
    service("RtlGetNativeSystemInformation", Support::Full, native_system_information, 4),
    service(
        "NtQuerySystemInformation",
        Support::Partial(
            "as for Windows' ntdll, and SystemInterruptInformation, of which 32-bit DLLs make random bytes",
        ),
        native_system_information,
        4,
    ),
    service(
        UNIX_CALL,
        Support::Partial(
            "of ntdll's own calls the time, of win32u's the gate; ws2_32 finds no host, and crypt32 no library; no other DLL's",
        ),
        unix_call,
        3,
    ),
    service("__wine_dbg_write", Support::Full, debug_write, 2),
    service("__wine_unix_spawnvp", NO_UNIX, refuse, 2),
    service("wine_nt_to_unix_file_name", NO_UNIX, refuse, 4),
    service("wine_server_call", NO_SERVER, refuse, 1),
    service("wine_server_fd_to_handle", NO_SERVER, refuse, 4),
    service("wine_server_handle_to_fd", NO_SERVER, refuse, 4),
    service("wine_unix_to_nt_file_name", NO_UNIX, refuse, 3),
    service(
        "NtQueryVirtualMemory",
        Support::Partial("as for Windows' ntdll, and MemoryWineUnixFuncs of ntdll, ws2_32 and crypt32"),
        query_virtual_memory,
        6,
    ),
];

/// What nobody does here.
fn refuse(_: &mut Cx<'_>, _: &Args) -> NtResult {
    Ok(NtStatus::NOT_SUPPORTED)
}

/// `SystemInterruptInformation`.
const INTERRUPT_INFORMATION: u32 = 23;

/// `RtlGetNativeSystemInformation`: `NtQuerySystemInformation` as a native program has it.
fn native_system_information(cx: &mut Cx<'_>, args: &Args) -> NtResult {
    if u32::from_raw(args.get(0)) == INTERRUPT_INFORMATION {
        // Its random bytes come so.
        let (buffer, length) = (args.get(1), u32::from_raw(args.get(2)));
        cx.mem().probe_write(buffer, length.into())?;
        return cx.random_bytes(buffer, length).map(|()| NtStatus::SUCCESS);
    }
    let service = crate::kernel::services().find(|service| service.name == "NtQuerySystemInformation");
    service.map_or(Ok(NtStatus::NOT_IMPLEMENTED), |service| (service.run)(cx, args))
}

/// The longest text that a DLL has to say at a time.
const LONGEST_TEXT: u32 = 0x1_0000;

/// `__wine_dbg_write`: a DLL has something to say to whoever develops it, which goes where standard error does.
fn debug_write(cx: &mut Cx<'_>, args: &Args) -> NtResult {
    let length = u32::from_raw(args.get(1)).min(LONGEST_TEXT);
    let mut text = vec![0; length as usize];
    cx.mem().read(args.get(0), &mut text)?;
    cx.kernel.console.write(Stream::Error, &text);
    // It returns how much was written.
    Ok(NtStatus(length))
}

/// `MemoryWineUnixFuncs`.
const UNIX_FUNCTIONS: u32 = 1000;
/// The handles that unix calls name: of ntdll, and of the 32-bit win32u, which asks for the gate of its stubs so.
const NTDLL_HANDLE: u64 = 1;
/// That of ws2_32.
const SOCKETS_HANDLE: u64 = 2;
const WIN32U_HANDLE: u64 = 3;
/// That of crypt32, which is not loaded without another half; what is behind that is a library of the host's.
const CERTIFICATES_HANDLE: u64 = 4;

/// `NtQueryVirtualMemory`, with the class by which a DLL finds its other half: ntdll, ws2_32 and crypt32 have one, and what is needed of
/// win32u's where its stubs are 32-bit.
///
/// As `NtQueryVirtualMemory`; `STATUS_DLL_NOT_FOUND` for a DLL without another half.
fn query_virtual_memory(cx: &mut Cx<'_>, args: &Args) -> NtResult {
    let [process, base, class, buffer, length, returned] = [0, 1, 2, 3, 4, 5].map(|index| args.get(index));
    let class = u32::from_raw(class);
    if class != UNIX_FUNCTIONS {
        let (buffer, returned) = (FromRaw::from_raw(buffer), FromRaw::from_raw(returned));
        return crate::mm::nt_query_virtual_memory(cx, Handle(process), base, class, buffer, length, returned);
    }
    if length != 8 {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let pointer = UserPtr::<u64>::new(buffer);
    cx.mem().probe(pointer)?;
    let handle = match cx.kernel.wine.as_ref().is_some_and(|root| root.ntdll == base) {
        true => NTDLL_HANDLE,
        false => other_handle(cx, base).ok_or(NtStatus::DLL_NOT_FOUND)?,
    };
    cx.mem().store(pointer, &handle)?;
    if let Some(returned) = Option::<UserPtr<Word>>::from_raw(returned) {
        cx.mem().store(returned, &Word(8))?;
    }
    Ok(NtStatus::SUCCESS)
}

/// The handle that unix calls of a DLL beside ntdll name; `None`: another is there, whose other half nobody does.
fn other_handle(cx: &Cx<'_>, base: u64) -> Option<u64> {
    let path = cx.kernel.mm.image_path_at(base)?.to_ascii_lowercase();
    match path.rsplit('\\').next()? {
        "ws2_32.dll" => Some(SOCKETS_HANDLE),
        "crypt32.dll" => Some(CERTIFICATES_HANDLE),
        "win32u.dll" if cx.kernel.width() == Width::W32 => Some(WIN32U_HANDLE),
        _ => None,
    }
}

/// ws2_32's other half looks names up, and there is nobody to ask: `WSAHOST_NOT_FOUND`, which is what its calls return.
const HOST_NOT_FOUND: NtStatus = NtStatus(11001);

/// Codes of ntdll's unix calls, and of win32u's.
const LOAD_SO_DLL: u32 = 0;
const INIT: u32 = 0;
const SYSTEM_TIME_PRECISE: u32 = 2;

/// A unix call: handle, code, pointer to arguments.
///
/// `STATUS_INVALID_IMAGE_FORMAT` for a DLL of the host's, as for a file that is none, `STATUS_DLL_NOT_FOUND` of crypt32,
/// `STATUS_NOT_SUPPORTED`.
fn unix_call(cx: &mut Cx<'_>, args: &Args) -> NtResult {
    let code = u32::from_raw(args.get(1));
    match (args.get(0), code) {
        (WIN32U_HANDLE, INIT) => {
            let gate = cx.kernel.wine.as_ref().map_or(0, |root| root.system_call);
            let gate: u32 = cx.mem().load(UserPtr::new(gate))?;
            cx.mem().store(UserPtr::new(args.get(2)), &gate)?;
            Ok(NtStatus::SUCCESS)
        }
        (NTDLL_HANDLE, LOAD_SO_DLL) => Ok(NtStatus::INVALID_IMAGE_FORMAT),
        (NTDLL_HANDLE, SYSTEM_TIME_PRECISE) => {
            let clock = &cx.kernel.clock;
            let now = clock.system_time_at(clock.interrupt_time());
            cx.mem().store(UserPtr::<u64>::new(args.get(2)), &now)?;
            Ok(NtStatus::SUCCESS)
        }
        (SOCKETS_HANDLE, _) => Ok(HOST_NOT_FOUND),
        // As where the host does not have the library.
        (CERTIFICATES_HANDLE, _) => Ok(NtStatus::DLL_NOT_FOUND),
        _ => Ok(NtStatus::NOT_SUPPORTED),
    }
}
