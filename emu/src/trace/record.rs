//! From events to records: calls with their arguments decoded before and after, instructions with what they
//! changed.

use std::any::Any;

use guest::mem::Width;
use guest::services::ArgInfo;
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, Register};
use kernel_model::Answer;
use serde::Serialize;

use super::builds::BuildFit;
use super::decode::truncate;
use super::{CallEnd, CallStart, Observer, Step, View};
use crate::cpu::{Reg, RegisterFile};
use crate::machine::{End, trap_address};

/// One argument of a call.
#[derive(Clone, Debug, Serialize)]
pub struct ArgRecord {
    /// The name in the prototype.
    pub name: &'static str,
    /// The C type.
    #[serde(rename = "type")]
    pub ty: &'static str,
    /// The value, as wide as the type.
    #[serde(serialize_with = "hex")]
    pub value: u64,
    /// What it means, or what the caller had put where it points.
    pub decoded: Option<String>,
    /// What the service left where it points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// One call. The serialised form is the JSON Lines schema, version 1; see `docs/trace-schema.md`.
#[derive(Clone, Debug, Serialize)]
pub struct CallRecord {
    /// `"call"`.
    pub kind: &'static str,
    /// The schema's version.
    pub v: u32,
    /// Counted from 1.
    pub seq: u64,
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// The NT name; `null` for a number that no table has.
    pub service: Option<&'static str>,
    /// The service number, with the table's bits.
    #[serde(serialize_with = "hex32")]
    pub number: u32,
    /// `nt` or `win32k`.
    pub table: Option<&'static str>,
    /// How it came in.
    pub gate: &'static str,
    /// The address of the trapping instruction.
    #[serde(serialize_with = "hex")]
    pub rip: u64,
    /// The same with module and symbol.
    pub place: String,
    /// The trap is not in a system DLL's stub: the program makes its own system calls.
    pub direct: bool,
    /// What it would have been on other builds, where that was asked for and the call is direct.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builds: Option<Vec<BuildFit>>,
    /// The arguments.
    pub args: Vec<ArgRecord>,
    /// The status; `null` if the call does not return.
    pub status: Option<u32>,
    /// Its name, or its value in hexadecimal.
    pub status_name: Option<String>,
    /// What is missing, where the answer is that something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// Why the dispatcher refused the call before there was a service, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<&'static str>,
    /// Instructions retired in the run when the call trapped, the trap included.
    pub insns: u64,
    /// Instructions since the call before.
    pub insns_delta: u64,
    /// Virtual time at the trap, in nanoseconds since boot.
    pub time_ns: u64,
    /// The registers before the trap.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "registers")]
    pub before: Option<RegisterFile>,
    /// The registers after the return.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "registers")]
    pub after: Option<RegisterFile>,
}

/// One instruction.
#[derive(Clone, Debug, Serialize)]
pub struct InsnRecord {
    /// `"insn"`.
    pub kind: &'static str,
    /// The schema's version.
    pub v: u32,
    /// Counted from 1.
    pub n: u64,
    /// The ring it runs in: 3, or 0 for kernel code.
    pub ring: u8,
    /// Its address.
    #[serde(serialize_with = "hex")]
    pub rip: u64,
    /// The same with module and symbol.
    pub place: String,
    /// Its bytes in hexadecimal.
    pub bytes: String,
    /// Intel syntax.
    pub text: String,
    /// The registers it changed, RIP left out, with their new values.
    pub changed: Vec<(String, String)>,
}

/// An instruction of kernel code, with a name for the place it refers to.
fn with_names(view: &View<'_>, insn: &Instruction, text: String) -> String {
    let address = if insn.is_ip_rel_memory_operand() {
        insn.ip_rel_memory_address()
    } else if insn.op_count() > 0 && insn.memory_base() == Register::None && insn.near_branch_target() != 0 {
        insn.near_branch_target()
    } else if insn.memory_displ_size() >= 4 && insn.memory_base() == Register::None {
        insn.memory_displacement64()
    } else {
        return text;
    };
    if view.modules.at(address).is_none() {
        return text;
    }
    // As the formatter writes numbers: a zero before a letter.
    let digits = format!("{address:X}");
    let zero = if digits.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "0" };
    text.replace(&format!("{zero}{digits}h"), &view.modules.describe(address)).replace("short ", "")
}

