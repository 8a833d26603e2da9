//! Service calls that the fuzzer chooses, made in the kernel model without a CPU: no panic, and the executive's
//! invariants hold after each. The driver is the one of the seeded test (`tests/it/object_fuzz.rs`).
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/direct.rs"]
#[allow(dead_code)]
mod direct;
#[path = "../../tests/it/random_calls.rs"]
#[allow(dead_code)]
mod random_calls;

use random_calls::{Choices, RandomCalls};

/// Choices that the input makes, four bytes each; zeros when it is used up.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    /// A piece of the input, with zeros behind its end.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let (now, rest) = self.0.split_at(N.min(self.0.len()));
        bytes[..now.len()].copy_from_slice(now);
        self.0 = rest;
        bytes
    }
}

impl Choices for Input<'_> {
    fn next(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn below(&mut self, n: u64) -> u64 {
        u64::from(u16::from_le_bytes(self.take())) % n
    }
}

/// The booted machine that every input starts with.
static BOOTED: LazyLock<RandomCalls> = LazyLock::new(RandomCalls::new);

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let mut calls = BOOTED.clone();
    while !input.0.is_empty() {
        calls.step(&mut input);
        if let Err(wrong) = calls.direct.kernel.check_invariants() {
            panic!("{wrong}");
        }
    }
});
