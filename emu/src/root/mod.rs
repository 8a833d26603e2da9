//! System roots: where the guest's system DLLs come from when they are not our own.

mod scan;

use std::path::{Path, PathBuf};

use guest::Arch;

use crate::loader::read_file;

pub(crate) use scan::{Stubs, scan};

/// Where the system DLLs come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SystemRoot {
    /// Assembled by Trapgate.
    #[default]
    Builtin,
    /// Wine's, as a package has installed them, or somebody's own of Windows.
    Wine(WineFolders),
}

/// The folders of an installed Wine, or of a Windows. They are read, never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WineFolders {
    /// Whether the DLLs are Windows' own, whose numbers are the profile's.
    pub is_windows: bool,
    /// Its DLLs.
    pub dlls: PathBuf,
    /// Its national-language tables.
    pub nls: PathBuf,
}

/// Where packages put Wine's libraries: Debian's and Ubuntu's folders first.
const LIBRARIES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/wine",
    "/usr/lib/i386-linux-gnu/wine",
    "/usr/lib/aarch64-linux-gnu/wine",
    "/usr/lib/wine",
    "/usr/lib64/wine",
    "/usr/lib32/wine",
    "/opt/wine-stable/lib64/wine",
    "/opt/wine-stable/lib/wine",
    "/opt/wine-devel/lib64/wine",
    "/opt/wine-devel/lib/wine",
];
/// The same for its tables.
const TABLES: [&str; 3] = ["/usr/share/wine/nls", "/opt/wine-stable/share/wine/nls", "/opt/wine-devel/share/wine/nls"];

/// The folder of the DLLs for an architecture.
const fn folder(arch: Arch) -> &'static str {
    match arch {
        Arch::X64 => "x86_64-windows",
        Arch::X86 => "i386-windows",
    }
}

/// What to install.
const fn packages(arch: Arch) -> &'static str {
    match arch {
        Arch::X64 => "apt-get install libwine",
        Arch::X86 => "dpkg --add-architecture i386 && apt-get update && apt-get install libwine:i386",
    }
}

/// Where a folder that somebody names may have the DLLs: an unpacked package, Wine's library folder, the folder itself.
fn dlls_below(folder: &Path, arch: Arch) -> Option<PathBuf> {
    let packages =
        LIBRARIES.iter().map(|library| folder.join(library.trim_start_matches('/')).join(self::folder(arch)));
    let own = [folder.join("lib/wine").join(self::folder(arch)), folder.join(self::folder(arch)), folder.to_path_buf()];
    packages.chain(own).find(|dlls| dlls.join("ntdll.dll").is_file())
}

impl WineFolders {
    /// Finds the Wine that is installed.
    ///
    /// Where it was looked for, and how to install it.
    pub fn find(arch: Arch) -> Result<Self, String> {
        let libraries = LIBRARIES.iter().map(Path::new);
        let dlls = libraries.map(|library| library.join(folder(arch))).find(|dlls| dlls.join("ntdll.dll").is_file());
        let dlls = dlls.ok_or_else(|| {
            format!(
                "--root wine: Wine's DLLs for {} are not installed (looked in {} and others); on Debian or Ubuntu: {}{}",
                arch.name(),
                Path::new(LIBRARIES[0]).join(folder(arch)).display(),
                packages(arch),
                if arch == Arch::X86 { ", or --root wine=FOLDER with the package unpacked there" } else { "" }
            )
        })?;
        Ok(Self { is_windows: false, dlls, nls: Self::tables(None)? })
    }

    /// Those in a folder.
    ///
    /// What is missing there.
    pub fn below(folder: &Path, arch: Arch) -> Result<Self, String> {
        let missing = || format!("--root wine={}: no ntdll.dll for {} in it", folder.display(), arch.name());
        let dlls = dlls_below(folder, arch).ok_or_else(missing)?;
        Ok(Self { is_windows: false, dlls, nls: Self::tables(Some(folder))? })
    }

    /// Those of a Windows folder, with `System32` in it. What lies there may be Wine's all the same.
    ///
    /// What is missing there.
    pub fn windows(folder: &Path) -> Result<Self, String> {
        /// An export that Windows' ntdll does not have.
        const OF_WINE: &[u8] = b"__wine_unix_call_dispatcher";
        let below = ["System32", "system32", "SYSTEM32"].map(|name| folder.join(name));
        let dlls = below.into_iter().find(|dlls| dlls.join("ntdll.dll").is_file());
        let dlls = dlls.ok_or_else(|| format!("--root windows={}: no System32\\ntdll.dll in it", folder.display()))?;
        let ntdll = read_file(&dlls.join("ntdll.dll")).map_err(|error| error.to_string())?;
        let is_windows = !ntdll.windows(OF_WINE.len()).any(|bytes| bytes == OF_WINE);
        let sorting = folder.join("Globalization").join("Sorting");
        let nls = match (sorting.is_dir(), dlls.join("l_intl.nls").is_file()) {
            (true, _) => sorting,
            (false, true) => dlls.clone(),
            (false, false) => Self::tables(None).map_err(|_| {
                format!(
                    "--root windows={}: neither System32\\l_intl.nls nor Globalization\\Sorting in it",
                    folder.display()
                )
            })?,
        };
        Ok(Self { is_windows, dlls, nls })
    }

    /// The national-language tables, of a folder or of the package that is installed.
    fn tables(folder: Option<&Path>) -> Result<PathBuf, String> {
        let below = |folder: &Path| TABLES.map(|nls| folder.join(nls.trim_start_matches('/')));
        let own = folder.into_iter().flat_map(|folder| below(folder).into_iter().chain([folder.join("nls")]));
        let installed = TABLES.iter().map(PathBuf::from);
        let found = own.chain(installed).find(|nls| nls.join("l_intl.nls").is_file());
        found.ok_or_else(|| {
            format!(
                "--root wine: Wine's tables (l_intl.nls) are not in {}; on Debian or Ubuntu: apt-get install libwine",
                TABLES[0]
            )
        })
    }
}
