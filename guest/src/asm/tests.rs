//! The images read back by the `object` crate, and their code by iced's decoder.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use object::pe;
use object::read::pe::{Export, ExportTarget, ImageNtHeaders, ImageOptionalHeader, Import, PeFile64};
use object::{LittleEndian as LE, Object, ObjectSection};

use super::{BuiltinDll, kernel32, ntdll};
use crate::services::ServiceTableId;
use crate::{Arch, Profile};

fn profile() -> &'static Profile {
    Profile::default_profile()
}

fn both() -> [BuiltinDll; 2] {
    [ntdll(profile(), Arch::X64).unwrap(), kernel32(profile()).unwrap()]
}

fn parse(dll: &BuiltinDll) -> PeFile64<'_> {
    PeFile64::parse(&*dll.image).unwrap()
}

fn text<'a>(file: &PeFile64<'a>) -> (u64, &'a [u8]) {
    let section = file.section_by_name(".text").unwrap();
    (section.address(), section.data().unwrap())
}

/// The exports by name: RVAs, or forwarders as text.
fn exports(file: &PeFile64<'_>) -> BTreeMap<String, Result<u32, String>> {
    let table = file.export_table().unwrap().unwrap();
    let target = |e: &Export<'_>| match e.target {
        ExportTarget::Address(rva) => Ok(rva),
        ExportTarget::ForwardByName(dll, name) => {
            Err([dll, name].map(|t| String::from_utf8(t.to_vec()).unwrap()).join("."))
        }
        ExportTarget::ForwardByOrdinal(..) => panic!("no forwarder by ordinal is made"),
    };
    let name = |e: &Export<'_>| String::from_utf8(e.name.unwrap().to_vec()).unwrap();
    table.exports().unwrap().iter().map(|e| (name(e), target(e))).collect()
}

/// The code of each function, stubs and padding left out: name, address, bytes.
fn functions<'a>(dll: &BuiltinDll, file: &PeFile64<'a>) -> Vec<(String, u64, &'a [u8])> {
    let (address, code) = text(file);
    let first = (address - file.relative_address_base()) as u32;
    let stubs =
        if dll.name == "ntdll.dll" { profile().table_size(ServiceTableId::Nt) * profile().stub_style.align } else { 0 };
    let inside: Vec<_> = dll.symbols.iter().filter(|s| ((s.0 - first) as usize) < code.len()).collect();
    let ends = inside.iter().skip(1).map(|s| (s.0 - first) as usize).chain([code.len()]);
    let all = inside.iter().zip(ends).filter(|(s, _)| (s.0 - first) as usize >= stubs);
    all.map(|(s, end)| {
        let start = (s.0 - first) as usize;
        let mut body = &code[start..end];
        while let Some(rest) = body.strip_suffix(&[0xcc, 0xcc]).map(|_| &body[..body.len() - 1]) {
            body = rest;
        }
        (s.1.clone(), address + start as u64, body)
    })
    .collect()
}

fn decode(address: u64, code: &[u8]) -> Vec<Instruction> {
    Decoder::with_ip(64, code, address, DecoderOptions::NONE).iter().collect()
}

#[test]
fn headers_are_those_of_a_windows_10_dll() {
    for dll in both() {
        let file = parse(&dll);
        let header = file.nt_headers().file_header().characteristics.get(LE);
        assert_eq!(header & (pe::IMAGE_FILE_DLL | pe::IMAGE_FILE_RELOCS_STRIPPED), pe::IMAGE_FILE_DLL);
        let optional = file.nt_headers().optional_header();
        assert_eq!((optional.major_subsystem_version(), optional.minor_subsystem_version()), (10, 0));
        assert_eq!((optional.section_alignment(), optional.file_alignment()), (0x1000, 0x200));
        assert_eq!(optional.dll_characteristics(), 0x160);
        let stubs = dll.name == "ntdll.dll";
        assert_eq!(optional.address_of_entry_point() != 0, stubs, "{}", dll.name);
        let names: Vec<_> = file.sections().map(|s| s.name().unwrap().to_owned()).collect();
        assert_eq!(names, [".text", ".rdata", ".data", ".pdata", ".reloc"]);
        let end = file.sections().map(|s| s.address() + s.size()).max().unwrap() - optional.image_base();
        assert_eq!(u64::from(optional.size_of_image()), end.next_multiple_of(0x1000));
        let directories = file.data_directories();
        let mut blocks = directories.relocation_blocks(&*dll.image, &file.section_table()).unwrap().unwrap();
        let block = blocks.next().unwrap().unwrap();
        assert!(block.into_iter().all(|r| r.typ == pe::IMAGE_REL_BASED_ABSOLUTE));
        assert!(blocks.next().unwrap().is_none());
    }
}

