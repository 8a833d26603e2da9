//! The guest code that is measured.

use guest::convention::Gate;
use guest::{Arch, Profile};
use iced_x86::code_asm::*;

/// Where raw code is loaded by Trapgate; the floor puts it there too, so that the bytes are the same.
pub const BASE: u64 = 0x1000_0000;

type Asm = Result<(), iced_x86::IcedError>;

fn assemble(write: impl FnOnce(&mut CodeAssembler) -> Asm) -> Vec<u8> {
    let mut a = CodeAssembler::new(64).expect("64 bits are possible");
    write(&mut a).and_then(|()| a.assemble(BASE)).expect("the bench's own code assembles")
}

/// `mov r10,rcx; mov eax,number; syscall`
fn call(a: &mut CodeAssembler, profile: &'static Profile, service: &str) -> Asm {
    a.mov(r10, rcx)?;
    a.mov(eax, profile.number(service).expect("a service of the profile"))?;
    a.syscall()
}

/// A loop of `count` rounds around a body, in a frame with room for variables at rsp+80h and arguments below.
fn rounds(count: u32, body: impl FnOnce(&mut CodeAssembler) -> Asm) -> Vec<u8> {
    prepared_rounds(count, |_| Ok(()), body)
}

/// The same after something that is done once.
fn prepared_rounds(
    count: u32, before: impl FnOnce(&mut CodeAssembler) -> Asm, body: impl FnOnce(&mut CodeAssembler) -> Asm,
) -> Vec<u8> {
    assemble(|a| {
        a.push(rbx)?;
        a.sub(rsp, 0x100)?;
        before(a)?;
        a.mov(ebx, count)?;
        let mut top = a.create_label();
        a.set_label(&mut top)?;
        body(a)?;
        a.dec(ebx)?;
        a.jnz(top)?;
        a.add(rsp, 0x100)?;
        a.pop(rbx)?;
        a.xor(eax, eax)?;
        a.ret()
    })
}

/// `NtClose` of a handle that does not exist.
pub fn close_bad_handle(profile: &'static Profile, count: u32) -> Vec<u8> {
    rounds(count, |a| {
        a.mov(ecx, 0xbad0)?;
        call(a, profile, "NtClose")
    })
}

/// `NtClose` of a handle that does not exist, through one gate.
pub fn close_through(gate: Gate, number: u32, count: u32) -> Vec<u8> {
    match gate {
        Gate::Syscall | Gate::Int2e => rounds(count, |a| {
            a.mov(r10d, 0xbad0)?;
            a.mov(eax, number)?;
            a.db(&gate.instruction())
        }),
        Gate::Sysenter => rounds_32(count, |a| {
            let [mut stub, mut enter, mut next] = std::array::from_fn(|_| a.create_label());
            a.push(0xbad0)?;
            a.call(stub)?;
            a.add(esp, 4)?;
            a.jmp(next)?;
            a.set_label(&mut stub)?;
            a.mov(eax, number)?;
            a.call(enter)?;
            a.ret()?;
            // Where `sysexit` goes there is this `ret` as well.
            a.set_label(&mut enter)?;
            a.mov(edx, esp)?;
            a.sysenter()?;
            a.ret()?;
            a.set_label(&mut next)?;
            a.nop()
        }),
        Gate::Int2e32 => rounds_32(count, |a| {
            a.push(0xbad0)?;
            a.mov(edx, esp)?;
            a.mov(eax, number)?;
            a.int(0x2e)?;
            a.pop(ecx)
        }),
    }
}

/// `NtClose` of a handle that does not exist, through its stub.
pub fn close_by_stub(arch: Arch, stub: u64, count: u32) -> Vec<u8> {
    match arch {
        Arch::X64 => rounds(count, |a| {
            a.mov(ecx, 0xbad0)?;
            a.mov(rax, stub)?;
            a.call(rax)
        }),
        Arch::X86 => rounds_32(count, |a| {
            a.push(0xbad0)?;
            a.mov(eax, stub as u32)?;
            a.call(eax)
        }),
    }
}

