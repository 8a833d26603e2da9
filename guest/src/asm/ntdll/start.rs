//! Where a process starts and ends: the loader's initialisation, entry points, TLS callbacks, shutdown.

use iced_x86::code_asm::*;

use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

/// `DLL_PROCESS_DETACH`, `DLL_PROCESS_ATTACH`.
const DETACH: i32 = 0;
const ATTACH: i32 = 1;
/// `LDR_DATA_TABLE_ENTRY.Flags`: the entry point was called and must be told of the end.
const PROCESS_ATTACH_CALLED: i32 = 0x8_0000;
const STATUS_DLL_INIT_FAILED: u32 = 0xc000_0142;
/// `ThreadAmILastThread`.
const THREAD_AM_I_LAST: i32 = 12;
const IMAGE_DIRECTORY_ENTRY_TLS: i32 = 9;

/// The offsets of the loader's lists that start and end walk, from an entry's
/// `InInitializationOrderLinks`.
struct Offsets {
    ldr: i32,
    image: i32,
    head: i32,
    base: i32,
    entry: i32,
    flags: i32,
}

impl Offsets {
    fn new(a: &Asm<'_>) -> Result<Self, AsmError> {
        let links = a.offset("LDR_DATA_TABLE_ENTRY", "InInitializationOrderLinks")?;
        Ok(Self {
            ldr: a.offset("PEB", "Ldr")?,
            image: a.offset("PEB", "ImageBaseAddress")?,
            head: a.offset("PEB_LDR_DATA", "InInitializationOrderModuleList")?,
            base: a.offset("LDR_DATA_TABLE_ENTRY", "DllBase")? - links,
            entry: a.offset("LDR_DATA_TABLE_ENTRY", "EntryPoint")? - links,
            flags: a.offset("LDR_DATA_TABLE_ENTRY", "Flags")? - links,
        })
    }
}

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.data("LdrpProcessStarted", &[0; 4])?;
    m.data("LdrpImageTlsCalled", &[0; 4])?;
    m.data("LdrpShutdownStarted", &[0; 4])?;
    m.func("RtlUserThreadStart", user_thread_start)?;
    m.local("LdrpInitializeProcess", initialize_process)?;
    m.local("LdrpCallInitRoutines", call_init_routines)?;
    m.func("LdrShutdownProcess", shutdown_process)?;
    m.func("RtlExitUserProcess", exit_user_process)?;
    m.func("RtlExitUserThread", exit_user_thread)?;
    m.local("LdrpCallTlsInitializers", call_tls_initializers)?;
    m.func("RtlImageNtHeader", image_nt_header)?;
    m.local("LdrpImageDirectory", image_directory)?;
    Ok(())
}

/// `RtlUserThreadStart`: rcx = the entry point, rdx = its argument. The first thread of a process
/// initialises the modules, and its return ends the process; another's ends the thread.
fn user_thread_start(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut later, mut exit] = a.labels();
    let started = a.sym("LdrpProcessStarted");
    asm! { a;
        // Nothing returns from here, and whoever made the thread may have aligned the stack either way.
        and rsp, -16;
        sub rsp, 0x20;
        mov rbx, rcx;
        mov rsi, rdx;
        mov edi, 1;
        xchg dword_ptr(started), edi;
        test edi, edi;
        jnz later;
        invoke "LdrpInitializeProcess";
        bind &mut later;
        mov rcx, rsi;
        call rbx;
        mov ecx, eax;
        test edi, edi;
        jnz exit;
        invoke "RtlExitUserProcess";
        bind &mut exit;
        invoke "RtlExitUserThread";
        int3;
    }
    Ok(())
}