#[test]
fn our_own_reader_agrees() {
    for dll in both() {
        let image = crate::pe::PeImage::parse(&dll.image).unwrap();
        let file = parse(&dll);
        let named: BTreeMap<_, _> = image.export_names().into_iter().collect();
        let addresses: BTreeMap<_, _> = exports(&file).into_iter().filter_map(|(n, t)| Some((n, t.ok()?))).collect();
        assert_eq!(named, addresses);
        let mut moved = image.clone();
        moved.relocate(0x1_8000_0000).unwrap();
        // Only the headers' ImageBase may change.
        let after = image.headers as usize;
        assert!(moved.bytes[after..] == image.bytes[after..]);
    }
}

#[test]
fn names_are_sorted_and_ordinals_start_at_1() {
    for dll in both() {
        let file = parse(&dll);
        let table = file.export_table().unwrap().unwrap();
        assert_eq!(table.ordinal_base(), 1);
        let rows: Vec<_> = table.name_iter().map(|(p, i)| (table.name_from_pointer(p).unwrap(), i)).collect();
        assert!(rows.windows(2).all(|w| w[0].0 < w[1].0));
        assert!(rows.iter().enumerate().all(|(n, row)| usize::from(row.1) == n));
        let name = table.directory().name.get(LE);
        assert_eq!(table.name_from_pointer(name).unwrap(), dll.name.as_bytes());
    }
}

#[test]
fn every_service_has_its_stub_under_both_names() {
    let dll = ntdll(profile(), Arch::X64).unwrap();
    let file = parse(&dll);
    let (exports, (address, code)) = (exports(&file), text(&file));
    let mut next = (address - file.relative_address_base()) as u32;
    let style = profile().stub_style;
    for service in profile().services(ServiceTableId::Nt) {
        let (service, number) = (service.info, service.number);
        let rva = exports[service.name].clone().unwrap();
        assert_eq!(rva, next, "{}", service.name);
        assert_eq!(exports[&service.name.replacen("Nt", "Zw", 1)], Ok(rva));
        next += style.align as u32;
        let at = (rva - 0x1000) as usize;
        let mut expected =
            b"\x4c\x8b\xd1\xb8....\xf6\x04\x25\x08\x03\xfe\x7f\x01\x75\x03\x0f\x05\xc3\xcd\x2e\xc3".to_vec();
        expected[4..8].copy_from_slice(&number.to_le_bytes());
        expected.extend(b"\x0f\x1f\x84\x00\x00\x00\x00\x00");
        assert_eq!(code[at..at + style.align], expected);
    }
}

#[test]
fn stubs_decode_to_the_documented_instructions() {
    let base = 0x7ffc_0e3b_1000;
    for service in profile().services(ServiceTableId::Nt) {
        let code = decode(base, &profile().stub_style.padded(&service).bytes);
        let (service, number) = (service.info, service.number);
        let mnemonics: Vec<_> = code.iter().map(|i| i.mnemonic()).collect();
        use Mnemonic::{Int, Jne, Mov, Nop, Ret, Syscall, Test};
        assert_eq!(mnemonics, [Mov, Mov, Test, Jne, Syscall, Ret, Int, Ret, Nop], "{}", service.name);
        assert_eq!((code[0].op0_register(), code[0].op1_register()), (Register::R10, Register::RCX));
        assert_eq!((code[1].op0_register(), code[1].immediate32()), (Register::EAX, number));
        assert_eq!((code[2].memory_displacement64(), code[2].immediate8()), (0x7ffe_0308, 1));
        assert_eq!(code[3].near_branch_target(), code[6].ip());
        assert_eq!(code[6].immediate8(), 0x2e);
    }
}

