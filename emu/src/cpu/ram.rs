//! Guest physical memory: one anonymous mapping, handed to the engine whole.

use std::marker::PhantomData;
use std::sync::Arc;

use guest::registers::UserState;
use kernel_model::Kernel;
use kernel_model::cx::Outside;
use kernel_model::io::HostFolders;
use kernel_model::mm::{Frame, Phys};
use kernel_model::ps::{LoadFailure, NewProcess};
use memmap2::{MmapMut, MmapRaw};

/// Bytes in a frame.
pub(super) const FRAME: usize = 0x1000;
/// Frames at the end that belong to the CPU itself: descriptor tables and the way into ring 3.
pub(super) const PRIVATE_FRAMES: usize = 2;

/// Whoever fills new processes.
pub(crate) trait LoadProcess: std::fmt::Debug {
    /// Fills the process that is current; what its thread starts with.
    fn load(&mut self, kernel: &mut Kernel, ram: &mut Ram, new: &NewProcess) -> Result<UserState, LoadFailure>;
}

/// Guest physical memory. The host gives it pages when they are first touched.
///
/// The engine writes it as it likes, so no reference into it is ever made: bytes are copied in and out. It
/// stays on its thread, as the CPU does.
#[derive(Debug)]
pub struct Ram {
    map: Arc<MmapRaw>,
    frames: usize,
    /// The host's folders that are mounted: what services find outside beside memory.
    pub(crate) folders: Option<Box<dyn HostFolders>>,
    /// Whoever fills new processes; `None`: nobody.
    pub(crate) loader: Option<Box<dyn LoadProcess>>,
    on_one_thread: PhantomData<*const ()>,
}

impl Ram {
    /// Memory of `frames` frames, all zero.
    pub fn new(frames: u32) -> std::io::Result<Self> {
        let frames = frames as usize;
        let map = MmapMut::map_anon((frames + PRIVATE_FRAMES) * FRAME)?;
        Ok(Self { map: Arc::new(map.into()), frames, folders: None, loader: None, on_one_thread: PhantomData })
    }

    /// How many frames the kernel may use.
    pub fn frames(&self) -> u32 {
        self.frames as u32
    }

    /// The mapping, which whoever holds this keeps alive.
    pub(super) fn mapping(&self) -> Arc<MmapRaw> {
        Arc::clone(&self.map)
    }

    /// The physical address of the CPU's own memory.
    pub(super) fn private(&self) -> u64 {
        (self.frames * FRAME) as u64
    }

    /// Writes one of the CPU's own frames.
    pub(super) fn write_private(&mut self, index: usize, offset: usize, bytes: &[u8]) {
        self.write(Frame((self.frames + index) as u32), offset, bytes);
    }

    /// The address of `offset` in a frame, and how many of `len` bytes there lie in the frame.
    fn locate(&self, frame: Frame, offset: usize, len: usize) -> (*mut u8, usize) {
        let frame = frame.0 as usize;
        assert!(frame < self.frames + PRIVATE_FRAMES, "frame {frame} is beyond physical memory");
        let offset = offset.min(FRAME);
        // SAFETY: the frame lies in the mapping, so an offset of at most a frame's length stays in bounds.
        let at = unsafe { self.map.as_mut_ptr().add(frame * FRAME + offset) };
        (at, len.min(FRAME - offset))
    }
}

impl Outside for Ram {
    fn folders(&mut self) -> Option<&mut dyn HostFolders> {
        match &mut self.folders {
            Some(folders) => Some(folders.as_mut()),
            None => None,
        }
    }

    fn load_process(&mut self, kernel: &mut Kernel, new: &NewProcess) -> Result<UserState, LoadFailure> {
        let mut loader = self.loader.take().ok_or(LoadFailure::Unsupported)?;
        let result = loader.load(kernel, self, new);
        self.loader = Some(loader);
        result
    }
}

impl Phys for Ram {
    fn read(&self, frame: Frame, offset: usize, buf: &mut [u8]) {
        let (from, len) = self.locate(frame, offset, buf.len());
        // SAFETY: `len` bytes are in bounds on both sides, and `buf` is not part of the mapping, into which no
        // references exist. The engine runs on this thread only, so it does not write meanwhile.
        unsafe { std::ptr::copy_nonoverlapping(from, buf.as_mut_ptr(), len) };
    }

    fn write(&mut self, frame: Frame, offset: usize, bytes: &[u8]) {
        let (to, len) = self.locate(frame, offset, bytes.len());
        // SAFETY: as above.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, len) };
    }

    fn zero(&mut self, frame: Frame) {
        let (to, len) = self.locate(frame, 0, FRAME);
        // SAFETY: as above.
        unsafe { std::ptr::write_bytes(to, 0, len) };
    }
}
