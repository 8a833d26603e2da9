//! Kernel space where the dispatcher runs as guest code: the kernel image, the processor's tables, the structures of the
//! first process and thread.
//!
//! Fields are those that the dispatch path, drivers and debuggers look at; the rest of each structure is zero.

use guest::asm::kernel::{KernelFeature, interrupts};
use guest::layout::BuildLayouts;
use guest::mem::PAGE_SIZE;
use guest::system::SystemMap;
use guest::{Arch, NtStatus};
use kernel_model::Kernel;
use kernel_model::mm::{Frame, Phys, Protect, section_protect};

use super::builtin::{self, Builtin};
use super::modules::Module;
use super::process::Start;
use super::{LoadError, Modules, Side, Target, kuser};
use crate::cpu::{self, Cpu, CpuError, Msr, Ram};
use guest::layout::StructBuilder;

/// What the machine needs to know of a kernel space.
#[derive(Clone, Debug)]
pub struct System {
    /// Where things are.
    pub map: &'static SystemMap,
    /// `KiSystemServiceExit` (`KiServiceExit`): where a call that cannot go on is answered.
    pub service_exit: u64,
    /// The code that copies a call's arguments from user memory.
    copy: std::ops::Range<u64>,
    /// Where `KTHREAD.PreviousMode` is.
    previous_mode: (Frame, usize),
    /// Where `KPCR.Irql` is.
    irql: (Frame, usize),
    /// Bytes of the code loaded as a driver.
    driver_size: u64,
    layouts: &'static BuildLayouts,
    arch: Arch,
}

impl System {
    /// Whether kernel code makes the call that is under way.
    #[inline]
    pub(crate) fn previous_mode_is_kernel(&self, ram: &Ram) -> bool {
        let mut mode = [0];
        ram.read(self.previous_mode.0, self.previous_mode.1, &mut mode);
        mode == [0]
    }

    /// The interrupt request level of a 32-bit kernel.
    pub(crate) fn irql(&self, ram: &Ram) -> u8 {
        let mut irql = [0];
        ram.read(self.irql.0, self.irql.1, &mut irql);
        irql[0]
    }

    /// Sets up the CPU's system registers.
    pub(crate) fn set_up(&self, cpu: &mut Cpu, modules: &Modules) -> Result<(), CpuError> {
        let (map, symbol) =
            (self.map, |name: &str| modules.kernel().next().and_then(|nt| nt.symbol(name)).unwrap_or(0));
        let (gdt_limit, idt_limit) = if self.arch == Arch::X64 { (0x5f, 0xfff) } else { (0x3f, 0x7ff) };
        let task = if self.arch == Arch::X64 { 0x40 } else { 0x28 };
        cpu.set_tables((map.gdt, gdt_limit), (map.idt, idt_limit), (map.tss, TSS_LIMIT as u32), task)?;
        let msrs: &[(Msr, u64)] = match self.arch {
            Arch::X64 => &[
                (Msr::Efer, EFER),
                (Msr::Star, STAR),
                (Msr::Lstar, symbol("KiSystemCall64")),
                (Msr::Cstar, symbol("KiSystemCall32")),
                (Msr::Fmask, FMASK),
                (Msr::KernelGsBase, map.pcr),
            ],
            Arch::X86 => &[
                (Msr::SysenterCs, 8),
                (Msr::SysenterEsp, map.fault_stack),
                (Msr::SysenterEip, symbol("KiFastCallEntry")),
            ],
        };
        msrs.iter().try_for_each(|&(msr, value)| cpu.set_msr(msr, value))
    }

    /// Whether an address is in the code that copies arguments.
    pub(crate) fn copies_arguments(&self, rip: u64) -> bool {
        self.copy.contains(&rip)
    }

    /// Whether an address is in the code loaded as a driver.
    pub(crate) fn is_driver(&self, va: u64) -> bool {
        va.wrapping_sub(self.map.driver) < self.driver_size
    }
}

