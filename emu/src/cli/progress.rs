//! What a person at a terminal sees of a run that takes long, and how they stop it.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kernel_model::io::Stream;

use crate::machine::{HostConsole, Look, Machine, Stdio, Watch};

/// How long a run takes before anything is shown, and how long a line stays.
const PATIENCE: Duration = Duration::from_secs(1);
const PERIOD: Duration = Duration::from_millis(250);
/// How many looks go by without looking at the host's clock.
const LOOKS: u32 = 4;

/// The line on the terminal, which everybody else who writes there takes away first.
#[derive(Clone, Debug, Default)]
struct Line(Arc<AtomicBool>);

impl Line {
    fn show(&self, text: &str) {
        self.0.store(true, Ordering::Relaxed);
        let _ = write!(io::stderr(), "\r\x1b[K{text}").and_then(|()| io::stderr().flush());
    }

    fn erase(&self) {
        if self.0.swap(false, Ordering::Relaxed) {
            let _ = write!(io::stderr(), "\r\x1b[K").and_then(|()| io::stderr().flush());
        }
    }
}

/// The console of a run with a line.
struct Console(Line);

impl HostConsole for Console {
    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        self.0.erase();
        Stdio.write(stream, bytes);
    }

    fn read(&mut self, max: usize) -> Vec<u8> {
        self.0.erase();
        Stdio.read(max)
    }

    fn note(&mut self, line: &str) {
        self.0.erase();
        Stdio.note(line);
    }
}

/// Looks at a run.
pub(super) struct Progress {
    line: Line,
    /// Somebody has pressed Ctrl-C.
    interrupted: Arc<AtomicBool>,
    shows: bool,
    looks: u32,
    start: Instant,
    /// When the line was written last, and how many calls there were then.
    last: Option<(Instant, u64)>,
}

impl Progress {
    /// Looks at a machine's run; the line is shown on a terminal, to those who want to hear something.
    pub(super) fn watch(machine: &mut Machine, quiet: bool) {
        let line = Line::default();
        let shows = !quiet && io::stderr().is_terminal();
        if shows {
            machine.set_console(Box::new(Console(line.clone())));
        }
        let interrupted = interrupts();
        machine.set_watch(Box::new(Self { line, interrupted, shows, looks: 0, start: Instant::now(), last: None }));
    }

    fn text(&self, look: &Look<'_>, now: Instant) -> String {
        let (since, before) = self.last.unwrap_or((self.start, 0));
        let rate = look.calls.saturating_sub(before) as f64 / now.duration_since(since).as_secs_f64().max(0.001);
        let millions = look.instructions as f64 / 1e6;
        let seconds = now.duration_since(self.start).as_secs();
        let module = look.module.unwrap_or("code outside of modules");
        format!("trapgate: {seconds} s, {millions:.1} million instructions, {rate:.0} calls a second, in {module}")
    }
}

impl Watch for Progress {
    fn stops(&mut self) -> bool {
        let stops = self.interrupted.load(Ordering::Relaxed);
        if stops {
            self.line.erase();
        }
        stops
    }

    fn is_due(&mut self) -> bool {
        self.looks = self.looks.wrapping_add(1);
        if !self.shows || !self.looks.is_multiple_of(LOOKS) {
            return false;
        }
        let now = Instant::now();
        match self.last {
            Some((at, _)) => now.duration_since(at) >= PERIOD,
            None => now.duration_since(self.start) >= PATIENCE,
        }
    }

    fn look(&mut self, look: &Look<'_>) {
        let now = Instant::now();
        self.line.show(&self.text(look, now));
        self.last = Some((now, look.calls));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.line.erase();
    }
}

/// Whether Ctrl-C was pressed. The second one ends the emulator where it stands.
#[cfg(unix)]
fn interrupts() -> Arc<AtomicBool> {
    use signal_hook::{consts::SIGINT, flag};
    let pressed = Arc::new(AtomicBool::new(false));
    // Where no handler can be had, Ctrl-C does what it does to any program.
    let _ = flag::register_conditional_shutdown(SIGINT, STOPPED, Arc::clone(&pressed))
        .and_then(|_| flag::register(SIGINT, Arc::clone(&pressed)));
    pressed
}

#[cfg(not(unix))]
fn interrupts() -> Arc<AtomicBool> {
    Arc::default()
}

/// The exit code of a run that was stopped: 128 and the signal's number.
#[cfg(unix)]
const STOPPED: i32 = 130;
