//! Arguments in words: what a value means, by the type its prototype gives it.

use guest::mem::{GuestValue, Width};
use guest::services::{ArgInfo, Direction};
use guest::types::{IoStatusBlock, ObjectAttributes, UnicodeString};
use guest::{AccessMask, Handle, NtStatus, enums};
use kernel_model::Call;
use kernel_model::body::Body;
use kernel_model::ob::{self, Entry, ObjectType};
use kernel_model::service::Row;

use super::View;

/// Flags of arguments that the prototypes call `ULONG`, by the argument's name.
const FLAGS: &[(&str, &[(u64, &str)])] = &[
    (
        "AllocationType",
        &[
            (0x1000, "MEM_COMMIT"),
            (0x2000, "MEM_RESERVE"),
            (0x8_0000, "MEM_RESET"),
            (0x10_0000, "MEM_TOP_DOWN"),
            (0x20_0000, "MEM_WRITE_WATCH"),
            (0x40_0000, "MEM_PHYSICAL"),
            (0x2000_0000, "MEM_LARGE_PAGES"),
        ],
    ),
    ("FreeType", &[(0x4000, "MEM_DECOMMIT"), (0x8000, "MEM_RELEASE")]),
    ("PageProtection", PROTECTIONS),
    ("NewProtection", PROTECTIONS),
    ("Options", &[(1, "DUPLICATE_CLOSE_SOURCE"), (2, "DUPLICATE_SAME_ACCESS"), (4, "DUPLICATE_SAME_ATTRIBUTES")]),
];
const PROTECTIONS: &[(u64, &str)] = &[
    (0x01, "PAGE_NOACCESS"),
    (0x02, "PAGE_READONLY"),
    (0x04, "PAGE_READWRITE"),
    (0x08, "PAGE_WRITECOPY"),
    (0x10, "PAGE_EXECUTE"),
    (0x20, "PAGE_EXECUTE_READ"),
    (0x40, "PAGE_EXECUTE_READWRITE"),
    (0x80, "PAGE_EXECUTE_WRITECOPY"),
    (0x100, "PAGE_GUARD"),
    (0x200, "PAGE_NOCACHE"),
    (0x400, "PAGE_WRITECOMBINE"),
];
/// How much of a buffer is shown, in bytes.
const PREVIEW: u64 = 48;
/// How much of a string is shown, in bytes.
const MAX_STRING: u16 = 512;

fn flags(names: &[(u64, &str)], value: u64) -> String {
    let mut rest = value;
    let mut parts: Vec<String> = Vec::new();
    for (bit, name) in names {
        if rest & bit == *bit {
            parts.push((*name).to_string());
            rest &= !bit;
        }
    }
    if rest != 0 || parts.is_empty() {
        parts.push(format!("{rest:#x}"));
    }
    parts.join("|")
}

