//! National-language tables, which are files of the system's: `NtInitializeNlsFiles`, `NtGetNlsSectionPtr`.

use guest::mem::Word;
use guest::{GuestMemory, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, service};

const GAP: &str = "every call maps the table anew; no table is built in, so only a system root has some";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtInitializeNlsFiles => nt_initialize_nls_files, Support::Partial(GAP)),
    service!(NtGetNlsSectionPtr => nt_get_nls_section_ptr, Support::Partial(GAP)),
];

/// Where the tables are.
const FOLDERS: &[&str] = &["\\Windows\\System32", "\\Windows\\Globalization\\Sorting"];
/// `MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US)`.
const LOCALE: u32 = 0x409;

/// Kinds of tables (`NLS_SECTION_*`).
const SORT_KEYS: u32 = 9;
const CASE_MAP: u32 = 10;
const CODE_PAGE: u32 = 11;
const NORMALIZE: u32 = 12;

/// The file of a table.
///
/// `STATUS_INVALID_PARAMETER_1` for a kind there is not, `STATUS_OBJECT_NAME_NOT_FOUND` for another form of
/// normalization.
fn file_name(kind: u32, id: u32) -> Result<String, NtStatus> {
    Ok(match kind {
        SORT_KEYS => "sortdefault.nls".into(),
        CASE_MAP => "l_intl.nls".into(),
        CODE_PAGE => format!("c_{id:03}.nls"),
        NORMALIZE => {
            let name = match id {
                1 => "normnfc.nls",
                2 => "normnfd.nls",
                5 => "normnfkc.nls",
                6 => "normnfkd.nls",
                13 => "normidna.nls",
                _ => return Err(NtStatus::OBJECT_NAME_NOT_FOUND),
            };
            name.into()
        }
        _ => return Err(NtStatus::INVALID_PARAMETER_1),
    })
}

/// Maps a table; where, and its size.
fn table(cx: &mut Cx<'_>, name: &str) -> NtResult<(u64, u64)> {
    let mut last = NtStatus::OBJECT_NAME_NOT_FOUND.into();
    for folder in FOLDERS {
        match cx.file_at(&format!("{folder}\\{name}")) {
            Ok(file) => return cx.map_data(file),
            Err(missing) => last = missing,
        }
    }
    Err(last)
}

/// `NtInitializeNlsFiles`: maps the table of locales, and tells the system's.
///
/// `STATUS_ACCESS_VIOLATION`, `STATUS_OBJECT_NAME_NOT_FOUND` where the system has no such file.
fn nt_initialize_nls_files(
    cx: &mut Cx<'_>, base_address: UserPtr<Word>, locale: UserPtr<u32>, casing_size: Option<UserPtr<i64>>,
) -> NtResult {
    let mut mem = cx.mem();
    mem.probe(base_address)?;
    mem.probe(locale)?;
    if let Some(pointer) = casing_size {
        mem.probe(pointer)?;
    }
    let (base, size) = table(cx, "locale.nls")?;
    let mut mem = cx.mem();
    mem.store(base_address, &Word(base))?;
    mem.store(locale, &LOCALE)?;
    if let Some(pointer) = casing_size {
        mem.store(pointer, &(size as i64))?;
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtGetNlsSectionPtr`: maps a table: of sorting, of cases, of a code page, of normalization.
///
/// `STATUS_ACCESS_VIOLATION`, `STATUS_INVALID_PARAMETER_1`, `STATUS_OBJECT_NAME_NOT_FOUND`.
fn nt_get_nls_section_ptr(
    cx: &mut Cx<'_>, kind: u32, id: u32, _context: u64, pointer: Option<UserPtr<Word>>, size: Option<UserPtr<Word>>,
) -> NtResult {
    for place in [pointer, size].into_iter().flatten() {
        cx.mem().probe(place)?;
    }
    let (base, length) = table(cx, &file_name(kind, id)?)?;
    for (place, value) in [(pointer, base), (size, length)] {
        if let Some(place) = place {
            cx.mem().store(place, &Word(value))?;
        }
    }
    Ok(NtStatus::SUCCESS)
}
