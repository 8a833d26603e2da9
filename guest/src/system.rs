//! Kernel space: where things are in it, and the gates through which the kernel image reaches the model.
//!
//! Used when the dispatcher runs as guest code (`--dispatch kernel`). Addresses are of the kind that Windows gives these
//! things on a machine with one processor; where a build would put them elsewhere nothing depends on it.

use crate::profile::Arch;

/// Where things are in kernel space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemMap {
    /// The lowest address that user code has no right to: everything of the kernel's lies above.
    pub lowest: u64,
    /// `ntoskrnl.exe`.
    pub ntoskrnl: u64,
    /// `win32k.sys`.
    pub win32k: u64,
    /// The kernel's view of `KUSER_SHARED_DATA`.
    pub shared_data: u64,
    /// The global descriptor table.
    pub gdt: u64,
    /// The interrupt descriptor table.
    pub idt: u64,
    /// The task state segment.
    pub tss: u64,
    /// `KPCR` with `KPRCB` behind it.
    pub pcr: u64,
    /// `EPROCESS` of the first process.
    pub process: u64,
    /// `ETHREAD` of the first thread.
    pub thread: u64,
    /// Where the other objects begin.
    pub objects: u64,
    /// The end of the first thread's kernel stack (`KTHREAD.InitialStack`).
    pub stack: u64,
    /// Bytes of that stack.
    pub stack_size: u64,
    /// The end of the stack that a double fault gets. Those of machine checks and NMIs follow it.
    pub fault_stack: u64,
    /// Where code that is loaded as a driver goes: near enough to the kernel for a row of a 64-bit service table, which
    /// reaches 128 MiB.
    pub driver: u64,
}

/// What the dispatch path touches lies in pages that differ in their low bits, and differ there from those of the user
/// stacks too: the engine's translation cache has one place for pages that do not.
const X64: SystemMap = SystemMap {
    lowest: 0xffff_8000_0000_0000,
    ntoskrnl: 0xffff_f800_02c0_0000,
    win32k: 0xffff_f960_0000_0000,
    shared_data: 0xffff_f780_0000_0000,
    gdt: 0xffff_f800_0204_0000,
    idt: 0xffff_f800_0204_1000,
    tss: 0xffff_f800_0204_2000,
    pcr: 0xffff_f800_0200_0000,
    process: 0xffff_fa80_0106_0000,
    thread: 0xffff_fa80_0118_4000,
    objects: 0xffff_fa80_0200_0000,
    stack: 0xffff_f880_0200_7000,
    stack_size: 0x6000,
    fault_stack: 0xffff_f880_0300_7000,
    driver: 0xffff_f800_050c_0000,
};

const X86: SystemMap = SystemMap {
    lowest: 0x8000_0000,
    ntoskrnl: 0x804e_0000,
    win32k: 0xbf80_0000,
    shared_data: 0xffdf_0000,
    gdt: 0x8003_8000,
    idt: 0x8003_8400,
    tss: 0x8004_2000,
    pcr: 0x8048_0000,
    process: 0x8106_0000,
    thread: 0x8118_4000,
    objects: 0x8200_0000,
    stack: 0xf800_4000,
    stack_size: 0x3000,
    fault_stack: 0xf801_4000,
    driver: 0xf7a0_0000,
};

impl SystemMap {
    /// The ends of the stacks that the task state segment of a 64-bit kernel has for interrupts: for double faults,
    /// machine checks and NMIs. A page that is not there lies between.
    pub fn interrupt_stacks(&self) -> [u64; 3] {
        std::array::from_fn(|n| self.fault_stack + n as u64 * (self.stack_size + 0x1000))
    }

    /// The map of a kernel.
    pub const fn of(arch: Arch) -> &'static Self {
        match arch {
            Arch::X86 => &X86,
            Arch::X64 => &X64,
        }
    }
}

/// How the kernel image calls the model: `int n` in ring 0, which no processor of the machine raises by itself. What a
/// gate returns is in RAX (EAX); like any function of the calling convention, it may change the volatile registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelGate {
    /// The service whose number (with the table's bits) is in EAX; arguments as a kernel function has them, the return
    /// address at the top of the stack. Returns its status.
    Service,
    /// `KiDispatchException`: RCX (ECX) is the `KTRAP_FRAME`, EDX the vector, R8 (EAX) CR2 of a page fault, and in
    /// 64-bit code R9 the IRQL. Returns when the trap frame is to be resumed.
    Exception,
    /// `KeBugCheckEx`: code and four parameters as a kernel function has them. Does not return.
    BugCheck,
    /// `KiConvertToGuiThread`. Returns 0, or a status.
    ConvertToGui,
    /// Flushes the thread's GDI batch.
    FlushGdi,
    /// `KiDeliverApc`: a user APC is pending. RCX (ECX) is the trap frame.
    DeliverApc,
}

impl KernelGate {
    /// Every gate, in the order of their vectors.
    pub const ALL: [Self; 6] =
        [Self::Service, Self::Exception, Self::BugCheck, Self::ConvertToGui, Self::FlushGdi, Self::DeliverApc];

    /// The first gate's vector. Windows gives the highest vectors to the processors' own interrupts, of which
    /// this machine has none.
    const FIRST: u8 = 0xf0;

    /// The interrupt's vector.
    pub const fn vector(self) -> u8 {
        Self::FIRST + self as u8
    }

    /// The gate of a vector.
    pub fn of_vector(vector: u8) -> Option<Self> {
        Self::ALL.get(usize::from(vector.checked_sub(Self::FIRST)?)).copied()
    }
}
