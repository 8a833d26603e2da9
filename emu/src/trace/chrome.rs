//! The trace-event format of Chrome's and Perfetto's viewers: one slice a call, on the virtual clock.

use std::io::Write;

use serde_json::json;

use super::builds::builds_text;
use super::record::{CallRecord, Sink};
use crate::machine::End;

/// Writes one JSON document.
pub struct ChromeSink<W: Write + 'static> {
    out: W,
    any: bool,
}

impl<W: Write + 'static> ChromeSink<W> {
    /// A sink that writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, any: false }
    }

    fn event(&mut self, event: &serde_json::Value) {
        let start = if self.any { ",\n" } else { "{\"traceEvents\":[\n" };
        self.any = true;
        let _ = write!(self.out, "{start}{event}");
    }
}

impl<W: Write + 'static> Sink for ChromeSink<W> {
    fn call(&mut self, record: &CallRecord) {
        let args: serde_json::Map<_, _> = record
            .args
            .iter()
            .map(|a| (a.name.to_string(), json!(a.decoded.clone().unwrap_or_else(|| format!("{:#x}", a.value)))))
            .collect();
        let mut event = json!({
            "name": record.service.unwrap_or("(no such service)"),
            "cat": record.table.unwrap_or("none"),
            "ph": "X",
            "ts": record.time_ns as f64 / 1000.0,
            "dur": 0.001,
            "pid": record.pid,
            "tid": record.tid,
            "args": { "status": record.status_name, "gate": record.gate, "place": record.place, "arguments": args },
        });
        if let Some(builds) = &record.builds {
            event["args"]["fits"] = builds_text(builds).into();
        }
        self.event(&event);
    }

    fn end(&mut self, _: &End, _: u64) {
        let start = if self.any { "" } else { "{\"traceEvents\":[\n" };
        let _ = write!(self.out, "{start}\n],\"displayTimeUnit\":\"ns\"}}\n").and_then(|()| self.out.flush());
    }
}
