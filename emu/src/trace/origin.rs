//! Where a call comes from: the stub, and who called that.

use guest::convention::Gate;
use guest::mem::Width;
use kernel_model::Call;

use super::View;
use crate::cpu::{Reg, RegisterFile};
use crate::machine::trap_address;

/// The code that made a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The stub's first instruction, or the program's own trapping one.
    pub start: u64,
    /// The return address into what called the stub; `None`: the program made the call itself.
    pub caller: Option<u64>,
}

impl Origin {
    /// Whether no system DLL's stub is in it.
    pub fn is_direct(&self) -> bool {
        self.caller.is_none()
    }
}

/// The modules whose stubs are the ordinary way into the kernel.
const SYSTEM_DLLS: &[&str] = &["ntdll.dll", "win32u.dll"];
/// What a 32-bit program's calls go through on a 64-bit kernel.
const WOW64_DLLS: &[&str] = &["wow64.dll", "wow64cpu.dll"];
/// What stubs of 32-bit code call: the trap is there, the stub is where it returns to.
const SHARED_CODE: &[&str] = &["KiFastSystemCall", "KiIntSystemCall"];
/// XP's first builds have the same code in `KUSER_SHARED_DATA`.
const SHARED_PAGE: u64 = 0x7ffe_0000;

impl View<'_> {
    /// Where a call comes from. Of a 32-bit program on a 64-bit kernel that is told by the registers at the trap.
    pub fn origin(&self, call: &Call, registers: Option<&RegisterFile>) -> Origin {
        let trap = trap_address(call);
        let by_wow64 = self.modules.at(trap).is_some_and(|m| WOW64_DLLS.contains(&m.name.as_str()));
        if let Some(registers) = registers.filter(|_| by_wow64) {
            return self.wow64_origin(registers);
        }
        let word = |n: u64| self.stack_word(call, n);
        // The gate of a root's 32-bit stubs lies in a page of its own.
        let root = call.gate.width() == Width::W32 && self.kernel.is_wine_root() && self.modules.at(trap).is_none();
        let root = root && word(0).is_some_and(|va| self.system_symbol(va).is_some());
        let shared = root
            || trap & !0xfff == SHARED_PAGE
            || self.system_symbol(trap).is_some_and(|(_, name)| SHARED_CODE.contains(&name));
        // [esp] is the way back into the stub, and the caller's is above it.
        let (inside, caller) = match call.gate {
            Gate::Syscall | Gate::Int2e => (trap, word(0)),
            _ if shared => (word(0).unwrap_or(0), word(1)),
            Gate::Sysenter => (trap, word(1)),
            Gate::Int2e32 => (trap, word(0)),
        };
        match self.system_symbol(inside) {
            Some((start, _)) => Origin { start, caller: Some(caller.unwrap_or(0)) },
            None => Origin { start: if shared { inside } else { trap }, caller: None },
        }
    }

    /// While wow64cpu and wow64 run, R14 is the 32-bit stack above the stub's return address.
    fn wow64_origin(&self, registers: &RegisterFile) -> Origin {
        let esp = registers.get(Reg::R14);
        let word = |va: u64| {
            let mut bytes = [0; 4];
            self.kernel.mm.peek(self.ram, va, &mut bytes)?;
            Some(u64::from(u32::from_le_bytes(bytes)))
        };
        let inside = word(esp.wrapping_sub(4)).unwrap_or(0);
        match self.system_symbol(inside) {
            Some((start, _)) => Origin { start, caller: Some(word(esp).unwrap_or(0)) },
            None => Origin { start: inside, caller: None },
        }
    }

    /// The symbol that an address of a system DLL lies behind.
    fn system_symbol(&self, va: u64) -> Option<(u64, &str)> {
        let module = self.modules.at(va)?;
        SYSTEM_DLLS.contains(&module.name.to_ascii_lowercase().as_str()).then(|| module.symbol_before(va))?
    }

    fn stack_word(&self, call: &Call, index: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        let len = call.gate.width().bytes();
        let va = call.regs.rsp.wrapping_add(index * len as u64);
        self.kernel.mm.peek(self.ram, va, bytes.get_mut(..len)?)?;
        Some(u64::from_le_bytes(bytes))
    }
}
