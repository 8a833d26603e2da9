//! Thread-local storage: the 64 slots in the TEB, handed out by the PEB's bitmap.
//!
//! The 1024 expansion slots are not handed out: after 64 `TlsAlloc` says ERROR_NO_MORE_ITEMS.

use iced_x86::code_asm::*;

use super::{ERROR_INVALID_PARAMETER, ERROR_NO_MORE_ITEMS, leave_error};
use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

const SLOTS: i32 = 64;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.func("TlsAlloc", alloc)?;
    m.func("TlsFree", free)?;
    m.func("TlsGetValue", get_value)?;
    m.func("TlsSetValue", set_value)
}

/// `TlsAlloc`: a free index, its slot zeroed, or TLS_OUT_OF_INDEXES.
fn alloc(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let bits = a.offset("PEB", "TlsBitmapBits")?;
    let slots = a.offset("TEB", "TlsSlots")?;
    let [mut again, mut none] = a.labels();
    let frame = a.frame(&[], 0x28)?;
    asm! { a;
        load_peb rdx;
        bind &mut again;
        mov rax, qword_ptr(rdx + bits);
        not rax;
        bsf rcx, rax;
        jz none;
        set_bit rdx + bits, rcx;
        jc again;
        load_teb rdx;
        mov qword_ptr(rdx + rcx * 8 + slots), 0;
        mov eax, ecx;
        leave frame;
        bind &mut none;
        mov ecx, ERROR_NO_MORE_ITEMS;
        invoke_import "RtlSetLastWin32Error";
        mov eax, -1;
        leave frame;
    }
    Ok(())
}

/// `TlsFree`: ecx = an index that is in use.
fn free(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let bits = a.offset("PEB", "TlsBitmapBits")?;
    let slots = a.offset("TEB", "TlsSlots")?;
    let [mut bad] = a.labels();
    let frame = a.frame(&[], 0x28)?;
    asm! { a;
        cmp ecx, SLOTS;
        jae bad;
        mov ecx, ecx;
        load_peb rdx;
        clear_bit rdx + bits, rcx;
        jnc bad;
        load_teb rdx;
        mov qword_ptr(rdx + rcx * 8 + slots), 0;
        mov eax, 1;
        leave frame;
        bind &mut bad;
    }
    leave_error(a, frame, ERROR_INVALID_PARAMETER)
}

/// `TlsGetValue`: ecx = an index. A success sets the last error to 0, so that a NULL can be told from a failure.
fn get_value(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let slots = a.offset("TEB", "TlsSlots")?;
    let last_error = a.offset("TEB", "LastErrorValue")?;
    let [mut bad] = a.labels();
    let frame = a.frame(&[], 0x28)?;
    asm! { a;
        cmp ecx, SLOTS;
        jae bad;
        mov ecx, ecx;
        load_teb rdx;
        mov dword_ptr(rdx + last_error), 0;
        mov rax, qword_ptr(rdx + rcx * 8 + slots);
        leave frame;
        bind &mut bad;
    }
    leave_error(a, frame, ERROR_INVALID_PARAMETER)
}

/// `TlsSetValue`: ecx = an index, rdx = the value.
fn set_value(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let slots = a.offset("TEB", "TlsSlots")?;
    let [mut bad] = a.labels();
    let frame = a.frame(&[], 0x28)?;
    asm! { a;
        cmp ecx, SLOTS;
        jae bad;
        mov ecx, ecx;
        load_teb rax;
        mov qword_ptr(rax + rcx * 8 + slots), rdx;
        mov eax, 1;
        leave frame;
        bind &mut bad;
    }
    leave_error(a, frame, ERROR_INVALID_PARAMETER)
}

impl Asm<'_> {
    fn set_bit(&mut self, bits: AsmMemoryOperand, index: AsmRegister64) -> Result<(), AsmError> {
        Ok(self.lock().bts(qword_ptr(bits), index)?)
    }

    fn clear_bit(&mut self, bits: AsmMemoryOperand, index: AsmRegister64) -> Result<(), AsmError> {
        Ok(self.lock().btr(qword_ptr(bits), index)?)
    }
}
