//! The heap: size classes with free lists over `NtAllocateVirtualMemory`.
//!
//! A block is a 16-byte header (bytes asked for, class, state) and the caller's bytes. Up to 1 KiB a class
//! is every 16 bytes, above that every power of two; small blocks are cut from 64 KiB chunks, larger ones are
//! regions of their own. What is too large for a class goes back to the system when it is freed.

use iced_x86::code_asm::*;

use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

/// `HEAP_REALLOC_IN_PLACE_ONLY`, `HEAP_ZERO_MEMORY`.
const IN_PLACE_ONLY: i32 = 0x10;
const ZERO_MEMORY: i32 = 8;
const STATUS_NO_MEMORY: u32 = 0xc000_0017;
const STATUS_INVALID_PARAMETER: u32 = 0xc000_000d;
/// `MEM_COMMIT | MEM_RESERVE`, `MEM_RELEASE`, `PAGE_READWRITE`.
const COMMIT_RESERVE: i32 = 0x3000;
const RELEASE: i32 = 0x8000;
const READWRITE: i32 = 4;

/// The header's fields: bytes asked for, class, state.
const HEADER: i32 = 16;
const SIZE: i32 = 0;
const CLASS: i32 = 8;
const STATE: i32 = 12;
const BUSY: u32 = 0x7573_7942;
const FREE: u32 = 0x6565_7246;

/// The heap's fields.
const SIGNATURE: i32 = 0;
const CURSOR: i32 = 8;
const END: i32 = 16;
const LOCK: i32 = 24;
const LISTS: i32 = 32;
/// "TgHeap" in the low bytes; no pointer looks like it.
const HEAP_SIGNATURE: u64 = 0xeeff_7061_6548_6754;

/// Classes 0 to 63 hold 16 to 1024 bytes; class 64 is a block of 2 KiB with its header, 72 one of 512 KiB.
const SMALL: i32 = 0x400;
const SMALL_CLASSES: i32 = SMALL / 16;
const CLASSES: i32 = SMALL_CLASSES + 9;
/// The class of blocks that are not kept.
const LARGE: i32 = -1;
/// The largest request that is kept when freed: the largest block's power of two, a header and a little less.
const LARGEST_KEPT: i32 = 0x7f000;
const CHUNK: i32 = 0x1_0000;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    let mut heap = HEAP_SIGNATURE.to_le_bytes().to_vec();
    heap.resize((LISTS + 8 * CLASSES) as usize, 0);
    m.data("RtlpProcessHeap", &heap)?;
    m.local("RtlpMapHeapMemory", map_memory)?;
    m.local("RtlpHeapBlock", heap_block)?;
    m.local("RtlpLockHeap", lock_heap)?;
    m.func("RtlAllocateHeap", allocate)?;
    m.local("RtlpTakeBlock", take_block)?;
    m.func("RtlFreeHeap", free)?;
    m.func("RtlSizeHeap", size)?;
    m.func("RtlReAllocateHeap", reallocate)?;
    m.local("RtlpHeapCapacity", capacity)?;
    Ok(())
}

/// rcx = bytes: rax = fresh zeroed pages, or 0.
fn map_memory(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut failed] = a.labels();
    let frame = a.frame(&[], 0x48)?;
    asm! { a;
        mov qword_ptr(rsp + 0x38), rcx;
        mov qword_ptr(rsp + 0x30), 0;
        mov rcx, -1i64;
        lea rdx, qword_ptr(rsp + 0x30);
        xor r8d, r8d;
        lea r9, qword_ptr(rsp + 0x38);
        mov qword_ptr(rsp + 0x20), COMMIT_RESERVE;
        mov qword_ptr(rsp + 0x28), READWRITE;
        invoke "NtAllocateVirtualMemory";
        test eax, eax;
        js failed;
        mov rax, qword_ptr(rsp + 0x30);
        leave frame;
        bind &mut failed;
        xor eax, eax;
        leave frame;
    }
    Ok(())
}

/// rcx = a heap, r8 = an address it gave: rax = the block's header, or 0 if it is no block in use.
fn heap_block(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut bad] = a.labels();
    asm! { a;
        test rcx, rcx;
        jz bad;
        mov rax, HEAP_SIGNATURE;
        cmp qword_ptr(rcx + SIGNATURE), rax;
        jne bad;
        test r8, r8;
        jz bad;
        test r8b, 15;
        jnz bad;
        cmp dword_ptr(r8 + STATE - HEADER), BUSY as i32;
        jne bad;
        lea rax, qword_ptr(r8 - HEADER);
        ret;
        bind &mut bad;
        xor eax, eax;
        ret;
    }
    Ok(())
}

/// rcx = a heap: takes its lock. Threads that find it taken let others run.
fn lock_heap(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut again, mut taken] = a.labels();
    let frame = a.frame(&[rbx], 0x20)?;
    asm! { a;
        mov rbx, rcx;
        bind &mut again;
        mov eax, 1;
        xchg dword_ptr(rbx + LOCK), eax;
        test eax, eax;
        jz taken;
        invoke "NtYieldExecution";
        jmp again;
        bind &mut taken;
        leave frame;
    }
    Ok(())
}

