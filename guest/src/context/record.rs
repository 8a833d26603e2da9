//! `EXCEPTION_RECORD`.

use crate::NtStatus;
use crate::mem::{Width, get, put};

/// `EXCEPTION_MAXIMUM_PARAMETERS`
const MAX_INFORMATION: usize = 15;

/// An exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionRecord {
    /// `ExceptionCode`.
    pub code: NtStatus,
    /// `ExceptionFlags`.
    pub flags: u32,
    /// `ExceptionRecord`: another one, during whose handling this came.
    pub chained: u64,
    /// `ExceptionAddress`.
    pub address: u64,
    /// `ExceptionInformation`, as much as `NumberParameters` says.
    pub information: Vec<u64>,
}

impl ExceptionRecord {
    /// `EXCEPTION_NONCONTINUABLE`
    pub const NONCONTINUABLE: u32 = 1;

    /// A first record of an exception.
    pub fn new(code: NtStatus, address: u64, information: Vec<u64>) -> Self {
        Self { code, flags: 0, chained: 0, address, information }
    }

    /// Its size in bytes.
    pub const fn size(width: Width) -> usize {
        match width {
            Width::W64 => 0x98,
            Width::W32 => 0x50,
        }
    }

    /// Where the chained record, the address, the count and the information are.
    const fn offsets(width: Width) -> [usize; 4] {
        match width {
            Width::W64 => [0x08, 0x10, 0x18, 0x20],
            Width::W32 => [0x08, 0x0c, 0x10, 0x14],
        }
    }

    /// As bytes.
    pub fn encode(&self, width: Width) -> Vec<u8> {
        let mut bytes = vec![0; Self::size(width)];
        let [chained, address, count, information] = Self::offsets(width);
        let w = width.bytes();
        put(&mut bytes, 0, 4, self.code.0.into());
        put(&mut bytes, 4, 4, self.flags.into());
        put(&mut bytes, chained, w, self.chained);
        put(&mut bytes, address, w, self.address);
        put(&mut bytes, count, 4, self.information.len().min(MAX_INFORMATION) as u64);
        for (i, value) in self.information.iter().take(MAX_INFORMATION).enumerate() {
            put(&mut bytes, information + i * w, w, *value);
        }
        bytes
    }

    /// From bytes; `None` where `NumberParameters` is too large.
    pub fn decode(bytes: &[u8], width: Width) -> Option<Self> {
        let [chained, address, count, information] = Self::offsets(width);
        let w = width.bytes();
        let count = get(bytes, count, 4) as usize;
        (count <= MAX_INFORMATION).then(|| Self {
            code: NtStatus(get(bytes, 0, 4) as u32),
            flags: get(bytes, 4, 4) as u32,
            chained: get(bytes, chained, w),
            address: get(bytes, address, w),
            information: (0..count).map(|i| get(bytes, information + i * w, w)).collect(),
        })
    }
}
