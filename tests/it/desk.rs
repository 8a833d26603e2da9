//! The executive without a CPU: services called on a kernel with two pages of user memory.

use guest::{GuestMemory, NtStatus, Profile};
use kernel_model::mm::{Protect, UserMemory};
use kernel_model::{Answer, Kernel};

use crate::direct::{Bytes, execute};

const FRAMES: u32 = 64;

/// Where the caller's memory is: two pages, nothing around them.
pub const BASE: u64 = 0x10_0000;
/// Where structures are laid out by [`Desk::place`].
const FIRST: u64 = BASE + 0x400;

/// A kernel, and the caller's memory.
pub struct Desk {
    pub kernel: Kernel,
    ram: Bytes,
    next: u64,
}

impl Desk {
    /// A desk on a build.
    pub fn new(profile: &str) -> Self {
        let profile = Profile::by_name(profile).unwrap_or_else(|| panic!("{profile}"));
        let mut kernel = Kernel::new(profile, FRAMES, "desk.exe");
        for vpn in [BASE >> 12, (BASE >> 12) + 1] {
            kernel.mm.commit(vpn, Protect::from_raw(4).expect("PAGE_READWRITE")).expect("memory");
        }
        Self { kernel, ram: Bytes::frames(FRAMES), next: FIRST }
    }

    /// Bytes in a pointer.
    pub fn word(&self) -> u64 {
        self.kernel.width().bytes() as u64
    }

    fn memory(&mut self) -> UserMemory<'_> {
        let width = self.kernel.width();
        UserMemory { memory: &mut self.kernel.mm, ram: &mut self.ram, width, kernel: false }
    }

    /// What a service answers.
    pub fn answer(&mut self, service: &str, args: &[u64]) -> Answer {
        execute(&mut self.kernel, &mut self.ram, service, args)
    }

    /// Its status.
    pub fn call(&mut self, service: &str, args: &[u64]) -> NtStatus {
        match self.answer(service, args) {
            Answer::Status(status) => status,
            other => panic!("{service}: {other:?}"),
        }
    }

    /// The same, which must succeed.
    pub fn ok(&mut self, service: &str, args: &[u64]) {
        let status = self.call(service, args);
        assert_eq!(status, NtStatus::SUCCESS, "{service} {args:x?}");
    }

    /// Puts bytes into the caller's memory; where.
    pub fn place(&mut self, bytes: &[u8]) -> u64 {
        let at = self.next;
        self.next = (at + bytes.len() as u64).next_multiple_of(16);
        assert!(self.next < BASE + 0x2000, "no room");
        self.write(at, bytes);
        at
    }

    /// Forgets what was placed.
    pub fn clear(&mut self) {
        self.next = FIRST;
    }

    /// Writes bytes at an address.
    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        self.memory().write(at, bytes).expect("memory");
    }

    /// A pointer-sized value as bytes.
    pub fn pointer(&self, value: u64) -> Vec<u8> {
        value.to_le_bytes()[..self.word() as usize].to_vec()
    }

    /// Reads bytes.
    pub fn read(&mut self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory().read(at, &mut bytes).expect("memory");
        bytes
    }

    /// Reads 32 bits.
    pub fn u32(&mut self, at: u64) -> u32 {
        u32::from_le_bytes(self.read(at, 4).try_into().expect("four"))
    }

    /// Reads a pointer.
    pub fn read_pointer(&mut self, at: u64) -> u64 {
        let len = self.word() as usize;
        let mut bytes = self.read(at, len);
        bytes.resize(8, 0);
        u64::from_le_bytes(bytes.try_into().expect("eight"))
    }

    /// `OBJECT_ATTRIBUTES` for a name (none if empty), with a descriptor and a quality of service.
    pub fn attributes(&mut self, name: &str, flags: u32, descriptor: u64, quality: u64) -> u64 {
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut string = vec![0; self.word() as usize];
        string[..2].copy_from_slice(&(units.len() as u16).to_le_bytes());
        string[2..4].copy_from_slice(&(units.len() as u16).to_le_bytes());
        let buffer = self.place(&units);
        string.extend(self.pointer(buffer));
        let string = if name.is_empty() { 0 } else { self.place(&string) };
        let bytes: Vec<u8> = [6 * self.word(), 0, string, flags.into(), descriptor, quality]
            .into_iter()
            .flat_map(|value| self.pointer(value))
            .collect();
        self.place(&bytes)
    }
}
