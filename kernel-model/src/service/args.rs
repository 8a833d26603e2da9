//! A call's raw arguments and how each becomes typed.

use guest::{AccessMask, Handle, UserPtr};

/// The most arguments any service takes.
pub const MAX_ARGS: usize = 17;

/// The arguments of a call as the gate's convention found them, one 64-bit word each. The upper half of
/// a narrower argument is whatever the caller left there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Args {
    words: [u64; MAX_ARGS],
}

impl Args {
    /// The arguments that came in registers; the others are zero.
    pub fn from_registers(registers: [u64; 4]) -> Self {
        let mut args = Self::default();
        for (word, register) in args.words.iter_mut().zip(registers) {
            *word = register;
        }
        args
    }

    /// Argument `index`, counted from 0.
    pub fn get(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }

    /// Sets argument `index`.
    pub fn set(&mut self, index: usize, value: u64) {
        if let Some(word) = self.words.get_mut(index) {
            *word = value;
        }
    }
}

/// A type that an argument word can be read as. Reading never fails: a value that is not valid is
/// refused in the service's body, because the order of the checks can be seen.
pub trait FromRaw {
    /// Truncates or reinterprets the word.
    fn from_raw(word: u64) -> Self;
}

impl FromRaw for u64 {
    fn from_raw(word: u64) -> Self {
        word
    }
}

impl FromRaw for u32 {
    fn from_raw(word: u64) -> Self {
        word as u32
    }
}

impl FromRaw for i32 {
    fn from_raw(word: u64) -> Self {
        word as u32 as i32
    }
}

/// `BOOLEAN`: the low byte.
impl FromRaw for bool {
    fn from_raw(word: u64) -> Self {
        word as u8 != 0
    }
}

impl FromRaw for Handle {
    fn from_raw(word: u64) -> Self {
        Self(word)
    }
}

impl FromRaw for AccessMask {
    fn from_raw(word: u64) -> Self {
        Self(word as u32)
    }
}

impl<T> FromRaw for UserPtr<T> {
    fn from_raw(word: u64) -> Self {
        Self::new(word)
    }
}

/// An optional pointer: NULL is `None`.
impl<T> FromRaw for Option<UserPtr<T>> {
    fn from_raw(word: u64) -> Self {
        (word != 0).then(|| UserPtr::new(word))
    }
}
