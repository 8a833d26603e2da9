//! Into ring 0: what `syscall`, `sysenter` and interrupts do to a CPU that has a kernel.
//!
//! The engine does none of it by itself: it calls hooks for these instructions, never looks at the IDT, and writing CS
//! does not change its CPL. The CPL, the code segment and the flags that belong to them lie in the CPU context, which
//! can be saved, changed and restored. Where, is found once, by comparing contexts of rings 0 and 3 that are equal
//! otherwise; whatever does not fit the expectation is refused, so that nothing is changed that is not understood.
//! Only the beginning of the context is copied each time: the general registers, RIP, flags and segments.

use std::ffi::c_int;

use guest::convention::TrapRegs;
use unicorn_engine::RegisterX86 as R;
use unicorn_engine::unicorn_const::{uc_x86_mmr, uc_x86_msr};

use super::ffi::{Context, Engine};
use super::registers;

/// Model-specific registers of the ways into the kernel (Intel SDM volume 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Msr {
    /// `IA32_SYSENTER_CS`
    SysenterCs = 0x174,
    /// `IA32_SYSENTER_ESP`
    SysenterEsp = 0x175,
    /// `IA32_SYSENTER_EIP`
    SysenterEip = 0x176,
    /// `IA32_EFER`
    Efer = 0xc000_0080,
    /// `IA32_STAR`
    Star = 0xc000_0081,
    /// `IA32_LSTAR`
    Lstar = 0xc000_0082,
    /// `IA32_CSTAR`
    Cstar = 0xc000_0083,
    /// `IA32_FMASK`
    Fmask = 0xc000_0084,
    /// `IA32_KERNEL_GS_BASE`
    KernelGsBase = 0xc000_0102,
}

/// The registers of the ways in, as they were when they were last read: only `wrmsr`, `lidt` and `ltr` change them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EntryMsrs {
    pub lstar: u64,
    pub fmask: u64,
    pub sysenter_eip: u64,
    pub sysenter_esp: u64,
    /// Base and limit of the interrupt descriptor table, and of the task state segment.
    pub idt_and_tss: [(u64, u32); 2],
}

/// A way into ring 0. `None`: the register stays what it is.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Where ring 0 goes on.
    pub rip: u64,
    /// The kernel's stack.
    pub rsp: Option<u64>,
    /// RCX and R11, which `syscall` sets.
    pub rcx_r11: Option<(u64, u64)>,
    /// Flags that are cleared.
    pub clears: u64,
}

/// TF, IF, NT, VM, RF, AC and IOPL: the flags that the engine keeps as they are. The others it computes when asked.
const KEPT_FLAGS: u64 = 0x0007_7300;
/// DF, which it keeps on its own.
const DIRECTION: u64 = 0x400;
/// CF, PF, AF, ZF, SF, OF: computed.
const COMPUTED_FLAGS: u64 = 0x8d5;

/// Offsets from RAX in the engine's CPU state (QEMU's CPUX86State): sixteen general registers, then these.
const RIP: usize = 128;
const FLAGS: usize = 136;
const DF: usize = 172;
const HFLAGS: usize = 176;
const HFLAGS2: usize = 180;
/// Six segments of 24 bytes: ES, CS, SS, DS, FS, GS; a selector first.
const SEGMENTS: usize = 184;
const SEGMENT: usize = 24;
const CS: usize = SEGMENTS + SEGMENT;
const SS: usize = SEGMENTS + 2 * SEGMENT;
/// Up to where the context is copied at every entry.
const WINDOW: usize = SEGMENTS + 6 * SEGMENT;
/// Bytes of an XMM register in the context, and how many of them a return from a system call writes.
const XMM: usize = 64;
const VOLATILE_XMM: usize = registers::VOLATILE_XMM.len();
/// In HFLAGS2: the CPU keeps CR8 by itself, instead of asking an interrupt controller, of which the engine has none
/// (QEMU's HF2_VINTR_MASK).
const OWN_CR8: u32 = 8;

/// The CPU's way into ring 0.
pub(super) struct Ring0 {
    window: Context,
    /// Where RAX is in the context.
    base: usize,
    /// Where XMM0 is from RAX on, if the window reaches over XMM0-5.
    xmm: Option<usize>,
    kernel: Mode,
    /// User code of both widths, where there are two.
    user: [Mode; 2],
    msrs: Option<EntryMsrs>,
}

/// CS, SS and the flags that belong to them, as the context has them in one mode.
#[derive(Clone, Copy)]
struct Mode {
    cs: [u8; SEGMENT],
    ss: [u8; SEGMENT],
    hflags: [u8; 4],
}