fn hex<S: serde::Serializer>(value: &u64, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&format_args!("{value:#x}"))
}

fn hex32<S: serde::Serializer>(value: &u32, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&format_args!("{value:#x}"))
}

fn registers<S: serde::Serializer>(file: &Option<RegisterFile>, s: S) -> Result<S::Ok, S::Error> {
    let Some(file) = file else { return s.serialize_none() };
    let general = file.iter().map(|(reg, value)| (reg.name().to_string(), format!("{value:#x}")));
    let wide =
        file.xmm.iter().enumerate().map(|(i, [low, high])| (format!("xmm{i}"), format!("0x{high:016x}{low:016x}")));
    s.collect_map(general.chain(wide))
}

/// Which rings' instructions a trace holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Rings {
    /// The program's.
    #[default]
    User,
    /// Kernel code's.
    Kernel,
    /// All.
    Both,
}

/// What a trace says of a call of win32k that got no further than the dispatcher.
const NO_GUI: &str = "the process may not use win32k: its thread cannot become a GUI thread";

/// What a trace is to hold.
#[derive(Clone, Debug, Default)]
pub struct Wants {
    /// Registers before and after each call.
    pub registers: bool,
    /// Every instruction.
    pub instructions: bool,
    /// Which rings' instructions.
    pub rings: Rings,
    /// What direct calls would have been on other builds.
    pub builds: bool,
    /// Only services whose name contains one of these, whatever the case; empty: all.
    pub filter: Vec<String>,
}

/// Somebody who shows records.
pub trait Sink: Any {
    /// A call has been answered.
    fn call(&mut self, record: &CallRecord);
    /// An instruction has run.
    fn insn(&mut self, _record: &InsnRecord) {}
    /// The run is over.
    fn end(&mut self, _end: &End, _retired: u64) {}
}

/// An observer that makes records and gives them to a sink.
pub struct Recorder {
    sink: Box<dyn Sink>,
    wants: Wants,
    seq: u64,
    instructions: u64,
    last_retired: u64,
    /// The arguments of the call under way, as they were when it arrived.
    args: Vec<ArgRecord>,
    /// What it would have been on other builds, told by the same.
    builds: Option<Vec<BuildFit>>,
    retired: u64,
    time_ns: u64,
    /// The instruction that is running, the registers before it, and its width.
    running: Option<(InsnRecord, RegisterFile, u32)>,
}

impl Recorder {
    /// A recorder for a sink.
    pub fn new(sink: Box<dyn Sink>, wants: Wants) -> Self {
        let wants = Wants { filter: wants.filter.iter().map(|f| f.to_lowercase()).collect(), ..wants };
        Self {
            sink,
            wants,
            seq: 0,
            instructions: 0,
            last_retired: 0,
            args: Vec::new(),
            builds: None,
            retired: 0,
            time_ns: 0,
            running: None,
        }
    }

    fn is_wanted(&self, service: Option<&str>) -> bool {
        let name = service.unwrap_or("").to_lowercase();
        self.wants.filter.is_empty() || self.wants.filter.iter().any(|f| name.contains(f))
    }

    /// Shows the instruction that has been running, with what it changed.
    fn finish_instruction(&mut self, after: Option<&RegisterFile>) {
        let Some((mut record, before, bits)) = self.running.take() else { return };
        let differing = |after: &RegisterFile| {
            let pairs = before.iter().zip(after.iter().map(|(_, v)| v));
            let changed = pairs.filter(|((reg, old), new)| *reg != Reg::Rip && old != new);
            let name = |reg: Reg| reg.name_in(bits).unwrap_or_else(|| reg.name().to_string());
            changed.map(|((reg, _), new)| (name(reg), format!("{new:#x}"))).collect()
        };
        record.changed = after.map(differing).unwrap_or_default();
        self.sink.insn(&record);
    }
}

impl Observer for Recorder {
    fn wants_instructions(&self) -> bool {
        self.wants.instructions
    }

