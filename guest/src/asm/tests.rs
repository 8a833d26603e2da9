//! The images read back by the `object` crate and by our own reader, and their code by iced's decoder.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, OpKind};
use object::read::coff::CoffFile;
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile, PeFile32, PeFile64};
use object::{LittleEndian as LE, Object, ObjectSection, ObjectSymbol, pe};

use super::{BuiltinDll, FixupKind, Item, Part, ntdll};
use crate::layout::BuildLayouts;
use crate::pe::{ExportTarget, ImportBy, PeImage};
use crate::services::ServiceTableId;
use crate::{Arch, Profile, dll};

/// Builds that differ in what their stubs lead to.
const BUILDS: &[(&str, Arch)] = &[
    ("win10-22h2-x64", Arch::X64),
    ("win7-sp1-x64", Arch::X64),
    ("win10-22h2-x64", Arch::X86),
    ("win10-1507-x64", Arch::X86),
    ("win7-sp1-x64", Arch::X86),
    ("xp-sp3-x86", Arch::X86),
    ("win10-22h2-x86", Arch::X86),
    ("nt31-x86", Arch::X86),
];

fn each() -> impl Iterator<Item = (&'static Profile, Arch, BuiltinDll)> {
    BUILDS.iter().map(|&(name, arch)| {
        let profile = Profile::by_name(name).unwrap();
        (profile, arch, ntdll(profile, arch).unwrap())
    })
}

fn image(dll: &BuiltinDll) -> PeImage {
    PeImage::parse(&dll.image).unwrap()
}

/// The exports by name: RVAs.
fn exports(dll: &BuiltinDll) -> BTreeMap<String, u32> {
    image(dll).export_names().into_iter().collect()
}

#[test]
fn every_build_has_one_for_all_the_code_it_runs() {
    let mut made = 0;
    for profile in Profile::all() {
        for arch in Arch::ALL.into_iter().filter(|&arch| profile.stub_style_for(arch).is_some()) {
            let dll = ntdll(profile, arch).unwrap_or_else(|error| panic!("{} {arch:?}: {error}", profile.name));
            let exports = exports(&dll);
            for service in profile.services(ServiceTableId::Nt) {
                let name = service.info.name;
                assert_eq!(exports[name], exports[&name.replacen("Nt", "Zw", 1)], "{name}");
            }
            for routine in profile.stub_style_for(arch).unwrap().routines() {
                assert!(routine.symbols.iter().all(|(name, _)| exports.contains_key(*name)), "{}", profile.name);
            }
            made += 1;
        }
    }
    assert!(made > Profile::all().len());
}

fn check_headers<Pe: ImageNtHeaders>(profile: &Profile, dll: &BuiltinDll, sections: &[&str]) {
    let file: PeFile<'_, Pe> = PeFile::parse(&*dll.image).unwrap();
    let header = file.nt_headers().file_header().characteristics.get(LE);
    assert_eq!(header & (pe::IMAGE_FILE_DLL | pe::IMAGE_FILE_RELOCS_STRIPPED), pe::IMAGE_FILE_DLL);
    let wide = file.is_64();
    assert_eq!(header & pe::IMAGE_FILE_32BIT_MACHINE != 0, !wide);
    let optional = file.nt_headers().optional_header();
    let version = (u32::from(optional.major_subsystem_version()), u32::from(optional.minor_subsystem_version()));
    assert_eq!(version, (profile.version.0, profile.version.1));
    assert_eq!((optional.section_alignment(), optional.file_alignment()), (0x1000, 0x200));
    assert_eq!(optional.dll_characteristics(), if wide { 0x160 } else { 0x140 });
    assert_ne!(optional.address_of_entry_point(), 0);
    assert_eq!(file.sections().map(|s| s.name().unwrap().to_owned()).collect::<Vec<_>>(), sections);
    let end = file.sections().map(|s| s.address() + s.size()).max().unwrap() - optional.image_base();
    assert_eq!(u64::from(optional.size_of_image()), end.next_multiple_of(0x1000));
    let table = file.export_table().unwrap().unwrap();
    assert_eq!(table.ordinal_base(), 1);
    let rows: Vec<_> = table.name_iter().map(|(p, i)| (table.name_from_pointer(p).unwrap(), i)).collect();
    assert!(rows.windows(2).all(|w| w[0].0 < w[1].0));
    assert!(rows.iter().enumerate().all(|(n, row)| usize::from(row.1) == n));
    assert_eq!(table.name_from_pointer(table.directory().name.get(LE)).unwrap(), dll.name.as_bytes());
}

