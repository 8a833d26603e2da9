//! A process that may not use win32k: its thread cannot become a GUI thread, and the failure table answers.

use guest::services::ServiceTableId::Win32k;
use guest::{Arch, NtStatus as S, Profile};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use trapgate::loader::Program;
use trapgate::machine::Dispatch;
use trapgate::trace::Wants;
use trapgate::{Config, End, Machine};

use crate::support::{config, record, trapgate};

const CODE: u64 = 0x1000_0000;
const RESULTS: u64 = CODE + 0xe00;

fn profile(name: &str) -> &'static Profile {
    Profile::by_name(name).expect("a profile")
}

/// A machine that calls these numbers, and keeps RAX after each.
fn calls(profile: &'static Profile, numbers: &[u32], locked: bool, dispatch: Dispatch) -> Machine {
    let assemble = || -> Result<Vec<u8>, IcedError> {
        let mut a = CodeAssembler::new(profile.arch.bits())?;
        for (number, at) in numbers.iter().zip((RESULTS..).step_by(8)) {
            match profile.arch {
                Arch::X64 => {
                    a.mov(r10d, 0x7770)?;
                    a.mov(rax, u64::MAX << 32 | u64::from(*number))?;
                    a.syscall()?;
                    a.mov(rcx, at)?;
                    a.mov(qword_ptr(rcx), rax)?;
                }
                Arch::X86 => {
                    a.push(0x7770)?;
                    a.mov(edx, esp)?;
                    a.mov(eax, *number)?;
                    a.int(0x2e)?;
                    a.pop(ecx)?;
                    a.mov(dword_ptr(at as u32), eax)?;
                }
            }
        }
        a.ret()?;
        a.assemble(CODE)
    };
    let mut page = assemble().expect("valid code");
    page.resize(0x1000, 0);
    let mut config: Config = config(Program::Raw(profile.arch, page), "raw");
    config.profile = profile;
    config.process.win32k_lockdown = locked;
    config.dispatch = dispatch;
    Machine::new(&config).expect("a machine")
}

fn results(machine: &mut Machine, count: usize) -> Vec<u64> {
    assert!(matches!(machine.run().expect("no engine failure"), End::Exit(_)));
    let bytes = machine.peek(RESULTS, 8 * count).expect("the results");
    bytes.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect()
}

/// Handles and BOOLs fail by 0; a status, a number out of range and a row without a name by C000001C.
#[test]
fn the_failure_table_answers() {
    let invalid = u64::from(S::INVALID_SYSTEM_SERVICE.0);
    for name in ["win10-22h2-x64", "win81-x64", "win10-22h2-x86", "win11-25h2-x64"] {
        let profile = profile(name);
        let number = |service: &str| profile.number(service).unwrap_or_else(|| panic!("{name}: {service}"));
        let (window, boolean) = (number("NtUserGetForegroundWindow"), number("NtGdiAbortPath"));
        let status = number("NtGdiDdDestroyFullscreenSprite");
        let beyond = 0x1000 + profile.table_size(Win32k) as u32;
        let numbers = [window, boolean, status, beyond, 0x1fff, window];
        let kinds =
            if profile.arch == Arch::X64 { &[Dispatch::Direct, Dispatch::Kernel][..] } else { &[Dispatch::Direct] };
        for dispatch in kinds {
            let mut machine = calls(profile, &numbers, true, *dispatch);
            let found = results(&mut machine, numbers.len());
            assert_eq!(found, [0, 0, invalid, invalid, invalid, 0], "{name} {dispatch:?}");
            assert!(!machine.kernel().ps.thread.gui, "{name} {dispatch:?}");
            let stats = machine.stats();
            assert_eq!((stats.no_gui, stats.unknown), (6, 0), "{name} {dispatch:?}");
            assert!(stats.missing.is_empty(), "{name} {dispatch:?}: nothing is missing");
        }
    }
}

/// Calls of the kernel's own table go on as ever.
#[test]
fn other_calls_do_not_notice() {
    let profile = profile("win10-22h2-x64");
    let close = profile.number("NtClose").expect("NtClose");
    let mut machine = calls(profile, &[close], true, Dispatch::Direct);
    assert_eq!(results(&mut machine, 1), [u64::from(S::INVALID_HANDLE.0)]);
    assert_eq!(machine.stats().no_gui, 0);
    let mut machine = calls(profile, &[0x1000], false, Dispatch::Direct);
    results(&mut machine, 1);
    assert!(machine.kernel().ps.thread.gui);
}

/// A trace names the service, says why nothing ran, and shows no arguments that nobody has read.
#[test]
fn a_trace_says_what_happened() {
    for dispatch in [Dispatch::Direct, Dispatch::Kernel] {
        let profile = profile("win10-22h2-x64");
        let find = profile.number("NtUserFindWindowEx").expect("the service");
        let mut machine = calls(profile, &[find, 0x1fff], true, dispatch);
        let (_, records) = record(&mut machine, Wants::default());
        let records = records.borrow();
        let [named, unnamed, ..] = &records.calls[..] else { panic!("two calls") };
        assert_eq!((named.service, named.status, named.args.len()), (Some("NtUserFindWindowEx"), Some(0), 4));
        assert_eq!((unnamed.service, unnamed.status), (None, Some(S::INVALID_SYSTEM_SERVICE.0)));
        for call in [named, unnamed] {
            assert!(call.refused.is_some_and(|why| why.contains("GUI thread")), "{dispatch:?}");
            assert_eq!(call.missing, None, "{dispatch:?}");
        }
    }
}

/// By the command: the summary counts what was refused, and a build that has no such policy says so.
#[test]
fn the_option() {
    let folder = std::env::temp_dir().join(format!("trapgate-{}-lockdown", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("gui.bin");
    // mov eax,1000h; syscall; ret
    std::fs::write(&file, [0xb8, 0, 0x10, 0, 0, 0x0f, 0x05, 0xc3]).expect("a file");
    let run = |profile: &str| {
        let mut command = trapgate();
        command.args(["run", "--raw", "x64", "--no-win32k", "--profile", profile]).arg(&file);
        let done = command.output().expect("trapgate starts");
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (_, said) = run("win10-22h2-x64");
    assert!(said.contains("win32k refused 1") && said.contains("nothing missing"), "{said}");
    let (code, said) = run("win7-sp1-x64");
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("Windows 8 and later"), "{said}");
    std::fs::remove_dir_all(&folder).expect("the folder");
}
