//! What the commands that run a program do. A message that comes back as an error is input that cannot be used.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use guest::Arch;

use super::args::{
    DispatchChoice, FlowOptions, Format, GateChoice, MachineOptions, Raw, RingChoice, RunOptions, SsdtOptions,
    TraceOptions,
};
use super::names;
use super::pages::print;
use super::progress::Progress;
use super::registry;
use super::root_choice::RootChoice;
use crate::cpu::RegisterFile;
use crate::loader::{Modules, Program, base_name, read_file};
use crate::machine::{BugCheck, Config, Crash, Dispatch, Driver, End, HostConsole, Machine, Stdio};
use crate::trace::{ChromeSink, JsonSink, Recorder, Rings, Sink, TextSink, Wants};
use crate::view::{self, FlowFinder, Live, Paint, ReportWatcher, Snapshot};

pub(super) type Outcome = Result<u8, String>;

/// The first build whose process parameters are what Wine's ntdll reads: Vista.
const FIRST_FOR_WINE: (u32, u32, u32) = (6, 0, 0);

/// Environment variables as the command line has them.
fn variables(options: &[String]) -> Result<Vec<(String, String)>, String> {
    let variable = |option: &String| match option.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err(format!("--env {option}: is not NAME=VALUE")),
    };
    options.iter().map(variable).collect()
}

fn machine(options: &MachineOptions, image: &Path, args: &[String]) -> Result<Machine, String> {
    let profile = names::profile(&options.profile.profile)?;
    let mut config = Config::open(image).map_err(|e| e.to_string())?;
    if let (Some(raw), Program::Pe(bytes)) = (options.raw, &mut config.process.program) {
        let arch = match raw {
            Raw::X64 => Arch::X64,
            Raw::X86 => Arch::X86,
        };
        config.process.program = Program::Raw(arch, std::mem::take(bytes));
    }
    config.process.int2e = options.gate == GateChoice::Int2e;
    config.process.win32k_lockdown = options.no_win32k;
    config.profile = profile;
    if options.root != RootChoice::Builtin {
        if options.dispatch == DispatchChoice::Kernel || options.aslr.is_some() {
            return Err("--root wine goes with neither --dispatch kernel nor --aslr".into());
        }
        let is_windows = matches!(options.root, RootChoice::Windows(_));
        if profile.version < FIRST_FOR_WINE && !is_windows {
            return Err(format!("--root wine needs Windows Vista or later, and {} is none", profile.name));
        }
        config.root = options.root.find(profile.arch)?;
        if is_windows {
            let of = profile.name;
            say(&format!("--root windows rests on the tables of {of}, and was never tried with Windows' own files"));
        }
    }
    config.user = options.user.log_on();
    config.process.args = args.to_vec();
    config.process.environment = variables(&options.env)?;
    config.process.aslr_seed = options.aslr;
    config.memory = options.memory << 20;
    config.strict = options.strict;
    config.process.no_gaps = options.strict;
    config.hives = registry::hives(&options.registry.hive)?;
    config.max_instructions = options.max_insns;
    config.quanta = options.order.quanta()?;
    config.dispatch = match options.dispatch {
        DispatchChoice::Direct => Dispatch::Direct,
        DispatchChoice::Kernel => Dispatch::Kernel,
    };
    config.children = options.children.options();
    options.disk.apply(&mut config);
    if let Some(path) = &options.driver {
        if config.dispatch == Dispatch::Direct {
            return Err(format!("{}: code in ring 0 needs --dispatch kernel", path.display()));
        }
        config.driver = Some(driver(path)?);
    }
    let mut machine = Machine::new(&config).map_err(|e| e.to_string())?;
    machine.set_console(Box::new(Stdio));
    if !options.quiet {
        tell_gaps(machine.modules());
    }
    Ok(machine)
}

/// Tells which functions a program imports that nobody has written.
fn tell_gaps(modules: &Modules) {
    const SHOWN: usize = 6;
    let names: Vec<String> = modules
        .gaps()
        .iter()
        .map(|(dll, function)| format!("{}!{function}", dll.rsplit_once('.').map_or(dll, |(stem, _)| stem)))
        .collect();
    if names.is_empty() {
        return;
    }
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    let first = names.get(..SHOWN).unwrap_or(&names).join(", ");
    say(&format!("imports that nobody has written, refused when called: {first}{more}"));
}

