//! Kernel handles through the guest's own kernel: a driver makes one with `OBJ_KERNEL_HANDLE` by `ZwCreateEvent`, and the
//! program that knows its value gets nowhere with it.

use guest::NtStatus;
use iced_x86::code_asm::*;
use trapgate::view::{Snapshot, handles};

use crate::ring0::{DRIVER, RESULT, Steps, code, machine_for, nt, profile, status};

/// The first handle of the kernel's table.
const KERNEL: u64 = 0xffff_ffff_8000_0004;
/// Where the driver leaves results.
const ROOM: u64 = DRIVER + 0xc00;

/// A driver that makes an event with a kernel handle and sets it.
fn driver(a: &mut CodeAssembler) -> Steps {
    a.sub(rsp, 0x68)?;
    // OBJECT_ATTRIBUTES: Length 30h, no name, Attributes OBJ_KERNEL_HANDLE.
    a.mov(qword_ptr(rsp + 0x30), 0x30)?;
    a.mov(qword_ptr(rsp + 0x38), 0)?;
    a.mov(qword_ptr(rsp + 0x40), 0)?;
    a.mov(qword_ptr(rsp + 0x48), 0x200)?;
    a.mov(qword_ptr(rsp + 0x50), 0)?;
    a.mov(qword_ptr(rsp + 0x58), 0)?;
    a.mov(rbx, ROOM)?;
    a.mov(rcx, rbx)?;
    a.mov(edx, 0x1f_0003)?;
    a.lea(r8, ptr(rsp + 0x30))?;
    a.mov(r9d, 1)?;
    a.mov(qword_ptr(rsp + 0x20), 0)?;
    a.call(nt("ZwCreateEvent"))?;
    a.mov(dword_ptr(rbx + 8), eax)?;
    a.mov(rcx, qword_ptr(rbx))?;
    a.xor(edx, edx)?;
    a.call(nt("ZwSetEvent"))?;
    a.mov(dword_ptr(rbx + 12), eax)?;
    a.add(rsp, 0x68)?;
    a.xor(eax, eax)?;
    a.ret()
}

#[test]
fn a_drivers_handle_is_out_of_the_programs_reach() {
    let number = |service: &str| profile().number(service).expect("a service");
    let program = code(0x1000_0000, |a| {
        for service in ["NtSetEvent", "NtClose"] {
            a.mov(r10, KERNEL)?;
            a.xor(edx, edx)?;
            a.mov(eax, number(service))?;
            a.syscall()?;
            a.mov(rcx, RESULT)?;
            a.cmp(eax, NtStatus::INVALID_HANDLE.0 as i32)?;
            let mut same = a.create_label();
            a.je(same)?;
            a.hlt()?;
            a.set_label(&mut same)?;
            a.mov(dword_ptr(rcx), eax)?;
        }
        Ok(())
    });
    let mut machine = machine_for(program, code(DRIVER, driver));
    assert_eq!(status(&mut machine), NtStatus::INVALID_HANDLE.0);
    let bytes = machine.peek(ROOM, 16).expect("the driver's results");
    let words: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    assert_eq!(words, [KERNEL as u32, (KERNEL >> 32) as u32, 0, 0]);
    // `trapgate handles` lists it with the System process.
    let page = handles(&Snapshot::of(&machine), true);
    let row = page.rows.iter().find(|row| row.pid == 4).expect("a handle of the kernel's");
    assert_eq!((row.handle.as_str(), row.kind, row.process.as_str()), ("0xffffffff80000004", "Event", "System"));
}
