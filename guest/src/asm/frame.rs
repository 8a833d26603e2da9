//! Stack frames by the Microsoft x64 convention, and the unwind information that describes them.

use iced_x86::Register;
use iced_x86::code_asm::{AsmRegister64, rsp};

use super::builder::Asm;
use super::error::AsmError;

/// The frame of a function: pushed registers, then one allocation that keeps calls aligned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    saved: &'static [AsmRegister64],
    size: i32,
}

impl Frame {
    /// A frame that saves registers and has at least `size` bytes, the 32 bytes of home space for
    /// callees included.
    fn new(saved: &'static [AsmRegister64], size: i32) -> Self {
        // At the entry rsp is 8 off a multiple of 16, by the return address.
        let pushed = 8 + 8 * saved.len() as i32;
        let size = (pushed + size + 15) / 16 * 16 - pushed;
        Self { saved, size }
    }

    /// The offset from rsp of argument `n`, counted from 1; the first four have only their home there.
    pub(super) fn arg(self, n: i32) -> i32 {
        self.size + 8 * self.saved.len() as i32 + 8 * n
    }

    /// The number of instructions in the prologue.
    pub(super) fn prologue_len(self) -> usize {
        self.saved.len() + 1
    }

    /// `UNWIND_INFO`: one code for the allocation, one for each push, latest first.
    pub(super) fn unwind_info(self, ends: &[u32]) -> Vec<u8> {
        let mut ends = ends.iter().rev().map(|&e| e as u8);
        let prologue = ends.clone().next().unwrap_or(0);
        let mut codes = Vec::new();
        let end = ends.next().unwrap_or(0);
        if self.size <= 128 {
            codes.extend([end, 2 | ((self.size / 8 - 1) as u8) << 4]);
        } else {
            codes.extend([end, 1]);
            codes.extend(((self.size / 8) as u16).to_le_bytes());
        }
        for (register, end) in self.saved.iter().rev().zip(ends) {
            codes.extend([end, (number(*register) as u8) << 4]);
        }
        let count = (codes.len() / 2) as u8;
        let mut info = vec![1, prologue, count, 0];
        info.extend(codes);
        info.resize(info.len().next_multiple_of(4), 0);
        info
    }
}

fn number(register: AsmRegister64) -> usize {
    Register::from(register).number()
}

impl Asm<'_> {
    /// The prologue: pushes registers and takes at least `size` bytes of stack (0x20 of them for callees).
    pub(super) fn frame(&mut self, saved: &'static [AsmRegister64], size: i32) -> Result<Frame, AsmError> {
        let frame = Frame::new(saved, size);
        self.open_frame(frame)?;
        for &register in saved {
            self.push(register)?;
        }
        self.sub(rsp, frame.size)?;
        Ok(frame)
    }

    /// The epilogue of a frame, `ret` included.
    pub(super) fn leave(&mut self, frame: Frame) -> Result<(), AsmError> {
        self.unwind_frame(frame)?;
        self.ret()?;
        Ok(())
    }

    /// The epilogue without its `ret`, before a tail call.
    pub(super) fn unwind_frame(&mut self, frame: Frame) -> Result<(), AsmError> {
        self.add(rsp, frame.size)?;
        for &register in frame.saved.iter().rev() {
            self.pop(register)?;
        }
        Ok(())
    }
}
