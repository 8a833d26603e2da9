//! `trapgate flow`: one call drawn from the program's `call` to the service and back.

use std::cell::RefCell;
use std::rc::Rc;

use guest::Arch;
use guest::convention::Gate;
use guest::services::ServiceTableId;

use super::Paint;
use crate::cpu::{Reg, RegisterFile};
use crate::machine::{Dispatch, End, trap_address};
use crate::trace::{ArgRecord, CallEnd, CallStart, Observer, Recorder, Sink, Step, View, Wants};

/// What a drawing needs to know of the call.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The program.
    pub program: String,
    /// Where the stub was called from, by the return address on the stack.
    pub caller: Option<String>,
    /// The stub: place, bytes up to the trap's return, or the program's own instruction.
    pub stub: String,
    /// The stub's instructions.
    pub stub_code: Vec<String>,
    /// The trap is in the program itself.
    pub direct: bool,
    /// What the stub goes through to the trap, where that is not in it: a title and lines.
    pub through: Option<(String, Vec<String>)>,
    /// The gate.
    pub gate: Gate,
    /// The service.
    pub service: &'static str,
    /// Its number, table and row.
    pub number: u32,
    /// The table's name and the row in it.
    pub row: String,
    /// Its support level.
    pub support: &'static str,
    /// The arguments.
    pub args: Vec<ArgRecord>,
    /// The status.
    pub status: Option<String>,
    /// The registers at the trap.
    pub before: RegisterFile,
    /// The registers after the return.
    pub after: Option<RegisterFile>,
    /// Where kernel code runs: the symbols it went through, and how many instructions each took.
    pub kernel: Vec<(String, u32)>,
}

/// Watches a run until the first call of one service.
pub struct FlowFinder {
    service: String,
    recorder: Recorder,
    records: Rc<RefCell<Vec<crate::trace::CallRecord>>>,
    found: Rc<RefCell<Option<Flow>>>,
    dispatch: Dispatch,
    /// The instructions of ring 0 since ring 3 ran, by symbol.
    kernel: Vec<(String, u32)>,
}

struct Keep(Rc<RefCell<Vec<crate::trace::CallRecord>>>);

impl Sink for Keep {
    fn call(&mut self, record: &crate::trace::CallRecord) {
        *self.0.borrow_mut() = vec![record.clone()];
    }
}

impl FlowFinder {
    /// A finder for a service, on a machine that dispatches so, and where it puts what it finds.
    pub fn new(service: &str, dispatch: Dispatch) -> (Self, Rc<RefCell<Option<Flow>>>) {
        let found = Rc::new(RefCell::new(None));
        let records = Rc::new(RefCell::new(Vec::new()));
        let wants = Wants { registers: true, ..Wants::default() };
        let recorder = Recorder::new(Box::new(Keep(Rc::clone(&records))), wants);
        let service = service.to_string();
        (Self { service, recorder, records, found: Rc::clone(&found), dispatch, kernel: Vec::new() }, found)
    }
}

impl Observer for FlowFinder {
    fn wants_instructions(&self) -> bool {
        self.dispatch == Dispatch::Kernel
    }

    fn instruction(&mut self, view: &View<'_>, step: &Step<'_>) {
        if step.ring != 0 {
            self.kernel.clear();
            return;
        }
        let module = view.modules.at(step.address);
        let symbol = module.and_then(|m| Some((m, m.symbol_before(step.address)?.1)));
        let name = symbol.map_or_else(|| view.modules.describe(step.address), |(m, s)| format!("{}!{s}", m.stem()));
        match self.kernel.last_mut() {
            Some((last, count)) if *last == name => *count += 1,
            _ => self.kernel.push((name, 1)),
        }
    }

    fn call_start(&mut self, view: &View<'_>, call: &CallStart<'_>) {
        self.recorder.call_start(view, call);
    }