/// A `KTRAP_FRAME` in guest memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrapFrame {
    at: u64,
    layouts: &'static BuildLayouts,
    arch: Arch,
}

impl TrapFrame {
    pub(crate) fn new(system: &System, at: u64) -> Self {
        Self { at, layouts: system.layouts, arch: system.arch }
    }

    /// A field, as wide as the machine; selectors and flags have zeros above.
    pub(crate) fn get(&self, kernel: &Kernel, ram: &Ram, field: &str) -> Option<u64> {
        let at = self.at.wrapping_add(self.layouts.offset("KTRAP_FRAME", field)?);
        let mut bytes = [0; 8];
        kernel.mm.peek(ram, at, bytes.get_mut(..self.arch.width().bytes())?)?;
        Some(u64::from_le_bytes(bytes))
    }

    /// Where it is.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Writes bytes at a field.
    pub(crate) fn set_bytes(&self, kernel: &mut Kernel, ram: &mut Ram, field: &str, bytes: &[u8]) {
        if let Some(at) = self.layouts.offset("KTRAP_FRAME", field) {
            kernel.mm.poke(ram, self.at.wrapping_add(at), bytes);
        }
    }

    pub(crate) fn set(&self, kernel: &mut Kernel, ram: &mut Ram, field: &str, value: u64) {
        if let Some(at) = self.layouts.offset("KTRAP_FRAME", field) {
            let bytes = value.to_le_bytes();
            kernel.mm.poke(ram, self.at.wrapping_add(at), bytes.get(..self.arch.width().bytes()).unwrap_or(&bytes));
        }
    }

    /// The instruction it goes on with.
    pub(crate) fn rip(&self, kernel: &Kernel, ram: &Ram) -> Option<u64> {
        self.get(kernel, ram, if self.arch == Arch::X64 { "Rip" } else { "Eip" })
    }

    pub(crate) fn set_rip(&self, kernel: &mut Kernel, ram: &mut Ram, value: u64) {
        self.set(kernel, ram, if self.arch == Arch::X64 { "Rip" } else { "Eip" }, value);
    }

    pub(crate) fn set_rax(&self, kernel: &mut Kernel, ram: &mut Ram, value: u64) {
        self.set(kernel, ram, if self.arch == Arch::X64 { "Rax" } else { "Eax" }, value);
    }
}

/// `syscall` and `sysret` are there, long mode is on, pages may be no code.
const EFER: u64 = 0xd01;
/// The code segments that `syscall` and `sysret` load.
const STAR: u64 = 0x0023_0010_0000_0000;
/// What `syscall` clears: TF, IF, DF, NT.
const FMASK: u64 = 0x4700;
/// The id that kernel structures show of the System process.
const SYSTEM_PROCESS: u64 = 4;
/// `DISPATCHER_HEADER.Type` of a process and a thread.
const PROCESS_OBJECT: u8 = 3;
const THREAD_OBJECT: u8 = 6;
/// `KTHREAD.State`: it runs.
const RUNNING: u8 = 2;
/// `KTHREAD.PreviousMode`.
const USER_MODE: u8 = 1;
/// MXCSR as the kernel has it.
const MXCSR: u32 = 0x1f80;
/// Task state segment: its limit, and where its I/O map would be.
const TSS_LIMIT: u64 = 0x67;

/// A kernel space in the making.
struct Builder<'a, 'b> {
    target: &'a mut Target<'b>,
    map: &'static SystemMap,
    side: Side,
    nt: Module,
}

