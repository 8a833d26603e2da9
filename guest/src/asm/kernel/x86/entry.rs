//! The ways in: `sysenter`, and `int 2Eh` from user mode or a `Zw…`. They build the `KTRAP_FRAME` and meet in
//! `KiSystemServiceStart`.

use iced_x86::code_asm::*;

use super::super::super::error::AsmError;
use super::super::super::item::Item;
use super::super::code::Code;
use super::super::fields::Fields;
use super::{dispatch, exception_list, exit, lower_frame, selector};

/// What debuggers know a frame with an argument pointer by.
const DEBUG_MARK: u32 = 0xbadb_0d00;
/// IF in the second byte of EFLAGS.
const INTERRUPTS: u32 = 2;
/// EFLAGS with nothing set.
const CLEAR_FLAGS: i32 = 2;
/// At `sysenter`, two return addresses lie below the arguments.
const SYSENTER_ARGUMENTS: i32 = 8;
/// `KUSER_SHARED_DATA.SystemCallReturn`, as user code sees it.
const SYSTEM_CALL_RETURN: u32 = 0x7ffe_0304;

/// Where a frame says that it came by `sysenter`: the byte that Windows 10 calls FrameType, which before had no use.
pub(super) fn frame_type(f: &Fields) -> Result<i32, AsmError> {
    Ok(f.frame("TempSegCs")? + 3)
}

/// From every entry to every exit: one item, the common path first.
pub(super) fn system_call(f: &Fields) -> Result<Item, AsmError> {
    let mut code = Code::new(f.profile.arch)?;
    let c = &mut code;
    if f.profile.stub_style.has_gate("sysenter") {
        fast(c, f)?;
        dispatch::start(c, f)?;
        exit::user(c, f)?;
        interrupt(c, f)?;
        let start = c.to("KiSystemServiceUser");
        c.asm.jmp(start)?;
    } else {
        interrupt(c, f)?;
        dispatch::start(c, f)?;
        exit::user(c, f)?;
    }
    load_data_segments(c)?;
    dispatch::rare(c, f)?;
    exit::rare(c, f)?;
    code.finish()
}

/// `KiFastCallEntry`: EDX is the caller's stack, EAX the number; the processor has changed CS, EIP, SS, ESP and IF.
fn fast(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    c.name("KiFastCallEntry")?;
    c.asm.push(selector::PROCESSOR)?;
    c.asm.pop(fs)?;
    // DS and ES are the flat ones. They nearly always are already, and a branch costs the engine less than loading
    // them: both in one register, compared without a change of the flags, which are the caller's still.
    let flat = c.to("KiFastCallEntrySegments");
    c.asm.mov(ecx, ds)?;
    c.asm.bswap(ecx)?;
    c.asm.mov(cx, es)?;
    c.asm.lea(ecx, ecx - (selector::USER_DATA << 24 | selector::USER_DATA))?;
    c.asm.jecxz(flat)?;
    c.asm.mov(ecx, selector::USER_DATA)?;
    c.asm.mov(ds, ecx)?;
    c.asm.mov(es, ecx)?;
    c.name("KiFastCallEntrySegments")?;
    c.asm.mov(ecx, dword_ptr(f.at("KPCR", "TSS")?).fs())?;
    c.asm.mov(esp, dword_ptr(ecx + f.at("KTSS", "Esp0")?))?;
    c.asm.push(selector::USER_DATA)?;
    c.asm.push(edx)?;
    c.asm.pushfd()?;
    c.asm.push(CLEAR_FLAGS)?;
    c.asm.popfd()?;
    c.asm.add(edx, SYSENTER_ARGUMENTS)?;
    c.asm.or(byte_ptr(esp + 1), INTERRUPTS)?;
    c.asm.push(selector::USER_CODE)?;
    return_address(c, f)?;
    c.asm.push(0)?;
    for register in [ebp, ebx, esi, edi] {
        c.asm.push(register)?;
    }
    c.asm.push(selector::TEB)?;
    lower_frame(c, f)?;
    c.asm.mov(esi, dword_ptr(f.prcb("CurrentThread")?).fs())?;
    c.asm.mov(dword_ptr(ebp + f.frame("PreviousPreviousMode")?), selector::USER_MODE)?;
    c.asm.mov(byte_ptr(ebp + frame_type(f)?), 1)?;
    c.name("KiSystemServiceUser")?;
    Ok(())
}

