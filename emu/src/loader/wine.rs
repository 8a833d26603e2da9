//! A process on Wine's DLLs: ntdll and the program are mapped, the structures that the kernel makes are laid out, and
//! everything else is done by the root's own loader, from `LdrInitializeThunk` on.

use guest::layout::{Side, StructBuilder};
use guest::mem::PAGE_SIZE;
use guest::pe::PeImage;
use guest::registers::{Segments, UserState};
use guest::stub::StubService;
use guest::{Arch, NtStatus, Profile};
use kernel_model::mm::{Protect, StackRequest, UserStack};
use kernel_model::ps::{Dispatchers, Teb, TebSlots, UserEntries, write_teb};
use kernel_model::wine::{UNIX_CALL, UNIX_CALL_SLOTS, service_info};

use super::lists::parameters;
use super::modules::{Module, Modules};
use super::process::{Start, reserve_near, write_peb};
use super::{LoadError, ProcessConfig, Program, Target, about, kuser, parse, read_file};
use crate::cpu::Reg;
use crate::root::{Stubs, WineFolders, scan};

/// The PEB's region without ASLR; the options of debugging channels are 2000h behind the PEB, 3000h behind each TEB.
const PEB_REGION: u64 = 0x50_0020_0000;
/// The same in a 32-bit process.
const X86_PEB_REGION: u64 = 0x7fc0_0000;
const PEB_REGION_SIZE: u64 = 0x20_0000;
const PEB_SIZE: u64 = 0x8000;
const TEB_SIZE: u64 = 0x8000;
/// Where the root's loader clears from, below the context that a thread starts with, must be committed.
const LEAST_STACK: u64 = 0x12_0000;
/// Where the guest has the root's folders.
pub(crate) const SYSTEM_FOLDER: &[&str] = &["Windows", "System32"];
pub(crate) const TABLES_FOLDER: &[&str] = &["Windows", "Globalization", "Sorting"];

/// Sets up a process on the root: its first two modules, and where its thread starts. The root's folders are mounted.
pub(crate) fn load(
    target: &mut Target<'_>, config: &ProcessConfig, root: &WineFolders,
) -> Result<(Modules, Start), LoadError> {
    target.kernel.console.is_pipe = config.pipes;
    let map_error = |status| LoadError::NoMemory { file: config.name.clone(), status };
    let Program::Pe(bytes) = &config.program else { return Err(LoadError::RootNeedsProgram) };
    let image = parse(&config.name, bytes)?;
    if image.is_dll {
        return Err(LoadError::IsDll { file: config.name.clone() });
    }
    let profile = target.profile();
    if image.arch != profile.arch {
        return Err(LoadError::RootArch { file: config.name.clone(), arch: image.arch, profile: profile.name });
    }
    let path = match &target.child {
        Some(child) => child.new.path.clone(),
        None => {
            // From here on the kernel knows whose DLLs these are.
            if root.is_windows {
                target.kernel.own_loader = true;
            } else {
                target.kernel.use_wine_table(&[]);
            }
            format!("C:\\{}", super::base_name(&config.name))
        }
    };
    kuser::map(target).map_err(map_error)?;
    let program = map(target, &path).map_err(map_error)?;
    let ntdll = map(target, "C:\\Windows\\System32\\ntdll.dll").map_err(map_error)?;
    match (root.is_windows, target.child.is_none()) {
        (false, true) => number(target, root, &ntdll)?,
        (true, true) => check_numbers(target.profile(), &ntdll)?,
        (_, false) => {}
    }
    if root.is_windows {
        let sysexit_to = kuser::set_system_call(target, &ntdll, config.int2e).map_err(map_error)?;
        target.kernel.ps.process.sysexit_to = sysexit_to;
    }
    let modules = Modules::of(vec![program, ntdll]);
    target.kernel.mm.space.no_execute = true;
    let start = create(target, config, root, &modules).map_err(map_error)?;
    about::tell(target, config, &modules);
    Ok((modules, start))
}

/// Has the kernel answer the numbers of the root's stubs, and that which is left for unix calls.
fn number(target: &mut Target<'_>, root: &WineFolders, ntdll: &Module) -> Result<(), LoadError> {
    let mut stubs = Stubs::default();
    if let Some(image) = &ntdll.image {
        scan(image, &mut stubs);
    }
    let win32u = "win32u.dll";
    scan(&parse(win32u, &read_file(&root.dlls.join(win32u))?)?, &mut stubs);
    let unix_call = stubs.next;
    if let Some(info) = service_info(UNIX_CALL) {
        let args = info.arg_count;
        stubs.services.push(StubService { info, number: unix_call, args, slots: Some(UNIX_CALL_SLOTS), turbo: 0 });
    }
    target.kernel.use_wine_table(&stubs.services);
    if let Some(wine) = &mut target.kernel.wine {
        (wine.unix_call, wine.ntdll) = (unix_call, ntdll.base);
    }
    Ok(())
}

