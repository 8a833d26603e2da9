//! JSON Lines: one object a line, each a call or an instruction.

use std::io::Write;

use super::record::{CallRecord, InsnRecord, Sink};

/// The version of the schema that `docs/trace-schema.md` describes.
pub const SCHEMA_VERSION: u32 = 1;

/// Writes JSON Lines.
pub struct JsonSink<W: Write + 'static>(pub W);

impl<W: Write + 'static> JsonSink<W> {
    fn line(&mut self, value: &impl serde::Serialize) {
        // A reader that has gone is no reason to stop the guest.
        let _ = serde_json::to_writer(&mut self.0, value).map(|()| self.0.write_all(b"\n"));
    }
}

impl<W: Write + 'static> Sink for JsonSink<W> {
    fn call(&mut self, record: &CallRecord) {
        self.line(record);
    }

    fn insn(&mut self, record: &InsnRecord) {
        self.line(record);
    }

    fn end(&mut self, _: &crate::machine::End, _: u64) {
        let _ = self.0.flush();
    }
}
