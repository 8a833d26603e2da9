//! The kernel image of every build: files that other tools open, service tables that mean what the profile says, and
//! the shapes of the paths that have been published.

use std::collections::BTreeMap;

use guest::asm::kernel::{Interrupt, KernelFeature, Pushes, interrupts};
use guest::asm::{self, BuiltinDll};
use guest::pe::PeImage;
use guest::services::ServiceTableId::{self, Nt, Win32k};
use guest::system::{KernelGate, SystemMap};
use guest::{Arch, Profile};
use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use serde_json::Value;

/// An image with its symbols.
struct Image {
    profile: &'static Profile,
    dll: BuiltinDll,
    pe: PeImage,
    symbols: BTreeMap<String, u64>,
}

impl Image {
    fn of(profile: &'static Profile, dll: BuiltinDll) -> Self {
        let pe = PeImage::parse(&dll.image).unwrap_or_else(|e| panic!("{} {}: {e}", profile.name, dll.name));
        let symbols = dll.symbols.iter().map(|(rva, name)| (name.clone(), pe.base + u64::from(*rva))).collect();
        Self { profile, dll, pe, symbols }
    }

    fn nt(profile: &'static Profile) -> Self {
        Self::of(profile, asm::ntoskrnl(profile).unwrap_or_else(|e| panic!("{}: {e}", profile.name)))
    }

    fn win32k(profile: &'static Profile) -> Option<Self> {
        let dll = asm::win32k(profile).unwrap_or_else(|e| panic!("{}: {e}", profile.name));
        dll.map(|dll| Self::of(profile, dll))
    }

    fn is_64(&self) -> bool {
        self.profile.arch == Arch::X64
    }

    fn symbol(&self, name: &str) -> u64 {
        *self.symbols.get(name).unwrap_or_else(|| panic!("{} {}: no {name}", self.profile.name, self.dll.name))
    }

    fn bytes(&self, va: u64, len: u64) -> &[u8] {
        let there = self.pe.slice(va - self.pe.base, len);
        there.unwrap_or_else(|| panic!("{} {}: nothing at {va:#x}", self.profile.name, self.dll.name))
    }

    fn u32(&self, va: u64) -> u32 {
        u32::from_le_bytes(self.bytes(va, 4).try_into().expect("four bytes"))
    }

    /// A pointer.
    fn word(&self, va: u64) -> u64 {
        let high = if self.is_64() { u64::from(self.u32(va + 4)) << 32 } else { 0 };
        high | u64::from(self.u32(va))
    }

    /// Instructions from an address on.
    fn code(&self, va: u64, len: u64) -> Vec<Instruction> {
        let bytes = self.bytes(va, len);
        Decoder::with_ip(self.profile.arch.bits(), bytes, va, DecoderOptions::NONE).iter().collect()
    }

    fn between(&self, from: &str, to: &str) -> Vec<Instruction> {
        self.code(self.symbol(from), self.symbol(to) - self.symbol(from))
    }
}

fn images() -> impl Iterator<Item = Image> {
    Profile::all().iter().flat_map(|p| std::iter::once(Image::nt(p)).chain(Image::win32k(p)))
}

fn x64() -> impl Iterator<Item = &'static Profile> {
    Profile::all().iter().filter(|p| p.arch == Arch::X64)
}

#[test]
fn other_readers_open_every_image() {
    use object::read::{Object, ObjectSymbol};
    let mut count = 0;
    for image in images() {
        let name = format!("{} {}", image.profile.name, image.dll.name);
        let goblin = goblin::pe::PE::parse(&image.dll.image).unwrap_or_else(|e| panic!("{name}: {e}"));
        let object = object::File::parse(&*image.dll.image).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((goblin.is_64, object.is_64()), (image.is_64(), image.is_64()), "{name}");
        // IMAGE_SUBSYSTEM_NATIVE
        let optional = goblin.header.optional_header.expect("an optional header").windows_fields;
        assert_eq!((optional.subsystem, goblin.is_lib), (1, false), "{name}");
        let map = SystemMap::of(image.profile.arch);
        let (base, entry) = match image.dll.name {
            "ntoskrnl.exe" => (map.ntoskrnl, "KiSystemStartup"),
            _ => (map.win32k, "DriverEntry"),
        };
        assert_eq!(optional.image_base, base, "{name}");
        assert_eq!(base + u64::from(image.pe.entry), image.symbol(entry), "{name}");
        // The symbol table of the file is the one that traces use.
        let table: BTreeMap<String, u64> =
            object.symbols().map(|s| (s.name().expect("a name").to_string(), s.address())).collect();
        assert_eq!(table, image.symbols, "{name}");
        count += 1;
    }
    assert!(count > Profile::all().len(), "{count} images");
}