    fn call_start(&mut self, view: &View<'_>, start: &CallStart<'_>) {
        // Kernel code that runs shows by its next instruction what this one changed.
        if self.wants.rings == Rings::User {
            self.finish_instruction(None);
        }
        self.retired = start.retired;
        self.time_ns = view.kernel.clock.tsc();
        let arg = |(i, arg): (usize, &'static ArgInfo)| ArgRecord {
            name: arg.name,
            ty: arg.ty,
            value: truncate(arg, start.call.args.get(i)),
            decoded: start.row.and_then(|row| view.decode_in(start.call, row, i, arg)),
            after: None,
        };
        let known = match (start.fetched, start.call.gate.width()) {
            (true, _) => usize::MAX,
            (false, Width::W64) => start.call.regs.register_args().len(),
            (false, Width::W32) => 0,
        };
        let args = start.row.map_or(&[][..], |row| row.info.args);
        self.args = args.iter().take(known).enumerate().map(arg).collect();
        let is_asked = self.wants.builds && view.origin(start.call, Some(start.registers)).is_direct();
        self.builds = is_asked.then(|| view.builds(start.call));
    }

    fn call_end(&mut self, view: &View<'_>, end: &CallEnd<'_>) {
        self.finish_instruction(end.after);
        self.seq += 1;
        let delta = self.retired - self.last_retired;
        self.last_retired = self.retired;
        let (mut args, builds) = (std::mem::take(&mut self.args), self.builds.take());
        let service = end.row.map(|r| r.info.name);
        if !self.is_wanted(service) {
            return;
        }
        if end.status.is_some_and(|s| s.is_success()) {
            let infos = end.row.map_or(&[][..], |r| r.info.args);
            for (i, (arg, info)) in args.iter_mut().zip(infos).enumerate() {
                arg.after = view.decode_out(end.call, i, info);
            }
        }
        let rip = trap_address(end.call);
        let registers = |file: Option<&RegisterFile>| file.copied().filter(|_| self.wants.registers);
        let record = CallRecord {
            kind: "call",
            v: super::SCHEMA_VERSION,
            seq: self.seq,
            pid: view.kernel.ps.process.id.0,
            tid: view.kernel.ps.thread.id.0,
            service,
            number: end.call.number,
            table: end.row.map(|r| r.info.table.name()),
            gate: end.call.gate.name(),
            rip,
            place: view.modules.describe(rip),
            direct: view.origin(end.call, end.before).is_direct(),
            builds,
            args,
            status: end.status.map(|s| s.0),
            status_name: end.status.map(|s| s.to_string()),
            missing: match end.answer {
                Answer::NotImplemented(what) => Some(what.as_deref().unwrap_or("the service").to_string()),
                _ => None,
            },
            refused: matches!(end.answer, Answer::NoGui(_)).then_some(NO_GUI),
            insns: self.retired,
            insns_delta: delta,
            time_ns: self.time_ns,
            before: registers(end.before),
            after: registers(end.after),
        };
        self.sink.call(&record);
    }

    fn instruction(&mut self, view: &View<'_>, step: &Step<'_>) {
        let Step { address, bits, ring, code, registers } = *step;
        self.finish_instruction(Some(registers));
        let wanted = match self.wants.rings {
            Rings::User => ring == 3,
            Rings::Kernel => ring == 0,
            Rings::Both => true,
        };
        if !wanted {
            return;
        }
        self.instructions += 1;
        let insn = Decoder::with_ip(bits, code, address, DecoderOptions::NONE).decode();
        let mut text = String::new();
        let mut formatter = IntelFormatter::new();
        formatter.options_mut().set_space_after_operand_separator(false);
        formatter.format(&insn, &mut text);
        if ring == 0 {
            text = with_names(view, &insn, text);
        }
        let record = InsnRecord {
            kind: "insn",
            v: super::SCHEMA_VERSION,
            n: self.instructions,
            ring,
            rip: address,
            place: view.modules.describe(address),
            bytes: code.iter().map(|b| format!("{b:02x}")).collect(),
            text,
            changed: Vec::new(),
        };
        self.running = Some((record, *registers, bits));
    }

    fn end(&mut self, _view: &View<'_>, end: &End, retired: u64) {
        self.finish_instruction(None);
        self.sink.end(end, retired);
    }
}