    fn call_end(&mut self, view: &View<'_>, end: &CallEnd<'_>) {
        self.recorder.call_end(view, end);
        let record = self.records.borrow_mut().pop();
        let (Some(record), Some(row)) = (record, end.row) else { return };
        if self.found.borrow().is_some() || row.info.name != self.service {
            return;
        }
        let origin = view.origin(end.call, end.before);
        let (start, gate) = (origin.start, end.call.gate);
        let profile = view.kernel.profile;
        let arch = view.modules.at(start).map_or(profile.arch, |m| m.arch);
        let style = profile.stub_style_for(arch).unwrap_or(profile.stub_style);
        let stub = profile.service(row.info.table, row.number() as usize & 0xfff).map(|s| style.stub(&s));
        let len = stub.filter(|_| !record.direct).map_or(2, |s| s.bytes.len());
        let mut code = vec![0; len];
        let _ = view.kernel.mm.peek(view.ram, start, &mut code);
        let bits = if record.direct { 8 * gate.width().bytes() as u32 } else { arch.bits() };
        let trap = trap_address(end.call);
        let through = (!(start..start + len as u64).contains(&trap)).then(|| through(view, trap, arch));
        *self.found.borrow_mut() = Some(Flow {
            program: view.modules.program().map_or(String::new(), |m| m.name.clone()),
            caller: origin.caller.map(|va| view.modules.describe(va)),
            stub: view.modules.describe(start),
            stub_code: disassemble(&code, bits, start),
            direct: record.direct,
            through,
            gate,
            service: row.info.name,
            number: row.number(),
            row: format!("{} row {:#x}", table_name(row.info.table), row.number() & 0xfff),
            support: row.support().level(),
            args: record.args,
            status: record.status_name,
            before: record.before.unwrap_or_default(),
            after: record.after,
            kernel: self.kernel.clone(),
        });
    }

    fn end(&mut self, view: &View<'_>, end: &End, retired: u64) {
        self.recorder.end(view, end, retired);
    }
}

/// What lies between a 32-bit stub and the trap: `KiFastSystemCall`, or the way into 64-bit code.
fn through(view: &View<'_>, trap: u64, arch: Arch) -> (String, Vec<String>) {
    let place = view.modules.describe(trap);
    let module = view.modules.at(trap);
    if module.is_some_and(|m| m.arch != arch) {
        let lines = vec![
            "jmp 33:... (Heaven's gate): 32-bit code goes on as 64-bit code".to_string(),
            format!("arguments are widened, and the system call made at {place}"),
        ];
        return ("wow64cpu".to_string(), lines);
    }
    let start = module.and_then(|m| m.symbol_before(trap)).map_or(trap & !0xff, |(start, _)| start);
    let mut code = vec![0; (trap - start) as usize + 2];
    let _ = view.kernel.mm.peek(view.ram, start, &mut code);
    (view.modules.describe(start), disassemble(&code, arch.bits(), start))
}

fn table_name(table: ServiceTableId) -> &'static str {
    match table {
        ServiceTableId::Nt => "KiServiceTable",
        ServiceTableId::Win32k => "W32pServiceTable",
    }
}

fn disassemble(code: &[u8], bits: u32, address: u64) -> Vec<String> {
    use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
    let mut formatter = IntelFormatter::new();
    let mut decoder = Decoder::with_ip(bits, code, address, DecoderOptions::NONE);
    let mut lines = Vec::new();
    while decoder.can_decode() {
        let start = decoder.position();
        let insn = decoder.decode();
        let bytes = code.get(start..start + insn.len()).unwrap_or(&[]);
        let bytes: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let mut text = String::new();
        formatter.format(&insn, &mut text);
        lines.push(format!("{bytes:<18} {text}"));
    }
    lines
}

/// What a drawing shows of a gate's convention.
struct Convention {
    /// Arguments in registers, then where those in memory are.
    registers: &'static [&'static str],
    memory: (&'static str, usize, usize),
    reads: &'static [Reg],
    leaves: &'static [Reg],
    exit: &'static str,
    rest: &'static str,
}