/// The process heap's place, then every DLL in initialisation order, then the image's own TLS callbacks.
fn initialize_process(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let o = Offsets::new(a)?;
    let process_heap = a.offset("PEB", "ProcessHeap")?;
    let [mut has_heap, mut next, mut step, mut image] = a.labels();
    let (heap, tls_called) = (a.sym("RtlpProcessHeap"), a.sym("LdrpImageTlsCalled"));
    let frame = a.frame(&[rbx, rsi, rdi], 0x20)?;
    asm! { a;
        load_peb rdi;
        cmp qword_ptr(rdi + process_heap), 0;
        jne has_heap;
        lea rax, qword_ptr(heap);
        mov qword_ptr(rdi + process_heap), rax;
        bind &mut has_heap;
        mov rsi, qword_ptr(rdi + o.ldr);
        test rsi, rsi;
        jz image;
        add rsi, o.head;
        mov rbx, qword_ptr(rsi);
        bind &mut next;
        cmp rbx, rsi;
        je image;
        mov rcx, qword_ptr(rbx + o.base);
        cmp rcx, qword_ptr(rdi + o.image);
        je step;
        mov rcx, rbx;
        mov edx, ATTACH;
        invoke "LdrpCallInitRoutines";
        or dword_ptr(rbx + o.flags), PROCESS_ATTACH_CALLED;
        bind &mut step;
        mov rbx, qword_ptr(rbx);
        jmp next;
        bind &mut image;
        mov dword_ptr(tls_called), 1;
        mov rcx, qword_ptr(rdi + o.image);
        mov edx, ATTACH;
        invoke "LdrpCallTlsInitializers";
        leave frame;
    }
    Ok(())
}

/// rcx = an entry's `InInitializationOrderLinks`, edx = the reason: its TLS callbacks and its entry
/// point, with the reserved argument that says "with the process". A DLL that refuses to start ends the process.
fn call_init_routines(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let o = Offsets::new(a)?;
    let [mut done] = a.labels();
    let frame = a.frame(&[rbx, rsi], 0x20)?;
    asm! { a;
        mov rbx, rcx;
        mov esi, edx;
        mov rcx, qword_ptr(rbx + o.base);
        invoke "LdrpCallTlsInitializers";
        mov rax, qword_ptr(rbx + o.entry);
        test rax, rax;
        jz done;
        mov rcx, qword_ptr(rbx + o.base);
        mov edx, esi;
        mov r8d, 1;
        call rax;
        // The result is a BOOLEAN to the loader, and only the attach's counts.
        test al, al;
        jnz done;
        test esi, esi;
        jz done;
        mov rcx, -1i64;
        mov edx, STATUS_DLL_INIT_FAILED;
        invoke "NtTerminateProcess";
        bind &mut done;
        leave frame;
    }
    Ok(())
}

/// `LdrShutdownProcess`: tells the DLLs that were initialised, last first, then the image's TLS callbacks. Once.
fn shutdown_process(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let o = Offsets::new(a)?;
    let in_progress = a.offset("PEB_LDR_DATA", "ShutdownInProgress")?;
    let [mut next, mut step, mut image, mut done] = a.labels();
    let (shutdown, tls_called) = (a.sym("LdrpShutdownStarted"), a.sym("LdrpImageTlsCalled"));
    let frame = a.frame(&[rbx, rsi, rdi], 0x20)?;
    asm! { a;
        mov eax, 1;
        xchg dword_ptr(shutdown), eax;
        test eax, eax;
        jnz done;
        load_peb rdi;
        mov rsi, qword_ptr(rdi + o.ldr);
        test rsi, rsi;
        jz image;
        mov byte_ptr(rsi + in_progress), 1;
        add rsi, o.head;
        mov rbx, qword_ptr(rsi + 8);
        bind &mut next;
        cmp rbx, rsi;
        je image;
        test dword_ptr(rbx + o.flags), PROCESS_ATTACH_CALLED;
        jz step;
        mov rcx, rbx;
        mov edx, DETACH;
        invoke "LdrpCallInitRoutines";
        bind &mut step;
        mov rbx, qword_ptr(rbx + 8);
        jmp next;
        bind &mut image;
        cmp dword_ptr(tls_called), 0;
        je done;
        mov rcx, qword_ptr(rdi + o.image);
        mov edx, DETACH;
        invoke "LdrpCallTlsInitializers";
        bind &mut done;
        xor eax, eax;
        leave frame;
    }
    Ok(())
}