#[test]
fn exports_are_the_services_and_what_drivers_call() {
    for image in Profile::all().iter().map(Image::nt) {
        let exports: BTreeMap<String, u32> = image.pe.export_names().into_iter().collect();
        let name = image.profile.name;
        for service in image.profile.services(Nt) {
            let nt = service.info.name;
            assert!(exports.contains_key(nt), "{name}: {nt}");
            assert!(!nt.starts_with("Nt") || exports.contains_key(&nt.replacen("Nt", "Zw", 1)), "{name}: {nt}");
        }
        for function in [
            "KeBugCheckEx",
            "KeBugCheck",
            "PsGetCurrentProcess",
            "IoGetCurrentProcess",
            "PsGetCurrentThread",
            "KeGetCurrentThread",
            "PsGetCurrentProcessId",
            "PsGetCurrentThreadId",
            "ExGetPreviousMode",
            "KeGetCurrentIrql",
            "KfRaiseIrql",
            "KeLowerIrql",
            "KeRaiseIrqlToDpcLevel",
            "MmUserProbeAddress",
            "NtBuildNumber",
            "PsInitialSystemProcess",
        ] {
            assert!(exports.contains_key(function), "{name}: {function}");
        }
        // Windows exports it from 32-bit kernels only, and the shadow table from none.
        assert_eq!(exports.contains_key("KeServiceDescriptorTable"), !image.is_64(), "{name}");
        assert!(!exports.contains_key("KeServiceDescriptorTableShadow"), "{name}");
    }
}

/// A row's target, and what the table says of its arguments in memory: words of 8 bytes, or of 4 on x86.
fn row(image: &Image, table: u64, arguments: u64, row: u64) -> (u64, u32) {
    if !image.is_64() {
        let bytes = u32::from(image.bytes(arguments + row, 1)[0]);
        return (image.word(table + 4 * row), bytes / 4);
    }
    if image.profile.version.0 < 6 {
        let value = image.word(table + 8 * row);
        return (value & !0xf, (value & 0xf) as u32);
    }
    let value = image.u32(table + 4 * row).cast_signed();
    (table.wrapping_add_signed((value >> 4).into()), (value & 0xf) as u32)
}

/// What is behind a row: `mov eax,number`, the gate, a return that pops what the row says.
fn check_entry(image: &Image, at: u64, number: u32, words: u32) {
    let code = image.code(at, 16);
    let name = image.profile.name;
    assert_eq!(code[0].code(), Code::Mov_r32_imm32, "{name}: {number:#x}");
    assert_eq!((code[0].op0_register(), code[0].immediate32()), (Register::EAX, number), "{name}");
    assert_eq!((code[1].mnemonic(), code[1].immediate8()), (Mnemonic::Int, KernelGate::Service.vector()), "{name}");
    assert_eq!(code[2].mnemonic(), Mnemonic::Ret, "{name}: {number:#x}");
    let pops = if code[2].op_count() == 1 { u32::from(code[2].immediate16()) } else { 0 };
    assert_eq!(pops, if image.is_64() { 0 } else { 4 * words }, "{name}: {number:#x}");
}