fn driver(path: &Path) -> Result<Driver, String> {
    let code = read_file(path).map_err(|e| e.to_string())?;
    if code.is_empty() {
        return Err(format!("{}: is empty", path.display()));
    }
    Ok(Driver { name: base_name(&path.display().to_string()).to_string(), code })
}

/// A program that only returns: its process starts and ends.
const NOTHING: &[u8] = &[0x31, 0xc0, 0xc3];

/// Runs a program, or just a driver, and looks at the kernel's tables.
pub(super) fn live(options: &SsdtOptions) -> Result<Live, String> {
    let profile = names::profile(&options.profile.profile)?;
    let mut config = match &options.image {
        Some(image) => Config::open(image).map_err(|e| e.to_string())?,
        None => Config::new(Program::Raw(profile.arch, NOTHING.to_vec()), "nothing"),
    };
    config.profile = profile;
    config.process.args = options.args.clone();
    config.dispatch = Dispatch::Kernel;
    config.driver = options.driver.as_deref().map(driver).transpose()?;
    let mut machine = Machine::new(&config).map_err(|e| e.to_string())?;
    machine.set_console(Box::new(Silent));
    let end = machine.run().map_err(|e| e.to_string())?;
    if let End::BugCheck(bug_check) = &end {
        say(&bug_check_text(bug_check, profile.arch.bits()));
    }
    view::live(&machine).ok_or_else(|| format!("{}: no kernel image", profile.name))
}

/// Runs a machine to its end and says how that was.
fn finish(machine: &mut Machine, options: &MachineOptions) -> Outcome {
    let start = Instant::now();
    Progress::watch(machine, options.quiet || machine.is_observed());
    let end = machine.run().map_err(|e| e.to_string())?;
    match &end {
        End::Exit(_) => {}
        End::Crash(crash) => say(&crash_text(crash)),
        End::Deadlock(report) => say(&format!("deadlock: {report}")),
        End::Budget => {
            say(&format!("stopped: {} instructions are used up", machine.instructions()));
        }
        End::Stopped => say("stopped by Ctrl-C"),
        End::Strict(line) => say(&format!("stopped by --strict: {line}")),
        End::BugCheck(bug_check) => say(&bug_check_text(bug_check, machine.kernel().profile.arch.bits())),
    }
    options.order.save(machine)?;
    registry::save(&options.registry, machine)?;
    options.disk.leave(machine)?;
    if !options.quiet {
        say(&view::summary(machine, start.elapsed()));
    }
    Ok(end.exit_code())
}

fn crash_text(crash: &Crash) -> String {
    let mut text = format!(
        "unhandled exception {:08X} {} at {:#x} ({}): {}",
        crash.code.0, crash.code, crash.address, crash.place, crash.what
    );
    text += &registers_text(&crash.registers, crash.bits);
    text
}

fn registers_text(registers: &RegisterFile, bits: u32) -> String {
    let shown: Vec<_> = registers.iter().filter_map(|(r, v)| Some((r.name_in(bits)?, v))).collect();
    let digits = bits as usize / 4;
    let mut text = String::new();
    for chunk in shown.chunks(4) {
        let cells: Vec<String> = chunk.iter().map(|(name, value)| format!("{name:>6}={value:0digits$x}")).collect();
        text += &format!("\n{}", cells.join(" "));
    }
    text
}

/// A bugcheck as Windows names it, and what is known of it.
fn bug_check_text(bug_check: &BugCheck, bits: u32) -> String {
    let digits = bits as usize / 4;
    let parameters: Vec<String> = bug_check.parameters.iter().map(|p| format!("0x{p:0digits$X}")).collect();
    let mut text = format!("*** STOP: 0x{:08X} ({})", bug_check.code.0, parameters.join(","));
    text += &format!("\n{}", bug_check.code.name().unwrap_or("a bugcheck code of the driver's own"));
    text += &format!("\n{}", bug_check.what);
    if let Some(place) = &bug_check.place {
        text += &format!(", at {place}");
    }
    text + &registers_text(&bug_check.registers, bits)
}

