//! `RTL_USER_PROCESS_PARAMETERS` as whoever makes a process gives them.

use guest::layout::Side;
use guest::mem::Word;
use guest::types::UnicodeString;
use guest::{GuestMemory, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::service::NtResult;

/// Its texts.
pub const TEXTS: [&str; 7] =
    ["CurrentDirectory", "DllPath", "ImagePathName", "CommandLine", "WindowTitle", "DesktopInfo", "ShellInfo"];
/// What is no text, though a `UNICODE_STRING` tells of it: what C libraries hand on.
pub const RUNTIME: &str = "RuntimeData";
/// The places of two in [`TEXTS`].
const IMAGE_PATH: usize = 2;
const COMMAND_LINE: usize = 3;

/// Its numbers of 32 bits that a process hands on as they are.
pub const NUMBERS: [&str; 10] = [
    "ConsoleFlags",
    "StartingX",
    "StartingY",
    "CountX",
    "CountY",
    "CountCharsX",
    "CountCharsY",
    "FillAttribute",
    "WindowFlags",
    "ShowWindowFlags",
];

/// Standard input, output and error.
pub const STANDARD: [&str; 3] = ["StandardInput", "StandardOutput", "StandardError"];

/// `RTL_USER_PROC_PARAMS_NORMALIZED`: texts are where their buffers say; otherwise that is counted from the structure.
const NORMALIZED: u32 = 1;
/// The largest environment, in bytes: `EnvironmentSize` has 32 bits on 32-bit machines, and nobody fills them.
const MAX_ENVIRONMENT: u64 = 0x100_0000;

/// What a new process is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessParameters {
    /// [`TEXTS`].
    pub texts: [Vec<u16>; TEXTS.len()],
    /// [`RUNTIME`].
    pub runtime: Vec<u8>,
    /// [`NUMBERS`].
    pub numbers: [u32; NUMBERS.len()],
    /// [`STANDARD`].
    pub standard: [u64; 3],
    /// `ConsoleHandle`.
    pub console: u64,
    /// The environment block, with its end.
    pub environment: Vec<u8>,
}

impl ProcessParameters {
    /// `ImagePathName`.
    pub fn image_path(&self) -> String {
        String::from_utf16_lossy(&self.texts[IMAGE_PATH])
    }

    /// `CommandLine`.
    pub fn command_line(&self) -> String {
        String::from_utf16_lossy(&self.texts[COMMAND_LINE])
    }

    /// Reads them from the caller's memory.
    ///
    /// `STATUS_ACCESS_VIOLATION`, `STATUS_INVALID_PARAMETER` for an environment without an end.
    pub(super) fn capture(cx: &mut Cx<'_>, at: u64) -> NtResult<Self> {
        let side = Side::new(cx.kernel.profile, cx.kernel.profile.arch);
        let field = |name: &str| at.wrapping_add(side.offset("RTL_USER_PROCESS_PARAMETERS", name));
        let mut found = Self::default();
        let flags: u32 = cx.mem().load(UserPtr::new(field("Flags")))?;
        let base = if flags & NORMALIZED != 0 { 0 } else { at };
        for (name, to) in TEXTS.iter().zip(&mut found.texts) {
            *to = text(cx, field(name), base)?;
        }
        found.runtime = bytes(cx, field(RUNTIME), base)?;
        for (name, to) in NUMBERS.iter().zip(&mut found.numbers) {
            *to = cx.mem().load(UserPtr::new(field(name)))?;
        }
        for (name, to) in STANDARD.iter().zip(&mut found.standard) {
            *to = cx.mem().load(UserPtr::<Word>::new(field(name)))?.0;
        }
        found.console = cx.mem().load(UserPtr::<Word>::new(field("ConsoleHandle")))?.0;
        let block = cx.mem().load(UserPtr::<Word>::new(field("Environment")))?.0;
        found.environment = if block == 0 { vec![0; 4] } else { environment(cx, block)? };
        Ok(found)
    }
}

fn text(cx: &mut Cx<'_>, at: u64, base: u64) -> NtResult<Vec<u16>> {
    Ok(bytes(cx, at, base)?.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect())
}

/// What a `UNICODE_STRING` tells of.
fn bytes(cx: &mut Cx<'_>, at: u64, base: u64) -> NtResult<Vec<u8>> {
    let string = cx.mem().load(UserPtr::<UnicodeString>::new(at))?;
    let mut bytes = vec![0; usize::from(string.length)];
    if !bytes.is_empty() {
        cx.mem().read(base.wrapping_add(string.buffer), &mut bytes)?;
    }
    Ok(bytes)
}

/// An environment block: up to an empty string.
fn environment(cx: &mut Cx<'_>, at: u64) -> NtResult<Vec<u8>> {
    let (mut block, mut starts) = (Vec::new(), true);
    while (block.len() as u64) < MAX_ENVIRONMENT {
        let va = at.wrapping_add(block.len() as u64);
        // To the end of the page: what lies behind the block may not be there.
        let mut bytes = vec![0; (0x1000 - va % 0x1000) as usize & !1];
        if bytes.is_empty() {
            break;
        }
        cx.mem().read(va, &mut bytes)?;
        for unit in bytes.chunks_exact(2) {
            block.extend(unit);
            let zero = unit == [0, 0];
            if zero && starts {
                return Ok(block);
            }
            starts = zero;
        }
    }
    Err(NtStatus::INVALID_PARAMETER.into())
}
