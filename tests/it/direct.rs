//! Services called in the kernel model itself, without a CPU: fast enough to check the executive's invariants after
//! every call.

use guest::convention::{Gate, TrapRegs};
use guest::mem::PAGE_SIZE;
use guest::{NtStatus, Profile};
use kernel_model::kernel::WaitEnd;
use kernel_model::mm::{Frame, Phys, Protect, Vad, VadKind};
use kernel_model::schedule::Wake;
use kernel_model::service::Args;
use kernel_model::{Answer, Call, Kernel};

/// Physical memory as bytes.
#[derive(Clone)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    pub fn frames(count: u32) -> Self {
        Self(vec![0; count as usize * PAGE_SIZE as usize])
    }
}

impl Phys for Bytes {
    fn read(&self, frame: Frame, offset: usize, buf: &mut [u8]) {
        let at = frame.0 as usize * PAGE_SIZE as usize + offset;
        buf.copy_from_slice(&self.0[at..at + buf.len()]);
    }
    fn write(&mut self, frame: Frame, offset: usize, bytes: &[u8]) {
        let at = frame.0 as usize * PAGE_SIZE as usize + offset;
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }
    fn zero(&mut self, frame: Frame) {
        let at = frame.0 as usize * PAGE_SIZE as usize;
        self.0[at..at + PAGE_SIZE as usize].fill(0);
    }
}

impl kernel_model::cx::Outside for Bytes {}

/// Where the process has memory: pages that can be written, then one that can only be read, then nothing.
pub const DATA: u64 = 0x10_0000;
const PAGES: u64 = 40;
/// The page that can only be read.
pub const READ_ONLY: u64 = DATA + PAGES * PAGE_SIZE;
const FRAMES: u32 = 1024;

/// Where [`Direct::attributes`] and the strings it needs are.
const ATTRIBUTES: u64 = DATA + 0x1000;
const STRING: u64 = DATA + 0x1100;
const TEXT: u64 = DATA + 0x2000;
/// Where handles are returned.
pub const HANDLE: u64 = DATA;
/// Room for answers.
pub const OUT: u64 = DATA + 0x1_4000;

/// Pseudo handles.
pub const PROCESS: u64 = u64::MAX;
pub const THREAD: u64 = u64::MAX - 1;

/// Calls a service by name.
pub fn execute(kernel: &mut Kernel, ram: &mut Bytes, service: &str, args: &[u64]) -> Answer {
    let number = kernel.profile.number(service).unwrap_or_else(|| panic!("{service} is no service"));
    let row = kernel.find(number).expect("a row");
    let mut raw = Args::default();
    for (index, arg) in args.iter().enumerate() {
        raw.set(index, *arg);
    }
    let call = Call { gate: Gate::Syscall, regs: TrapRegs::default(), number, args: raw };
    kernel.execute(ram, &row, &call)
}

/// A kernel with one process that has some memory.
#[derive(Clone)]
pub struct Direct {
    pub kernel: Kernel,
    pub ram: Bytes,
}

impl Direct {
    pub fn new() -> Self {
        Self::with(Profile::default_profile())
    }

    pub fn with(profile: &'static Profile) -> Self {
        let mut kernel = Kernel::new(profile, FRAMES, "direct.exe");
        // Everybody may make names in `\`, so that tests can have short ones; `protections.rs` looks at what boot gives.
        let root = kernel.ob.root();
        kernel.ob.get_mut(root).expect("the root directory").security = None;
        let (first, last) = (DATA / PAGE_SIZE, READ_ONLY / PAGE_SIZE);
        let protect = Protect::READWRITE;
        kernel.mm.space.insert(Vad { first, last, base: first, kind: VadKind::Private, protect });
        for vpn in first..=last {
            let protect = if vpn == last { Protect::READONLY } else { protect };
            kernel.mm.commit(vpn, protect).expect("memory");
        }
        Self { kernel, ram: Bytes::frames(FRAMES) }
    }

    /// Calls a service; the invariants hold afterwards.
    pub fn answer(&mut self, service: &str, args: &[u64]) -> Answer {
        let answer = self.answer_unchecked(service, args);
        if let Err(wrong) = self.kernel.check_invariants() {
            panic!("after {service} {args:x?} = {answer:x?}: {wrong}");
        }
        answer
    }

    /// Calls a service.
    pub fn answer_unchecked(&mut self, service: &str, args: &[u64]) -> Answer {
        execute(&mut self.kernel, &mut self.ram, service, args)
    }

    /// Calls a service that answers with a status, or waits until its time is up.
    pub fn call(&mut self, service: &str, args: &[u64]) -> NtStatus {
        match self.answer(service, args) {
            Answer::Status(status) => status,
            Answer::Blocked(wait) => match self.kernel.finish_wait(&wait) {
                WaitEnd::Woken(Wake::Status(status)) => status,
                end => panic!("{service} {args:x?}: the wait ends in {end:?}"),
            },
            other => panic!("{service} {args:x?} = {other:?}"),
        }
    }

    /// Calls a service that stores a handle at [`HANDLE`]; the handle.
    pub fn handle(&mut self, service: &str, args: &[u64]) -> u64 {
        let mut all = vec![HANDLE];
        all.extend(args);
        assert_eq!(self.call(service, &all), NtStatus::SUCCESS, "{service} {args:x?}");
        self.u64(HANDLE)
    }

    pub fn write(&mut self, va: u64, bytes: &[u8]) {
        assert_eq!(self.kernel.mm.poke(&mut self.ram, va, bytes), bytes.len(), "memory at {va:#x}");
    }

    pub fn write_u64(&mut self, va: u64, value: u64) {
        self.write(va, &value.to_le_bytes());
    }

    pub fn read(&self, va: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.kernel.mm.peek(&self.ram, va, &mut bytes).expect("memory");
        bytes
    }

    pub fn u64(&self, va: u64) -> u64 {
        u64::from_le_bytes(self.read(va, 8).try_into().expect("eight bytes"))
    }

    pub fn u32(&self, va: u64) -> u32 {
        self.u64(va) as u32
    }

    /// The text that a `UNICODE_STRING` tells.
    pub fn string(&self, va: u64) -> String {
        let length = self.u32(va) as u16;
        let bytes = self.read(self.u64(va + 8), length.into());
        let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
        String::from_utf16(&units).expect("UTF-16")
    }

    /// Writes a `UNICODE_STRING` at an address, its text at another.
    pub fn unicode(&mut self, va: u64, text_at: u64, text: &str) -> u64 {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.write(text_at, &bytes);
        let length = bytes.len() as u64;
        self.write_u64(va, length | (length + 2) << 16);
        self.write_u64(va + 8, text_at);
        va
    }

    /// Writes `OBJECT_ATTRIBUTES` with a name, flags and a root directory; their address.
    pub fn attributes(&mut self, name: &str, flags: u32, root: u64) -> u64 {
        self.unicode(STRING, TEXT, name);
        for (offset, value) in [(0, 0x30), (8, root), (16, STRING), (24, flags.into()), (32, 0), (40, 0)] {
            self.write_u64(ATTRIBUTES + offset, value);
        }
        ATTRIBUTES
    }

    /// `HandleCount` and `PointerCount`, as `NtQueryObject` tells them.
    pub fn counts(&mut self, handle: u64) -> (u32, u32) {
        assert_eq!(self.call("NtQueryObject", &[handle, 0, OUT, 0x38, 0]), NtStatus::SUCCESS);
        (self.u32(OUT + 8), self.u32(OUT + 12))
    }

    /// How many objects there are.
    pub fn objects(&self) -> usize {
        self.kernel.ob.iter().count()
    }
}
