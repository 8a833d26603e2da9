//! Files that commands write.

use std::fs;
use std::path::Path;

use guest::asm::{self, AsmError, BuiltinDll};
use guest::services::ServiceTableId;
use guest::{Arch, Profile};

/// Writes each profile's ntdll and win32u, and its kernel image and win32k, into a folder named after it, those for 32-bit
/// code of a 64-bit build into `wow64` in there; says how many.
pub(super) fn write_stub_dlls(
    profiles: &'static [Profile], only: Option<Arch>, folder: &Path,
) -> Result<usize, String> {
    let mut written = 0;
    for profile in profiles {
        for arch in Arch::ALL.into_iter().filter(|a| only.is_none_or(|o| o == *a)) {
            if profile.stub_style_for(arch).is_none() {
                continue;
            }
            let own = folder.join(profile.name);
            let own = if arch == profile.arch { own } else { own.join("wow64") };
            fs::create_dir_all(&own).map_err(|e| format!("{}: {e}", own.display()))?;
            let dlls = stub_dlls(profile, arch).map_err(|e| format!("{}: {e}", profile.name))?;
            let kernel = if arch == profile.arch { kernel(profile) } else { Ok(Vec::new()) };
            for file in dlls.into_iter().chain(kernel.map_err(|e| format!("{}: {e}", profile.name))?) {
                write(&own.join(file.name), &file.image)?;
                written += 1;
            }
        }
    }
    Ok(written)
}

/// A build without a win32k table has no win32u.
fn stub_dlls(profile: &'static Profile, arch: Arch) -> Result<Vec<BuiltinDll>, AsmError> {
    let mut dlls = vec![asm::ntdll(profile, arch)?];
    if profile.table_size(ServiceTableId::Win32k) > 0 {
        dlls.push(asm::win32u(profile, arch)?);
    }
    Ok(dlls)
}

/// What runs in ring 0 with `--dispatch kernel`.
fn kernel(profile: &'static Profile) -> Result<Vec<BuiltinDll>, AsmError> {
    let nt = asm::ntoskrnl(profile)?;
    Ok([Some(nt), asm::win32k(profile)?].into_iter().flatten().collect())
}

/// Writes a file whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let part = path.with_extension("part");
    let done = fs::write(&part, bytes).and_then(|()| fs::rename(&part, path));
    done.map_err(|e| {
        let _ = fs::remove_file(&part);
        format!("{}: {e}", path.display())
    })
}
