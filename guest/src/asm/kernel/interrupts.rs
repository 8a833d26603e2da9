//! The interrupt descriptor table: which vector leads where.

use crate::profile::Arch;

/// What is on the stack below CS:RIP when an entry gets control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushes {
    /// The processor pushes no error code.
    Nothing,
    /// The processor pushes an error code.
    ErrorCode,
    /// No exception but a system service: no error code either.
    Service,
}

/// A row of the interrupt descriptor table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// The vector.
    pub vector: u8,
    /// Where it leads: a symbol of the kernel image.
    pub symbol: &'static str,
    /// From which ring on `int n` may name it: 0 or 3.
    pub dpl: u8,
    /// Which of the task state segment's stacks it takes; 0: as the ring says. x64 only.
    pub ist: u8,
    /// Windows has a task gate there, with a task of its own. x86 only.
    pub task: bool,
    /// What is pushed.
    pub pushes: Pushes,
}

const fn fault(vector: u8, symbol: &'static str, pushes: Pushes) -> Interrupt {
    Interrupt { vector, symbol, dpl: 0, ist: 0, task: false, pushes }
}

/// One that user code may raise by `int n`.
const fn user(vector: u8, symbol: &'static str, pushes: Pushes) -> Interrupt {
    Interrupt { dpl: 3, ..fault(vector, symbol, pushes) }
}

const fn on_stack(ist: u8, row: Interrupt) -> Interrupt {
    Interrupt { ist, ..row }
}

const fn task(row: Interrupt) -> Interrupt {
    Interrupt { task: true, ..row }
}

use Pushes::{ErrorCode, Nothing, Service};

/// The stacks are those of the WDK's headers: TSS_IST_PANIC, TSS_IST_MCA, TSS_IST_NMI.
const X64: &[Interrupt] = &[
    fault(0x00, "KiDivideErrorFault", Nothing),
    fault(0x01, "KiDebugTrapOrFault", Nothing),
    on_stack(3, fault(0x02, "KiNmiInterrupt", Nothing)),
    user(0x03, "KiBreakpointTrap", Nothing),
    user(0x04, "KiOverflowTrap", Nothing),
    fault(0x05, "KiBoundFault", Nothing),
    fault(0x06, "KiInvalidOpcodeFault", Nothing),
    fault(0x07, "KiNpxNotAvailableFault", Nothing),
    on_stack(1, fault(0x08, "KiDoubleFaultAbort", ErrorCode)),
    fault(0x09, "KiNpxSegmentOverrunAbort", Nothing),
    fault(0x0a, "KiInvalidTssFault", ErrorCode),
    fault(0x0b, "KiSegmentNotPresentFault", ErrorCode),
    fault(0x0c, "KiStackFault", ErrorCode),
    fault(0x0d, "KiGeneralProtectionFault", ErrorCode),
    fault(0x0e, "KiPageFault", ErrorCode),
    fault(0x10, "KiFloatingErrorFault", Nothing),
    fault(0x11, "KiAlignmentFault", ErrorCode),
    on_stack(2, fault(0x12, "KiMcheckAbort", Nothing)),
    fault(0x13, "KiXmmException", Nothing),
    user(0x29, "KiRaiseSecurityCheckFailure", Nothing),
    user(0x2c, "KiRaiseAssertion", Nothing),
    user(0x2d, "KiDebugServiceTrap", Nothing),
    user(0x2e, "KiSystemService", Service),
];

const X86: &[Interrupt] = &[
    fault(0x00, "KiTrap00", Nothing),
    fault(0x01, "KiTrap01", Nothing),
    task(fault(0x02, "KiTrap02", Nothing)),
    user(0x03, "KiTrap03", Nothing),
    user(0x04, "KiTrap04", Nothing),
    fault(0x05, "KiTrap05", Nothing),
    fault(0x06, "KiTrap06", Nothing),
    fault(0x07, "KiTrap07", Nothing),
    task(fault(0x08, "KiTrap08", ErrorCode)),
    fault(0x09, "KiTrap09", Nothing),
    fault(0x0a, "KiTrap0A", ErrorCode),
    fault(0x0b, "KiTrap0B", ErrorCode),
    fault(0x0c, "KiTrap0C", ErrorCode),
    fault(0x0d, "KiTrap0D", ErrorCode),
    fault(0x0e, "KiTrap0E", ErrorCode),
    fault(0x10, "KiTrap10", Nothing),
    fault(0x11, "KiTrap11", ErrorCode),
    fault(0x12, "KiTrap12", Nothing),
    fault(0x13, "KiTrap13", Nothing),
    user(0x29, "KiRaiseSecurityCheckFailure", Nothing),
    user(0x2a, "KiGetTickCount", Service),
    user(0x2b, "KiCallbackReturn", Service),
    user(0x2c, "KiRaiseAssertion", Nothing),
    user(0x2d, "KiDebugService", Nothing),
    user(0x2e, "KiSystemService", Service),
];

/// The vectors that a kernel has entries for. What they lead to are symbols of its image.
pub const fn interrupts(arch: Arch) -> &'static [Interrupt] {
    match arch {
        Arch::X86 => X86,
        Arch::X64 => X64,
    }
}