/// `RtlAllocateHeap`: rcx = the heap, edx = flags (HEAP_ZERO_MEMORY), r8 = bytes; a 16-byte aligned address, or
/// NULL with the last status STATUS_NO_MEMORY.
fn allocate(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut powers, mut take, mut large, mut fill, mut no_zero, mut failed, mut least] = a.labels();
    let frame = a.frame(&[rbx, rsi, rdi], 0x20)?;
    asm! { a;
        mov rbx, r8;
        mov edi, edx;
        test rcx, rcx;
        jz failed;
        mov rax, HEAP_SIGNATURE;
        cmp qword_ptr(rcx + SIGNATURE), rax;
        jne failed;
        cmp rbx, LARGEST_KEPT;
        ja large;
        cmp rbx, SMALL;
        ja powers;
        // edx = the class, r8 = the block's bytes with its header.
        lea edx, dword_ptr(rbx + 15);
        shr edx, 4;
        jnz least;
        inc edx;
        bind &mut least;
        lea r8d, dword_ptr(rdx + 1);
        shl r8d, 4;
        dec edx;
        jmp take;
        bind &mut powers;
        lea eax, dword_ptr(rbx + HEADER - 1);
        bsr edx, eax;
        mov r9, rcx;
        lea ecx, dword_ptr(rdx + 1);
        mov r8d, 1;
        shl r8d, cl;
        // 2 to the 11th is the first of these.
        lea edx, dword_ptr(rcx + SMALL_CLASSES - 11);
        mov rcx, r9;
        bind &mut take;
        mov esi, edx;
        invoke "RtlpTakeBlock";
        jmp fill;
        bind &mut large;
        mov rax, 0x7fff_ffff_0000u64;
        cmp rbx, rax;
        ja failed;
        mov esi, LARGE;
        lea rcx, qword_ptr(rbx + HEADER);
        invoke "RtlpMapHeapMemory";
        bind &mut fill;
        test rax, rax;
        jz failed;
        mov qword_ptr(rax + SIZE), rbx;
        mov dword_ptr(rax + CLASS), esi;
        mov dword_ptr(rax + STATE), BUSY as i32;
        add rax, HEADER;
        test edi, ZERO_MEMORY;
        jz no_zero;
        mov rcx, rax;
        xor edx, edx;
        mov r8, rbx;
        invoke "memset";
        bind &mut no_zero;
        leave frame;
        bind &mut failed;
        mov ecx, STATUS_NO_MEMORY;
        invoke "RtlSetLastWin32ErrorAndNtStatusFromNtStatus";
        xor eax, eax;
        leave frame;
    }
    Ok(())
}

/// rcx = a heap, edx = a class, r8 = its blocks' bytes: rax = a block from the class's list or a chunk, or 0.
fn take_block(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut carve, mut grow, mut own, mut out] = a.labels();
    let frame = a.frame(&[rbx, rsi, rdi], 0x20)?;
    asm! { a;
        mov rbx, rcx;
        mov edi, edx;
        mov rsi, r8;
        invoke "RtlpLockHeap";
        mov rax, qword_ptr(rbx + rdi * 8 + LISTS);
        test rax, rax;
        jz carve;
        // A free block's first bytes are the next one's address.
        mov rdx, qword_ptr(rax + HEADER);
        mov qword_ptr(rbx + rdi * 8 + LISTS), rdx;
        jmp out;
        bind &mut carve;
        cmp rsi, CHUNK;
        jae own;
        mov rax, qword_ptr(rbx + CURSOR);
        lea rdx, qword_ptr(rax + rsi);
        cmp rdx, qword_ptr(rbx + END);
        ja grow;
        mov qword_ptr(rbx + CURSOR), rdx;
        jmp out;
        bind &mut grow;
        mov ecx, CHUNK;
        invoke "RtlpMapHeapMemory";
        test rax, rax;
        jz out;
        mov qword_ptr(rbx + CURSOR), rax;
        add rax, CHUNK;
        mov qword_ptr(rbx + END), rax;
        jmp carve;
        bind &mut own;
        mov rcx, rsi;
        invoke "RtlpMapHeapMemory";
        bind &mut out;
        mov dword_ptr(rbx + LOCK), 0;
        leave frame;
    }
    Ok(())
}

