//! SSE4.2's string comparisons, which run in Rust, against the host's.

use trapgate::cpu::{Reg, RegisterFile};

use super::engine::Engine;
use super::host::Host;
use super::operands::BASE;
use super::rng::Rng;
use super::{CODE, DATA, Ending, Job, STACK, differences};

/// Sixteen bytes of few letters, so that something is found, with an end in half of them.
fn text(rng: &mut Rng) -> [u8; 16] {
    let mut text = std::array::from_fn(|_| rng.pick(b"aab\x80\xff"));
    if rng.chance(50) {
        let end = rng.below(16) as usize;
        text[end] = 0;
        // A word has two zero bytes.
        text[end ^ 1] = 0;
    }
    text
}

fn words(text: [u8; 16]) -> [u64; 2] {
    let (low, high) = text.split_at(8);
    [low, high].map(|half| u64::from_le_bytes(half.try_into().expect("eight bytes")))
}

/// Every kind of comparison with every control byte, of two registers and of memory that is not aligned.
#[test]
fn string_comparisons_are_those_of_the_host() {
    let Some(mut host) = Host::start() else { return };
    let mut rng = Rng::new(42);
    let [mut plain, mut traced] = [false, true].map(|traced| Engine::new(64, traced));
    let lengths = [0, 1, 7, 8, 9, 15, 16, 17, 0xffff_fffd, 0x8000_0000, 0xffff_ffff_8000_0000, 1 << 63, u64::MAX];
    for control in 0..=255 {
        for opcode in 0x60..=0x63 {
            for form in 0..3 {
                // pcmp?str? xmm0,xmm1,control, with REX.W as well; pcmp?str? xmm0,[rbx+1],control
                let code: &[u8] = match form {
                    0 => &[0x66, 0x0f, 0x3a, opcode, 0xc1, control],
                    1 => &[0x66, 0x48, 0x0f, 0x3a, opcode, 0xc1, control],
                    _ => &[0x66, 0x0f, 0x3a, opcode, 0x43, 1, control],
                };
                let mut registers = RegisterFile::default();
                let stack = STACK + 0x800;
                for (reg, value) in [(Reg::Rip, CODE), (Reg::Rsp, stack), (Reg::Rbx, BASE), (Reg::Rflags, 0x2d7)] {
                    registers.set(reg, value);
                }
                registers.set(Reg::Rax, rng.pick(&lengths));
                registers.set(Reg::Rdx, rng.pick(&lengths));
                registers.set(Reg::Rcx, u64::MAX);
                registers.xmm[0] = words(text(&mut rng));
                registers.xmm[1] = words(text(&mut rng));
                let mut page = code.to_vec();
                page.resize(0x40, 0xf4);
                let pokes = vec![(CODE, page), (DATA + 0x801, text(&mut rng).to_vec())];
                let job = Job { bits: 64, registers, pokes, steps: 3 };
                let there = host.run(&job);
                assert_eq!(there.ending, Ending::Refused, "{code:02x?}: up to the hlt");
                for engine in [&mut plain, &mut traced] {
                    let (here, _) = engine.run(&job);
                    let different = differences(there.last(), here.last(), 0);
                    assert!(different.is_empty(), "{code:02x?} {registers:x?}: {different:?}");
                    assert_eq!((there.ending, there.xmm), (here.ending, here.xmm), "{code:02x?} {registers:x?}");
                }
            }
        }
    }
}

/// Where the operand cannot be read the instruction faults, at the first byte of it that is not there.
#[test]
fn a_string_comparison_faults_like_the_host() {
    let Some(mut host) = Host::start() else { return };
    for at in [0x10, DATA - 0x10, DATA - 8, DATA + 0x2000 - 8, DATA + 0x2000] {
        let mut registers = RegisterFile::default();
        for (reg, value) in [(Reg::Rip, CODE), (Reg::Rsp, STACK + 0x800), (Reg::Rbx, at), (Reg::Rflags, 0x202)] {
            registers.set(reg, value);
        }
        // nop; pcmpistri xmm0,[rbx],0
        let job = Job {
            bits: 64,
            registers,
            pokes: vec![(CODE, vec![0x90, 0x66, 0x0f, 0x3a, 0x63, 0x03, 0, 0xf4])],
            steps: 5,
        };
        let (there, here) = (host.run(&job), Engine::new(64, false).run(&job).0);
        assert!(matches!(there.ending, Ending::Memory(_)), "{at:x}: {:x?}", there.ending);
        assert_eq!(here.ending, there.ending, "{at:x}");
        assert_eq!(differences(there.last(), here.last(), 0), [""; 0], "{at:x}");
    }
}