/// Whether the numbers in stubs of Windows' own ntdll are those of the machine's build, as far as such stubs can be read.
fn check_numbers(profile: &'static Profile, ntdll: &Module) -> Result<(), LoadError> {
    let mut stubs = Stubs::default();
    if let Some(image) = &ntdll.image {
        scan(image, &mut stubs);
    }
    let is_of = |profile: &Profile| {
        stubs.services.iter().all(|stub| profile.number(stub.info.name).is_none_or(|number| number == stub.number))
    };
    if is_of(profile) {
        return Ok(());
    }
    let offer = Profile::all().iter().find(|other| other.arch == profile.arch && is_of(other));
    Err(LoadError::RootNumbers { profile: profile.name, offer: offer.map(|offer| offer.name) })
}

/// Maps an image of the guest's.
fn map(target: &mut Target<'_>, path: &str) -> Result<Module, NtStatus> {
    let (base, image) = target.kernel.map_image_of(target.ram, path)?;
    Ok(Module::of_section(base, &image, path))
}

/// Makes what the kernel makes of a process, and says where it starts.
fn create(
    target: &mut Target<'_>, config: &ProcessConfig, root: &WineFolders, modules: &Modules,
) -> Result<Start, NtStatus> {
    let arch = target.profile().arch;
    let side = Side::new(target.profile(), arch);
    let ntdll = modules.by_name("ntdll.dll", arch).ok_or(NtStatus::DLL_NOT_FOUND)?;
    let symbol = |name: &str| ntdll.symbol(name).ok_or(NtStatus::ENTRYPOINT_NOT_FOUND);
    let (thunk, thread_start) = (symbol("LdrInitializeThunk")?, symbol("RtlUserThreadStart")?);
    let width = side.width().bytes();
    let pointer = |gate: u64| gate.to_le_bytes().into_iter().take(width).collect::<Vec<u8>>();
    if !root.is_windows {
        let gates = gates(target, config.int2e)?;
        target.write(symbol("__wine_unix_call_dispatcher")?, &pointer(gates.unix_call))?;
        if let Some(gate) = gates.system_call {
            let at = symbol("__wine_syscall_dispatcher")?;
            target.write(at, &pointer(gate))?;
            if let Some(wine) = &mut target.kernel.wine {
                wine.system_call = at;
            }
        }
    }

    let place = if arch == Arch::X64 { PEB_REGION } else { X86_PEB_REGION };
    let region = reserve_near(target, Some(place), PEB_REGION_SIZE / PAGE_SIZE)?;
    target.commit(region, (PEB_SIZE + TEB_SIZE) / PAGE_SIZE, Protect::READWRITE)?;
    let peb = region * PAGE_SIZE;
    let teb = peb + PEB_SIZE;
    let parameters = parameters(target, config, modules, &side)?;
    // No path to look for DLLs in: the loader makes one.
    let no_path = StructBuilder::new(&side, "RTL_USER_PROCESS_PARAMETERS").offset("DllPath");
    target.write(parameters + no_path, &vec![0; 2 * width])?;
    write_peb(target, modules, &side, peb, parameters, 0)?;
    let api_sets = api_sets(target, root)?;
    let field = StructBuilder::new(&side, "PEB").offset("ApiSetMap");
    target.write(peb + field, &pointer(api_sets))?;
    let stack = stack(target, modules, &side, teb)?;
    let ids = (target.kernel.ps.process.id, target.kernel.ps.thread.id);
    write_teb(&mut target.kernel.mm, target.ram, &side, &Teb { at: teb, peb, stack, ids, tls: 0 })?;

    let entry = modules.program().map_or(0, Module::entry);
    let process = &mut target.kernel.ps.process;
    (process.peb, process.thread_start, process.highest) = (peb, thread_start, target.highest);
    process.tebs = TebSlots::new(teb + TEB_SIZE, peb + PEB_REGION_SIZE, TEB_SIZE);
    let entries = |name: &str| ntdll.symbol(name).unwrap_or(0);
    let native = UserEntries {
        exception: entries("KiUserExceptionDispatcher"),
        apc: entries("KiUserApcDispatcher"),
        raise: entries("KiRaiseUserExceptionDispatcher"),
        loader: thunk,
    };
    process.dispatchers = Dispatchers { native, wow64: UserEntries::default(), instrumentation: 0 };
    let thread = &mut target.kernel.ps.thread;
    (thread.teb, thread.start_address, thread.stacks) = (teb, entry, vec![stack]);
    let registers = first_registers(target, &stack, thread_start, [entry, peb])?;
    Ok(match arch {
        Arch::X64 => Start { registers, gs_base: teb, fs_base: 0 },
        Arch::X86 => Start { registers, gs_base: 0, fs_base: teb as u32 },
    })
}

