//! Where ntdll has the kernel send a thread in user mode.

use guest::registers::UserState;

/// Where the kernel sends a thread in user mode: ntdll's entry points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UserEntries {
    /// `KiUserExceptionDispatcher`; 0: there is none.
    pub exception: u64,
    /// `KiUserApcDispatcher`.
    pub apc: u64,
    /// `KiRaiseUserExceptionDispatcher`.
    pub raise: u64,
    /// `LdrInitializeThunk`
    pub loader: u64,
}

/// What a process has the kernel call it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Dispatchers {
    /// Those of the kernel's width.
    pub native: UserEntries,
    /// Those of 32-bit code on a 64-bit kernel.
    pub wow64: UserEntries,
    /// `ProcessInstrumentationCallback`: where every return to 64-bit user mode goes; 0: where it came from.
    pub instrumentation: u64,
}

/// CS of 64-bit user code.
const CODE_64: u16 = 0x33;

/// Whether a state is that of 64-bit code.
pub fn is_64(state: &UserState) -> bool {
    state.segments.cs == CODE_64
}
