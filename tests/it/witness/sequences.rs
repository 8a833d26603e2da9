//! Random straight-line code run on both CPUs.

use std::collections::BTreeSet;

use iced_x86::{Instruction, Mnemonic as M};

use super::engine::Engine;
use super::generate::{Generator, Kind, Sequence};
use super::host::Host;
use super::{Ending, Trace, differences};

/// Sequences of each width.
const EACH: u64 = 6_000;
const SEED: u64 = 0x7472_6170_6761_7465;

/// In what a run on the engine first differs from the host's. An engine that tells no steps has its last one alone.
fn first_difference(sequence: &Sequence, host: &Trace, engine: &Trace) -> Option<String> {
    let untold = host.steps.len().saturating_sub(engine.steps.len());
    let skip = if engine.steps.len() == 1 { untold } else { 0 };
    for (i, (there, here)) in (skip..).zip(host.steps[skip..].iter().zip(&engine.steps)) {
        let open = sequence.undefined.get(i).or(sequence.undefined.last()).copied().unwrap_or(0);
        let different = differences(there, here, open);
        if !different.is_empty() {
            let at = sequence.code.get(i).map(ToString::to_string).unwrap_or_default();
            return Some(format!("after {at}: {}", different.join(", ")));
        }
    }
    if host.ending != engine.ending || host.steps.len() != engine.steps.len() + skip {
        let (a, b) = (host.steps.len(), engine.steps.len() + skip);
        return Some(format!("host ends by {:?} after {a}, engine by {:?} after {b}", host.ending, engine.ending));
    }
    if let Some(i) = (0..16).find(|i| host.xmm[*i] != engine.xmm[*i]) {
        return Some(format!("xmm{i}: host {:x?}, engine {:x?}", host.xmm[i], engine.xmm[i]));
    }
    let byte = host.memory.iter().zip(&engine.memory).position(|(a, b)| a != b)?;
    let from = byte & !15;
    let line = |t: &Trace| format!("{:02x?}", &t.memory[from..from + 16]);
    Some(format!("memory at {from:x}: host {}, engine {}", line(host), line(engine)))
}

/// What a comparison found.
enum Difference {
    /// The engine has returned another of two NaNs, which is one of the things that it is known for.
    ChoiceOfNan,
    Found(String),
}

/// The first instruction whose end the two do not agree on, found by running ever more of a sequence.
fn culprit(
    host: &mut Host, engine: &mut Engine, generator: &Generator, sequence: &Sequence, whole: String,
) -> Difference {
    for count in sequence.opening.max(1)..=sequence.code.len() {
        let cut = generator.cut(sequence, count);
        if let Err(what) = same(host, engine, &cut) {
            let insn = sequence.code[count - 1];
            let nan = is_choice_of_nan(host, engine, &insn, &cut);
            return if nan { Difference::ChoiceOfNan } else { Difference::Found(format!("{insn}: {what}")) };
        }
    }
    Difference::Found(format!("only as a whole: {whole}"))
}

/// Whether all that differs after an instruction is which NaN it returned.
fn is_choice_of_nan(host: &mut Host, engine: &mut Engine, insn: &Instruction, cut: &Sequence) -> bool {
    let there = host.run(&cut.job);
    let (here, _) = engine.run(&cut.job);
    let general = differences(there.last(), here.last(), cut.undefined.last().copied().unwrap_or(0));
    if !general.is_empty() || there.ending != here.ending {
        return false;
    }
    if cut.kind == Kind::X87 {
        return insn.mnemonic() == M::Fld && same_but_nans(&there.memory, &here.memory, 16, is_extended_nan);
    }
    let bytes = |t: &Trace| t.xmm.as_flattened().iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let name = format!("{:?}", insn.mnemonic());
    let is_double = name.ends_with('d') || name.ends_with("sd2ss");
    let (size, is_nan): (usize, fn(&[u8]) -> bool) = if is_double { (8, is_double_nan) } else { (4, is_single_nan) };
    let same = there.memory == here.memory;
    same && same_but_nans(&bytes(&there), &bytes(&here), size, is_nan)
}