pub(super) fn run(options: &RunOptions) -> Outcome {
    let mut machine = machine(&options.machine, &options.image, &options.args)?;
    let Some(path) = &options.report else { return finish(&mut machine, &options.machine) };
    // Before the run, which would be lost where it cannot be written.
    let mut file = File::create(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let (watcher, watched) = ReportWatcher::new();
    machine.observe(Box::new(watcher)).map_err(|e| e.to_string())?;
    let code = finish(&mut machine, &options.machine)?;
    let end = machine.run().map_err(|e| e.to_string())?;
    let name = base_name(&options.image.display().to_string()).to_string();
    let report = view::report(&machine, &end, &watched.borrow(), &name);
    let text = if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
        serde_json::to_string_pretty(&report).map_err(|e| e.to_string())? + "\n"
    } else {
        view::report_html(&report)
    };
    file.write_all(text.as_bytes()).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(code)
}

pub(super) fn trace(options: &TraceOptions) -> Outcome {
    let mut machine = machine(&options.machine, &options.image, &options.args)?;
    let out: Box<dyn Write> = match &options.output {
        Some(path) => {
            let file = File::create(path).map_err(|e| format!("{}: {e}", path.display()))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(io::stderr()),
    };
    let paint = Paint::new(options.output.is_none() && io::stderr().is_terminal());
    let sink: Box<dyn Sink> = match options.format {
        Format::Text => Box::new(TextSink::new(out, paint)),
        Format::Jsonl => Box::new(JsonSink(out)),
        Format::Chrome => Box::new(ChromeSink::new(out)),
    };
    let wants = Wants {
        registers: options.regs,
        instructions: options.insns,
        rings: match options.ring {
            RingChoice::Kernel => Rings::Kernel,
            RingChoice::User => Rings::User,
            RingChoice::Both => Rings::Both,
        },
        builds: options.builds,
        filter: options.filter.clone(),
    };
    machine.observe(Box::new(Recorder::new(sink, wants))).map_err(|e| e.to_string())?;
    finish(&mut machine, &options.machine)
}

/// Runs a program without its output, or boots only, and keeps what there is at its end.
pub(super) fn snapshot(options: &MachineOptions, image: Option<&Path>, args: &[String]) -> Result<Snapshot, String> {
    let Some(image) = image else { return Ok(Snapshot::boot(names::profile(&options.profile.profile)?)) };
    let mut machine = machine(options, image, args)?;
    machine.set_console(Box::new(Silent));
    Snapshot::at_end(&mut machine).map_err(|e| e.to_string())
}

/// A console that shows nothing, for commands whose output is a page.
struct Silent;

impl HostConsole for Silent {
    fn write(&mut self, _: kernel_model::io::Stream, _: &[u8]) {}
    fn read(&mut self, max: usize) -> Vec<u8> {
        Stdio.read(max)
    }
    fn note(&mut self, _: &str) {}
}

pub(super) fn flow(options: &FlowOptions) -> Outcome {
    let service = names::service(&options.service)?.name;
    let mut machine = machine(&options.machine, &options.image, &options.args)?;
    machine.set_console(Box::new(Silent));
    let (finder, found) = FlowFinder::new(service, machine.dispatch());
    machine.observe(Box::new(finder)).map_err(|e| e.to_string())?;
    machine.run().map_err(|e| e.to_string())?;
    let found = found.borrow();
    let flow = found.as_ref().ok_or_else(|| format!("{}: never calls {service}", options.image.display()))?;
    match &options.svg {
        Some(path) => {
            std::fs::write(path, view::flow_svg(flow)).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        None => print(&view::flow_text(flow, Paint::new(io::stdout().is_terminal()))),
    }
    Ok(0)
}

/// Says something on stderr, each line marked as ours.
pub(super) fn say(text: &str) {
    for line in text.lines() {
        // There is nobody to tell that stderr is closed.
        let _ = writeln!(io::stderr(), "trapgate: {line}");
    }
}