/// A loop of 32-bit code.
fn rounds_32(count: u32, body: impl FnOnce(&mut CodeAssembler) -> Asm) -> Vec<u8> {
    let write = || {
        let mut a = CodeAssembler::new(32)?;
        a.push(ebx)?;
        a.mov(ebx, count)?;
        let mut top = a.create_label();
        a.set_label(&mut top)?;
        body(&mut a)?;
        a.dec(ebx)?;
        a.jnz(top)?;
        a.pop(ebx)?;
        a.xor(eax, eax)?;
        a.ret()?;
        a.assemble(BASE)
    };
    write().expect("the bench's own code assembles")
}

/// `NtCreateEvent` and `NtClose`.
pub fn create_and_close(profile: &'static Profile, count: u32) -> Vec<u8> {
    rounds(count, |a| {
        a.lea(rcx, ptr(rsp + 0x80))?;
        a.mov(edx, 0x1f0003)?;
        a.xor(r8d, r8d)?;
        a.xor(r9d, r9d)?;
        a.mov(qword_ptr(rsp + 0x28), 0)?;
        call(a, profile, "NtCreateEvent")?;
        a.mov(rcx, qword_ptr(rsp + 0x80))?;
        call(a, profile, "NtClose")
    })
}

/// `NtAllocateVirtualMemory` of so many bytes, committed; where they are is at rsp+80h.
fn allocate(a: &mut CodeAssembler, profile: &'static Profile, bytes: u64) -> Asm {
    a.mov(qword_ptr(rsp + 0x80), 0)?;
    a.mov(qword_ptr(rsp + 0x88), i32::try_from(bytes).expect("less than 2 GiB"))?;
    a.mov(rcx, -1i64)?;
    a.lea(rdx, ptr(rsp + 0x80))?;
    a.xor(r8d, r8d)?;
    a.lea(r9, ptr(rsp + 0x88))?;
    a.mov(qword_ptr(rsp + 0x28), 0x3000)?;
    a.mov(qword_ptr(rsp + 0x30), 4)?;
    call(a, profile, "NtAllocateVirtualMemory")
}

/// `NtAllocateVirtualMemory` and `NtFreeVirtualMemory` of 64 KiB.
pub fn allocate_and_free(profile: &'static Profile, count: u32) -> Vec<u8> {
    rounds(count, |a| {
        allocate(a, profile, 0x1_0000)?;
        a.mov(rcx, -1i64)?;
        a.lea(rdx, ptr(rsp + 0x80))?;
        a.lea(r8, ptr(rsp + 0x88))?;
        a.mov(qword_ptr(rsp + 0x88), 0)?;
        a.mov(r9d, 0x8000)?;
        call(a, profile, "NtFreeVirtualMemory")
    })
}

/// `NtMapViewOfSection` and `NtUnmapViewOfSection` of 16 MiB of the page file.
pub fn map_and_unmap(profile: &'static Profile, count: u32) -> Vec<u8> {
    let section = |a: &mut CodeAssembler| {
        a.mov(qword_ptr(rsp + 0x90), 16 << 20)?;
        a.lea(rcx, ptr(rsp + 0x98))?;
        // SECTION_ALL_ACCESS, PAGE_READWRITE, SEC_COMMIT.
        a.mov(edx, 0xf001f)?;
        a.xor(r8d, r8d)?;
        a.lea(r9, ptr(rsp + 0x90))?;
        a.mov(qword_ptr(rsp + 0x28), 4)?;
        a.mov(qword_ptr(rsp + 0x30), 0x800_0000)?;
        a.mov(qword_ptr(rsp + 0x38), 0)?;
        call(a, profile, "NtCreateSection")
    };
    prepared_rounds(count, section, |a| {
        a.mov(rcx, qword_ptr(rsp + 0x98))?;
        a.mov(rdx, -1i64)?;
        a.lea(r8, ptr(rsp + 0x80))?;
        a.xor(r9d, r9d)?;
        a.mov(qword_ptr(rsp + 0x80), 0)?;
        a.mov(qword_ptr(rsp + 0x88), 0)?;
        a.mov(qword_ptr(rsp + 0x28), 0)?;
        a.mov(qword_ptr(rsp + 0x30), 0)?;
        a.lea(rax, ptr(rsp + 0x88))?;
        a.mov(qword_ptr(rsp + 0x38), rax)?;
        // ViewUnmap
        a.mov(qword_ptr(rsp + 0x40), 2)?;
        a.mov(qword_ptr(rsp + 0x48), 0)?;
        a.mov(qword_ptr(rsp + 0x50), 4)?;
        call(a, profile, "NtMapViewOfSection")?;
        a.mov(rcx, -1i64)?;
        a.mov(rdx, qword_ptr(rsp + 0x80))?;
        call(a, profile, "NtUnmapViewOfSection")
    })
}

