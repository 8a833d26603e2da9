//! `DBGUI_WAIT_STATE_CHANGE`: an event as a debugger gets it.

use guest::context::ExceptionRecord;
use guest::mem::Width;
use guest::types::StructWriter;
use guest::{Handle, NtStatus};

use super::{DebugEvent, DebugMessage};

/// `DBG_STATE`.
const CREATE_THREAD: u64 = 2;
const CREATE_PROCESS: u64 = 3;
const EXIT_THREAD: u64 = 4;
const EXIT_PROCESS: u64 = 5;
const EXCEPTION: u64 = 6;
const BREAKPOINT: u64 = 7;
const SINGLE_STEP: u64 = 8;
const LOAD_DLL: u64 = 9;

/// What comes with an event: handles, and the image that it is about.
#[derive(Clone, Copy, Default)]
pub(super) struct Extras {
    pub process: Handle,
    pub thread: Handle,
    /// Where the image is.
    pub base: u64,
    /// `PointerToSymbolTable` and `NumberOfSymbols` of its header.
    pub symbols: (u32, u32),
}

/// Where what depends on the state is: behind the state and a `CLIENT_ID`.
const fn information_at(width: Width) -> usize {
    3 * width.bytes()
}

/// Bytes of the structure. The longest event is an exception: its record, and whether this is the first chance.
pub(super) const fn size(width: Width) -> usize {
    (information_at(width) + ExceptionRecord::size(width) + 4).next_multiple_of(width.bytes())
}

/// The structure of an event.
pub(super) fn encode(event: &DebugEvent, extras: &Extras, width: Width) -> Vec<u8> {
    let w = width.bytes();
    let at = information_at(width);
    let out = StructWriter::new(size(width), width).field(0, 4, state(&event.message));
    let out = out.word(w, event.process.0.into()).word(2 * w, event.thread.0.into());
    match &event.message {
        // HandleToThread, SubSystemKey, StartAddress
        DebugMessage::CreateThread { start } => out.word(at, extras.thread.0).word(at + 2 * w, *start).finish(),
        // HandleToProcess, HandleToThread, SubSystemKey, FileHandle, BaseOfImage, where its symbols are, SubSystemKey,
        // StartAddress
        DebugMessage::CreateProcess { start } => {
            let out = out.word(at, extras.process.0).word(at + w, extras.thread.0);
            put_image(out, at + 4 * w, extras, w).word(at + 6 * w + 8, *start).finish()
        }
        DebugMessage::ExitThread(status) | DebugMessage::ExitProcess(status) => {
            out.field(at, 4, status.0.into()).finish()
        }
        DebugMessage::Exception { record, first_chance, wow64 } => {
            let mut bytes = out.field(at + ExceptionRecord::size(width), 4, (*first_chance).into()).finish();
            let record = ExceptionRecord { code: told_as(record.code, *wow64), ..record.clone() };
            bytes.splice(at..at + ExceptionRecord::size(width), record.encode(width));
            bytes
        }
        // FileHandle, BaseOfDll, where its symbols are, NamePointer
        DebugMessage::LoadDll { .. } => put_image(out, at + w, extras, w).finish(),
    }
}

/// Base, `DebugInfoFileOffset`, `DebugInfoSize`.
fn put_image(out: StructWriter, at: usize, extras: &Extras, w: usize) -> StructWriter {
    let (offset, size) = extras.symbols;
    out.word(at, extras.base).field(at + w, 4, offset.into()).field(at + w + 4, 4, size.into())
}

/// The code of an exception: those of debugging have others where the code is WOW64's.
fn told_as(code: NtStatus, wow64: bool) -> NtStatus {
    match code {
        NtStatus::BREAKPOINT if wow64 => NtStatus::WX86_BREAKPOINT,
        NtStatus::SINGLE_STEP if wow64 => NtStatus::WX86_SINGLE_STEP,
        code => code,
    }
}

fn state(message: &DebugMessage) -> u64 {
    match message {
        DebugMessage::CreateThread { .. } => CREATE_THREAD,
        DebugMessage::CreateProcess { .. } => CREATE_PROCESS,
        DebugMessage::ExitThread(_) => EXIT_THREAD,
        DebugMessage::ExitProcess(_) => EXIT_PROCESS,
        DebugMessage::LoadDll { .. } => LOAD_DLL,
        DebugMessage::Exception { record, .. } => match record.code {
            NtStatus::BREAKPOINT => BREAKPOINT,
            NtStatus::SINGLE_STEP => SINGLE_STEP,
            _ => EXCEPTION,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ps::{ProcessId, ThreadId};

    /// The sizes and offsets of the public headers' structures.
    #[test]
    fn the_structure_is_laid_out_by_width() {
        assert_eq!([size(Width::W32), size(Width::W64)], [0x60, 0xb8]);
        let message = DebugMessage::CreateProcess { start: 0x40_1000 };
        let event = DebugEvent { process: ProcessId(8), thread: ThreadId(12), message, read: true, frozen: Vec::new() };
        let (process, thread) = (Handle(0x20), Handle(0x24));
        let extras = Extras { process, thread, base: 0x40_0000, symbols: (0x600, 7) };
        for (width, places) in [(Width::W64, [24, 32, 56, 64, 68, 80]), (Width::W32, [12, 16, 28, 32, 36, 44])] {
            let bytes = encode(&event, &extras, width);
            let told = places.map(|at| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]));
            assert_eq!(told, [0x20, 0x24, 0x40_0000, 0x600, 7, 0x40_1000], "{width:?}");
        }
    }
}
