//! The C types of prototypes: what kind of value each is.

use guest::enums::{self, EnumInfo};
use guest::mem::Width;
use guest::services::{ArgInfo, Direction, ServiceTableId};

/// What kind of value an argument is.
pub(super) enum Kind {
    /// A handle of the object manager, to an object of this type where the argument's name tells it.
    Handle(Option<&'static str>),
    /// A handle of the window manager or of GDI: 32 bits in either architecture.
    UserHandle,
    /// A byte that is 0 or 1.
    Boolean,
    /// An access mask.
    AccessMask,
    /// A member of an enum, or flags where its name ends so.
    Enum(&'static EnumInfo),
    /// The address of something in the caller's memory.
    Pointer,
    /// Anything else: a number, flags, an address that may be another process's, a routine's address.
    Word,
}

/// Types whose names begin like a pointer's.
const NO_POINTERS: &[&str] =
    &["POINT", "PALETTEENTRY", "POWER_ACTION", "POWER_INFORMATION_LEVEL", "PFNW32ET", "LPARAM"];
/// Handles of the window manager and of GDI, a bar between.
const USER_HANDLES: &str = concat!(
    "HWND|HMENU|HICON|HCURSOR|HACCEL|HMONITOR|HWINEVENTHOOK|",
    "HDC|HRGN|HBITMAP|HBRUSH|HPALETTE|HFONT|HPEN|HGDIOBJ|HCOLORSPACE"
);

/// Object types that an argument's name ends with: `EventHandle`, `SourceProcessHandle`. The longer of two is first.
const OBJECT_TYPES: &str =
    "Directory|File|IoCompletion|Job|Key|KeyedEvent|Event|Mutant|Process|Section|Semaphore|Thread|Token";
/// What is declared a handle and is a number.
const NO_HANDLES: &[&str] = &["ThreadId", "TraceHandle"];

/// What kind of value an argument of a service in this table is, going by its C type and its name.
pub(super) fn kind(info: &ArgInfo, table: ServiceTableId) -> Kind {
    // PVOID may be an address in another process, or a number, unless the prototype tells what is there.
    let is_buffer = info.len.is_some() || info.dir != Direction::In;
    match info.ty {
        "HANDLE" if NO_HANDLES.contains(&info.name) => Kind::Word,
        "HANDLE" if table == ServiceTableId::Win32k => Kind::UserHandle,
        "HANDLE" => Kind::Handle(object_type(info.name)),
        "HDESK" | "HWINSTA" => Kind::Handle(None),
        "BOOLEAN" => Kind::Boolean,
        "ACCESS_MASK" => Kind::AccessMask,
        "PVOID" if !is_buffer => Kind::Word,
        ty if USER_HANDLES.split('|').any(|known| known == ty) => Kind::UserHandle,
        ty if is_pointer(ty) => Kind::Pointer,
        ty => enums::by_name(ty).map_or(Kind::Word, Kind::Enum),
    }
}

/// The type of the objects that an argument of this name is for.
fn object_type(name: &str) -> Option<&'static str> {
    let stem = if name == "Event" { name } else { name.strip_suffix("Handle")? };
    OBJECT_TYPES.split('|').find(|ty| stem.ends_with(ty))
}

/// Whether a type is a pointer to data.
pub(super) fn is_pointer(ty: &str) -> bool {
    let named = ty.trim_start_matches("const ");
    let is_named = (named.starts_with('P') || named.starts_with("LP")) && !named.ends_with("_ROUTINE");
    ty.ends_with('*') || is_named && !NO_POINTERS.contains(&named) && enums::by_name(named).is_none()
}

/// Pointer types, a bar between, with what they point to: pointers' widths, and bytes beside.
const POINTEES: &[(&str, u64, u64)] = &[
    ("PHANDLE|HANDLE *|HANDLE*|PVOID *|PVOID*|VOID **|KERNEL_PVOID *|PSIZE_T|PULONG_PTR|PALPC_HANDLE", 1, 0),
    ("PUNICODE_STRING|PCUNICODE_STRING|PIO_STATUS_BLOCK|PCLIENT_ID", 2, 0),
    ("POBJECT_ATTRIBUTES|PCOBJECT_ATTRIBUTES|OBJECT_ATTRIBUTES *", 6, 0),
    ("PWSTR|PCWSTR|LPWSTR|LPCWSTR|PWCHAR|WCHAR *|PUSHORT|USHORT *|PRTL_ATOM|LANGID *", 0, 2),
    ("PULONG|ULONG *|ULONG*|PLONG|LONG *|volatile LONG *|FLONG *|LPINT|LPLONG|PLCID", 0, 4),
    ("PACCESS_MASK|PNTSTATUS|PBOOL|BOOL *|BOOL*", 0, 4),
    ("PLARGE_INTEGER|PULARGE_INTEGER|PULONG64|ULONG64 *|PULONGLONG|PLUID", 0, 8),
    ("PPOINT|LPPOINT|POINTL *|PSIZE", 0, 8),
    ("LPGUID|LPCGUID|PCGUID|PGENERIC_MAPPING|PRECT|LPRECT|LPCRECT|RECTL *|RECT*|const RECT*", 0, 16),
    ("PFILE_BASIC_INFORMATION", 0, 40),
    ("PFILE_NETWORK_OPEN_INFORMATION", 0, 56),
];

/// Bytes of what a pointer type points to; 1 where the size is not known.
pub(super) fn pointee_size(ty: &str, width: Width) -> u64 {
    let row = POINTEES.iter().find(|(types, ..)| types.split('|').any(|known| known == ty));
    row.map_or(1, |(_, words, bytes)| words * width.bytes() as u64 + bytes)
}

#[cfg(test)]
mod tests {
    use guest::services;