/// Makes kernel space. `driver` is code for ring 0.
pub(crate) fn load(
    target: &mut Target<'_>, modules: &mut Modules, start: &Start, driver: Option<(&str, &[u8])>,
) -> Result<System, LoadError> {
    let profile = target.profile();
    let map = SystemMap::of(profile.arch);
    let no_memory = |status| LoadError::NoMemory { file: "ntoskrnl.exe".into(), status };
    let missing = || no_memory(NtStatus::ENTRYPOINT_NOT_FOUND);
    let nt = builtin::kernel(profile, "ntoskrnl.exe")?.ok_or_else(missing)?;
    let win32k = builtin::kernel(profile, "win32k.sys")?;
    let nt = image(target, &nt, "nt", "ntoskrnl.exe").map_err(no_memory)?;
    let win32k = win32k.map(|w| image(target, &w, "win32k", "win32k.sys")).transpose().map_err(no_memory)?;
    let side = Side::new(profile, profile.arch);
    let mut builder = Builder { target, map, side, nt };
    builder.tables(start).map_err(no_memory)?;
    builder.processor().map_err(no_memory)?;
    builder.objects().map_err(no_memory)?;
    builder.variables().map_err(no_memory)?;
    let driver_size = builder.driver(driver.map_or(&[], |(_, code)| code)).map_err(no_memory)?;
    let system = builder.system(driver_size).ok_or_else(|| no_memory(NtStatus::ENTRYPOINT_NOT_FOUND))?;
    modules.add_kernel(builder.nt);
    win32k.into_iter().for_each(|w| modules.add_kernel(w));
    if let Some((name, code)) = driver {
        modules.add_kernel(Module {
            name: name.to_string(),
            arch: profile.arch,
            path: name.to_string(),
            base: map.driver,
            size: (code.len() as u64).next_multiple_of(PAGE_SIZE),
            image: None,
            symbols: Vec::new(),
        });
    }
    super::about::tell_images(target, modules);
    Ok(system)
}

/// Maps a kernel image at its own base.
fn image(target: &mut Target<'_>, built: &Builtin, alias: &str, file: &str) -> Result<Module, NtStatus> {
    let image = &built.image;
    let size = image.bytes.len() as u64;
    let Target { kernel, ram, .. } = target;
    kernel.mm.map_system(*ram, image.base, size, Protect::READONLY)?;
    for (page, bytes) in (0..).zip(image.bytes.chunks(PAGE_SIZE as usize)) {
        kernel.mm.poke(*ram, image.base + page * PAGE_SIZE, bytes);
    }
    for section in &image.sections {
        // Nobody copies on write here.
        let protect = match section_protect(section) {
            Protect::WRITECOPY => Protect::READWRITE,
            Protect::EXECUTE_WRITECOPY => Protect::EXECUTE_READWRITE,
            other => other,
        };
        kernel.mm.protect_system(image.base + u64::from(section.rva), section.size.into(), protect);
    }
    Ok(Module {
        name: format!("{alias}.sys"),
        arch: image.arch,
        path: format!("C:\\Windows\\System32\\{file}"),
        base: image.base,
        size,
        image: Some(image.clone()),
        symbols: built.symbols.clone(),
    })
}

impl Builder<'_, '_> {
    fn map(&mut self, va: u64, len: u64) -> Result<(), NtStatus> {
        self.target.kernel.mm.map_system(self.target.ram, va, len, Protect::READWRITE)
    }

    fn write(&mut self, va: u64, bytes: &[u8]) -> Result<(), NtStatus> {
        self.target.write(va, bytes)
    }

    /// Bytes of a pointer.
    fn word(&self, value: u64) -> Vec<u8> {
        value.to_le_bytes().get(..self.side.width().bytes()).map(<[u8]>::to_vec).unwrap_or_default()
    }

    fn is_64(&self) -> bool {
        self.side.arch == Arch::X64
    }

