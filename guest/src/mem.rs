//! Guest memory as the kernel sees it: fallible reads and writes, typed user pointers.
//!
//! A user pointer is an allegation until it is used: every access goes through [`GuestMemory`] and
//! can fault. A write checks its whole range before it changes a byte.

use std::fmt;
use std::marker::PhantomData;

use byteorder::{ByteOrder, LittleEndian};

use crate::NtStatus;

/// Bytes in a page.
pub const PAGE_SIZE: u64 = 0x1000;

/// What an access wanted to do. The values are those of `EXCEPTION_RECORD.ExceptionInformation[0]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// A load.
    Read = 0,
    /// A store.
    Write = 1,
    /// An instruction fetch.
    Execute = 8,
}

impl Access {
    /// The word for messages.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Read => "reading",
            Self::Write => "writing",
            Self::Execute => "executing",
        }
    }
}

/// Why an access was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Nothing is committed there.
    NotMapped,
    /// The page's protection does not allow it.
    Protection,
    /// The page had `PAGE_GUARD` (which the access has cleared).
    Guard,
    /// The last page of a stack: there is no room to grow.
    StackEnd,
    /// At or above the highest user address.
    KernelRange,
    /// The pointer is not aligned as its type must be.
    Misaligned,
    /// The commit limit is reached, so the page cannot be given a frame.
    NoMemory,
}

/// A refused access: where, what and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// The first address that was refused.
    pub va: u64,
    /// What was wanted.
    pub access: Access,
    /// Why it was refused.
    pub kind: FaultKind,
}

impl Fault {
    /// The status a service answers when one of its arguments faults so.
    pub const fn status(self) -> NtStatus {
        match self.kind {
            FaultKind::Guard => NtStatus::GUARD_PAGE_VIOLATION,
            FaultKind::StackEnd => NtStatus::STACK_OVERFLOW,
            FaultKind::Misaligned => NtStatus::DATATYPE_MISALIGNMENT,
            FaultKind::NoMemory => NtStatus::COMMITMENT_LIMIT,
            _ => NtStatus::ACCESS_VIOLATION,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#x}: {:?}", self.access.verb(), self.va, self.kind)
    }
}

/// The width of a process's pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// 4 bytes.
    W32,
    /// 8 bytes.
    W64,
}

impl Width {
    /// Bytes in a pointer.
    pub const fn bytes(self) -> usize {
        match self {
            Self::W32 => 4,
            Self::W64 => 8,
        }
    }
}

/// User memory of one process, with the rights user mode has.
pub trait GuestMemory {
    /// The width of the process's pointers.
    fn width(&self) -> Width;

    /// Fills `buf` from `va`.
    fn read(&mut self, va: u64, buf: &mut [u8]) -> Result<(), Fault>;

    /// Writes `bytes` at `va`, or nothing at all.
    fn write(&mut self, va: u64, bytes: &[u8]) -> Result<(), Fault>;

    /// Checks that `len` bytes at `va` can be written (`ProbeForWrite`).
    fn probe_write(&mut self, va: u64, len: u64) -> Result<(), Fault>;

    /// Reads a value.
    fn load<T: GuestValue>(&mut self, ptr: UserPtr<T>) -> Result<T, Fault> {
        let width = self.width();
        let mut buf = [0u8; 64];
        let size = T::size(width).min(buf.len());
        let buf = buf.get_mut(..size).unwrap_or(&mut []);
        check_alignment(ptr.va, T::align(width), Access::Read)?;
        self.read(ptr.va, buf)?;
        Ok(T::decode(buf, width))
    }

    /// Writes a value.
    fn store<T: GuestValue>(&mut self, ptr: UserPtr<T>, value: &T) -> Result<(), Fault> {
        let width = self.width();
        let mut buf = [0u8; 64];
        let size = T::size(width).min(buf.len());
        let buf = buf.get_mut(..size).unwrap_or(&mut []);
        value.encode(buf, width);
        self.write(ptr.va, buf)
    }

    /// Checks that a value can be written where `ptr` points.
    fn probe<T: GuestValue>(&mut self, ptr: UserPtr<T>) -> Result<(), Fault> {
        let width = self.width();
        check_alignment(ptr.va, T::align(width), Access::Write)?;
        self.probe_write(ptr.va, T::size(width) as u64)
    }
}

/// The natural alignment NT's probes insist on: only where a service asks for it (`T::align`).
fn check_alignment(va: u64, align: u64, access: Access) -> Result<(), Fault> {
    if !va.is_multiple_of(align) {
        return Err(Fault { va, access, kind: FaultKind::Misaligned });
    }
    Ok(())
}

/// A value with a fixed layout in guest memory, of at most 64 bytes.
pub trait GuestValue: Sized {
    /// Size in bytes for this pointer width.
    fn size(width: Width) -> usize;
    /// The alignment that probing the value checks, in bytes (1: none).
    fn align(_width: Width) -> u64 {
        1
    }
    /// Reads it from `size` bytes.
    fn decode(bytes: &[u8], width: Width) -> Self;
    /// Writes it to `size` bytes.
    fn encode(&self, bytes: &mut [u8], width: Width);
}

/// A little-endian unsigned number of up to 8 bytes.
pub(crate) fn get(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes.get(at..at + len).map_or(0, |b| LittleEndian::read_uint(b, len))
}

/// Stores the low `len` bytes of a number.
pub(crate) fn put(bytes: &mut [u8], at: usize, len: usize, value: u64) {
    if let Some(b) = bytes.get_mut(at..at + len) {
        let mask = if len >= 8 { u64::MAX } else { (1 << (8 * len)) - 1 };
        LittleEndian::write_uint(b, value & mask, len);
    }
}

macro_rules! scalar {
    ($($ty:ty: $size:expr),*) => {$(
        impl GuestValue for $ty {
            fn size(_: Width) -> usize {
                $size
            }
            fn decode(bytes: &[u8], _: Width) -> Self {
                get(bytes, 0, $size) as $ty
            }
            fn encode(&self, bytes: &mut [u8], _: Width) {
                put(bytes, 0, $size, *self as u64);
            }
        }
    )*};
}
scalar!(u8: 1, u16: 2, u32: 4, u64: 8, i32: 4, i64: 8);

/// A number as wide as a pointer (`SIZE_T`, `ULONG_PTR`, `PVOID`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Word(pub u64);

impl GuestValue for Word {
    fn size(width: Width) -> usize {
        width.bytes()
    }
    fn decode(bytes: &[u8], width: Width) -> Self {
        Self(get(bytes, 0, width.bytes()))
    }
    fn encode(&self, bytes: &mut [u8], width: Width) {
        put(bytes, 0, width.bytes(), self.0);
    }
}

/// The address of a `T` in the guest, as the guest alleges.
pub struct UserPtr<T> {
    /// The address.
    pub va: u64,
    marker: PhantomData<fn() -> T>,
}

impl<T> UserPtr<T> {
    /// A pointer to `va`.
    pub const fn new(va: u64) -> Self {
        Self { va, marker: PhantomData }
    }

    /// Whether it is NULL.
    pub const fn is_null(self) -> bool {
        self.va == 0
    }

    /// The same address, seen as another type.
    pub const fn cast<U>(self) -> UserPtr<U> {
        UserPtr::new(self.va)
    }
}

impl<T> Clone for UserPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for UserPtr<T> {}
impl<T> fmt::Debug for UserPtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.va)
    }
}
