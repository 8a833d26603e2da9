//! Register traces, one small snapshot a service family. The expected values are those of the calling convention:
//! RCX = RIP, R11 = RFLAGS, R8 = RSP, R9 = RBP, RDX = R10 = 0, XMM0-5 = 0.

use std::fmt::Write as _;

use trapgate::cpu::Reg;
use trapgate::trace::{CallRecord, Wants};

use crate::support::{fixture_machine, record};

/// A call in three lines: what was asked, what changed, what came back.
fn show(call: &CallRecord) -> String {
    let mut text = String::new();
    let args: Vec<String> = call
        .args
        .iter()
        .map(|a| match (&a.decoded, &a.after) {
            (_, Some(after)) => format!("{}=>{after}", a.name),
            (Some(decoded), None) => format!("{}={decoded}", a.name),
            (None, None) if a.ty.starts_with('P') && a.value != 0 => format!("{}=ptr", a.name),
            (None, None) => format!("{}={:#x}", a.name, a.value),
        })
        .collect();
    let _ = writeln!(
        text,
        "{}({}) = {}",
        call.service.unwrap_or("?"),
        args.join(", "),
        call.status_name.as_deref().unwrap_or("no return")
    );
    let (Some(before), Some(after)) = (&call.before, &call.after) else { return text };
    let relation = |reg: Reg| {
        let value = after.get(reg);
        let known = [
            (after.get(Reg::Rip), "rip"),
            (before.get(Reg::Rflags), "rflags"),
            (before.get(Reg::Rsp), "rsp"),
            (before.get(Reg::Rbp), "rbp"),
        ];
        let name = known.iter().find(|(v, _)| *v == value && value != 0).map(|(_, n)| (*n).to_string());
        name.unwrap_or_else(|| format!("{value:#x}"))
    };
    let regs = [Reg::Rax, Reg::Rcx, Reg::Rdx, Reg::R8, Reg::R9, Reg::R10, Reg::R11];
    let line: Vec<String> = regs.iter().map(|r| format!("{}={}", r.name(), relation(*r))).collect();
    let _ = writeln!(text, "  {}", line.join(" "));
    let kept = [
        Reg::Rbx,
        Reg::Rsi,
        Reg::Rdi,
        Reg::Rbp,
        Reg::Rsp,
        Reg::R12,
        Reg::R13,
        Reg::R14,
        Reg::R15,
        Reg::Rip,
        Reg::Rflags,
    ];
    assert!(kept.iter().all(|r| before.get(*r) == after.get(*r)), "a register changed that must not");
    assert_eq!(before.xmm[6..], after.xmm[6..]);
    assert_eq!(after.xmm[..6], [[0; 2]; 6]);
    text
}

/// The first call of each named service in a fixture's trace.
fn first_calls(fixture: &str, services: &[&str]) -> String {
    let mut machine = fixture_machine(fixture);
    let (_, records) = record(&mut machine, Wants { registers: true, ..Wants::default() });
    let records = records.borrow();
    let find = |service: &&str| {
        let call = records.calls.iter().find(|c| c.service == Some(service));
        show(call.unwrap_or_else(|| panic!("{fixture} never calls {service}")))
    };
    services.iter().map(find).collect()
}

#[test]
fn events() {
    let services = ["NtCreateEvent", "NtSetEvent", "NtResetEvent", "NtQueryEvent", "NtClose"];
    insta::assert_snapshot!(first_calls("events", &services));
}

#[test]
fn direct_calls() {
    insta::assert_snapshot!(first_calls("direct", &["NtCreateEvent", "NtSetEvent", "NtQueryEvent"]));
}

#[test]
fn int_2e() {
    insta::assert_snapshot!(first_calls("int2e", &["NtCreateEvent", "NtClose"]));
}

#[test]
fn memory() {
    let services = ["NtAllocateVirtualMemory", "NtProtectVirtualMemory", "NtFreeVirtualMemory"];
    insta::assert_snapshot!(first_calls("memory", &services));
}

#[test]
fn console() {
    insta::assert_snapshot!(first_calls("hello", &["NtWriteFile"]));
}

#[test]
fn waits() {
    insta::assert_snapshot!(first_calls("wait", &["NtWaitForSingleObject", "NtDelayExecution"]));
}

#[test]
fn direct_system_calls_are_shown_as_direct() {
    let direct = |name: &str| {
        let mut machine = fixture_machine(name);
        let (_, records) = record(&mut machine, Wants::default());
        let calls = records.borrow();
        calls.calls.iter().map(|c| (c.direct, c.gate)).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(direct("direct").into_iter().collect::<Vec<_>>(), [(true, "syscall")]);
    assert_eq!(direct("hello").into_iter().collect::<Vec<_>>(), [(false, "syscall")]);
    assert!(direct("int2e").contains(&(true, "int2e")));
}

#[test]
fn the_stubs_take_their_fallback_when_kuser_shared_data_says_so() {
    let mut machine = fixture_machine("hello");
    // KUSER_SHARED_DATA.SystemCall
    assert!(machine.poke(0x7ffe_0308, &[1]));
    let (end, records) = record(&mut machine, Wants { registers: true, ..Wants::default() });
    assert_eq!(end.exit_code(), 0);
    let records = records.borrow();
    assert!(records.calls.len() > 3 && records.calls.iter().all(|c| c.gate == "int2e" && !c.direct));
    // Each returns as by `syscall`, to the instruction after `int 2Eh`.
    for call in records.calls.iter().filter(|c| c.after.is_some()) {
        assert!(show(call).contains("rcx=rip"), "{}", show(call));
        assert!(call.place.ends_with("+0x15"), "{}", call.place);
    }
}