#[test]
fn headers_and_exports_are_those_of_a_windows_dll() {
    for (profile, arch, dll) in each() {
        match arch {
            Arch::X64 => {
                check_headers::<pe::ImageNtHeaders64>(profile, &dll, &[".text", ".rdata", ".data", ".pdata", ".reloc"]);
            }
            Arch::X86 => check_headers::<pe::ImageNtHeaders32>(profile, &dll, &[".text", ".rdata", ".data", ".reloc"]),
        }
    }
}

/// What the loader makes of an image at another base is what the linker makes for that base.
#[test]
fn relocations_move_every_address() {
    for (profile, arch, dll) in each() {
        let mut parts = super::ntdll::parts(profile, arch);
        let mut moved = image(&dll);
        parts.base -= 0x12_3450_0000_u64 & if arch == Arch::X86 { 0xfff_ffff } else { u64::MAX };
        let linked = PeImage::parse(&parts.link().unwrap().image).unwrap();
        moved.relocate(parts.base).unwrap();
        assert!(moved.bytes == linked.bytes, "{} {arch:?}", profile.name);
        if arch == Arch::X86 {
            let file = PeFile32::parse(&*dll.image).unwrap();
            let directory = file.data_directory(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC).unwrap();
            let count = (directory.address_range().1 - 8) / 2;
            assert!(count > 4, "32-bit code has addresses in it");
        }
    }
}

#[test]
fn every_service_has_its_stub_in_order() {
    for (profile, arch, dll) in each() {
        let (image, exports) = (image(&dll), exports(&dll));
        let style = profile.stub_style_for(arch).unwrap();
        let mut next = 0x1000;
        for service in profile.services(ServiceTableId::Nt) {
            let name = service.info.name;
            let stub = style.padded(&service);
            let mut expected = stub.bytes;
            for (at, routine) in stub.addresses {
                let address = image.base as u32 + exports[routine];
                expected[at..at + 4].copy_from_slice(&address.to_le_bytes());
            }
            assert_eq!(exports[name], next, "{name}");
            assert_eq!(image.slice(next.into(), expected.len() as u64).unwrap(), expected, "{}: {name}", profile.name);
            next += expected.len() as u32;
        }
    }
}

/// The run-time library is the same for both widths, but for what only one has compilers call.
#[test]
fn both_widths_export_the_same_library() {
    let [wide, narrow] = Arch::ALL.map(|arch| {
        let names = exports(&ntdll(Profile::default_profile(), arch).unwrap()).into_keys();
        names.filter(|name| !name.starts_with("Nt") && !name.starts_with("Zw")).collect::<BTreeSet<_>>()
    });
    let (wide, narrow) = if wide.contains("__chkstk") { (wide, narrow) } else { (narrow, wide) };
    // Functions about unwind tables, which 32-bit code does not have.
    let of_x64: Vec<_> = wide.difference(&narrow).map(String::as_str).collect();
    assert_eq!(
        of_x64,
        [
            "RtlAddFunctionTable",
            "RtlAddGrowableFunctionTable",
            "RtlDeleteFunctionTable",
            "RtlDeleteGrowableFunctionTable",
            "RtlGrowFunctionTable",
            "RtlInstallFunctionTableCallback",
            "RtlLookupFunctionEntry",
            "RtlRestoreContext",
            "RtlUnwindEx",
            "RtlVirtualUnwind",
            "__C_specific_handler",
            "__chkstk"
        ]
    );
    let of_x86: Vec<_> = narrow.difference(&wide).map(String::as_str).collect();
    assert_eq!(
        of_x86,
        [
            "KiFastSystemCall",
            "KiFastSystemCallRet",
            "KiIntSystemCall",
            "Wow64SystemServiceCall",
            "Wow64Transition",
            "_alldiv",
            "_allmul",
            "_alloca_probe",
            "_allrem",
            "_allshl",
            "_allshr",
            "_aulldiv",
            "_aullrem",
            "_aullshr",
            "_chkstk"
        ]
    );
    assert!(wide.len() > 60, "{}", wide.len());
}

/// What 32-bit C code pushes for a service is what the service's stub pops, in every build that runs it.
#[test]
fn services_take_what_their_callers_push() {
    let object: CoffFile<'_> = CoffFile::parse(dll::ntdll(Arch::X86)).unwrap();
    let names = object.symbols().filter(|s| s.is_undefined()).map(|s| s.name().unwrap());
    let wanted: Vec<(&str, u32)> = names
        .map(|name| {
            let (name, bytes) = name.strip_prefix('_').and_then(|n| n.split_once('@')).expect("a stdcall function");
            (name, bytes.parse().unwrap())
        })
        .collect();
    assert!(wanted.len() >= 6);
    for profile in Profile::all().iter().filter(|p| p.stub_style_for(Arch::X86).is_some()) {
        for service in profile.services(ServiceTableId::Nt) {
            let Some((_, bytes)) = wanted.iter().find(|w| w.0 == service.info.name) else { continue };
            assert_eq!(service.slots.map(|s| 4 * s), Some(*bytes), "{}: {}", profile.name, service.info.name);
        }
    }
}