/// Where `sysexit` goes: the same for every call.
fn return_address(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let style = f.profile.stub_style;
    if style.runs_shared_data() {
        c.asm.push(SYSTEM_CALL_RETURN as i32)?;
    } else if style.uses_shared_data() {
        c.asm.push(dword_ptr(SYSTEM_CALL_RETURN))?;
    } else {
        let address = c.var("KiFastSystemCallReturn");
        c.asm.push(address)?;
    }
    Ok(())
}

/// `KiSystemService`: `int 2Eh`, or a `Zw…` of the kernel that has pushed what the processor would have pushed. EDX is at
/// the arguments.
fn interrupt(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    c.name("KiSystemService")?;
    c.asm.push(0)?;
    for register in [ebp, ebx, esi, edi] {
        c.asm.push(register)?;
    }
    c.asm.push(fs)?;
    c.asm.mov(ebx, selector::PROCESSOR)?;
    c.asm.mov(fs, ebx)?;
    data_segments(c)?;
    lower_frame(c, f)?;
    let previous = f.thread("PreviousMode")?;
    c.asm.mov(esi, dword_ptr(f.prcb("CurrentThread")?).fs())?;
    c.asm.movzx(ebx, byte_ptr(esi + previous))?;
    c.asm.mov(dword_ptr(ebp + f.frame("PreviousPreviousMode")?), ebx)?;
    c.asm.mov(ebx, dword_ptr(ebp + f.frame("SegCs")?))?;
    c.asm.and(ebx, selector::USER_MODE)?;
    c.asm.mov(byte_ptr(esi + previous), bl)?;
    c.asm.mov(ebx, dword_ptr(esi + f.thread("TrapFrame")?))?;
    // A system call's own EDX is of no use to anybody: the place keeps the frame of an outer call.
    c.asm.mov(dword_ptr(ebp + f.frame("Edx")?), ebx)?;
    c.asm.mov(byte_ptr(ebp + frame_type(f)?), 0)?;
    c.asm.cld()?;
    Ok(())
}

/// DS and ES are the flat ones. They nearly always are already, and a branch costs the engine less than loading them.
fn data_segments(c: &mut Code) -> Result<(), AsmError> {
    let load = c.to("KiSystemServiceLoadSegments");
    c.asm.mov(ebx, ds)?;
    c.asm.mov(esi, es)?;
    c.asm.xor(ebx, selector::USER_DATA)?;
    c.asm.xor(esi, selector::USER_DATA)?;
    c.asm.or(bx, si)?;
    c.asm.jne(load)?;
    c.name("KiSystemServiceSegments")
}

/// Where they are not.
fn load_data_segments(c: &mut Code) -> Result<(), AsmError> {
    let loaded = c.to("KiSystemServiceSegments");
    c.name("KiSystemServiceLoadSegments")?;
    c.asm.mov(ebx, selector::USER_DATA)?;
    c.asm.mov(ds, ebx)?;
    c.asm.mov(es, ebx)?;
    c.asm.jmp(loaded)?;
    Ok(())
}

/// What both ways have in common: ESI is the thread, EBP the frame.
pub(super) fn common(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    c.asm.mov(dword_ptr(ebp + f.frame("Dr7")?), 0)?;
    c.asm.mov(dword_ptr(ebp + f.frame("DbgArgMark")?), DEBUG_MARK)?;
    if let Some(pointer) = f.find("KTRAP_FRAME", "DbgArgPointer") {
        c.asm.mov(dword_ptr(ebp + pointer), edx)?;
    }
    c.asm.mov(dword_ptr(esi + f.thread("TrapFrame")?), ebp)?;
    if let (Some(argument), Some(number)) = (f.find("KTHREAD", "FirstArgument"), f.find("KTHREAD", "SystemCallNumber"))
    {
        c.asm.mov(dword_ptr(esi + argument), edx)?;
        c.asm.mov(dword_ptr(esi + number), eax)?;
    }
    c.asm.sti()?;
    Ok(())
}

/// The list of exception handlers as it was before the call.
pub(super) fn restore_list(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let list = exception_list(f)?;
    c.asm.mov(edx, dword_ptr(ebp + f.frame("ExceptionList")?))?;
    c.asm.mov(list, edx)?;
    Ok(())
}
