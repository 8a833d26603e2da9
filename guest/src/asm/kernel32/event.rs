//! Events, and the names Win32 gives to objects.

use iced_x86::code_asm::*;

use super::text::{LONGEST_NAME, with_wide_name};
use super::{
    ERROR_ALREADY_EXISTS, ERROR_FILENAME_EXCED_RANGE, ERROR_INVALID_PARAMETER, OBJ_INHERIT, OBJ_OPENIF, leave_bool,
    leave_error, leave_failed, leave_value,
};
use crate::NtStatus;
use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;
use crate::asm::frame::Frame;

const EVENT_ALL_ACCESS: u32 = 0x1f_0003;
/// `CREATE_EVENT_MANUAL_RESET`, `CREATE_EVENT_INITIAL_SET`.
const MANUAL_RESET: i32 = 1;
const INITIAL_SET: i32 = 2;

/// An OBJECT_ATTRIBUTES, the UNICODE_STRING it points to, and the path that one points to.
const OBJECT_NAME: i32 = 0x10;
const ATTRIBUTES: i32 = 0x18;
const SECURITY_DESCRIPTOR: i32 = 0x20;
const STRING: i32 = 0x30;
const PATH: i32 = 0x40;
/// `\Sessions\4294967295\BaseNamedObjects\` is 38 characters.
const SIZE: i32 = PATH + 2 * (38 + LONGEST_NAME + 2);

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.constant("BasepSessions", &utf16("\\Sessions\\"))?;
    m.constant("BasepNamedObjects", &utf16("\\BaseNamedObjects\\"))?;
    m.constant("BasepGlobal", &utf16("Global\\"))?;
    m.constant("BasepLocal", &utf16("Local\\"))?;
    m.func("CreateEventA", |a| with_wide_name(a, "CreateEventW", 4))?;
    m.func("CreateEventW", create)?;
    m.func("CreateEventExA", |a| with_wide_name(a, "CreateEventExW", 2))?;
    m.func("CreateEventExW", create_ex)?;
    m.func("OpenEventA", |a| with_wide_name(a, "OpenEventW", 3))?;
    m.func("OpenEventW", open)?;
    m.local("BasepObjectAttributes", object_attributes)?;
    for (name, service) in [("SetEvent", "NtSetEvent"), ("ResetEvent", "NtResetEvent"), ("PulseEvent", "NtPulseEvent")]
    {
        m.func(name, |a| {
            let frame = a.frame(&[], 0x28)?;
            a.xor(edx, edx)?;
            a.invoke_import(service)?;
            leave_bool(a, frame)
        })?;
    }
    Ok(())
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// `CreateEventW`: rcx = SECURITY_ATTRIBUTES or NULL, edx = manual reset, r8d = set at first, r9 = a name or NULL.
fn create(a: &mut Asm<'_>) -> Result<(), AsmError> {
    asm! { a;
        xor eax, eax;
        test edx, edx;
        setne al;
        xor r10d, r10d;
        test r8d, r8d;
        setne r10b;
        lea r8d, dword_ptr(rax + r10 * 2);
        mov rdx, r9;
        mov r9d, EVENT_ALL_ACCESS;
        jump "CreateEventExW";
    }
    Ok(())
}

/// `CreateEventExW`: rcx = SECURITY_ATTRIBUTES or NULL, rdx = a name or NULL, r8d = flags, r9d = the access. A handle,
/// with the last error ERROR_ALREADY_EXISTS if the event was there and 0 if it was not; or NULL.
fn create_ex(a: &mut Asm<'_>) -> Result<(), AsmError> {
    const HANDLE: i32 = 0x28;
    const OBJECT: i32 = 0x30;
    let [mut plain, mut no_security, mut unnamed, mut bad, mut failed, mut made, mut too_long] = a.labels();
    let frame = a.frame(&[rbx, rsi, rdi], OBJECT + SIZE)?;
    asm! { a;
        test r8d, !(MANUAL_RESET | INITIAL_SET);
        jnz bad;
        mov edi, r8d;
        mov esi, r9d;
        // Neither name nor attributes: no OBJECT_ATTRIBUTES either.
        xor ebx, ebx;
        mov rax, rcx;
        or rax, rdx;
        jz plain;
        xor r8d, r8d;
        xor r9d, r9d;
        test rdx, rdx;
        jz unnamed;
        mov r8d, OBJ_OPENIF;
        bind &mut unnamed;
        test rcx, rcx;
        jz no_security;
        // lpSecurityDescriptor, bInheritHandle.
        mov r9, qword_ptr(rcx + 8);
        cmp dword_ptr(rcx + 0x10), 0;
        je no_security;
        or r8d, OBJ_INHERIT;
        bind &mut no_security;
        lea rcx, qword_ptr(rsp + OBJECT);
        invoke "BasepObjectAttributes";
        test eax, eax;
        jnz too_long;
        lea rbx, qword_ptr(rsp + OBJECT);
        bind &mut plain;
        lea rcx, qword_ptr(rsp + HANDLE);
        mov edx, esi;
        mov r8, rbx;
        // NotificationEvent is 0, SynchronizationEvent 1.
        mov r9d, edi;
        and r9d, MANUAL_RESET;
        xor r9d, 1;
        shr edi, 1;
        mov dword_ptr(rsp + 0x20), edi;
        invoke_import "NtCreateEvent";
        test eax, eax;
        js failed;
        xor ecx, ecx;
        cmp eax, NtStatus::OBJECT_NAME_EXISTS.0;
        jne made;
        mov ecx, ERROR_ALREADY_EXISTS;
        bind &mut made;
        invoke_import "RtlSetLastWin32Error";
        mov rax, qword_ptr(rsp + HANDLE);
        leave frame;
        bind &mut failed;
    }
    leave_failed(a, frame)?;
    leave_refused(a, frame, &mut too_long, &mut bad)
}