fn check_table(image: &Image, which: ServiceTableId) -> usize {
    let profile = image.profile;
    let (rows, limit, arguments) = match which {
        Nt => ("KiServiceTable", "KiServiceLimit", "KiArgumentTable"),
        Win32k => ("W32pServiceTable", "W32pServiceLimit", "W32pArgumentTable"),
    };
    let (table, arguments) = (image.symbol(rows), image.symbol(arguments));
    let size = profile.table_size(which);
    assert_eq!(image.u32(image.symbol(limit)) as usize, size, "{}", profile.name);
    for index in 0..size {
        let service = profile.service(which, index);
        let (target, words) = row(image, table, arguments, index as u64);
        let expected = service.map_or(0, |s| match profile.arch {
            Arch::X64 => s.args.unwrap_or(0).saturating_sub(4),
            Arch::X86 => s.slots.unwrap_or(0),
        });
        assert_eq!(words, expected, "{}: row {index:#x}", profile.name);
        // 14 words of 8 bytes is all that the 64-bit dispatcher copies.
        assert!(words <= 14 || !image.is_64(), "{}: row {index:#x}", profile.name);
        if let Some(service) = service {
            assert_eq!(target, image.symbol(service.info.name), "{}: {}", profile.name, service.info.name);
        }
        check_entry(image, target, which.base() + index as u32, words);
    }
    size
}

#[test]
fn every_row_of_every_table_leads_to_its_service() {
    let (mut nt, mut gui) = (0, 0);
    for profile in Profile::all() {
        nt += check_table(&Image::nt(profile), Nt);
        gui += Image::win32k(profile).map_or(0, |image| check_table(&image, Win32k));
    }
    assert!(nt > 28_000 && gui > 70_000, "{nt} and {gui} rows");
}

#[test]
fn win32k_has_the_failure_bytes_behind_its_rows() {
    for image in Profile::all().iter().filter_map(Image::win32k) {
        let size = image.profile.table_size(Win32k) as u64;
        let row = if image.is_64() && image.profile.version.0 < 6 { 8 } else { 4 };
        let bytes = image.bytes(image.symbol("W32pServiceTable") + row * size, 0x1000);
        for (index, byte) in bytes.iter().enumerate() {
            let service = image.profile.service(Win32k, index);
            // A row that nobody knows, or that is beyond the limit, is no service.
            let expected = service.map_or(1, |s| s.info.gui_failure());
            assert_eq!(byte.cast_signed(), expected, "{}: row {index:#x}", image.profile.name);
        }
    }
}

#[test]
fn descriptors_name_the_tables() {
    for profile in Profile::all() {
        let (nt, win32k) = (Image::nt(profile), Image::win32k(profile));
        let (size, limit, arguments) = if nt.is_64() { (0x20, 0x10, 0x18) } else { (0x10, 8, 0xc) };
        let descriptor = |at: u64| (nt.word(at), nt.u32(at + limit) as usize, nt.word(at + arguments));
        let plain = nt.symbol("KeServiceDescriptorTable");
        let shadow = nt.symbol("KeServiceDescriptorTableShadow");
        let own = (nt.symbol("KiServiceTable"), profile.table_size(Nt), nt.symbol("KiArgumentTable"));
        assert_eq!((descriptor(plain), descriptor(shadow)), (own, own), "{}", profile.name);
        let gui = win32k.map_or((0, 0, 0), |w| {
            (w.symbol("W32pServiceTable"), profile.table_size(Win32k), w.symbol("W32pArgumentTable"))
        });
        assert_eq!((descriptor(plain + size), descriptor(shadow + size)), ((0, 0, 0), gui), "{}", profile.name);
        // A dispatcher that looks at two bits of the number has four descriptors.
        for index in 2..=u64::from(profile.table_mask) {
            let at = index * size;
            assert_eq!((descriptor(plain + at), descriptor(shadow + at)), ((0, 0, 0), (0, 0, 0)), "{}", profile.name);
        }
    }
}