/// `RtlExitUserProcess`: ecx = the exit status. Ends the other threads, then tells the DLLs, then ends the process.
fn exit_user_process(a: &mut Asm<'_>) -> Result<(), AsmError> {
    a.frame(&[rbx], 0x20)?;
    asm! { a;
        mov ebx, ecx;
        xor ecx, ecx;
        mov edx, ebx;
        invoke "NtTerminateProcess";
        invoke "LdrShutdownProcess";
        mov rcx, -1i64;
        mov edx, ebx;
        invoke "NtTerminateProcess";
        int3;
    }
    Ok(())
}

/// `RtlExitUserThread`: ecx = the exit status. The last thread takes the process with it.
fn exit_user_thread(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut not_last] = a.labels();
    a.frame(&[rbx], 0x38)?;
    asm! { a;
        mov ebx, ecx;
        mov dword_ptr(rsp + 0x30), 0;
        mov rcx, -2i64;
        mov edx, THREAD_AM_I_LAST;
        lea r8, qword_ptr(rsp + 0x30);
        mov r9d, 4;
        mov qword_ptr(rsp + 0x20), 0;
        invoke "NtQueryInformationThread";
        test eax, eax;
        js not_last;
        cmp dword_ptr(rsp + 0x30), 0;
        je not_last;
        mov ecx, ebx;
        invoke "RtlExitUserProcess";
        bind &mut not_last;
        xor ecx, ecx;
        mov edx, ebx;
        invoke "NtTerminateThread";
        int3;
    }
    Ok(())
}

/// rcx = an image base, edx = the reason: calls the TLS callbacks of the image, if it is one and has any.
fn call_tls_initializers(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut next, mut done] = a.labels();
    let frame = a.frame(&[rbx, rsi, rdi], 0x20)?;
    asm! { a;
        mov rsi, rcx;
        mov edi, edx;
        mov edx, IMAGE_DIRECTORY_ENTRY_TLS;
        invoke "LdrpImageDirectory";
        test rax, rax;
        jz done;
        // AddressOfCallBacks: a pointer to pointers, relocated with the image.
        mov rbx, qword_ptr(rax + 0x18);
        test rbx, rbx;
        jz done;
        bind &mut next;
        mov rax, qword_ptr(rbx);
        test rax, rax;
        jz done;
        mov rcx, rsi;
        mov edx, edi;
        xor r8d, r8d;
        call rax;
        add rbx, 8;
        jmp next;
        bind &mut done;
        leave frame;
    }
    Ok(())
}

/// `RtlImageNtHeader`: rcx = an image base; the address of its NT headers, or NULL if it is no image.
fn image_nt_header(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut bad] = a.labels();
    asm! { a;
        // NULL and -1 are no bases.
        lea rax, qword_ptr(rcx - 1);
        cmp rax, -3;
        ja bad;
        cmp word_ptr(rcx), 0x5a4d;
        jne bad;
        mov eax, dword_ptr(rcx + 0x3c);
        cmp eax, 0x1000_0000;
        jae bad;
        add rax, rcx;
        cmp dword_ptr(rax), 0x4550;
        jne bad;
        ret;
        bind &mut bad;
        xor eax, eax;
        ret;
    }
    Ok(())
}

/// rcx = the base of a mapped PE32+ image, edx = a directory's index: rax = its address or 0, edx = its size.
fn image_directory(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut none] = a.labels();
    let frame = a.frame(&[rbx, rsi], 0x20)?;
    asm! { a;
        mov rbx, rcx;
        mov esi, edx;
        invoke "RtlImageNtHeader";
        test rax, rax;
        jz none;
        // OptionalHeader.Magic, NumberOfRvaAndSizes, DataDirectory.
        cmp word_ptr(rax + 0x18), 0x20b;
        jne none;
        cmp esi, dword_ptr(rax + 0x84);
        jae none;
        mov edx, dword_ptr(rax + rsi * 8 + 0x8c);
        mov eax, dword_ptr(rax + rsi * 8 + 0x88);
        test eax, eax;
        jz none;
        add rax, rbx;
        leave frame;
        bind &mut none;
        xor eax, eax;
        xor edx, edx;
        leave frame;
    }
    Ok(())
}
