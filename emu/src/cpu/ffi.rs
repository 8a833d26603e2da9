//! The calls into Unicorn that the safe parts use, each as thin as it can be.

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

use unicorn_engine::unicorn_const::{
    Arch, ControlType, HookType, Mode, Prot, TlbType, X86CpuModel, uc_close, uc_context, uc_context_alloc,
    uc_context_free, uc_context_restore, uc_context_save, uc_context_size, uc_ctl, uc_emu_start, uc_emu_stop,
    uc_engine, uc_error, uc_hook_add, uc_mem_map_ptr, uc_open, uc_reg_read, uc_reg_read_batch, uc_reg_write,
    uc_reg_write_batch,
};

/// An engine, closed when dropped.
pub(super) struct Engine(NonNull<uc_engine>);

type Result<T = ()> = std::result::Result<T, uc_error>;

fn check(error: uc_error) -> Result {
    if error == uc_error::OK { Ok(()) } else { Err(error) }
}

impl Engine {
    pub(super) fn open(model: X86CpuModel) -> Result<Self> {
        let mut handle = ptr::null_mut();
        // SAFETY: `handle` is a valid place for the new engine's pointer.
        check(unsafe { uc_open(Arch::X86, Mode::MODE_64, &mut handle) })?;
        let engine = Self(NonNull::new(handle).ok_or(uc_error::NOMEM)?);
        engine.control(ControlType::CPU_MODEL, model as c_int)?;
        engine.control(ControlType::TLB_TYPE, TlbType::VIRTUAL as c_int)?;
        engine.control(ControlType::UC_USE_EXITS, 1)?;
        Ok(engine)
    }

    /// A handle for hooks, which get the raw engine from C.
    ///
    /// # Safety
    /// `raw` must be a live engine. The result must not be dropped, and not outlive the hook.
    pub(super) unsafe fn borrow(raw: *mut uc_engine) -> std::mem::ManuallyDrop<Self> {
        // SAFETY: the engine calls its hooks with itself, never with NULL.
        std::mem::ManuallyDrop::new(Self(unsafe { NonNull::new_unchecked(raw) }))
    }

    fn raw(&self) -> *mut uc_engine {
        self.0.as_ptr()
    }

    fn control(&self, what: ControlType, value: c_int) -> Result {
        // SAFETY: each control used here takes one int.
        check(unsafe { uc_ctl(self.raw(), ControlType(what.0 | ControlType::IO_WRITE.0), value) })
    }

    /// Maps all of physical memory.
    ///
    /// # Safety
    /// `memory` must be `len` bytes that stay valid for as long as the engine lives.
    pub(super) unsafe fn map(&self, memory: *mut u8, len: usize) -> Result {
        // SAFETY: passed on to the caller.
        check(unsafe { uc_mem_map_ptr(self.raw(), 0, len as u64, Prot::ALL.0, memory.cast()) })
    }

    /// Adds a hook for every address; `extra` is the instruction for instruction hooks and unused otherwise.
    ///
    /// # Safety
    /// `callback` must be a function of the type this kind of hook calls, and `data` valid whenever the engine runs.
    pub(super) unsafe fn hook(
        &self, kind: HookType, callback: *mut c_void, data: *mut c_void, extra: c_int,
    ) -> Result<usize> {
        let mut id = 0;
        // SAFETY: passed on to the caller. The range (1, 0) means every address.
        check(unsafe { uc_hook_add(self.raw(), &mut id, kind.0 as c_int, callback, data, 1, 0, extra) })?;
        Ok(id)
    }

    /// Runs from `rip` until a hook stops it or something goes wrong.
    pub(super) fn start(&self, rip: u64) -> Result {
        // SAFETY: the engine is live, and nobody else runs it. `until` is ignored, exits being enabled.
        check(unsafe { uc_emu_start(self.raw(), rip, 0, 0, 0) })
    }

    pub(super) fn stop(&self) {
        // SAFETY: the engine is live. It can only fail where nothing runs, which is as good.
        unsafe { uc_emu_stop(self.raw()) };
    }

    /// Reads registers by their Unicorn numbers, each into one 64-bit word (XMM: two).
    #[inline]
    pub(super) fn read<const N: usize>(&self, ids: &[c_int; N], values: &mut [u64; N]) {
        let mut places = values.each_mut().map(|v| ptr::from_mut(v).cast::<c_void>());
        // SAFETY: every register that is read so is at most 8 bytes, and has a word of its own. The call can only
        // fail for an unknown register; the words then stay what they were.
        unsafe { uc_reg_read_batch(self.raw(), ids.as_ptr(), places.as_mut_ptr(), N as c_int) };
    }

    /// Writes registers of at most 8 bytes each.
    #[inline]
    pub(super) fn write<const N: usize>(&self, ids: &[c_int; N], values: &[u64; N]) {
        let places = values.each_ref().map(|v| ptr::from_ref(v).cast_mut().cast::<c_void>());
        // SAFETY: as for reading; the values are only read.
        unsafe { uc_reg_write_batch(self.raw(), ids.as_ptr(), places.as_ptr(), N as c_int) };
    }

    /// Reads 16-byte registers.
    pub(super) fn read_wide<const N: usize>(&self, ids: &[c_int; N], values: &mut [[u64; 2]; N]) {
        let mut places = values.each_mut().map(|v| v.as_mut_ptr().cast::<c_void>());
        // SAFETY: XMM registers are 16 bytes, and each has two words.
        unsafe { uc_reg_read_batch(self.raw(), ids.as_ptr(), places.as_mut_ptr(), N as c_int) };
    }