    /// GDT, IDT, TSS, and the stacks.
    fn tables(&mut self, start: &Start) -> Result<(), NtStatus> {
        let map = self.map;
        for (at, len) in [(map.gdt, PAGE_SIZE), (map.idt, PAGE_SIZE), (map.tss, PAGE_SIZE)] {
            self.map(at, len)?;
        }
        self.map(map.stack - map.stack_size, map.stack_size)?;
        self.map(map.fault_stack - map.stack_size, map.stack_size)?;
        for &(selector, descriptor) in cpu::descriptors(self.side.arch) {
            self.write(map.gdt + selector as u64, &descriptor.to_le_bytes())?;
        }
        let based = |base: u64, limit: u64, access: u64| {
            limit & 0xffff
                | (base & 0xff_ffff) << 16
                | access << 40
                | (limit >> 16 & 0xf) << 48
                | (base >> 24 & 0xff) << 56
        };
        // A busy TSS; the data segments of FS lead to the TEB and, in a 32-bit kernel, to the processor's area.
        if self.is_64() {
            self.write(map.gdt + 0x40, &based(map.tss, TSS_LIMIT, 0x8b).to_le_bytes())?;
            self.write(map.gdt + 0x48, &(map.tss >> 32).to_le_bytes())?;
            self.write(map.gdt + 0x50, &based(start.fs_base.into(), 0x40_3c00, 0xf3).to_le_bytes())?;
        } else {
            self.write(map.gdt + 0x28, &based(map.tss, TSS_LIMIT, 0x8b).to_le_bytes())?;
            self.write(map.gdt + 0x30, &(based(map.pcr, 0xf_ffff, 0x93) | 0xc0 << 48).to_le_bytes())?;
            self.write(map.gdt + 0x38, &(based(start.fs_base.into(), 0xfff, 0xf3) | 0x40 << 48).to_le_bytes())?;
        }
        self.gates()?;
        let mut tss = StructBuilder::new(&self.side, if self.is_64() { "KTSS64" } else { "KTSS" });
        if self.is_64() {
            tss.u64("Rsp0", map.stack).u16("IoMapBase", 0x68);
            // The first place is none: a gate's 0 stands for no stack of its own.
            for (n, stack) in (1..).zip(map.interrupt_stacks()) {
                self.map(stack - map.stack_size, map.stack_size)?;
                tss.bytes("Ist", 8 * n, &stack.to_le_bytes());
            }
        } else {
            tss.u32("Esp0", self.stack_top() as u32).u16("Ss0", 0x10).u16("IoMapBase", 0x68);
        }
        let tss = tss.finish();
        self.write(map.tss, tss.get(..0x68).unwrap_or(&tss))
    }

    /// Where the processor puts a frame of a 32-bit kernel: below the floating-point save area (210h bytes) and the four
    /// segment registers of virtual-8086 mode that a `KTRAP_FRAME` ends with.
    fn stack_top(&self) -> u64 {
        if self.is_64() { self.map.stack } else { self.map.stack - 0x210 - 0x10 }
    }

    /// The IDT.
    fn gates(&mut self) -> Result<(), NtStatus> {
        let code: u64 = if self.is_64() { 0x10 } else { 8 };
        for interrupt in interrupts(self.side.arch) {
            let Some(target) = self.nt.symbol(interrupt.symbol) else { continue };
            let low = target & 0xffff
                | code << 16
                | (0x8e00 | u64::from(interrupt.dpl) << 13) << 32
                | (target & 0xffff_0000) << 32
                | u64::from(interrupt.ist) << 32;
            if self.is_64() {
                let bytes = [low, target >> 32].map(u64::to_le_bytes).concat();
                self.write(self.map.idt + 16 * u64::from(interrupt.vector), &bytes)?;
            } else {
                self.write(self.map.idt + 8 * u64::from(interrupt.vector), &low.to_le_bytes())?;
            }
        }
        Ok(())
    }

