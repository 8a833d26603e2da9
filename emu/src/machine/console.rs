//! The host's end of the guest's console.

use std::io::{self, IsTerminal, Read, Write};

use kernel_model::io::Stream;

/// Where the guest's console leads.
pub trait HostConsole {
    /// The guest has written.
    fn write(&mut self, stream: Stream, bytes: &[u8]);
    /// The guest wants up to `max` bytes. None: the input has ended.
    fn read(&mut self, max: usize) -> Vec<u8>;
    /// The emulator has something to say to its user, in one line.
    fn note(&mut self, line: &str);
    /// This console, if it keeps what it gets.
    fn captured(&mut self) -> Option<&mut Captured> {
        None
    }
}

/// A console that keeps what is written and is fed from memory.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Standard input, what is left of it.
    pub stdin: Vec<u8>,
    /// The emulator's own words.
    pub notes: Vec<String>,
}

impl HostConsole for Captured {
    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let out = if stream == Stream::Error { &mut self.stderr } else { &mut self.stdout };
        out.extend_from_slice(bytes);
    }

    fn read(&mut self, max: usize) -> Vec<u8> {
        let take = max.min(self.stdin.len());
        self.stdin.drain(..take).collect()
    }

    fn note(&mut self, line: &str) {
        self.notes.push(line.to_string());
    }

    fn captured(&mut self) -> Option<&mut Captured> {
        Some(self)
    }
}

/// The process's own standard streams.
#[derive(Debug, Default)]
pub(crate) struct Stdio;

impl HostConsole for Stdio {
    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        // A closed pipe is the reader's way of saying that it has seen enough; the guest is not told.
        let _ = match stream {
            Stream::Error => io::stderr().write_all(bytes).and_then(|()| io::stderr().flush()),
            _ => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
        };
    }

    fn read(&mut self, max: usize) -> Vec<u8> {
        let mut bytes = vec![0; max.min(0x10_0000)];
        let stdin = io::stdin();
        let mut done = 0;
        // A terminal gives lines. Anything else is read full, so that the guest does not see in what pieces a
        // pipe happened to arrive.
        while let Some(rest) = bytes.get_mut(done..).filter(|r| !r.is_empty()) {
            match stdin.lock().read(rest) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            }
            if stdin.is_terminal() {
                break;
            }
        }
        bytes.truncate(done);
        bytes
    }

    fn note(&mut self, line: &str) {
        let _ = writeln!(io::stderr(), "trapgate: {line}");
    }
}