/// Every branch lands on an instruction; every address and distance leads to something that has a name, or close
/// behind it.
#[test]
fn all_code_decodes_and_all_references_meet_something() {
    for (profile, arch, dll) in each() {
        let image = image(&dll);
        let text = &image.sections[0];
        let stubs = exports(&dll)["NtClose"];
        assert!(stubs >= text.rva);
        let starts: BTreeSet<u64> = dll.symbols.iter().map(|s| u64::from(s.0)).collect();
        let code_end = (text.rva + text.size) as usize;
        let mut decoder = Decoder::with_ip(
            arch.bits(),
            &image.bytes[text.rva as usize..code_end],
            image.base + u64::from(text.rva),
            DecoderOptions::NONE,
        );
        let padding = image.bytes[..code_end].iter().rposition(|&b| b != 0).unwrap() as u64;
        let mut instructions: Vec<Instruction> = Vec::new();
        while decoder.can_decode() && decoder.ip() - image.base <= padding {
            instructions.push(decoder.decode());
        }
        let own: BTreeSet<u64> = instructions.iter().map(|i| i.ip() - image.base).collect();
        for start in starts.iter().filter(|&&s| s < padding) {
            assert!(own.contains(start), "{}: a function in the middle of an instruction: {start:#x}", profile.name);
        }
        for i in &instructions {
            assert_ne!(i.code(), Code::INVALID, "{} at {:#x}", profile.name, i.ip());
            if matches!(i.op0_kind(), OpKind::NearBranch64 | OpKind::NearBranch32) {
                let target = i.near_branch_target() - image.base;
                assert!(own.contains(&target), "{}: {:#x} goes to {target:#x}", profile.name, i.ip());
            }
            let data = match i.is_ip_rel_memory_operand() {
                true => i.memory_displacement64() - image.base,
                false => continue,
            };
            // Code is entered where an instruction starts; data is in a section: C's has no symbol for each string.
            let known = match data < code_end as u64 {
                true => own.contains(&data),
                false => image.sections.iter().any(|s| (s.rva..s.rva + s.size).contains(&(data as u32))),
            };
            assert!(known, "{}: {:#x} refers to {data:#x}", profile.name, i.ip());
        }
    }
}

/// `.pdata` is ascending and without overlap, and leads to unwind information; every exported C function that has a
/// prologue is in it.
#[test]
fn frames_have_unwind_information() {
    let dll = ntdll(Profile::default_profile(), Arch::X64).unwrap();
    let file = PeFile64::parse(&*dll.image).unwrap();
    let table = file.section_by_name(".pdata").unwrap().data().unwrap();
    let words: Vec<u32> = table.chunks_exact(4).map(|w| u32::from_le_bytes(w.try_into().unwrap())).collect();
    let image = image(&dll);
    assert!(words.len() > 100);
    for row in words.chunks_exact(3) {
        assert!(row[0] < row[1]);
        let info = image.slice(row[2].into(), 4).unwrap();
        assert_eq!(info[0] & 7, 1, "UNWIND_INFO is of version 1");
        assert!(u32::from(info[1]) < row[1] - row[0], "the prologue is inside the function");
    }
    assert!(words.chunks_exact(3).is_sorted_by(|a, b| a[1] <= b[0]));
    for name in ["RtlAllocateHeap", "RtlReAllocateHeap", "LdrGetDllHandle", "LdrShutdownProcess"] {
        let rva = exports(&dll)[name];
        assert!(words.chunks_exact(3).any(|row| row[0] == rva), "{name}");
    }
}

#[test]
fn symbols_are_sorted_and_name_the_exports() {
    for (_, _, dll) in each() {
        assert!(dll.symbols.is_sorted());
        let known: BTreeSet<u32> = dll.symbols.iter().map(|s| s.0).collect();
        assert!(exports(&dll).into_values().all(|rva| known.contains(&rva)));
        for name in ["NtClose", "RtlUserThreadStart", "LdrpFindModule", "RtlpTakeBlock", "RtlpProcessHeap"] {
            assert!(dll.symbols.iter().any(|s| s.1 == name), "{name}");
        }
    }
}

#[test]
fn the_same_bytes_each_time() {
    assert!(each().map(|(_, _, dll)| dll).eq(each().map(|(_, _, dll)| dll)));
}

