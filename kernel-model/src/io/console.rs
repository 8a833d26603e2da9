//! The console: three streams whose other end is the host's.

use std::collections::VecDeque;

/// Which stream a console file object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard input.
    Input,
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// What was written and not yet shown, and what was typed and not yet read.
#[derive(Clone, Debug, Default)]
pub struct Console {
    /// The standard handles are pipes: there is no console.
    pub is_pipe: bool,
    output: Vec<(Stream, Vec<u8>)>,
    notes: Vec<String>,
    input: VecDeque<u8>,
    end_of_input: bool,
    wanted: usize,
}

impl Console {
    /// Queues output.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        match self.output.last_mut() {
            Some((last, pending)) if *last == stream => pending.extend_from_slice(bytes),
            _ => self.output.push((stream, bytes.to_vec())),
        }
    }

    /// Whether there is output or a note that nobody has taken.
    #[inline]
    pub fn has_output(&self) -> bool {
        !self.output.is_empty() || !self.notes.is_empty()
    }

    /// Has something said to whoever runs the machine.
    pub fn note(&mut self, line: String) {
        self.notes.push(line);
    }

    /// Takes what is to be said, in order.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Takes the output, in order.
    pub fn take_output(&mut self) -> Vec<(Stream, Vec<u8>)> {
        std::mem::take(&mut self.output)
    }

    /// How many bytes the blocked read asked for.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Supplies input; none means that it has ended.
    pub fn supply(&mut self, bytes: &[u8]) {
        self.input.extend(bytes);
        self.end_of_input |= bytes.is_empty();
    }

    /// The bytes of input that are there, which stay. `None`: there are none yet. Empty: the end.
    pub(super) fn look(&mut self) -> Option<&[u8]> {
        const AT_A_TIME: usize = 0x1000;
        if self.input.is_empty() && !self.end_of_input {
            self.wanted = AT_A_TIME;
            return None;
        }
        Some(self.input.make_contiguous())
    }

    /// Takes up to `max` bytes of input. `None`: there is none yet. Empty: the end.
    pub(super) fn read(&mut self, max: usize) -> Option<Vec<u8>> {
        if self.input.is_empty() && !self.end_of_input {
            self.wanted = max;
            return None;
        }
        let take = max.min(self.input.len());
        Some(self.input.drain(..take).collect())
    }
}
