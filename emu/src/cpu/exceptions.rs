//! A repair for a bug of the engine: it never forgets the last exception.
//!
//! QEMU keeps the vector of an exception until its handler has been entered, to recognise a double fault. Unicorn
//! never enters a handler, so the second #DE, #GP or #PF of a run arrives as #DF and the third ends the run
//! in silence (unicorn issues 578 and 1883). The vector lies in the CPU context at an offset that no
//! interface tells; it is found by comparing the context after the first exception with the one at the
//! start, and set back to -1, "none", after every exception.

use super::ffi::{Context, Engine};

const NONE: [u8; 4] = [0xff; 4];

/// Where the vector is kept, once that is known.
pub(super) struct LastException {
    pristine: Context,
    offsets: Option<Vec<usize>>,
}

impl LastException {
    /// Remembers how a CPU looks that has had no exception.
    pub(super) fn new(engine: &Engine) -> Option<Self> {
        Some(Self { pristine: engine.save().ok()?, offsets: None })
    }

    /// Makes the engine forget the exception it has just raised.
    pub(super) fn forget(&mut self, engine: &Engine, vector: u8) {
        let Ok(mut context) = engine.save() else { return };
        let pristine = self.pristine.bytes();
        let offsets = self.offsets.get_or_insert_with(|| {
            let now = context.bytes().as_chunks::<4>().0.iter();
            let pairs = pristine.as_chunks::<4>().0.iter().zip(now).enumerate();
            let vector = u32::from(vector).to_le_bytes();
            pairs.filter(|(_, (before, now))| **before == NONE && **now == vector).map(|(i, _)| 4 * i).collect()
        });
        for &at in offsets.iter() {
            if let Some(word) = context.bytes_mut().get_mut(at..at + 4) {
                word.copy_from_slice(&NONE);
            }
        }
        // It has just been saved from this engine, so restoring cannot fail for a reason of ours.
        let _ = engine.restore(&context);
    }
}