#[test]
fn kernel32_forwards_what_windows_forwards() {
    let [ntdll, kernel32] = both();
    let (ntdll, kernel32) = (exports(&parse(&ntdll)), exports(&parse(&kernel32)));
    for (name, to) in [
        ("HeapAlloc", "NTDLL.RtlAllocateHeap"),
        ("HeapFree", "NTDLL.RtlFreeHeap"),
        ("HeapReAlloc", "NTDLL.RtlReAllocateHeap"),
        ("HeapSize", "NTDLL.RtlSizeHeap"),
    ] {
        assert_eq!(kernel32[name], Err(to.to_owned()));
    }
    for to in kernel32.values().filter_map(|t| t.as_ref().err()) {
        // What leads to kernelbase has a test beside its list.
        if !to.starts_with("KERNELBASE.") {
            let name = to.strip_prefix("NTDLL.").unwrap();
            assert!(ntdll[name].is_ok(), "{to}");
        }
    }
}

#[test]
fn kernel32_imports_exist_in_ntdll() {
    let [ntdll, kernel32] = both();
    let exports = exports(&parse(&ntdll));
    let file = parse(&kernel32);
    let table = file.import_table().unwrap().unwrap();
    let mut descriptors = table.descriptors().unwrap();
    let descriptor = descriptors.next().unwrap().unwrap();
    assert_eq!(table.name(descriptor.name.get(LE)).unwrap(), b"ntdll.dll");
    assert!(descriptors.next().unwrap().is_none());
    let read = |start: u32| {
        let mut thunks = table.thunks(start).unwrap();
        let mut names = Vec::new();
        while let Some(thunk) = thunks.next::<pe::ImageNtHeaders64>().unwrap() {
            let Import::Name(_, name) = table.import::<pe::ImageNtHeaders64>(thunk).unwrap() else { panic!("by name") };
            names.push(String::from_utf8(name.to_vec()).unwrap());
        }
        names
    };
    let names = read(descriptor.original_first_thunk.get(LE));
    assert_eq!(names, read(descriptor.first_thunk.get(LE)));
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for name in names {
        assert!(exports[&name].is_ok(), "{name}");
    }
}

#[test]
fn the_same_bytes_each_time() {
    assert!(both() == both());
}

/// Every branch lands on an instruction of its own function or on the start of another; every distance leads
/// to a symbol or an import slot.
#[test]
fn all_code_decodes_and_all_references_meet_something() {
    for dll in both() {
        let file = parse(&dll);
        let base = file.relative_address_base();
        let starts: BTreeSet<u64> = dll.symbols.iter().map(|s| base + u64::from(s.0)).collect();
        let (slots, size) = file.data_directory(pe::IMAGE_DIRECTORY_ENTRY_IAT).map_or((0, 0), |d| d.address_range());
        let slots = base + u64::from(slots)..base + u64::from(slots + size);
        for (name, address, code) in functions(&dll, &file) {
            let instructions = decode(address, code);
            let own: BTreeSet<u64> = instructions.iter().map(|i| i.ip()).collect();
            for i in &instructions {
                assert_ne!(i.code(), Code::INVALID, "{name} at {:#x}", i.ip());
                if matches!(i.op0_kind(), OpKind::NearBranch64) {
                    let target = i.near_branch_target();
                    assert!(own.contains(&target) || starts.contains(&target), "{name}: {target:#x}");
                }
                if i.is_ip_rel_memory_operand() {
                    let target = i.memory_displacement64();
                    let known = starts.range(..=target).next_back().is_some_and(|s| target - s < 0x1000);
                    assert!(known || slots.contains(&target), "{name}: {target:#x}");
                }
            }
            let padding = |i: &&Instruction| i.mnemonic() != Mnemonic::Nop && i.code() != Code::Xchg_rm16_r16;
            let last = instructions.iter().rfind(padding).unwrap();
            assert_ne!(last.flow_control(), FlowControl::Next, "{name} runs on into the next function");
        }
    }
}