    /// `KPCR` and `KPRCB`.
    fn processor(&mut self) -> Result<(), NtStatus> {
        let map = self.map;
        let mut pcr = StructBuilder::new(&self.side, "KPCR");
        let prcb_at = map.pcr + pcr.offset(if self.is_64() { "Prcb" } else { "PrcbData" });
        pcr.word("Self", map.pcr)
            .word("SelfPcr", map.pcr)
            .word("CurrentPrcb", prcb_at)
            .word("Prcb", prcb_at)
            .word("GdtBase", map.gdt)
            .word("GDT", map.gdt)
            .word("IdtBase", map.idt)
            .word("IDT", map.idt)
            .word("TssBase", map.tss)
            .word("TSS", map.tss)
            .u16("MajorVersion", 1)
            .u16("MinorVersion", 1);
        if !self.is_64() {
            // NT_TIB.ExceptionList: its end.
            pcr.bytes("NtTib", 0, &u32::MAX.to_le_bytes());
        }
        let pcr = pcr.finish();
        let mut prcb = StructBuilder::new(&self.side, "KPRCB");
        prcb.word("CurrentThread", map.thread)
            .word("IdleThread", map.thread)
            .u32("MxCsr", MXCSR)
            .u64("RspBase", map.stack)
            .u64("RspBaseShadow", map.stack)
            .u16("MajorVersion", 1)
            .u16("MinorVersion", 1);
        let prcb = prcb.finish();
        self.map(map.pcr, (prcb_at - map.pcr) + prcb.len() as u64 + PAGE_SIZE)?;
        self.write(map.pcr, &pcr)?;
        self.write(prcb_at, &prcb)
    }

    /// `EPROCESS` and `ETHREAD` of the program, and before it in the list those of the processes that were made at boot.
    fn objects(&mut self) -> Result<(), NtStatus> {
        let map = self.map;
        let (process, thread) = (&self.target.kernel.ps.process, &self.target.kernel.ps.thread);
        let (pid, tid) = (u64::from(process.id.0), u64::from(thread.id.0));
        let (peb, teb) = (process.peb, thread.teb);
        let kernel = &self.target.kernel;
        let mut listed: Vec<_> = kernel.ps.iter().filter(|p| p.about.boot_order.is_some()).collect();
        listed.sort_by_key(|process| process.about.boot_order);
        listed.push(&kernel.ps.process);
        let shown: Vec<_> = listed
            .iter()
            .map(|p| (kernel.address_of(p.object), u64::from(p.id.0), u64::from(p.parent.0), p.image.clone()))
            .collect();
        let head = self.nt.symbol("PsActiveProcessHead");
        let links = self.side.offset("EPROCESS", "ActiveProcessLinks");
        let mut ring: Vec<u64> = shown.iter().map(|row| row.0 + links).collect();
        ring.extend(head);
        for (at, id, parent, name) in shown {
            let file = super::base_name(&name).as_bytes().iter().take(14).copied().collect::<Vec<_>>();
            let mut out = StructBuilder::new(&self.side, "EPROCESS");
            out.u8("Pcb", PROCESS_OBJECT)
                .word("UniqueProcessId", id)
                .word("InheritedFromUniqueProcessId", parent)
                .word("Peb", if id == pid { peb } else { 0 })
                .bytes("ImageFileName", 0, &file)
                .word("ObjectTable", at + 0x8000)
                .word("Token", at + 0x9000);
            let out = out.finish();
            let room = if id == pid || id == SYSTEM_PROCESS { 0xa000 } else { out.len() as u64 };
            self.map(at, room)?;
            self.write(at, &out)?;
        }
        for (index, at) in ring.iter().enumerate() {
            let next = ring.get((index + 1) % ring.len()).copied().unwrap_or(*at);
            let before = ring.get((index + ring.len() - 1) % ring.len()).copied().unwrap_or(*at);
            let bytes = [self.word(next), self.word(before)].concat();
            self.write(*at, &bytes)?;
        }
        let (thread_side, apc) = (self.side, self.side.offset("KAPC_STATE", "Process"));
        let offset = |field: &str| thread_side.offset("KTHREAD", field);
        let mut ethread = StructBuilder::new(&thread_side, "ETHREAD");
        let width = self.side.width().bytes() as u64;
        ethread.u8("Tcb", THREAD_OBJECT).word_at("Cid", 0, pid).word_at("Cid", width, tid);
        for (field, value) in [
            ("InitialStack", map.stack),
            ("StackBase", map.stack),
            ("StackLimit", map.stack - map.stack_size),
            ("KernelStack", map.stack - 0x400),
            ("Teb", teb),
            ("Process", map.process),
        ] {
            if let Some(at) = thread_side.layouts.offset("KTHREAD", field) {
                ethread.word_at("Tcb", at, value);
            }
        }
        ethread.word_at("Tcb", offset("ApcState") + apc, map.process);
        ethread.bytes("Tcb", offset("PreviousMode"), &[USER_MODE]).bytes("Tcb", offset("State"), &[RUNNING]);
        if let (Some(at), Some(table)) =
            (thread_side.layouts.offset("KTHREAD", "ServiceTable"), self.nt.symbol("KeServiceDescriptorTable"))
        {
            ethread.word_at("Tcb", at, table);
        }
        let ethread = ethread.finish();
        self.map(map.thread, ethread.len() as u64)?;
        self.write(map.thread, &ethread)
    }