impl Mode {
    fn of(context: &[u8], base: usize) -> Self {
        let segment = |at: usize| std::array::from_fn(|i| context.get(base + at + i).copied().unwrap_or(0));
        Self { cs: segment(CS), ss: segment(SS), hflags: word(context, base + HFLAGS).to_le_bytes() }
    }

    fn selector(&self) -> u16 {
        word(&self.cs, 0) as u16
    }

    fn put(&self, context: &mut [u8], base: usize) {
        put(context, base + HFLAGS, &self.hflags);
        put(context, base + CS, &self.cs);
        put(context, base + SS, &self.ss);
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn quad(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

impl Ring0 {
    /// Finds out what differs between the rings. `kernel` is a context of ring 0, `compatible` one of user code of the
    /// other width, and the engine stands in ring 3; all with the same general registers and flags. The window reaches over
    /// XMM0-5 where those are written at every return, and not by kernel code.
    pub(super) fn calibrate(
        engine: &Engine, kernel: &Context, compatible: Option<&Context>, selectors: [u64; 4], with_xmm: bool,
    ) -> Result<Self, String> {
        let user = engine.save().map_err(|e| format!("saving the context: {e:?}"))?;
        let base = locate(engine)?;
        let (r0, r3) = (kernel.bytes(), user.bytes());
        only_mode_differs(r0, r3, base)?;
        let other = compatible.map_or(r3, Context::bytes);
        only_mode_differs(other, r3, base)?;
        let found = [(r3, CS), (r3, SS), (r0, CS), (r0, SS)].map(|(ring, at)| u64::from(word(ring, base + at)));
        if found != selectors || [word(r0, base + HFLAGS) & 3, word(r3, base + HFLAGS) & 3] != [0, 3] {
            return Err(format!("selectors {found:x?} where {selectors:x?} were expected"));
        }
        let (kernel, user) = (Mode::of(r0, base), [r3, other].map(|context| Mode::of(context, base)));
        // From now on CR8 reads what was written to it.
        let mut own = engine.save().map_err(|e| format!("saving the context: {e:?}"))?;
        let bits = word(own.bytes(), base + HFLAGS2) | OWN_CR8;
        put(own.bytes_mut(), base + HFLAGS2, &bits.to_le_bytes());
        engine.restore(&own).map_err(|e| format!("restoring the context: {e:?}"))?;
        let xmm = if with_xmm { locate_xmm(engine)?.checked_sub(base) } else { None };
        own.shorten(base + xmm.map_or(WINDOW, |xmm| xmm + VOLATILE_XMM * XMM))?;
        Ok(Self { window: own, base, xmm, kernel, user, msrs: None })
    }

    /// A ring-0 register has been written: what is known of the ways in may be wrong.
    pub(super) fn forget_msrs(&mut self) {
        self.msrs = None;
    }

    /// The registers of the ways in.
    pub(super) fn msrs(&mut self, engine: &Engine) -> EntryMsrs {
        let read = |msr| read_msr(engine, msr);
        *self.msrs.get_or_insert_with(|| EntryMsrs {
            lstar: read(Msr::Lstar),
            fmask: read(Msr::Fmask),
            sysenter_eip: read(Msr::SysenterEip),
            sysenter_esp: read(Msr::SysenterEsp),
            idt_and_tss: idt_and_tss(engine),
        })
    }

    /// The sixteen general registers in the order of their numbers: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    pub(super) fn look(&mut self, engine: &Engine) -> [u64; 16] {
        engine.save_to(&mut self.window);
        self.general().map_or([0; 16], |words| words.map(u64::from_le_bytes))
    }

    /// The general registers in the window.
    #[inline]
    fn general(&self) -> Option<&[[u8; 8]; 16]> {
        self.window.bytes().get(self.base..)?.as_chunks().0.first_chunk()
    }

    /// What a 64-bit system call reads. RIP is the caller's to know.
    #[inline]
    pub(super) fn trap_regs(&mut self, engine: &Engine, rip: u64) -> TrapRegs {
        let mut rflags = [0];
        engine.read(&[R::RFLAGS as c_int], &mut rflags);
        engine.save_to(&mut self.window);
        let Some([rax, _, rdx, _, rsp, rbp, _, _, r8, r9, r10, ..]) = self.general() else {
            return TrapRegs::default();
        };
        let [rax, rdx, rsp, rbp, r8, r9, r10] = [rax, rdx, rsp, rbp, r8, r9, r10].map(|w| u64::from_le_bytes(*w));
        TrapRegs { rax, rdx, r8, r9, r10, rsp, rbp, rflags: rflags[0], rip }
    }

    /// Writes what `sysretq` leaves (RAX, RCX, RDX, R8 to R11; XMM0-5 zero), in the hook that has called
    /// [`Ring0::trap_regs`]: nothing else has changed since.
    #[inline]
    pub(super) fn sysret(&mut self, engine: &Engine, values: &[u64; 7]) {
        let base = self.base;
        let general = self.window.bytes_mut().get_mut(base..).and_then(|b| b.as_chunks_mut().0.first_chunk_mut::<16>());
        if let Some([rax, rcx, rdx, _, _, _, _, _, r8, r9, r10, r11, ..]) = general {
            for (place, value) in [rax, rcx, rdx, r8, r9, r10, r11].into_iter().zip(values) {
                *place = value.to_le_bytes();
            }
        }
        if let Some(xmm) = self.xmm
            && let Some(bytes) = self.window.bytes_mut().get_mut(base + xmm..)
        {
            // Above the lower 16 bytes a register has what AVX would have there.
            bytes.chunks_mut(XMM).take(VOLATILE_XMM).for_each(|register| put(register, 0, &[0; 16]));
        }
        // It was saved from this engine, so restoring cannot fail for a reason of ours.
        let _ = engine.restore(&self.window);
        if self.xmm.is_none() {
            registers::clear_xmm(engine);
        }
    }

    /// Sets RAX, and nothing else.
    pub(super) fn set_rax(engine: &Engine, value: u64) {
        engine.write(&[R::RAX as c_int], &[value]);
    }

    /// Has ring 3 go on with a code segment of the other width, if it is one.
    pub(super) fn set_user_code(&mut self, engine: &Engine, cs: u16) {
        let Some(mode) = self.user.iter().find(|mode| mode.selector() == cs) else { return };
        engine.save_to(&mut self.window);
        mode.put(self.window.bytes_mut(), self.base);
        // It has just been saved from this engine, so restoring cannot fail for a reason of ours.
        let _ = engine.restore(&self.window);
    }

    /// Goes into ring 0. `after`: what the engine adds to RIP when the hook returns that this is called from.
    pub(super) fn enter(&mut self, engine: &Engine, entry: &Entry, after: u64) {
        engine.save_to(&mut self.window);
        let base = self.base;
        let bytes = self.window.bytes_mut();
        let mut set = |at: usize, value: u64| put(bytes, base + at, &value.to_le_bytes());
        set(RIP, entry.rip.wrapping_sub(after));
        if let Some(rsp) = entry.rsp {
            set(8 * 4, rsp);
        }
        if let Some((rcx, r11)) = entry.rcx_r11 {
            set(8, rcx);
            set(8 * 11, r11);
        }
        let flags = quad(bytes, base + FLAGS) & !(entry.clears & KEPT_FLAGS);
        put(bytes, base + FLAGS, &flags.to_le_bytes());
        if entry.clears & DIRECTION != 0 {
            // 1 and -1 stand for a clear and a set flag.
            put(bytes, base + DF, &1_u32.to_le_bytes());
        }
        self.kernel.put(bytes, base);
        // It has just been saved from this engine, so restoring cannot fail for a reason of ours.
        let _ = engine.restore(&self.window);
        if entry.clears & COMPUTED_FLAGS != 0 {
            let mut flags = [0];
            engine.read(&[R::RFLAGS as c_int], &mut flags);
            engine.write(&[R::RFLAGS as c_int], &[flags[0] & !entry.clears]);
        }
    }
}

/// That two contexts differ in nothing but their mode. What lies before the registers is Unicorn's own.
fn only_mode_differs(a: &[u8], b: &[u8], base: usize) -> Result<(), String> {
    let known = |at: usize| {
        let of = at.wrapping_sub(base);
        of == HFLAGS || (CS..CS + SEGMENT).contains(&of) || (SS..SS + SEGMENT).contains(&of)
    };
    let words = (base / 4..a.len().min(b.len()) / 4).map(|i| 4 * i);
    match words.filter(|&at| word(a, at) != word(b, at)).find(|&at| !known(at)) {
        Some(strange) => Err(format!("two modes' contexts differ at {strange:#x}, RAX being at {base:#x}")),
        None => Ok(()),
    }
}

/// Where RAX is in a context, and with it the other registers: two values tell them from whatever else has the same.
fn locate(engine: &Engine) -> Result<usize, String> {
    const MARKS: [u64; 2] = [0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321];
    let ids = [R::RAX as c_int, R::R15 as c_int, R::RIP as c_int];
    let mut before = [0; 3];
    engine.read(&ids, &mut before);
    let mut candidates: Option<Vec<usize>> = None;
    for mark in MARKS {
        engine.write(&ids, &[mark, mark ^ 0x5555, mark ^ 0xaaaa]);
        let context = engine.save().map_err(|e| format!("saving the context: {e:?}"))?;
        let bytes = context.bytes();
        let fits = |&at: &usize| {
            quad(bytes, at) == mark
                && quad(bytes, at + 8 * 15) == mark ^ 0x5555
                && quad(bytes, at + RIP) == mark ^ 0xaaaa
        };
        let left = candidates.unwrap_or_else(|| (0..bytes.len()).step_by(4).collect());
        candidates = Some(left.into_iter().filter(fits).collect());
    }
    engine.write(&ids, &before);
    match candidates.as_deref() {
        Some([base]) => Ok(*base),
        other => Err(format!("the general registers are at {other:x?} of the context")),
    }
}

/// Where XMM0 is in a context, found as [`locate`] finds RAX. The registers are zero before.
fn locate_xmm(engine: &Engine) -> Result<usize, String> {
    let marks: [[u64; 2]; VOLATILE_XMM] = std::array::from_fn(|n| [0x1122_3344_5566_7788 + n as u64, !(n as u64)]);
    engine.write_wide(&registers::VOLATILE_XMM, &marks);
    let context = engine.save().map_err(|e| format!("saving the context: {e:?}"))?;
    engine.write_wide(&registers::VOLATILE_XMM, &[[0; 2]; VOLATILE_XMM]);
    let bytes = context.bytes();
    let is_there = |&at: &usize| {
        let at_register =
            |(n, mark): (usize, &[u64; 2])| [quad(bytes, at + n * XMM), quad(bytes, at + n * XMM + 8)] == *mark;
        marks.iter().enumerate().all(at_register)
    };
    let found: Vec<usize> = (0..bytes.len()).step_by(8).filter(is_there).collect();
    match found[..] {
        [at] => Ok(at),
        _ => Err(format!("XMM0-5 are at {found:x?} of the context")),
    }
}

/// Reads a model-specific register.
pub(super) fn read_msr(engine: &Engine, msr: Msr) -> u64 {
    let mut value = uc_x86_msr { rid: msr as u32, value: 0 };
    engine.read_struct(R::MSR as c_int, &mut value);
    value.value
}

/// Writes a model-specific register.
pub(super) fn write_msr(engine: &Engine, msr: Msr, value: u64) -> Result<(), String> {
    let value = uc_x86_msr { rid: msr as u32, value };
    engine.write_struct(R::MSR as c_int, &value).map_err(|e| format!("{msr:?}: {e:?}"))
}

/// `CR0.WP`.
const WRITE_PROTECT: u64 = 0x1_0000;

/// Whether read-only pages are read-only for ring 0 too.
pub(super) fn write_protect(engine: &Engine) -> bool {
    let mut v = [0];
    engine.read(&[R::CR0 as c_int], &mut v);
    v[0] & WRITE_PROTECT != 0
}

/// Makes them so.
pub(super) fn set_write_protect(engine: &Engine) {
    let mut v = [0];
    engine.read(&[R::CR0 as c_int], &mut v);
    engine.write(&[R::CR0 as c_int], &[v[0] | WRITE_PROTECT]);
}

/// Base and limit of the interrupt descriptor table, and of the task state segment.
pub(super) fn idt_and_tss(engine: &Engine) -> [(u64, u32); 2] {
    [table(engine, R::IDTR), table(engine, R::TR)]
}

/// A descriptor table's or the task segment's register.
fn table(engine: &Engine, id: R) -> (u64, u32) {
    let mut value = uc_x86_mmr { selector: 0, base: 0, limit: 0, flags: 0 };
    engine.read_struct(id as c_int, &mut value);
    (value.base, value.limit)
}

/// Loads a descriptor table's or the task segment's register.
pub(super) fn set_table(engine: &Engine, id: R, selector: u16, base: u64, limit: u32) -> Result<(), String> {
    // A busy TSS, present: what a task register has.
    let flags = if id == R::TR { 0x8b00 } else { 0 };
    let value = uc_x86_mmr { selector, base, limit, flags };
    engine.write_struct(id as c_int, &value).map_err(|e| format!("{id:?}: {e:?}"))
}