/// What the first thread goes on with after the loader; in the first process, which has begun, what the loader starts with.
fn first_registers(
    target: &mut Target<'_>, stack: &UserStack, start: u64, words: [u64; 2],
) -> Result<Vec<(Reg, u64)>, NtStatus> {
    let arch = target.profile().arch;
    // As after a call: the stack is 8 below a multiple of 16, and there is home space above.
    let (first, second, below) = match arch {
        Arch::X64 => (Reg::Rcx, Reg::Rdx, 0x28),
        Arch::X86 => (Reg::Rax, Reg::Rbx, 0x10),
    };
    let [entry, peb] = words;
    let registers = vec![(Reg::Rip, start), (Reg::Rsp, stack.base - below), (first, entry), (second, peb)];
    if target.child.is_some() {
        return Ok(registers);
    }
    let mut state = UserState { segments: Segments::of(arch), ..UserState::default() };
    state.file.set(Reg::Rflags, 0x202);
    registers.into_iter().for_each(|(register, value)| state.file.set(register, value));
    target.kernel.put_start(target.ram, &mut state).ok_or(NtStatus::NO_MEMORY)?;
    let changed = [Reg::Rip, Reg::Rsp, first, second, Reg::Rcx];
    Ok(changed.map(|register| (register, state.file.get(register))).to_vec())
}

/// The first thread's stack: what the program asks for, and what the loader needs beside it.
fn stack(target: &mut Target<'_>, modules: &Modules, side: &Side, teb: u64) -> Result<UserStack, NtStatus> {
    const LONGEST: u64 = 0x4000_0000;
    let asked = modules.program().and_then(|m| m.image.as_ref()).map_or((0, 0), |i| (i.stack_reserve, i.stack_commit));
    target.kernel.ps.process.stack = [asked.0.min(LONGEST), asked.1.min(LONGEST)];
    let limit_field = teb + side.offset("NT_TIB", "StackLimit");
    let request = StackRequest {
        reserve: asked.0.clamp(2 * LEAST_STACK, LONGEST),
        commit: asked.1.clamp(LEAST_STACK, LONGEST),
        at: None,
        highest: target.highest,
        limit_field,
        width: side.width(),
    };
    target.kernel.mm.create_stack(&request)
}

/// Where code of the root's ntdll leaves for the kernel, if its stubs do not do that themselves.
struct Gates {
    /// What `__wine_unix_call_dispatcher` points to: a service call like any other.
    unix_call: u64,
    /// What `__wine_syscall_dispatcher` points to: where 32-bit stubs jump to, on top of two return addresses.
    system_call: Option<u64>,
}

/// Puts the code of the gates into memory.
fn gates(target: &mut Target<'_>, int2e: bool) -> Result<Gates, NtStatus> {
    /// Where the second is behind the first.
    const SECOND: usize = 0x20;
    let [a, b, c, d] = target.kernel.wine.as_ref().map_or(0, |wine| wine.unix_call).to_le_bytes();
    let profile = target.profile();
    let sysenter = !int2e && profile.stub_style.has_gate("sysenter");
    let mut code: Vec<u8> = match profile.arch {
        // mov r10, rcx; mov eax, N; syscall; ret
        Arch::X64 => vec![0x49, 0x89, 0xca, 0xb8, a, b, c, d, 0x0f, 0x05, 0xc3],
        // mov eax, N; lea edx, [esp+4]; int 2Eh; ret 16
        Arch::X86 => vec![0xb8, a, b, c, d, 0x8d, 0x54, 0x24, 0x04, 0xcd, 0x2e, 0xc2, 0x10, 0],
    };
    code.resize(SECOND, 0xcc);
    if profile.arch == Arch::X86 {
        code.extend(match sysenter {
            // mov edx, esp; sysenter; ret
            true => &[0x8b, 0xd4, 0x0f, 0x34, 0xc3][..],
            // lea edx, [esp+8]; int 2Eh; ret
            false => &[0x8d, 0x54, 0x24, 0x08, 0xcd, 0x2e, 0xc3],
        });
    }
    let at = target.allocate(None, PAGE_SIZE, Protect::EXECUTE_READ)?;
    target.write(at, &code)?;
    let system_call = (profile.arch == Arch::X86).then_some(at + SECOND as u64);
    if let Some(gate) = system_call.filter(|_| sysenter) {
        // The way back is its `ret`.
        target.kernel.ps.process.sysexit_to = gate as u32 + 4;
    }
    Ok(Gates { unix_call: at, system_call })
}

/// Puts the table of API sets into memory, as the kernel does: the `.apiset` section of the DLL that has it.
fn api_sets(target: &mut Target<'_>, root: &WineFolders) -> Result<u64, NtStatus> {
    let missing = NtStatus::DLL_NOT_FOUND;
    let bytes = read_file(&root.dlls.join("apisetschema.dll")).map_err(|_| missing)?;
    let image = PeImage::parse(&bytes).map_err(|_| missing)?;
    let section = image.sections.iter().find(|section| section.name.trim_end_matches('\0') == ".apiset");
    let section = section.ok_or(missing)?;
    let table = image.slice(section.rva.into(), section.size.into()).ok_or(missing)?;
    let at = target.allocate(None, table.len() as u64, Protect::READONLY)?;
    target.write(at, table)?;
    Ok(at)
}