#[test]
fn every_byte_of_code_is_an_instruction() {
    for image in images() {
        let text = image.pe.sections.iter().find(|s| s.name == ".text").expect("code");
        let code = image.code(image.pe.base + u64::from(text.rva), text.size.into());
        for instruction in &code {
            let name = image.profile.name;
            // Behind the code the page is zero.
            assert_ne!(instruction.code(), Code::INVALID, "{name}: {:#x}", instruction.ip());
            if instruction.mnemonic() == Mnemonic::Int {
                assert!(KernelGate::of_vector(instruction.immediate8()).is_some(), "{name}: {:#x}", instruction.ip());
            }
            // A branch within the image leads to an instruction.
            if matches!(instruction.op0_kind(), OpKind::NearBranch32 | OpKind::NearBranch64) {
                let to = instruction.near_branch_target();
                assert!(code.binary_search_by_key(&to, Instruction::ip).is_ok(), "{name}: {:#x}", instruction.ip());
            }
        }
    }
}

const X64_SYMBOLS: &[&str] = &[
    "KiSystemCall64",
    "KiSystemCall32",
    "KiSystemServiceUser",
    "KiSystemServiceStart",
    "KiSystemServiceRepeat",
    "KiSystemServiceGdiTebAccess",
    "KiSystemServiceCopyStart",
    "KiSystemServiceCopyEnd",
    "KiSystemServiceExit",
    "KiServiceInternal",
    "KiServiceLinkage",
    "KiSystemService",
];
const X86_SYMBOLS: &[&str] =
    &["KiSystemService", "KiSystemServiceCopyStart", "KiSystemServiceCopyEnd", "KiServiceExit", "KiServiceExit2"];
const BOTH: &[&str] = &[
    "KiExceptionExit",
    "KiDriverStandIn",
    "KiDriverEntry",
    "KiDriverObject",
    "KiRegistryPath",
    "KiDriverStatus",
    "KeServiceDescriptorTable",
    "KeServiceDescriptorTableShadow",
    "MmUserProbeAddress",
    "PsActiveProcessHead",
];

#[test]
fn the_path_has_its_names() {
    for image in Profile::all().iter().map(Image::nt) {
        let profile = image.profile;
        let own = if image.is_64() { X64_SYMBOLS } else { X86_SYMBOLS };
        own.iter().chain(BOTH).for_each(|name| assert_ne!(image.symbol(name), 0));
        interrupts(profile.arch).iter().for_each(|i| assert_ne!(image.symbol(i.symbol), 0));
        let has = |name: &str| image.symbols.contains_key(name);
        assert_eq!(has("KiFastCallEntry"), profile.stub_style.has_gate("sysenter"), "{}", profile.name);
        let build = profile.version.2;
        for (name, from) in [("KiSystemCall64Shadow", 17134), ("KiKvaShadow", 17134), ("KeSmapEnabled", 18362)] {
            assert_eq!(has(name), image.is_64() && build >= from, "{}: {name}", profile.name);
        }
        assert_eq!(KernelFeature::KvaShadow.of(profile), has("KiKvaShadow"), "{}", profile.name);
        // sysexit's way out is in KUSER_SHARED_DATA up to Windows 7.
        let variable = !image.is_64() && build >= 9200;
        assert_eq!(has("KiFastSystemCallReturn"), variable, "{}", profile.name);
        let limit = image.word(image.symbol("MmUserProbeAddress"));
        assert_eq!(limit, profile.highest_user_address + 1, "{}", profile.name);
    }
}

/// The entry for `n` arguments on the stack: `n` copies before the call, the last of them the fifth argument.
#[test]
fn the_unrolled_copy_has_an_entry_for_each_count() {
    for image in x64().map(Image::nt) {
        let end = image.symbol("KiSystemServiceCopyEnd");
        assert_eq!(end - image.symbol("KiSystemServiceCopyStart"), 14 * 8);
        for count in 0..=14 {
            let code = image.code(end - 8 * count, 8 * count + 3);
            assert_eq!(code.len() as u64, 2 * count + 1);
            for (pair, argument) in code.chunks(2).zip((1..=count).rev()) {
                let (load, store) = (&pair[0], &pair[1]);
                let offsets = (load.memory_displacement64(), store.memory_displacement64());
                assert_eq!((load.memory_base(), store.memory_base()), (Register::RSI, Register::RDI));
                assert_eq!(offsets, (8 * argument, 8 * argument), "{}", image.profile.name);
            }
            let call = code.last().expect("the call");
            assert_eq!((call.mnemonic(), call.op0_register()), (Mnemonic::Call, Register::R10));
        }
    }
}

