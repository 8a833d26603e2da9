//! `--root`: whose system DLLs the guest has.

use std::path::PathBuf;

use guest::Arch;

use crate::root::{SystemRoot, WineFolders};

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootChoice {
    /// Assembled by Trapgate; nothing to install.
    Builtin,
    /// Wine's own: of the installed package, or of a folder.
    Wine(Option<PathBuf>),
    /// Those of a Windows folder of the user's own.
    Windows(PathBuf),
}

impl RootChoice {
    /// Reads `builtin`, `wine`, `wine=FOLDER` or `windows=FOLDER`.
    ///
    /// What it may be.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "builtin" => Ok(Self::Builtin),
            None if text == "wine" => Ok(Self::Wine(None)),
            Some(("wine", folder)) if !folder.is_empty() => Ok(Self::Wine(Some(folder.into()))),
            Some(("windows", folder)) if !folder.is_empty() => Ok(Self::Windows(folder.into())),
            _ => Err("it is builtin, wine, wine=FOLDER or windows=FOLDER".into()),
        }
    }

    /// Finds its folders.
    ///
    /// Where it was looked for, and how to install it.
    pub fn find(&self, arch: Arch) -> Result<SystemRoot, String> {
        Ok(match self {
            Self::Builtin => SystemRoot::Builtin,
            Self::Wine(None) => SystemRoot::Wine(WineFolders::find(arch)?),
            Self::Windows(folder) => SystemRoot::Wine(WineFolders::windows(folder)?),
            Self::Wine(Some(folder)) => SystemRoot::Wine(WineFolders::below(folder, arch)?),
        })
    }
}