/// `NtAllocateVirtualMemory` of so many bytes, and a store to each page of them.
pub fn commit_and_touch(profile: &'static Profile, bytes: u64) -> Vec<u8> {
    rounds(1, |a| {
        allocate(a, profile, bytes)?;
        let mut next = a.create_label();
        a.mov(rdx, qword_ptr(rsp + 0x80))?;
        a.mov(rcx, bytes >> 12)?;
        a.set_label(&mut next)?;
        a.mov(byte_ptr(rdx), 1)?;
        a.add(rdx, 0x1000)?;
        a.dec(rcx)?;
        a.jnz(next)
    })
}

/// `NtQueryPerformanceCounter`.
pub fn query_counter(profile: &'static Profile, count: u32) -> Vec<u8> {
    rounds(count, |a| {
        a.lea(rcx, ptr(rsp + 0x80))?;
        a.xor(edx, edx)?;
        call(a, profile, "NtQueryPerformanceCounter")
    })
}

/// The mixture that compiled programs are made of: integer arithmetic, loads and stores, a branch that is taken half
/// of the time, a call and its return, floating point, a division; then `hlt`.
pub fn mixed(rounds: u32) -> Vec<u8> {
    looped(rounds, true)
}

/// Integer arithmetic, loads, stores and jumps, a jump every five instructions: the hardest case for counting by
/// block.
pub fn short_blocks(rounds: u32) -> Vec<u8> {
    looped(rounds, false)
}

fn looped(rounds: u32, mixed: bool) -> Vec<u8> {
    assemble(|a| {
        let [mut top, mut odd, mut next, mut function, mut end] = std::array::from_fn(|_| a.create_label());
        a.mov(esi, rounds)?;
        a.mov(r8d, 0x1234_5677)?;
        a.mov(r9d, 3)?;
        a.cvtsi2sd(xmm1, r9d)?;
        a.cvtsi2sd(xmm2, r8d)?;
        a.set_label(&mut top)?;
        a.mov(rax, qword_ptr(rsp + 0x20))?;
        a.lea(rdi, ptr(rax + rsi * 4))?;
        a.xor(rdi, r8)?;
        a.mov(qword_ptr(rsp + 0x28), rdi)?;
        a.imul_3(r9, rdi, 0x61)?;
        a.add(r8, r9)?;
        a.shr(r9, 3)?;
        a.mov(qword_ptr(rsp + 0x20), r9)?;
        a.test(dil, 1)?;
        a.jnz(odd)?;
        a.add(r10, rdi)?;
        a.movzx(r11d, byte_ptr(rsp + 0x28))?;
        a.jmp(next)?;
        a.set_label(&mut odd)?;
        a.sub(r10, rdi)?;
        a.movzx(r11d, byte_ptr(rsp + 0x29))?;
        a.set_label(&mut next)?;
        a.add(r10, r11)?;
        a.rol(r10, 5)?;
        if mixed {
            a.call(function)?;
            a.mulsd(xmm2, xmm1)?;
            a.addsd(xmm2, xmm1)?;
            a.movsd_2(qword_ptr(rsp + 0x30), xmm2)?;
            a.divsd(xmm2, xmm1)?;
        }
        a.dec(esi)?;
        a.jnz(top)?;
        a.jmp(end)?;
        a.set_label(&mut function)?;
        a.mov(eax, r10d)?;
        a.xor(edx, edx)?;
        a.mov(ecx, 0x61)?;
        a.div(ecx)?;
        a.add(r10, rdx)?;
        a.ret()?;
        a.set_label(&mut end)?;
        a.hlt()
    })
}

/// Calls the function whose address is given, with arguments that are all zero, then returns.
pub fn call_once(function: u64) -> Vec<u8> {
    assemble(|a| {
        a.sub(rsp, 0x98)?;
        a.xor(ecx, ecx)?;
        a.xor(edx, edx)?;
        a.xor(r8d, r8d)?;
        a.xor(r9d, r9d)?;
        a.mov(rax, function)?;
        a.call(rax)?;
        a.add(rsp, 0x98)?;
        a.xor(eax, eax)?;
        a.ret()
    })
}