impl Convention {
    fn of(gate: Gate) -> Self {
        let x86 = Self {
            registers: &[],
            memory: ("edx", 8, 4),
            reads: &[Reg::Rax, Reg::Rdx],
            leaves: &[Reg::Rax, Reg::Rcx, Reg::Rdx, Reg::Rsp],
            exit: "sysexit",
            rest: "everything else as before",
        };
        match gate {
            Gate::Syscall | Gate::Int2e => Self {
                registers: &["r10", "rdx", "r8", "r9"],
                memory: ("rsp", 0x28, 8),
                reads: &[Reg::Rax, Reg::R10, Reg::Rdx, Reg::R8, Reg::R9],
                leaves: &[Reg::Rax, Reg::Rcx, Reg::Rdx, Reg::R8, Reg::R9, Reg::R10, Reg::R11],
                exit: "sysretq",
                rest: "xmm0-5=0, everything else as before",
            },
            Gate::Sysenter => x86,
            Gate::Int2e32 => Self { memory: ("edx", 0, 4), exit: "iretd", ..x86 },
        }
    }

    fn place(&self, index: usize) -> String {
        let (base, first, step) = self.memory;
        let in_memory = || format!("[{base}+{:x}]", first + step * index.saturating_sub(self.registers.len()));
        self.registers.get(index).map_or_else(in_memory, ToString::to_string)
    }
}

/// The steps of the drawing: a title, who runs it, and lines.
fn steps(flow: &Flow) -> Vec<(&'static str, String, Vec<String>)> {
    let bits = 8 * flow.gate.width().bytes() as u32;
    let reg = |file: &RegisterFile, regs: &[Reg]| {
        let shown = regs.iter().filter_map(|r| Some(format!("{}={:x}", r.name_in(bits)?, file.get(*r))));
        shown.collect::<Vec<_>>().join("  ")
    };
    let before = &flow.before;
    let mut args: Vec<String> = Vec::new();
    let convention = Convention::of(flow.gate);
    for (i, arg) in flow.args.iter().enumerate() {
        let place = convention.place(i);
        let decoded = arg.decoded.as_ref().map_or(String::new(), |d| format!("  {d}"));
        args.push(format!("{place:<8} {} {} = {:#x}{decoded}", arg.ty, arg.name, arg.value));
    }
    let trap_lines = vec![reg(before, convention.reads), reg(before, &[Reg::Rsp, Reg::Rbp, Reg::Rip, Reg::Rflags])];
    let mut service = args;
    service.push(format!("returns {}", flow.status.as_deref().unwrap_or("never: the process has ended")));
    for arg in flow.args.iter().filter(|a| a.after.is_some()) {
        service.push(format!("*{} = {}", arg.name, arg.after.as_deref().unwrap_or("")));
    }
    let mut steps = Vec::new();
    if flow.direct {
        let lines = [vec![format!("{}: its own system call, no ntdll involved", flow.stub)], flow.stub_code.clone()];
        steps.push(("user", format!("{} (program)", flow.program), lines.concat()));
    } else {
        let caller = flow.caller.clone().unwrap_or_else(|| "?".into());
        steps.push((
            "user",
            format!("{} (program)", flow.program),
            vec![format!("call {}", flow.service), format!("returns to {caller}")],
        ));
        steps.push(("user", format!("{} (stub)", flow.stub), flow.stub_code.clone()));
    }
    if let Some((title, lines)) = flow.through.clone() {
        steps.push(("user", title, lines));
    }
    steps.push(("trap", format!("{}: ring 3 to ring 0", flow.gate), trap_lines));
    // Up to the service's own entry, and from there on.
    let entry = flow.kernel.iter().position(|(name, _)| name.rsplit('!').next() == Some(flow.service));
    let (into, out) = flow.kernel.split_at(entry.map_or(flow.kernel.len(), |at| at + 1));
    let ring_0 = |title: &str, path: &[(String, u32)]| {
        let total: u32 = path.iter().map(|(_, count)| count).sum();
        let lines = path.iter().map(|(name, count)| format!("{name:<36} {count:>3}")).collect();
        ("kernel", format!("{title}: {total} instructions in ring 0"), lines)
    };
    if !into.is_empty() {
        steps.push(ring_0("to the service", into));
    }
    steps.push((
        "kernel",
        format!("system service table, number {:#x}", flow.number),
        vec![format!("{} -> {} ({} arguments)", flow.row, flow.service, flow.args.len())],
    ));
    steps.push(("kernel", format!("{} in Rust ({} support)", flow.service, flow.support), service));
    if !out.is_empty() {
        steps.push(ring_0("to the way out", out));
    }
    if let Some(after) = &flow.after {
        let lines = vec![reg(after, convention.leaves), convention.rest.to_string()];
        steps.push(("trap", format!("{}: ring 0 to ring 3", convention.exit), lines));
        let back = flow.caller.clone().unwrap_or_else(|| flow.stub.clone());
        let status = flow.status.clone().unwrap_or_default();
        steps.push((
            "user",
            format!("{} (program)", flow.program),
            vec![format!("goes on at {back} with {status} in eax")],
        ));
    }
    steps
}

