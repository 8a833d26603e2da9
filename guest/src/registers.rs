//! The registers of a thread's user-mode code, as plain data.

use crate::profile::Arch;

macro_rules! registers {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// A 64-bit register.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Reg { $($name),* }

        impl Reg {
            /// Every register of a [`RegisterFile`], in its order.
            pub const ALL: &'static [Reg] = &[$(Reg::$name),*];

            /// The name in lower case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}
registers! {
    Rax = "rax", Rbx = "rbx", Rcx = "rcx", Rdx = "rdx", Rsi = "rsi", Rdi = "rdi", Rbp = "rbp", Rsp = "rsp",
    R8 = "r8", R9 = "r9", R10 = "r10", R11 = "r11", R12 = "r12", R13 = "r13", R14 = "r14", R15 = "r15",
    Rip = "rip", Rflags = "rflags",
}

impl Reg {
    /// The name it has in 64-bit or 32-bit code; `None` where it is out of reach.
    pub fn name_in(self, bits: u32) -> Option<String> {
        match (bits, self.name().strip_prefix('r')) {
            (64, _) => Some(self.name().to_string()),
            (_, Some(rest)) if !rest.starts_with(|c: char| c.is_ascii_digit()) => Some(format!("e{rest}")),
            _ => None,
        }
    }
}

/// The general registers, RIP, RFLAGS and XMM0-15, all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RegisterFile {
    /// In the order of [`Reg::ALL`].
    pub values: [u64; Reg::ALL.len()],
    /// XMM0-15, low half first.
    pub xmm: [[u64; 2]; 16],
}

impl RegisterFile {
    /// A register's value.
    pub fn get(&self, reg: Reg) -> u64 {
        self.values[reg as usize]
    }

    /// Sets a register.
    pub fn set(&mut self, reg: Reg, value: u64) {
        self.values[reg as usize] = value;
    }

    /// Every register but XMM, with its name.
    pub fn iter(&self) -> impl Iterator<Item = (Reg, u64)> + '_ {
        Reg::ALL.iter().map(|&reg| (reg, self.get(reg)))
    }
}

/// Selectors of the segment registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Segments {
    pub cs: u16,
    pub ss: u16,
    pub ds: u16,
    pub es: u16,
    pub fs: u16,
    pub gs: u16,
}

impl Segments {
    /// Those that user code of a kernel starts with.
    pub const fn of(kernel: Arch) -> Self {
        match kernel {
            Arch::X64 => Self { cs: 0x33, ss: 0x2b, ds: 0x2b, es: 0x2b, fs: 0x53, gs: 0x2b },
            Arch::X86 => Self { cs: 0x1b, ss: 0x23, ds: 0x23, es: 0x23, fs: 0x3b, gs: 0 },
        }
    }
}

/// All that a thread's user-mode code has in the processor: what a switch to another thread saves, and a `CONTEXT`
/// shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserState {
    /// General registers, RIP, RFLAGS, XMM.
    pub file: RegisterFile,
    /// Selectors.
    pub segments: Segments,
    /// `MxCsr`.
    pub mxcsr: u32,
    /// The x87's control, status and tag word (the full one: two bits a register).
    pub x87: [u16; 3],
    /// Its registers ST0-7, 80 bits each, in the low bytes.
    pub st: [[u8; 10]; 8],
    /// DR0-3, DR6, DR7: kept by the kernel, not read from the processor.
    pub debug: [u64; 6],
}

impl UserState {
    /// `MxCsr` of a new thread.
    pub const MXCSR: u32 = 0x1f80;
    /// The x87's words of a new thread.
    pub const X87: [u16; 3] = [0x27f, 0, 0xffff];
}

impl Default for UserState {
    fn default() -> Self {
        Self {
            file: RegisterFile::default(),
            segments: Segments::default(),
            mxcsr: Self::MXCSR,
            x87: Self::X87,
            st: [[0; 10]; 8],
            debug: [0; 6],
        }
    }
}