/// Bytes that instructions put on the stack, or take room for.
fn pushed(code: &[Instruction]) -> i64 {
    let change = |i: &Instruction| match i.mnemonic() {
        Mnemonic::Push | Mnemonic::Pop | Mnemonic::Pushfd | Mnemonic::Popfd => -i64::from(i.stack_pointer_increment()),
        Mnemonic::Sub if matches!(i.op0_register(), Register::RSP | Register::ESP) => i.immediate32to64(),
        _ => 0,
    };
    code.iter().map(change).sum()
}

/// Every entry builds a whole `KTRAP_FRAME`, with what the processor pushes.
#[test]
fn entries_build_a_trap_frame() {
    for image in Profile::all().iter().map(Image::nt) {
        let layout = image.profile.layout().get("KTRAP_FRAME").expect("a layout");
        let (name, size) = (image.profile.name, layout.size as i64);
        if image.is_64() {
            let whole = image.between("KiSystemCall64", "KiSystemServiceUser");
            assert_eq!(pushed(&whole), size, "{name}");
            let frame: Vec<_> = image.code(image.symbol("KiSystemService"), 0x30);
            assert_eq!(pushed(&frame) + 5 * 8, size, "{name}");
        } else {
            // What virtual-8086 mode adds is above.
            let size = layout.offset("V86Es").expect("a field") as i64;
            let frame_of = |entry: &str| {
                let code = image.code(image.symbol(entry), 0x80);
                // From where the stack is the thread's.
                let start =
                    code.iter().position(|i| i.op0_register() == Register::ESP && i.mnemonic() == Mnemonic::Mov);
                let end = code.iter().position(|i| i.op0_register() == Register::EBP && i.mnemonic() == Mnemonic::Mov);
                let end = end.expect("mov ebp,esp");
                pushed(&code[start.filter(|s| *s < end).unwrap_or(0)..end])
            };
            assert_eq!(frame_of("KiSystemService") + 5 * 4, size, "{name}");
            if image.symbols.contains_key("KiFastCallEntry") {
                assert_eq!(frame_of("KiFastCallEntry"), size, "{name}");
            }
        }
        for interrupt in interrupts(image.profile.arch) {
            check_trap(&image, interrupt);
        }
    }
}

/// An exception's entry pushes an error code where the processor does not, and names its vector.
fn check_trap(image: &Image, interrupt: &Interrupt) {
    if interrupt.pushes == Pushes::Service {
        return;
    }
    let code = image.code(image.symbol(interrupt.symbol), 0x20);
    let end = code.iter().position(|i| i.mnemonic() == Mnemonic::Jmp).expect("a jump");
    let pushes_zero = code[0].mnemonic() == Mnemonic::Push && code[0].op0_kind() != OpKind::Register;
    assert_eq!(pushes_zero, interrupt.pushes == Pushes::Nothing, "{}", interrupt.symbol);
    let vector = code[..end].iter().rfind(|i| i.code() == Code::Mov_r32_imm32).expect("mov r,vector").immediate32();
    assert_eq!(vector, u32::from(interrupt.vector), "{}", interrupt.symbol);
    assert_eq!(code[end].near_branch_target(), image.symbol("KiExceptionDispatch"), "{}", interrupt.symbol);
}