fn same_but_nans(host: &[u8], engine: &[u8], size: usize, is_nan: fn(&[u8]) -> bool) -> bool {
    let pairs = host.chunks(size).zip(engine.chunks(size));
    host != engine && pairs.into_iter().all(|(a, b)| a == b || is_nan(a) && is_nan(b))
}

fn is_single_nan(bytes: &[u8]) -> bool {
    bytes.try_into().is_ok_and(|b| f32::from_le_bytes(b).is_nan())
}

fn is_double_nan(bytes: &[u8]) -> bool {
    bytes.try_into().is_ok_and(|b| f64::from_le_bytes(b).is_nan())
}

/// An x87 register as `fstp tbyte` writes it.
fn is_extended_nan(bytes: &[u8]) -> bool {
    let fraction = bytes[..7].iter().any(|b| *b != 0) || bytes[7] & 0x7f != 0;
    bytes[8] == 0xff && bytes[9] & 0x7f == 0x7f && fraction
}

/// Whether both end the same; steps between are compared where the engine tells them. Ending at the `hlt` behind the
/// sequence is all of it.
fn same(host: &mut Host, engine: &mut Engine, sequence: &Sequence) -> Result<Ending, String> {
    let there = host.run(&sequence.job);
    let (here, _) = engine.run(&sequence.job);
    let whole = there.steps.len() > sequence.code.len();
    let ending = if whole && there.ending == Ending::Refused { Ending::Steps } else { there.ending };
    first_difference(sequence, &there, &here).map_or(Ok(ending), Err)
}

/// How a run of the whole sequence compares: as blocks run, and with a look at each instruction. What differs says at
/// which instruction.
fn check(
    host: &mut Host, plain: &mut Engine, traced: &mut Engine, generator: &Generator, sequence: &Sequence,
) -> Result<Ending, Difference> {
    same(host, plain, sequence).map_err(|what| culprit(host, plain, generator, sequence, what))?;
    same(host, traced, sequence).map_err(|what| Difference::Found(format!("traced: {what}")))
}

/// Runs the sequences of one width.
fn random_sequences(bits: u32) {
    let Some(mut host) = Host::start() else { return };
    let generator = Generator::new(bits);
    let [mut plain, mut traced] = [false, true].map(|traced| Engine::new(bits, traced));
    let (mut failures, mut compared, mut drawn) = (Vec::new(), 0, BTreeSet::new());
    for i in 0..EACH {
        let sequence = generator.sequence(SEED.wrapping_add(i * 2 + u64::from(bits == 64)));
        drawn.extend(sequence.code.iter().map(|insn| insn.code() as usize));
        match check(&mut host, &mut plain, &mut traced, &generator, &sequence) {
            // Nothing but a division may end a sequence early.
            Ok(Ending::Steps | Ending::DivideError) => compared += 1,
            Ok(ending) => failures.push(format!("{i}: both end by {ending:?}")),
            Err(Difference::ChoiceOfNan) => {}
            Err(Difference::Found(what)) => failures.push(format!("{i} ({:?}): {what}", sequence.kind)),
        }
    }
    assert!(failures.is_empty(), "{} of {EACH} sequences differ:\n{}", failures.len(), failures.join("\n"));
    assert!(compared >= 5_900, "{compared} sequences were compared");
    // Those that stand for many, and what every width has.
    assert!(drawn.len() >= 900, "{} encodings of {} were drawn", drawn.len(), generator.encodings());
}

#[test]
fn random_64_bit_code_runs_the_same_on_the_host() {
    random_sequences(64);
}

#[test]
fn random_32_bit_code_runs_the_same_on_the_host() {
    random_sequences(32);
}
