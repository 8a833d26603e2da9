//! The listing a person reads.

use std::io::Write;

use super::builds::builds_text;
use super::record::{CallRecord, InsnRecord, Sink};
use crate::machine::End;
use crate::view::Paint;

/// Writes one line a call, with more lines where they were asked for.
pub struct TextSink<W: Write + 'static> {
    out: W,
    paint: Paint,
    /// The process that made the first call; another's calls are marked.
    first: Option<u32>,
}

impl<W: Write + 'static> TextSink<W> {
    /// A sink that writes to `out`.
    pub fn new(out: W, paint: Paint) -> Self {
        Self { out, paint, first: None }
    }

    fn registers(&self, record: &CallRecord) -> String {
        let (Some(before), after) = (&record.before, &record.after) else { return String::new() };
        let mut text = String::new();
        for (row, chunk) in before.iter().collect::<Vec<_>>().chunks(6).enumerate() {
            let head = if row == 0 { "before" } else { "" };
            let cells = chunk.iter().map(|(reg, value)| format!("{:>6}={value:016x}", reg.name()));
            text += &format!("      {head:6} {}\n", cells.collect::<Vec<_>>().join(" "));
        }
        let Some(after) = after else { return text };
        let pairs = before.iter().zip(after.iter().map(|(_, v)| v));
        let mut changed: Vec<String> = pairs
            .filter(|((_, old), new)| old != new)
            .map(|((reg, _), new)| format!("{}={new:x}", reg.name()))
            .collect();
        for (i, (old, new)) in before.xmm.iter().zip(&after.xmm).enumerate() {
            if old != new {
                changed.push(format!("xmm{i}={:016x}{:016x}", new[1], new[0]));
            }
        }
        text + &format!("      after  {}\n", self.paint.bold(&changed.join(" ")))
    }
}

impl<W: Write + 'static> Sink for TextSink<W> {
    fn call(&mut self, record: &CallRecord) {
        let args = record.args.iter().map(|a| match &a.decoded {
            // An address says less than what it leads to; a number is shown with its name.
            Some(text) if a.ty == "HANDLE" => format!("{}={:#x} {}", a.name, a.value, self.paint.dim(text)),
            Some(text) => format!("{}={text}", a.name),
            None => format!("{}={:#x}", a.name, a.value),
        });
        let args = args.collect::<Vec<_>>().join(", ");
        let name = match record.service {
            Some(name) => self.paint.name(name),
            None => self.paint.bad(&format!("service {:#x}", record.number)),
        };
        let result = match (&record.status, &record.status_name) {
            (Some(status), Some(name)) if (*status as i32) < 0 => self.paint.bad(name),
            (_, Some(name)) => self.paint.good(name),
            _ => self.paint.dim("(does not return)"),
        };
        let after: Vec<String> =
            record.args.iter().filter_map(|a| Some(format!("{}={}", a.name, a.after.as_ref()?))).collect();
        let after = if after.is_empty() { String::new() } else { format!("  [{}]", after.join(", ")) };
        let missing = record.missing.as_ref().map_or(String::new(), |m| format!("  (missing: {m})"));
        let refused = record.refused.map_or(String::new(), |why| format!("  (refused: {why})"));
        let direct = if record.direct { format!("  {}", self.paint.warn("direct")) } else { String::new() };
        let gate = if record.gate == "syscall" { String::new() } else { format!("  {}", record.gate) };
        let place = self.paint.dim(&record.place);
        let whose = match *self.first.get_or_insert(record.pid) {
            first if first == record.pid => String::new(),
            _ => self.paint.dim(&format!("[{}] ", record.pid)),
        };
        let line = format!(
            "{:>5}  {whose}{name}({args}) = {result}{after}{missing}{refused}{direct}{gate}  {place}\n",
            record.seq
        );
        let builds = record.builds.as_ref();
        let builds =
            builds.map_or(String::new(), |b| format!("       {} {}\n", self.paint.warn("fits:"), builds_text(b)));
        let more = builds + &self.registers(record);
        let _ = self.out.write_all(line.as_bytes()).and_then(|()| self.out.write_all(more.as_bytes()));
    }

    fn insn(&mut self, record: &InsnRecord) {
        let changed: Vec<String> = record.changed.iter().map(|(reg, value)| format!("{reg}={value}")).collect();
        let changed = self.paint.dim(&changed.join(" "));
        // Kernel code has longer names.
        let width = if record.ring == 0 { 36 } else { 30 };
        let line = format!("       {:016x}  {:<width$} {:<36} {changed}", record.rip, record.place, record.text);
        let _ = writeln!(self.out, "{}", line.trim_end());
    }

    fn end(&mut self, _: &End, _: u64) {
        let _ = self.out.flush();
    }
}