/// By the Microsoft x64 convention: whoever calls has a frame that keeps rsp a multiple of 16 with 32 bytes
/// below it, what is pushed is popped, and nonvolatile registers are only changed when they were saved.
#[test]
fn functions_keep_the_calling_convention() {
    use Register::{R12, R13, R14, R15, RBP, RBX, RDI, RSI, RSP};
    let nonvolatile = [RBX, RBP, RSI, RDI, R12, R13, R14, R15];
    let mut info = iced_x86::InstructionInfoFactory::new();
    for dll in [kernel32(profile()).unwrap()] {
        let file = parse(&dll);
        for (name, address, code) in functions(&dll, &file) {
            let instructions = decode(address, code);
            let pushes = instructions.iter().take_while(|i| i.mnemonic() == Mnemonic::Push);
            let saved: Vec<Register> = pushes.map(|i| i.op0_register()).collect();
            let size =
                instructions.get(saved.len()).filter(|i| i.mnemonic() == Mnemonic::Sub && i.op0_register() == RSP);
            let size = size.map_or(0, |i| i.immediate(1));
            // It never returns and aligns the stack itself.
            let starts_a_thread = name == "RtlUserThreadStart";
            if instructions.iter().any(Instruction::is_call_near)
                || instructions.iter().any(|i| i.is_call_near_indirect())
            {
                assert!(starts_a_thread || size >= 0x20, "{name} calls without home space");
                assert!(
                    starts_a_thread || (8 + 8 * saved.len() as u64 + size).is_multiple_of(16),
                    "{name} misaligns the stack"
                );
            }
            for i in &instructions {
                for used in info.info(i).used_registers() {
                    use iced_x86::OpAccess::{CondWrite, ReadWrite, Write};
                    let register = used.register().full_register();
                    if matches!(used.access(), Write | ReadWrite | CondWrite) && nonvolatile.contains(&register) {
                        assert!(saved.contains(&register) || starts_a_thread, "{name} changes {register:?}");
                    }
                }
            }
            let returns = instructions.iter().filter(|i| i.mnemonic() == Mnemonic::Ret).count();
            let pops = instructions.iter().filter(|i| i.mnemonic() == Mnemonic::Pop).count();
            assert_eq!(pops, returns * saved.len(), "{name} pops what it pushed");
        }
    }
}

#[test]
fn frames_have_unwind_information() {
    for dll in [kernel32(profile()).unwrap()] {
        let file = parse(&dll);
        let base = file.relative_address_base();
        let table = file.section_by_name(".pdata").unwrap().data().unwrap();
        let words: Vec<u32> = table.chunks_exact(4).map(|w| u32::from_le_bytes(w.try_into().unwrap())).collect();
        let rows: BTreeMap<u32, (u32, u32)> = words.chunks_exact(3).map(|r| (r[0], (r[1], r[2]))).collect();
        let rdata = file.section_by_name(".rdata").unwrap();
        for (name, address, code) in functions(&dll, &file) {
            let instructions = decode(address, code);
            let pushes: Vec<_> = instructions.iter().take_while(|i| i.mnemonic() == Mnemonic::Push).collect();
            let Some(sub) = instructions.get(pushes.len()).filter(|i| i.mnemonic() == Mnemonic::Sub) else { continue };
            if sub.op0_register() != Register::RSP {
                continue;
            }
            // `__chkstk` moves rsp without a frame.
            if name == "__chkstk" {
                continue;
            }
            let (end, at) = rows[&((address - base) as u32)];
            // One byte of padding cannot be told from a function's own `int3`.
            let padding = address - base + code.len() as u64 - u64::from(end);
            assert!(padding <= 1, "{name}");
            let at = (base + u64::from(at) - rdata.address()) as usize;
            let info = &rdata.data().unwrap()[at..];
            assert_eq!((info[0], u64::from(info[1])), (1, sub.next_ip() - address), "{name}");
            let mut codes = info[4..4 + 2 * usize::from(info[2])].chunks_exact(2);
            let first = codes.next().unwrap();
            let size = match first[1] & 15 {
                2 => u64::from(first[1] >> 4) * 8 + 8,
                _ => codes.next().map(|c| u64::from(u16::from_le_bytes([c[0], c[1]])) * 8).unwrap(),
            };
            assert_eq!(size, sub.immediate(1), "{name}");
            let saved: Vec<_> = codes.map(|c| (u64::from(c[0]), usize::from(c[1] >> 4))).collect();
            let pushed = pushes.iter().rev().map(|i| (i.next_ip() - address, i.op0_register().number()));
            assert_eq!(saved, pushed.collect::<Vec<_>>(), "{name}");
        }
    }
}

#[test]
fn symbols_are_sorted_and_name_the_exports() {
    for dll in both() {
        assert!(dll.symbols.is_sorted());
        let known: BTreeSet<u32> = dll.symbols.iter().map(|s| s.0).collect();
        let file = parse(&dll);
        assert!(exports(&file).into_values().flatten().all(|rva| known.contains(&rva)));
    }
}