    /// Writes registers of 8 bytes and of 16, the latter all zero: what a return from a system call does.
    #[inline]
    pub(super) fn write_and_clear<const N: usize, const M: usize>(
        &self, ids: &[c_int; M], values: &[u64; N], wide: &'static [u64; 2],
    ) {
        let mut places = [ptr::from_ref(wide).cast_mut().cast::<c_void>(); M];
        for (place, value) in places.iter_mut().zip(values) {
            *place = ptr::from_ref(value).cast_mut().cast();
        }
        // SAFETY: the first N registers are at most 8 bytes and have a word each; the others are 16 bytes and
        // share `wide`, which is only read.
        unsafe { uc_reg_write_batch(self.raw(), ids.as_ptr(), places.as_ptr(), M as c_int) };
    }

    /// Writes 16-byte registers.
    pub(super) fn write_wide<const N: usize>(&self, ids: &[c_int; N], values: &[[u64; 2]; N]) {
        let places = values.each_ref().map(|v| v.as_ptr().cast_mut().cast::<c_void>());
        // SAFETY: XMM registers are 16 bytes, and each has two words.
        unsafe { uc_reg_write_batch(self.raw(), ids.as_ptr(), places.as_ptr(), N as c_int) };
    }

    /// Reads a register whose value is a structure (GDTR, a model-specific register), of which a part may be input.
    pub(super) fn read_struct<T>(&self, id: c_int, value: &mut T) {
        // SAFETY: the caller passes the structure that the register takes. It stays as it was if the call fails.
        unsafe { uc_reg_read(self.raw(), id, ptr::from_mut(value).cast()) };
    }

    /// Writes a register whose value is a structure (GDTR).
    pub(super) fn write_struct<T>(&self, id: c_int, value: &T) -> Result {
        // SAFETY: the caller passes the structure that the register takes.
        check(unsafe { uc_reg_write(self.raw(), id, ptr::from_ref(value).cast()) })
    }

    pub(super) fn flush_tlb(&self) {
        // SAFETY: this control takes no argument.
        unsafe { uc_ctl(self.raw(), ControlType(ControlType::TLB_FLUSH.0 | ControlType::IO_WRITE.0)) };
    }

    pub(super) fn flush_code(&self) {
        // SAFETY: this control takes no argument.
        unsafe { uc_ctl(self.raw(), ControlType(ControlType::TB_FLUSH.0 | ControlType::IO_WRITE.0)) };
    }

    /// The addresses at which the engine stops before the instruction there, once their code is translated anew.
    pub(super) fn set_exits(&self, exits: &[u64]) -> Result {
        let control = ControlType(ControlType::UC_EXITS.0 | ControlType::IO_WRITE.0);
        // SAFETY: the control takes an array of addresses and its length, and copies it.
        check(unsafe { uc_ctl(self.raw(), control, exits.as_ptr(), exits.len()) })
    }

    pub(super) fn save(&self) -> Result<Context> {
        let mut context = ptr::null_mut();
        // SAFETY: `context` is a valid place for the pointer; what is allocated has the engine's context size.
        check(unsafe { uc_context_alloc(self.raw(), &mut context) })?;
        // SAFETY: the engine is live.
        let len = unsafe { uc_context_size(self.raw()) };
        let context = Context { raw: NonNull::new(context).ok_or(uc_error::NOMEM)?, len };
        // SAFETY: the context was allocated by this engine.
        check(unsafe { uc_context_save(self.raw(), context.raw.as_ptr()) })?;
        Ok(context)
    }

    /// Saves into a context that [`Engine::save`] made of this engine, as much as there is of it.
    pub(super) fn save_to(&self, context: &mut Context) {
        // SAFETY: the context was allocated by this engine, and the length in it is at most what was allocated.
        unsafe { uc_context_save(self.raw(), context.raw.as_ptr()) };
    }

    /// Restores a context that [`Engine::save`] made of this engine.
    pub(super) fn restore(&self, context: &Context) -> Result {
        // SAFETY: a `Context` has always been saved.
        check(unsafe { uc_context_restore(self.raw(), context.raw.as_ptr()) })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: the engine is live and this is its owner. Hooks in flight hold a `ManuallyDrop`.
        unsafe { uc_close(self.raw()) };
    }
}

/// A saved CPU context, opaque but for its bytes.
pub(super) struct Context {
    raw: NonNull<uc_context>,
    len: usize,
}

impl Context {
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: Unicorn allocated `len` bytes for the context and initialised them when it saved.
        unsafe { std::slice::from_raw_parts_mut(self.raw.as_ptr().cast(), self.len) }
    }

    /// Shortens it to its first `len` bytes: saving and restoring then copy no more than that. The length of what is
    /// copied is the first word of a context (`context_size` of Unicorn's `uc_context`), which is checked.
    pub(super) fn shorten(&mut self, len: usize) -> std::result::Result<(), String> {
        let all = self.len;
        let field = self.bytes().first_chunk::<8>().map_or(0, |b| usize::from_le_bytes(*b));
        let header = all.checked_sub(field).filter(|header| (8..=128).contains(header) && *header < len && len <= all);
        let header = header.ok_or_else(|| format!("a context of {all} bytes says that {field} are copied"))?;
        if let Some(place) = self.bytes_mut().first_chunk_mut::<8>() {
            *place = (len - header).to_le_bytes();
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.raw.as_ptr().cast(), self.len) }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: allocated by `uc_context_alloc`, freed once.
        unsafe { uc_context_free(self.raw.as_ptr()) };
    }
}
