//! The helper that runs code on the host's CPU: `tests/native/witness.c`, compiled when a test wants it.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use trapgate::cpu::{Reg, RegisterFile};

use super::{Ending, Job, PEEK, REGIONS, Trace};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/native/witness.c");
/// Linux' numbers: SIGILL, SIGFPE, SIGSEGV; si_code SI_KERNEL, which is what `#GP` comes with.
const SIGILL: u64 = 4;
const SIGFPE: u64 = 8;
const SIGSEGV: u64 = 11;
const SI_KERNEL: u64 = 0x80;
/// `-ENOSYS`, which Linux puts into RAX before a tracer sees a system call.
const NO_SUCH_CALL: u64 = -38_i64 as u64;

/// The helper and the child it traces; both end with this.
pub struct Host {
    child: Child,
    jobs: Option<ChildStdin>,
    answers: ChildStdout,
}

/// The helper's `struct stop` without its registers: kind, signal, code, address, number, bits.
type StopHead = [u64; 6];

impl Host {
    /// Starts the helper. `None`, after one line that says why, where the host cannot be a witness; in CI on the
    /// hosts that can, that is a failure.
    pub fn start() -> Option<Self> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            say("the host is not x86-64 Linux");
            return None;
        }
        match Self::try_start() {
            Ok(host) => Some(host),
            Err(why) => {
                let ci = std::env::var("CI").is_ok_and(|v| v == "true");
                assert!(!ci, "CI must not skip the host CPU as witness: {why}");
                say(&why);
                None
            }
        }
    }

    fn try_start() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("trapgate-{}-witness-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let program = std::env::temp_dir().join(unique);
        let started = compile(&program).and_then(|()| {
            let ranges = REGIONS.map(|(at, len)| format!("{at:x}:{len:x}"));
            let mut command = Command::new(&program);
            command.args(ranges).stdin(Stdio::piped()).stdout(Stdio::piped());
            command.spawn().map_err(|e| format!("the helper does not start: {e}"))
        });
        let started = started.and_then(|mut child| {
            let (jobs, answers) = (child.stdin.take(), child.stdout.take().expect("it is piped"));
            let mut host = Self { child, jobs, answers };
            host.is_ready().map(|()| host)
        });
        let _ = std::fs::remove_file(&program);
        started
    }

    fn is_ready(&mut self) -> Result<(), String> {
        let mut word = [0];
        self.answers.read_exact(&mut word).map_err(|e| format!("the helper does not answer: {e}"))?;
        if word == *b"R" {
            return Ok(());
        }
        let mut why = String::new();
        let _ = self.answers.read_to_string(&mut why);
        Err(format!("tracing a process: {why}"))
    }

    /// Runs a job.
    pub fn run(&mut self, job: &Job) -> Trace {
        let words = |words: &[u64]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        let head = [job.bits.into(), job.steps, job.pokes.len() as u64, PEEK.0, PEEK.1 as u64];
        let mut message = words(&head);
        message.extend(words(&job.registers.iter().map(|(_, value)| value).collect::<Vec<u64>>()));
        message.extend(words(job.registers.xmm.as_flattened()));
        for (at, bytes) in &job.pokes {
            message.extend(words(&[*at, bytes.len() as u64]));
            message.extend(bytes);
        }
        let jobs = self.jobs.as_mut().expect("it is open");
        jobs.write_all(&message).and_then(|()| jobs.flush()).expect("the helper takes jobs");
        self.answer()
    }

    fn answer(&mut self) -> Trace {
        let [count] = self.words();
        let mut steps = Vec::new();
        let mut ending = Ending::Steps;
        for _ in 0..count {
            let head: StopHead = self.words();
            let general: [u64; 18] = self.words();
            let mut file = RegisterFile::default();
            for (reg, value) in Reg::ALL.iter().zip(general) {
                file.set(*reg, value);
            }
            ending = ending_of(&head);
            if ending == Ending::SystemCall {
                assert_eq!(file.get(Reg::Rax), NO_SUCH_CALL);
                file.set(Reg::Rax, head[4]);
            }
            steps.push(file);
        }
        let mut xmm = [[0; 2]; 16];
        let flat: [u64; 32] = self.words();
        xmm.as_flattened_mut().copy_from_slice(&flat);
        let mut memory = vec![0; PEEK.1];
        self.answers.read_exact(&mut memory).expect("the helper answers");
        Trace { steps, ending, xmm, memory }
    }

    fn words<const N: usize>(&mut self) -> [u64; N] {
        let mut bytes = vec![0; 8 * N];
        self.answers.read_exact(&mut bytes).expect("the helper answers");
        std::array::from_fn(|i| u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().expect("eight bytes")))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.jobs.take());
        let _ = self.child.wait();
    }
}

fn ending_of(stop: &StopHead) -> Ending {
    match *stop {
        [0, ..] => Ending::Steps,
        [1, ..] => Ending::SystemCall,
        [_, SIGFPE, ..] => Ending::DivideError,
        [_, SIGILL, ..] => Ending::InvalidInstruction,
        [_, SIGSEGV, SI_KERNEL, ..] => Ending::Refused,
        [_, SIGSEGV, _, address, ..] => Ending::Memory(address),
        [_, signal, code, ..] => Ending::Other(signal as i64, code as i64),
    }
}

fn compile(program: &Path) -> Result<(), String> {
    let named = std::env::var("CC").ok();
    let compilers = named.as_deref().into_iter().chain(["gcc", "cc"]);
    let mut why = String::new();
    for compiler in compilers {
        let done = Command::new(compiler).args(["-O1", "-Wall", "-Wextra", "-o"]).arg(program).arg(SOURCE).output();
        match done {
            Ok(done) if done.status.success() && done.stderr.is_empty() => return Ok(()),
            Ok(done) => why = format!("{compiler}: {}", String::from_utf8_lossy(&done.stderr)),
            Err(error) => why = format!("{compiler}: {error}"),
        }
    }
    Err(format!("the helper does not compile: {why}"))
}

/// Not by `eprintln!`, which the test harness keeps to itself while the test passes.
fn say(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: the host CPU as witness: {why}");
}