/// `RtlFreeHeap`: rcx = the heap, edx = flags, r8 = an address it gave, or NULL. FALSE, and the last status
/// STATUS_INVALID_PARAMETER, for what is no block in use.
fn free(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut bad, mut large, mut done] = a.labels();
    let frame = a.frame(&[rbx, rsi], 0x38)?;
    asm! { a;
        test r8, r8;
        jz done;
        mov rsi, rcx;
        invoke "RtlpHeapBlock";
        test rax, rax;
        jz bad;
        mov rbx, rax;
        cmp dword_ptr(rbx + CLASS), LARGE;
        je large;
        mov rcx, rsi;
        invoke "RtlpLockHeap";
        mov dword_ptr(rbx + STATE), FREE as i32;
        mov eax, dword_ptr(rbx + CLASS);
        mov rdx, qword_ptr(rsi + rax * 8 + LISTS);
        mov qword_ptr(rbx + HEADER), rdx;
        mov qword_ptr(rsi + rax * 8 + LISTS), rbx;
        mov dword_ptr(rsi + LOCK), 0;
        bind &mut done;
        mov eax, 1;
        leave frame;
        bind &mut large;
        mov dword_ptr(rbx + STATE), FREE as i32;
        mov qword_ptr(rsp + 0x20), rbx;
        mov qword_ptr(rsp + 0x28), 0;
        mov rcx, -1i64;
        lea rdx, qword_ptr(rsp + 0x20);
        lea r8, qword_ptr(rsp + 0x28);
        mov r9d, RELEASE;
        invoke "NtFreeVirtualMemory";
        test eax, eax;
        jns done;
        bind &mut bad;
        mov ecx, STATUS_INVALID_PARAMETER;
        invoke "RtlSetLastWin32ErrorAndNtStatusFromNtStatus";
        xor eax, eax;
        leave frame;
    }
    Ok(())
}

/// `RtlSizeHeap`: rcx = the heap, edx = flags, r8 = an address it gave; the bytes asked for, or -1.
fn size(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut bad] = a.labels();
    let frame = a.frame(&[], 0x28)?;
    asm! { a;
        invoke "RtlpHeapBlock";
        test rax, rax;
        jz bad;
        mov rax, qword_ptr(rax + SIZE);
        leave frame;
        bind &mut bad;
        mov ecx, STATUS_INVALID_PARAMETER;
        invoke "RtlSetLastWin32ErrorAndNtStatusFromNtStatus";
        mov rax, -1i64;
        leave frame;
    }
    Ok(())
}

/// `RtlReAllocateHeap`: rcx = the heap, edx = flags, r8 = an address it gave, r9 = bytes; the block's new address,
/// or NULL and the old one as it was. HEAP_ZERO_MEMORY clears what is gained.
fn reallocate(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut bad, mut moves, mut resized, mut copied, mut fit, mut failed] = a.labels();
    let frame = a.frame(&[rbx, rsi, rdi, r12, r13], 0x20)?;
    asm! { a;
        mov rdi, rcx;
        mov r12d, edx;
        mov rsi, r9;
        invoke "RtlpHeapBlock";
        test rax, rax;
        jz bad;
        mov rbx, rax;
        mov rcx, rax;
        invoke "RtlpHeapCapacity";
        cmp rsi, rax;
        ja moves;
        mov r8, rsi;
        mov rcx, qword_ptr(rbx + SIZE);
        mov qword_ptr(rbx + SIZE), rsi;
        sub r8, rcx;
        jbe resized;
        test r12d, ZERO_MEMORY;
        jz resized;
        lea rcx, qword_ptr(rbx + rcx + HEADER);
        xor edx, edx;
        invoke "memset";
        bind &mut resized;
        lea rax, qword_ptr(rbx + HEADER);
        leave frame;
        bind &mut moves;
        test r12d, IN_PLACE_ONLY;
        jnz fit;
        mov rcx, rdi;
        mov edx, r12d;
        mov r8, rsi;
        invoke "RtlAllocateHeap";
        test rax, rax;
        jz failed;
        mov r13, rax;
        mov rcx, rax;
        lea rdx, qword_ptr(rbx + HEADER);
        mov r8, qword_ptr(rbx + SIZE);
        cmp r8, rsi;
        jbe copied;
        mov r8, rsi;
        bind &mut copied;
        invoke "memmove";
        mov rcx, rdi;
        xor edx, edx;
        lea r8, qword_ptr(rbx + HEADER);
        invoke "RtlFreeHeap";
        mov rax, r13;
        leave frame;
        bind &mut fit;
        mov ecx, STATUS_NO_MEMORY;
        invoke "RtlSetLastWin32ErrorAndNtStatusFromNtStatus";
        bind &mut failed;
        xor eax, eax;
        leave frame;
        bind &mut bad;
        mov ecx, STATUS_INVALID_PARAMETER;
        invoke "RtlSetLastWin32ErrorAndNtStatusFromNtStatus";
        xor eax, eax;
        leave frame;
    }
    Ok(())
}

/// rcx = a block's header: rax = the most bytes it can hold where it is.
fn capacity(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut large, mut powers] = a.labels();
    asm! { a;
        mov edx, dword_ptr(rcx + CLASS);
        cmp edx, LARGE;
        je large;
        cmp edx, SMALL_CLASSES;
        jae powers;
        lea eax, dword_ptr(rdx + 1);
        shl eax, 4;
        ret;
        bind &mut powers;
        lea ecx, dword_ptr(rdx - (SMALL_CLASSES - 11));
        mov eax, 1;
        shl eax, cl;
        sub eax, HEADER;
        ret;
        // Whole pages were committed.
        bind &mut large;
        mov rax, qword_ptr(rcx + SIZE);
        add rax, HEADER + 0xfff;
        and rax, -0x1000;
        sub rax, HEADER;
        ret;
    }
    Ok(())
}
