//! What a run looks like from outside: calls and instructions as typed events, and the sinks that show them.

mod buffer;
mod builds;
mod chrome;
mod decode;
mod fits;
mod jsonl;
mod origin;
mod record;
mod text;
mod types;

use guest::NtStatus;
use kernel_model::mm::Phys;
use kernel_model::service::Row;
use kernel_model::{Answer, Call, Kernel};

use crate::cpu::RegisterFile;
use crate::loader::Modules;
use crate::machine::{Crash, End};

pub use buffer::Buffer;
pub use builds::BuildFit;
pub use chrome::ChromeSink;
pub use fits::Fit;
pub use jsonl::{JsonSink, SCHEMA_VERSION};
pub use record::{ArgRecord, CallRecord, InsnRecord, Recorder, Rings, Sink, Wants};
pub use text::TextSink;

/// The machine as an observer may look at it.
pub struct View<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// Physical memory.
    pub ram: &'a dyn Phys,
    /// The process's modules.
    pub modules: &'a Modules,
}

/// An instruction that is about to run.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Its address.
    pub address: u64,
    /// 64 or 32: how it is decoded.
    pub bits: u32,
    /// The ring it runs in.
    pub ring: u8,
    /// Its bytes.
    pub code: &'a [u8],
    /// The general registers before it.
    pub registers: &'a RegisterFile,
}

/// A call before its service runs.
pub struct CallStart<'a> {
    /// The call.
    pub call: &'a Call,
    /// Its row; `None` for a number that no table has.
    pub row: Option<&'a Row>,
    /// Its arguments in memory have been read; those in registers always are.
    pub fetched: bool,
    /// The registers at the trap.
    pub registers: &'a RegisterFile,
    /// Instructions retired, the trap included.
    pub retired: u64,
}

/// A call that has been answered.
pub struct CallEnd<'a> {
    /// The call.
    pub call: &'a Call,
    /// Its row.
    pub row: Option<&'a Row>,
    /// What became of it.
    pub answer: &'a Answer,
    /// The status the guest gets; `None`: it does not return.
    pub status: Option<NtStatus>,
    /// The registers at the trap.
    pub before: Option<&'a RegisterFile>,
    /// The registers after the return.
    pub after: Option<&'a RegisterFile>,
    /// Instructions retired.
    pub retired: u64,
}

/// Somebody who watches a run.
pub trait Observer {
    /// Whether [`Observer::instruction`] is to be called, which makes runs far slower.
    fn wants_instructions(&self) -> bool {
        false
    }
    /// A call has arrived.
    fn call_start(&mut self, view: &View<'_>, call: &CallStart<'_>);
    /// A call has been answered.
    fn call_end(&mut self, view: &View<'_>, call: &CallEnd<'_>);
    /// User code is told of an exception.
    fn exception(&mut self, _view: &View<'_>, _crash: &Crash) {}
    /// An instruction is about to run.
    fn instruction(&mut self, _view: &View<'_>, _step: &Step<'_>) {}
    /// The run is over.
    fn end(&mut self, view: &View<'_>, end: &End, retired: u64);
}
