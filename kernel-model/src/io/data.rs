//! A file's bytes in memory. What was never written takes none, and copies share what neither has changed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes in a piece.
const PIECE: u64 = 0x1_0000;
/// Bytes in a cluster, the unit of allocation.
pub const CLUSTER: u64 = 0x1000;

/// The bytes of a file.
#[derive(Clone, Debug, Default)]
pub struct Data {
    size: u64,
    reserved: u64,
    /// Pieces by number. A piece may end early: the rest is zeros.
    pieces: BTreeMap<u64, Arc<Cow<'static, [u8]>>>,
}

/// Whole clusters for a number of bytes.
pub fn clusters(bytes: u64) -> u64 {
    bytes.div_ceil(CLUSTER).saturating_mul(CLUSTER)
}

impl Data {
    /// These bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let mut data = Self::default();
        data.write(0, bytes);
        data
    }

    /// Bytes that are there anyway: they are shared until they are written.
    pub fn of_static(bytes: &'static [u8]) -> Self {
        let pieces = (0..).zip(bytes.chunks(PIECE as usize)).map(|(at, piece)| (at, Arc::new(Cow::Borrowed(piece))));
        Self { size: bytes.len() as u64, reserved: 0, pieces: pieces.collect() }
    }

    /// Bytes in the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that it takes on the volume.
    pub fn allocated(&self) -> u64 {
        clusters(self.size).max(self.reserved)
    }

    /// What it would take with another size.
    pub fn allocated_for(&self, size: u64) -> u64 {
        clusters(size).max(self.reserved)
    }

    /// Sets aside at least so many bytes; fewer than the file has cut it.
    pub fn reserve(&mut self, bytes: u64) {
        self.reserved = clusters(bytes);
        if bytes < self.size {
            self.set_size(bytes);
        }
    }

    /// Cuts the file, or fills it up with zeros.
    pub fn set_size(&mut self, size: u64) {
        if size < self.size {
            self.reserved = 0;
            drop(self.pieces.split_off(&size.div_ceil(PIECE)));
            if let Some(last) = self.pieces.get_mut(&(size / PIECE)) {
                Arc::make_mut(last).to_mut().truncate((size % PIECE) as usize);
            }
        }
        self.size = size;
    }

    /// Reads; how many bytes there were.
    pub fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let len = self.size.saturating_sub(offset).min(buf.len() as u64) as usize;
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let within = (at % PIECE) as usize;
            let take = (len - done).min(PIECE as usize - within);
            let Some(to) = buf.get_mut(done..done + take) else { break };
            to.fill(0);
            let piece = self.pieces.get(&(at / PIECE)).and_then(|piece| piece.get(within..)).unwrap_or(&[]);
            let have = piece.len().min(take);
            if let (Some(to), Some(from)) = (to.get_mut(..have), piece.get(..have)) {
                to.copy_from_slice(from);
            }
            done += take;
        }
        len
    }

    /// Writes; the file grows as it must.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let within = (at % PIECE) as usize;
            let take = (bytes.len() - done).min(PIECE as usize - within);
            let piece = Arc::make_mut(self.pieces.entry(at / PIECE).or_default()).to_mut();
            if piece.len() < within + take {
                piece.resize(within + take, 0);
            }
            if let (Some(to), Some(from)) = (piece.get_mut(within..within + take), bytes.get(done..done + take)) {
                to.copy_from_slice(from);
            }
            done += take;
        }
        self.size = self.size.max(offset + bytes.len() as u64);
    }

    /// All of it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.size as usize];
        self.read(0, &mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a plain vector.
    #[test]
    fn pieces_are_one_file() {
        let (mut data, mut plain) = (Data::default(), Vec::new());
        let mut seed = 7u64;
        for _ in 0..300 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
            let (at, len) = ((seed >> 20) as usize % 300_000, (seed >> 44) as usize % 70_000);
            if seed >> 60 == 3 {
                data.set_size(at as u64);
                plain.resize(at, 0);
            } else if len > 0 {
                let bytes = vec![(seed >> 33) as u8; len];
                data.write(at as u64, &bytes);
                plain.resize(plain.len().max(at + len), 0);
                plain[at..at + len].copy_from_slice(&bytes);
            }
            assert_eq!(data.size(), plain.len() as u64);
        }
        assert!(data.bytes() == plain);
        let mut tail = [9; 8];
        assert_eq!(data.read(plain.len() as u64 - 3, &mut tail), 3);
        assert_eq!(data.read(u64::MAX, &mut tail), 0);
    }
}
