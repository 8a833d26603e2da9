//! The built-in images of a profile. Each is made once: the same profile gives the same bytes, always.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use guest::asm::{self, AsmError, BuiltinDll};
use guest::pe::PeImage;
use guest::{Arch, Profile, dll};
use kernel_model::Kernel;
use kernel_model::io::Data;

use super::LoadError;
use super::modules::parse;

/// An image with its named places.
#[derive(Debug)]
pub(super) struct Builtin {
    pub image: PeImage,
    pub symbols: Vec<(u32, String)>,
    /// The file that it is.
    pub file: Cow<'static, [u8]>,
}

type Key = (&'static str, Arch, &'static str);

/// What has been made so far, by profile, architecture and file name.
static MADE: LazyLock<Mutex<BTreeMap<Key, Arc<Builtin>>>> = LazyLock::new(Mutex::default);

/// An image that is made of the profile's tables.
fn made(
    key: Key, make: impl FnOnce() -> Result<Option<BuiltinDll>, AsmError>,
) -> Result<Option<Arc<Builtin>>, LoadError> {
    // A panic while the map is held leaves it as it was.
    let known = |key: &Key| MADE.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
    if let Some(built) = known(&key) {
        return Ok(Some(built));
    }
    let (_, _, file) = key;
    let failed = |error: AsmError| LoadError::Builtin { dll: file, error: error.to_string() };
    let Some(BuiltinDll { image, symbols, .. }) = make().map_err(failed)? else { return Ok(None) };
    let built = Arc::new(Builtin { image: parse(file, &image)?, symbols, file: image.into() });
    MADE.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&built));
    Ok(Some(built))
}

/// A built-in DLL.
pub(super) fn dll(profile: &'static Profile, arch: Arch, name: &str) -> Result<Option<Arc<Builtin>>, LoadError> {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "ntdll.dll" => made((profile.name, arch, "ntdll.dll"), || asm::ntdll(profile, arch).map(Some)),
        "win32u.dll" => made((profile.name, arch, "win32u.dll"), || asm::win32u(profile, arch).map(Some)),
        _ => {
            let Some(bytes) = dll::image(arch, &name) else { return Ok(None) };
            let image = parse(&name, bytes)?;
            Ok(Some(Arc::new(Builtin { image, symbols: Vec::new(), file: bytes.into() })))
        }
    }
}

/// Those that depend on the profile.
const MADE_OF_TABLES: [&str; 2] = ["ntdll.dll", "win32u.dll"];

/// Whether a DLL is built in.
pub(super) fn has(arch: Arch, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    MADE_OF_TABLES.contains(&name.as_str()) || dll::image(arch, &name).is_some()
}

/// Puts the files of all built-in DLLs on C:, where programs find them that load them later, list or read them.
pub(crate) fn place_files(kernel: &mut Kernel) -> Result<(), LoadError> {
    let profile = kernel.profile;
    let native = (profile.arch, "System32");
    let narrow =
        (profile.arch == Arch::X64 && profile.stub_style_for(Arch::X86).is_some()).then_some((Arch::X86, "SysWOW64"));
    for (arch, folder) in [native].into_iter().chain(narrow) {
        let mut place = |name: &str, data: Data| {
            let placed = kernel.place_system_file(&format!("C:\\Windows\\{folder}\\{name}"), data);
            placed.map_err(|status| LoadError::NoMemory { file: name.to_string(), status })
        };
        for name in MADE_OF_TABLES {
            let Some(built) = dll(profile, arch, name)? else { continue };
            place(name, Data::new(&built.file))?;
        }
        for (name, bytes) in dll::files(arch) {
            place(name, Data::of_static(bytes))?;
        }
    }
    Ok(())
}

/// The kernel image, or win32k's; `None` where the build has none.
pub(super) fn kernel(profile: &'static Profile, file: &'static str) -> Result<Option<Arc<Builtin>>, LoadError> {
    made((profile.name, profile.arch, file), || match file {
        "win32k.sys" => asm::win32k(profile),
        _ => asm::ntoskrnl(profile).map(Some),
    })
}