/// `OpenEventW`: ecx = the access, edx = inheritable, r8 = the name; a handle or NULL.
fn open(a: &mut Asm<'_>) -> Result<(), AsmError> {
    const HANDLE: i32 = 0x28;
    const OBJECT: i32 = 0x30;
    let [mut not_inherited, mut bad, mut too_long] = a.labels();
    let frame = a.frame(&[rbx], OBJECT + SIZE)?;
    asm! { a;
        test r8, r8;
        jz bad;
        mov ebx, ecx;
        mov rax, r8;
        xor r8d, r8d;
        test edx, edx;
        jz not_inherited;
        mov r8d, OBJ_INHERIT;
        bind &mut not_inherited;
        mov rdx, rax;
        xor r9d, r9d;
        lea rcx, qword_ptr(rsp + OBJECT);
        invoke "BasepObjectAttributes";
        test eax, eax;
        jnz too_long;
        lea rcx, qword_ptr(rsp + HANDLE);
        mov edx, ebx;
        lea r8, qword_ptr(rsp + OBJECT);
        invoke_import "NtOpenEvent";
    }
    leave_value(a, frame, HANDLE)?;
    leave_refused(a, frame, &mut too_long, &mut bad)
}

/// Ends a function for a name that is too long, and for an argument that is wrong.
fn leave_refused(a: &mut Asm<'_>, frame: Frame, too_long: &mut CodeLabel, bad: &mut CodeLabel) -> Result<(), AsmError> {
    a.bind(too_long)?;
    leave_error(a, frame, ERROR_FILENAME_EXCED_RANGE)?;
    a.bind(bad)?;
    leave_error(a, frame, ERROR_INVALID_PARAMETER)
}

/// rcx = room for an OBJECT_ATTRIBUTES with its string and path, rdx = a name or NULL, r8d = `Attributes`, r9 = the
/// security descriptor: eax = 0, or 1 if the name is too long.
///
/// Windows passes a handle to the session's directory and the name below it. Here the whole path is spelled:
/// `\Sessions\1\BaseNamedObjects\name`, or `\BaseNamedObjects\name` in session 0 and for `Global\name`.
fn object_attributes(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let session = a.offset("PEB", "SessionId")?;
    let [mut no_name, mut not_global, mut own_session, mut no_session, mut digit, mut too_long] = a.labels();
    let (sessions, objects) = (a.sym("BasepSessions"), a.sym("BasepNamedObjects"));
    let (global, local) = (a.sym("BasepGlobal"), a.sym("BasepLocal"));
    let frame = a.frame(&[rbx, rsi, rdi], 0x20)?;
    asm! { a;
        mov rbx, rcx;
        mov rsi, rdx;
        mov qword_ptr(rbx), 0x30;
        mov qword_ptr(rbx + 8), 0;
        mov qword_ptr(rbx + OBJECT_NAME), 0;
        mov qword_ptr(rbx + ATTRIBUTES), r8;
        mov qword_ptr(rbx + SECURITY_DESCRIPTOR), r9;
        mov qword_ptr(rbx + SECURITY_DESCRIPTOR + 8), 0;
        test rsi, rsi;
        jz no_name;
        mov rcx, rsi;
        invoke_import "wcslen";
        cmp rax, LONGEST_NAME;
        ja too_long;
        mov rcx, rsi;
        lea rdx, qword_ptr(global);
        mov r8d, 7;
        invoke_import "wcsncmp";
        test eax, eax;
        jnz not_global;
        add rsi, 2 * 7;
        mov word_ptr(rbx + PATH), 0;
        jmp no_session;
        bind &mut not_global;
        mov rcx, rsi;
        lea rdx, qword_ptr(local);
        mov r8d, 6;
        invoke_import "wcsncmp";
        test eax, eax;
        jnz own_session;
        add rsi, 2 * 6;
        bind &mut own_session;
        mov word_ptr(rbx + PATH), 0;
        load_peb rax;
        mov edi, dword_ptr(rax + session);
        test edi, edi;
        jz no_session;
        lea rcx, qword_ptr(rbx + PATH);
        lea rdx, qword_ptr(sessions);
        invoke_import "wcscpy";
        // The number's digits, last first, into the room of the string; then after the path.
        mov eax, edi;
        lea r8, qword_ptr(rbx + PATH + 2 * (10 + 10));
        mov word_ptr(r8), 0;
        mov ecx, 10;
        bind &mut digit;
        xor edx, edx;
        div ecx;
        add edx, 0x30;
        sub r8, 2;
        mov word_ptr(r8), dx;
        test eax, eax;
        jnz digit;
        lea rcx, qword_ptr(rbx + PATH + 2 * 10);
        mov rdx, r8;
        invoke_import "wcscpy";
        bind &mut no_session;
        lea rcx, qword_ptr(rbx + PATH);
        lea rdx, qword_ptr(objects);
        invoke_import "wcscat";
        lea rcx, qword_ptr(rbx + PATH);
        mov rdx, rsi;
        invoke_import "wcscat";
        lea rcx, qword_ptr(rbx + STRING);
        lea rdx, qword_ptr(rbx + PATH);
        invoke_import "RtlInitUnicodeString";
        lea rax, qword_ptr(rbx + STRING);
        mov qword_ptr(rbx + OBJECT_NAME), rax;
        bind &mut no_name;
        xor eax, eax;
        leave frame;
        bind &mut too_long;
        mov eax, 1;
        leave frame;
    }
    Ok(())
}