impl View<'_> {
    fn bytes<const N: usize>(&self, va: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.kernel.mm.peek(self.ram, va, &mut bytes)?;
        Some(bytes)
    }

    pub(super) fn value<T: GuestValue>(&self, va: u64) -> Option<T> {
        let mut bytes = [0; 64];
        let bytes = bytes.get_mut(..T::size(self.kernel.width()))?;
        self.kernel.mm.peek(self.ram, va, bytes)?;
        Some(T::decode(bytes, self.kernel.width()))
    }

    fn text(&self, va: u64) -> Option<String> {
        let string: UnicodeString = self.value(va)?;
        let mut bytes = vec![0; string.length.min(MAX_STRING).into()];
        self.kernel.mm.peek(self.ram, string.buffer, &mut bytes)?;
        let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
        Some(String::from_utf16_lossy(&units))
    }

    fn unicode_string(&self, va: u64) -> Option<String> {
        self.text(va).map(|text| format!("{text:?}"))
    }

    /// The name in the `OBJECT_ATTRIBUTES` that a call is given, behind that of their root directory.
    pub fn object_named(&self, call: &Call, row: &Row) -> Option<String> {
        let index =
            row.info.args.iter().position(|arg| matches!(arg.ty, "POBJECT_ATTRIBUTES" | "PCOBJECT_ATTRIBUTES"))?;
        let attributes: ObjectAttributes = self.value(call.args.get(index))?;
        let name = if attributes.object_name == 0 { String::new() } else { self.text(attributes.object_name)? };
        let root = (attributes.root_directory != Handle::NULL).then(|| self.place_of(attributes.root_directory));
        match root {
            None => Some(name).filter(|name| !name.is_empty()),
            Some(root) => Some(format!("{}\\{name}", root.trim_end_matches('\\'))),
        }
    }

    /// The path of what a handle names, or its value.
    fn place_of(&self, handle: Handle) -> String {
        let of_object = || {
            let Entry { object, .. } = self.kernel.ps.process.handles.get(handle)?;
            match &self.kernel.ob.get(*object)?.body {
                Body::File(file) => Some(crate::view::file_text(self.kernel, file)),
                Body::Key(key) => self.kernel.cm.path_of(key.node),
                _ => self.kernel.ob.path_of(*object),
            }
        };
        of_object().unwrap_or_else(|| format!("({:#x})", handle.0))
    }

    /// What a handle names: its type, and its path or whatever else tells it apart.
    pub fn handle(&self, handle: Handle) -> Option<String> {
        match handle {
            Handle::CURRENT_PROCESS => return Some("current process".into()),
            Handle::CURRENT_THREAD => return Some("current thread".into()),
            Handle::NULL => return None,
            _ => {}
        }
        let Entry { object, .. } = self.kernel.ps.process.handles.get(handle)?;
        let object = self.kernel.ob.get(*object)?;
        let kind = ob::Body::object_type(&object.body);
        if let (ObjectType::File, Body::File(file)) = (kind, &object.body) {
            return Some(format!("File ({})", crate::view::file_text(self.kernel, file)));
        }
        let path = object.name.as_ref().map(|(_, name)| String::from_utf16_lossy(name));
        Some(path.map_or(kind.name().to_string(), |p| format!("{} {p}", kind.name())))
    }

    /// The object type that a service's access mask is about, going by the service's name.
    fn access_type(service: &str) -> &'static str {
        const TYPES: &[&str] =
            &["KeyedEvent", "EventPair", "Event", "Mutant", "Semaphore", "Timer", "IoCompletion", "Section", "File"];
        const MORE: &[&str] = &["Directory", "SymbolicLink", "Process", "Thread", "Token", "Job", "Key", "Port"];
        TYPES.iter().chain(MORE).find(|t| service.contains(**t)).copied().unwrap_or("standard")
    }

    fn object_attributes(&self, va: u64) -> Option<String> {
        let attributes: ObjectAttributes = self.value(va)?;
        let mut parts = Vec::new();
        if attributes.root_directory != Handle::NULL {
            parts.push(format!("root {:#x}", attributes.root_directory.0));
        }
        parts.extend((attributes.object_name != 0).then(|| self.unicode_string(attributes.object_name)).flatten());
        if let Some(flags) = kernel_model::ob::Attributes::from_bits(attributes.attributes).filter(|f| !f.is_empty()) {
            parts.push(flags.iter_names().map(|(name, _)| format!("OBJ_{name}")).collect::<Vec<_>>().join("|"));
        }
        Some(format!("{{{}}}", parts.join(", ")))
    }

    fn preview(&self, va: u64, len: u64) -> Option<String> {
        let mut bytes = vec![0; len.min(PREVIEW) as usize];
        self.kernel.mm.peek(self.ram, va, &mut bytes)?;
        let text: String = bytes.iter().flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect();
        Some(format!("\"{text}\"{}", if len > PREVIEW { "..." } else { "" }))
    }

    /// What a plain value or something the caller has filled in means.
    pub fn decode_in(&self, call: &Call, row: &Row, index: usize, arg: &ArgInfo) -> Option<String> {
        let value = call.args.get(index);
        if let Some((_, names)) = FLAGS.iter().find(|(name, _)| *name == arg.name && arg.ty == "ULONG") {
            return Some(flags(names, value & 0xffff_ffff));
        }
        if let Some(known) = enums::by_name(arg.ty) {
            return known.member(i64::from(value as u32 as i32)).map(str::to_string);
        }
        let filled = arg.dir != Direction::Out && value != 0;
        match arg.ty {
            "HANDLE" => self.handle(Handle(value)),
            "BOOLEAN" => Some(if value as u8 == 0 { "FALSE" } else { "TRUE" }.into()),
            "ACCESS_MASK" => Some(AccessMask(value as u32).describe(Self::access_type(row.info.name))),
            "NTSTATUS" => NtStatus(value as u32).name().map(str::to_string),
            "PUNICODE_STRING" | "PCUNICODE_STRING" if filled => self.unicode_string(value),
            "POBJECT_ATTRIBUTES" | "PCOBJECT_ATTRIBUTES" if filled => self.object_attributes(value),
            "PVOID" if filled && arg.len.is_some() => {
                let at = row.info.args.iter().position(|a| Some(a.name) == arg.len)?;
                self.preview(value, call.args.get(at) & 0xffff_ffff)
            }
            _ if filled => self.pointee(arg.ty, value),
            _ => None,
        }
    }

    /// What the service has left where an argument points.
    pub fn decode_out(&self, call: &Call, index: usize, arg: &ArgInfo) -> Option<String> {
        let value = call.args.get(index);
        if arg.dir == Direction::In || value == 0 {
            return None;
        }
        self.pointee(arg.ty, value)
    }

    fn pointee(&self, ty: &str, va: u64) -> Option<String> {
        let word = || match self.kernel.width() {
            Width::W32 => self.bytes(va).map(|b| u64::from(u32::from_le_bytes(b))),
            Width::W64 => self.bytes(va).map(u64::from_le_bytes),
        };
        match ty {
            "PHANDLE" => self.value::<Handle>(va).map(|h| format!("{:#x}", h.0)),
            "PULONG" | "ULONG *" | "PACCESS_MASK" => self.bytes(va).map(|b| format!("{:#x}", u32::from_le_bytes(b))),
            "PLONG" => self.bytes(va).map(|b| i32::from_le_bytes(b).to_string()),
            "PBOOLEAN" => self.bytes::<1>(va).map(|[b]| if b == 0 { "FALSE" } else { "TRUE" }.to_string()),
            "PLARGE_INTEGER" => self.bytes(va).map(|b| i64::from_le_bytes(b).to_string()),
            "PNTSTATUS" => self.bytes(va).map(|b| NtStatus(u32::from_le_bytes(b)).to_string()),
            "PVOID *" | "PSIZE_T" | "PULONG_PTR" => word().map(|w| format!("{w:#x}")),
            "PIO_STATUS_BLOCK" => {
                let iosb: IoStatusBlock = self.value(va)?;
                Some(format!("{{{}, {:#x}}}", NtStatus(iosb.status), iosb.information))
            }
            _ => None,
        }
    }

    /// The whole call in one line, without its result.
    pub fn call_text(&self, call: &Call, row: Option<&Row>) -> String {
        let Some(row) = row else { return format!("service {:#x}", call.number) };
        let args = row.info.args.iter().enumerate().map(|(i, arg)| {
            let decoded = self.decode_in(call, row, i, arg).map_or(String::new(), |d| format!(" {d}"));
            format!("{}={:#x}{decoded}", arg.name, truncate(arg, call.args.get(i)))
        });
        format!("{}({})", row.info.name, args.collect::<Vec<_>>().join(", "))
    }
}

/// The part of a word that an argument of this type has: its upper half may be what the caller left there.
pub(super) fn truncate(arg: &ArgInfo, value: u64) -> u64 {
    let four_bytes =
        matches!(arg.ty, "ULONG" | "LONG" | "ACCESS_MASK" | "NTSTATUS") || enums::by_name(arg.ty).is_some();
    match arg.ty {
        "BOOLEAN" | "UCHAR" => value & 0xff,
        "USHORT" => value & 0xffff,
        _ if four_bytes => value & 0xffff_ffff,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_named_and_the_rest_is_shown() {
        assert_eq!(flags(PROTECTIONS, 0x104), "PAGE_READWRITE|PAGE_GUARD");
        assert_eq!(flags(PROTECTIONS, 0), "0x0");
        assert_eq!(flags(PROTECTIONS, 0x8000_0004), "PAGE_READWRITE|0x80000000");
    }

    #[test]
    fn a_service_tells_its_access_type() {
        assert_eq!(View::access_type("NtCreateEvent"), "Event");
        assert_eq!(View::access_type("NtCreateKeyedEvent"), "KeyedEvent");
        assert!(guest::access::generic_mapping("Event").is_some());
    }
}