    fn set(&mut self, name: &str, value: u64, bytes: usize) -> Result<(), NtStatus> {
        let Some(at) = self.nt.symbol(name) else { return Ok(()) };
        self.write(at, value.to_le_bytes().get(..bytes).unwrap_or(&[]))
    }

    /// The kernel image's own variables.
    fn variables(&mut self) -> Result<(), NtStatus> {
        let profile = self.target.profile();
        let width = self.side.width().bytes();
        self.set("KeSmapEnabled", u64::from(KernelFeature::Smap.of(profile)), 1)?;
        self.set("KiFastSystemCallReturn", self.target.kernel.ps.process.sysexit_to.into(), width)?;
        self.set("PsInitialSystemProcess", self.map.process - 0x1_0000, width)?;
        self.target.kernel.mm.show_in_system(kuser::USER_VA, self.map.shared_data, Protect::READWRITE)
    }

    /// Code that is loaded as a driver; its size.
    fn driver(&mut self, code: &[u8]) -> Result<u64, NtStatus> {
        if code.is_empty() {
            return Ok(0);
        }
        let map = self.map;
        let size = code.len() as u64;
        let protect = Protect::EXECUTE_READWRITE;
        self.target.kernel.mm.map_system(self.target.ram, map.driver, size, protect)?;
        self.write(map.driver, code)?;
        let width = self.side.width().bytes();
        self.set("KiDriverEntry", map.driver, width)?;
        self.set("KiDriverObject", self.nt.base, width)?;
        self.set("KiRegistryPath", map.driver, width)?;
        Ok(size.next_multiple_of(PAGE_SIZE))
    }

    fn system(&self, driver_size: u64) -> Option<System> {
        let mm = &self.target.kernel.mm;
        let place = |va: u64| Some((mm.system_frame(va)?, (va % PAGE_SIZE) as usize));
        let (exit, copy) = if self.is_64() {
            ("KiSystemServiceExit", ["KiSystemServiceCopyStart", "KiSystemServiceCopyEnd"])
        } else {
            ("KiServiceExit", ["KiSystemServiceCopyStart", "KiSystemServiceCopyEnd"])
        };
        Some(System {
            map: self.map,
            service_exit: self.nt.symbol(exit)?,
            copy: self.nt.symbol(copy[0])?..self.nt.symbol(copy[1])?,
            previous_mode: place(self.map.thread + self.side.layouts.offset("KTHREAD", "PreviousMode")?)?,
            irql: place(self.map.pcr + self.side.layouts.offset("KPCR", "Irql")?)?,
            driver_size,
            layouts: self.side.layouts,
            arch: self.side.arch,
        })
    }
}