/// The drawing for a terminal.
pub fn flow_text(flow: &Flow, paint: Paint) -> String {
    let mut text = String::new();
    let steps = steps(flow);
    let width = steps.iter().flat_map(|(_, title, lines)| lines.iter().chain([title])).map(|l| l.chars().count()).max();
    // A line is indented by three, and keeps a space before the border.
    let width = width.unwrap_or(0) + 4;
    let count = steps.len();
    for (i, (ring, title, lines)) in steps.iter().enumerate() {
        let title_text = format!(" {title:<w$}", w = width - 1);
        let title = match *ring {
            "user" => paint.good(&title_text),
            "trap" => paint.warn(&title_text),
            _ => paint.name(&title_text),
        };
        text += &format!("{ring:>7} ┌{}┐\n{:>7} │{title}│\n", "─".repeat(width), "");
        for line in lines {
            text += &format!("{:>7} │   {line:<w$}│\n", "", w = width - 3);
        }
        let joint = if i + 1 < count { "┬" } else { "─" };
        text += &format!("{:>7} └──{joint}{}┘\n", "", "─".repeat(width - 3));
        if i + 1 < count {
            text += &format!("{:>7}    ▼\n", "");
        }
    }
    text
}

/// The drawing as SVG.
pub fn flow_svg(flow: &Flow) -> String {
    let escape = |s: &str| s.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let steps = steps(flow);
    let (line, pad, gap) = (18, 12, 26);
    let widest = steps.iter().flat_map(|(_, t, l)| l.iter().chain([t])).map(|l| l.chars().count()).max().unwrap_or(0);
    let width = 60 + 8 * widest + 2 * pad;
    let mut body = String::new();
    let mut y = 20;
    let count = steps.len();
    for (i, (ring, title, lines)) in steps.iter().enumerate() {
        let (fill, stroke) = match *ring {
            "user" => ("#eaf6ea", "#3a7d3a"),
            "trap" => ("#fdf3dc", "#b07a10"),
            _ => ("#e6f0fb", "#2a5f9e"),
        };
        let height = line * (lines.len() + 1) + 2 * pad;
        body += &format!(
            "<rect x=\"20\" y=\"{y}\" width=\"{}\" height=\"{height}\" rx=\"6\" fill=\"{fill}\" stroke=\"{stroke}\"/>\n\
             <text x=\"{}\" y=\"{}\" font-weight=\"bold\" fill=\"{stroke}\">{}</text>\n",
            width - 40,
            20 + pad,
            y + pad + 13,
            escape(title)
        );
        for (n, text) in lines.iter().enumerate() {
            body += &format!(
                "<text x=\"{}\" y=\"{}\" xml:space=\"preserve\">{}</text>\n",
                20 + pad + 16,
                y + pad + 13 + line * (n + 1),
                escape(text)
            );
        }
        y += height;
        if i + 1 < count {
            let x = 60;
            body += &format!(
                "<path d=\"M{x} {y} v{} m-5 -7 l5 7 l5 -7\" fill=\"none\" stroke=\"#555\" stroke-width=\"1.5\"/>\n",
                gap - 2
            );
            y += gap;
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{h}\" viewBox=\"0 0 {width} {h}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n",
        h = y + 20
    )
}