    use super::*;

    #[test]
    fn pointers_are_told_from_what_looks_like_one() {
        for ty in ["PHANDLE", "SURFOBJ *", "LPCWSTR", "const RECT*", "const PRECT", "PSID", "ULONG*"] {
            assert!(is_pointer(ty), "{ty}");
        }
        for ty in ["POINT", "LPARAM", "PROCESSINFOCLASS", "PIO_APC_ROUTINE", "ULONG", "HANDLE", "LONG", "LANGID"] {
            assert!(!is_pointer(ty), "{ty}");
        }
        assert_eq!(pointee_size("PHANDLE", Width::W32), 4);
        assert_eq!(pointee_size("POBJECT_ATTRIBUTES", Width::W64), 0x30);
        assert_eq!(pointee_size("PSID", Width::W64), 1);
    }

    #[test]
    fn a_handles_name_tells_its_type() {
        assert_eq!(object_type("SourceProcessHandle"), Some("Process"));
        assert_eq!(object_type("KeyedEventHandle"), Some("KeyedEvent"));
        assert_eq!((object_type("Event"), object_type("EventHandle")), (Some("Event"), Some("Event")));
        assert_eq!((object_type("Handle"), object_type("TimerHandle"), object_type("hKey")), (None, None, None));
    }

    #[test]
    fn the_tables_name_types_that_prototypes_use() {
        let used: std::collections::BTreeSet<&str> =
            services::all().iter().flat_map(|s| s.args.iter().map(|a| a.ty)).collect();
        let named = POINTEES.iter().flat_map(|(types, ..)| types.split('|'));
        for ty in named.chain(NO_POINTERS.iter().copied()).chain(USER_HANDLES.split('|')) {
            assert!(used.contains(ty), "no prototype has a {ty}");
        }
        assert!(OBJECT_TYPES.split('|').all(|ty| guest::access::generic_mapping(ty).is_some()));
        // A pointer type is one in every spelling: what fills memory has to be.
        for arg in services::all().iter().flat_map(|s| s.args).filter(|a| a.dir != Direction::In) {
            assert!(is_pointer(arg.ty), "{} {}", arg.ty, arg.name);
        }
    }
}