/// The offsets that the C code takes for granted, in every build of a width.
#[test]
fn the_headers_agree_with_every_layout() {
    let mut compared = 0;
    for line in include_str!("../../dll/include/nt.h").lines().filter_map(|l| l.strip_prefix("AT(")) {
        let parts: Vec<&str> = line.trim_end_matches(");").split(", ").collect();
        let [structure, field, wide, narrow] = parts[..] else { panic!("{line}") };
        let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
        let mut compare = |name: &str, layouts: &BuildLayouts, expected: u64| {
            // Not every build's structures are published whole.
            if let Some(offset) = layouts.offset(structure, field) {
                assert_eq!(offset, expected, "{name}: {structure}.{field}");
                compared += 1;
            }
        };
        for profile in Profile::all() {
            if profile.arch == Arch::X64 {
                compare(profile.name, profile.layout_for(Arch::X64), hex(wide));
            }
            if profile.stub_style_for(Arch::X86).is_some() {
                compare(profile.name, profile.layout_for(Arch::X86), hex(narrow));
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

#[test]
fn the_headers_statuses_are_the_tables() {
    let table = include_str!("../../data/ntstatus.csv");
    let mut compared = 0;
    for line in include_str!("../../dll/include/ntstatus.h").lines().filter(|l| l.starts_with("#define")) {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let value = parts[2].trim_start_matches("((NTSTATUS)0x").trim_end_matches(')');
        let row = format!("{value},{},", parts[1]);
        assert!(table.lines().any(|l| l.starts_with(&row)), "{line}");
        compared += 1;
    }
    assert!(compared > 150);
}

/// Fields of every kind, and what they hold; imports from two DLLs.
#[test]
fn items_are_completed_and_imports_have_slots() {
    for arch in Arch::ALL {
        let mut link = super::Link::dll("some.dll", arch, 0x1000_0000, (6, 1));
        link.imports.push(("one.dll", vec!["A".into(), "B".into()]));
        link.imports.push(("two.dll", vec!["C".into()]));
        let code = Item::new(Part::Code, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            .name("Code", 0, true)
            .fixup(0, FixupKind::Relative32(1), "Data")
            .fixup(4, FixupKind::Rva32, "Inner")
            .fixup(8, FixupKind::Relative32(0), "__imp_C");
        let address = if arch == Arch::X64 { FixupKind::Absolute64 } else { FixupKind::Absolute32 };
        let data = Item::new(Part::Data, [2, 0, 0, 0, 0, 0, 0, 0]).name("Data", 0, true).name("Inner", 4, false);
        link.items = vec![code, data.fixup(0, address, "Code")];
        link.entry = Some("Code");
        let made = link.link().unwrap();
        assert_eq!(made.symbols.iter().map(|s| s.1.as_str()).collect::<Vec<_>>(), ["Code", "Data", "Inner"]);
        let (image, exports) = (image(&made), exports(&made));
        let (code, data) = (exports["Code"], exports["Data"]);
        assert_eq!((image.entry, exports.len()), (code, 2));
        let imports = image.imports().unwrap();
        let slots: Vec<(&str, usize)> = imports.iter().map(|i| (i.dll.as_str(), i.slots.len())).collect();
        assert_eq!(slots, [("one.dll", 2), ("two.dll", 1)]);
        let (slot, by) = &imports[1].slots[0];
        assert_eq!(*by, ImportBy::Name("C".into()));
        let word = |rva: u32| u32::from_le_bytes(image.slice(rva.into(), 4).unwrap().try_into().unwrap());
        assert_eq!(word(code), 1 + data - (code + 5));
        assert_eq!(word(code + 4), data + 4);
        assert_eq!(word(code + 8), slot.wrapping_sub(code + 12));
        assert_eq!(u64::from(word(data)), 2 + image.base + u64::from(code));
    }
}

#[test]
fn mistakes_are_named() {
    let link = |items: Vec<Item>| {
        let mut link = super::Link::dll("some.dll", Arch::X64, 0x1000_0000, (6, 1));
        link.items = items;
        link.link().map(|_| ()).unwrap_err().to_string()
    };
    let item = || Item::new(Part::Code, [0; 4]).name("Here", 0, true);
    assert_eq!(link(vec![item().fixup(0, FixupKind::Rva32, "There")]), "undefined symbol There");
    assert_eq!(link(vec![item(), item()]), "Here is defined twice");
    assert!(link(vec![item().fixup(0, FixupKind::Absolute32, "Here")]).contains("32-bit address"));
    assert!(link(vec![item().fixup(2, FixupKind::Rva32, "Here")]).contains("outside"));
}

#[test]
fn forwarded_exports_are_found_as_text() {
    let mut link = super::Link::dll("some.dll", Arch::X86, 0x1000_0000, (5, 1));
    link.forwards.push(("HeapFree".into(), "NTDLL.RtlFreeHeap".into()));
    let image = image(&link.link().unwrap());
    let export = image.export(&ImportBy::Name("HeapFree".into())).unwrap();
    assert!(matches!(export, Some(ExportTarget::Forward(to)) if to == "NTDLL.RtlFreeHeap"));
}