/// The vectors, the rings that may name them and the error codes are those of the architecture and of Windows' IDT.
#[test]
fn the_interrupt_table_is_windows() {
    for arch in Arch::ALL {
        let table = interrupts(arch);
        let vectors =
            |f: &dyn Fn(&&Interrupt) -> bool| -> Vec<u8> { table.iter().filter(f).map(|i| i.vector).collect() };
        assert!(table.is_sorted_by_key(|i| i.vector));
        assert_eq!(vectors(&|i| i.pushes == Pushes::ErrorCode), [8, 0xa, 0xb, 0xc, 0xd, 0xe, 0x11]);
        let from_user: &[u8] = match arch {
            Arch::X64 => &[3, 4, 0x29, 0x2c, 0x2d, 0x2e],
            Arch::X86 => &[3, 4, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e],
        };
        assert_eq!(vectors(&|i| i.dpl == 3), from_user);
        assert!(table.iter().all(|i| i.dpl == 3 || i.dpl == 0));
        assert_eq!(vectors(&|i| i.task), if arch == Arch::X86 { vec![2, 8] } else { vec![] });
        assert_eq!(vectors(&|i| i.ist != 0), if arch == Arch::X64 { vec![2, 8, 0x12] } else { vec![] });
        assert!(table.iter().all(|i| KernelGate::of_vector(i.vector).is_none()));
    }
}

/// `Zw…` are the published bytes (tests/data/stubs.json).
#[test]
fn zw_stubs_are_the_published_pattern() {
    let list: Vec<Value> = serde_json::from_str(include_str!("../data/stubs.json")).expect("patterns");
    let pattern = |id: &str| {
        let found = list.iter().find(|p| p["id"] == id).expect("the pattern");
        found["bytes"].as_str().expect("bytes").replace(' ', "")
    };
    let (wide, narrow) = (pattern("kernel_Zw_x64"), pattern("kernel_Zw_x86"));
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    for image in Profile::all().iter().map(Image::nt) {
        for service in image.profile.services(Nt).filter(|s| s.info.name.starts_with("Nt")) {
            let zw = service.info.name.replacen("Nt", "Zw", 1);
            let at = image.symbol(&zw);
            let number = hex(&service.number.to_le_bytes());
            let distance =
                |field: u64, to: &str| hex(&(image.symbol(to).wrapping_sub(at + field + 4) as u32).to_le_bytes());
            let (text, len) = if image.is_64() {
                let text = wide.replace("{w}", &distance(15, "KiServiceLinkage")).replace("{n}", &number);
                (text.replace("{w2}", &distance(26, "KiServiceInternal")), 31)
            } else {
                let pops = 4 * service.slots.unwrap_or(0) as u16;
                let text = narrow.replace("{w}", &distance(13, "KiSystemService")).replace("{n}", &number);
                let ret = if pops == 0 { "c3".into() } else { format!("c2{}", hex(&pops.to_le_bytes())) };
                (text.replace("c2{r}", &ret), if pops == 0 { 18 } else { 20 })
            };
            assert_eq!(hex(image.bytes(at, len)), text, "{}: {zw}", image.profile.name);
        }
    }
}

/// What `objdump` of binutils says of the files: nothing bad, and the symbols.
#[test]
fn objdump_shows_the_symbols() {
    let folder = std::env::temp_dir().join(format!("trapgate-{}-kernel", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["win10-22h2-x64", "srv2003-sp2-x64", "xp-sp3-x86", "nt31-x86"] {
        let profile = Profile::by_name(name).expect("a profile");
        for image in std::iter::once(Image::nt(profile)).chain(Image::win32k(profile)) {
            let file = folder.join(image.dll.name);
            std::fs::write(&file, &image.dll.image).expect("the file");
            let Ok(objdump) = std::process::Command::new("objdump").args(["-x", "-t"]).arg(&file).output() else {
                assert!(std::env::var_os("CI").is_none(), "objdump is missing");
                continue;
            };
            let bad = String::from_utf8_lossy(&objdump.stderr).into_owned();
            assert!(objdump.status.success() && bad.is_empty(), "{name} {}: {bad}", image.dll.name);
            let text = String::from_utf8_lossy(&objdump.stdout).into_owned();
            let shown = if image.dll.name == "win32k.sys" { "W32pServiceTable" } else { "KiSystemService" };
            assert!(text.lines().any(|line| line.ends_with(&format!(" {shown}"))), "{name}: {shown}");
        }
    }
    std::fs::remove_dir_all(&folder).expect("the folder");
}
