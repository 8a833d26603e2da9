//! What `NtCreateUserProcess` is asked for, beside its arguments: its attributes and `PS_CREATE_INFO`.

use guest::access::process as access;
use guest::mem::{Width, Word};
use guest::types::StructWriter;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::attribute_list::{PsAttribute, attribute};
use super::create_thread::Outputs;
use super::debug::{DebugObject, PROCESS_ASSIGN};
use super::job::ASSIGN_PROCESS;
use super::{Job, ProcessId, priority_class};
use crate::cx::Cx;
use crate::mm::ImageInformation;
use crate::ob::{HandleAttributes, ObjectId};
use crate::se::{Privilege, TokenKind};
use crate::service::{NtResult, Unwind};

/// `TOKEN_ASSIGN_PRIMARY`.
const TOKEN_ASSIGN_PRIMARY: AccessMask = AccessMask(1);
/// The most handles or jobs in a list.
const MAX_LIST: u64 = 0x1000;
/// The longest path, in bytes.
const MAX_PATH_BYTES: u64 = 0xfffe;

/// `PS_STD_HANDLE_INFO`: whether the standard handles are copied to the child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StdHandles {
    /// `StdHandleState`: 0 never, 1 for a child of the subsystem, 2 always.
    state: u32,
    /// `PseudoHandleMask`: those (1 input, 2 output, 4 error) that are not.
    pseudo: u32,
    subsystem: u32,
}

impl StdHandles {
    /// Whether one of them is copied to a child of a subsystem.
    pub(super) fn copies(&self, index: usize, subsystem: u16) -> bool {
        let wanted = self.state == 2 || self.state == 1 && self.subsystem == u32::from(subsystem);
        wanted && self.pseudo >> index & 1 == 0
    }
}

/// The attributes.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub parent: ProcessId,
    pub token: Option<ObjectId>,
    /// The debug object that it is debugged with.
    pub debug: Option<ObjectId>,
    /// The image's NT path.
    pub image: Vec<u16>,
    pub outputs: Outputs,
    /// Where `SECTION_IMAGE_INFORMATION` goes.
    pub image_info: Option<u64>,
    pub std_handles: StdHandles,
    /// The only handles that are inherited.
    pub handles: Option<Vec<Handle>>,
    pub jobs: Vec<ObjectId>,
    pub priority_class: Option<u8>,
    pub error_mode: Option<u32>,
}

impl Request {
    /// Takes the attributes in order.
    ///
    /// `STATUS_INVALID_PARAMETER` for one that is wrong and where the image has no name; the statuses of the handles in
    /// them.
    pub(super) fn new(cx: &mut Cx<'_>, attributes: &[PsAttribute]) -> NtResult<Self> {
        let mut request = Self {
            parent: cx.kernel.ps.process.id,
            token: None,
            debug: None,
            image: Vec::new(),
            outputs: Outputs::default(),
            image_info: None,
            std_handles: StdHandles::default(),
            handles: None,
            jobs: Vec::new(),
            priority_class: None,
            error_mode: None,
        };
        for attribute in attributes {
            request.take(cx, attribute)?;
        }
        request.outputs.probe(cx)?;
        if request.image.is_empty() {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        Ok(request)
    }

    fn take(&mut self, cx: &mut Cx<'_>, attribute: &PsAttribute) -> NtResult<()> {
        let PsAttribute { id, size, value } = *attribute;
        let word = cx.kernel.width().bytes() as u64;
        let of_size = |expected: u64| if size == expected { Ok(()) } else { Err(NtStatus::INVALID_PARAMETER) };
        match id {
            attribute::PARENT_PROCESS => {
                of_size(word)?;
                self.parent = cx.process_of(Handle(value), access::CREATE_PROCESS)?;
            }
            attribute::DEBUG_OBJECT => {
                of_size(word)?;
                self.debug = Some(cx.reference_id::<DebugObject>(Handle(value), PROCESS_ASSIGN)?);
            }
            attribute::TOKEN => {
                of_size(word)?;
                self.token = Some(token(cx, Handle(value))?);
            }
            attribute::IMAGE_NAME => {
                if size == 0 || size % 2 != 0 || size > MAX_PATH_BYTES {
                    return Err(NtStatus::INVALID_PARAMETER.into());
                }
                let mut bytes = vec![0; size as usize];
                cx.mem().read(value, &mut bytes)?;
                self.image = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
            }
            attribute::IMAGE_INFO => {
                of_size(ImageInformation::size(cx.kernel.width()) as u64)?;
                cx.mem().probe_write(value, size)?;
                self.image_info = Some(value);
            }
            attribute::PRIORITY_CLASS => {
                of_size(1)?;
                let class: u8 = cx.mem().load(UserPtr::new(value))?;
                let known = (priority_class::IDLE..=priority_class::ABOVE_NORMAL).contains(&class);
                self.priority_class = Some(Some(class).filter(|_| known).ok_or(NtStatus::INVALID_PARAMETER)?);
            }
            attribute::ERROR_MODE => {
                of_size(4)?;
                self.error_mode = Some(cx.mem().load(UserPtr::new(value))?);
            }
            attribute::STD_HANDLE_INFO => {
                of_size(8)?;
                let flags: u32 = cx.mem().load(UserPtr::new(value))?;
                let subsystem = cx.mem().load(UserPtr::new(value.wrapping_add(4)))?;
                self.std_handles = StdHandles { state: flags & 3, pseudo: flags >> 2 & 7, subsystem };
            }
            attribute::HANDLE_LIST => {
                let handles = list(cx, size, value)?;
                let table = &cx.kernel.ps.process.handles;
                let inherits = |handle: &Handle| {
                    table.get(*handle).is_some_and(|entry| entry.attributes.contains(HandleAttributes::INHERIT))
                };
                if !handles.iter().all(inherits) {
                    return Err(NtStatus::INVALID_PARAMETER.into());
                }
                self.handles = Some(handles);
            }
            attribute::JOB_LIST => {
                for job in list(cx, size, value)? {
                    self.jobs.push(cx.reference_id::<Job>(job, ASSIGN_PROCESS)?);
                }
            }
            _ if self.outputs.take(id, value) => {}
            other => return Err(Unwind::unsupported(format!("attribute {other:#x}"))),
        }
        Ok(())
    }
}

/// Handles, one a word.
fn list(cx: &mut Cx<'_>, size: u64, at: u64) -> NtResult<Vec<Handle>> {
    let word = cx.kernel.width().bytes() as u64;
    if size == 0 || !size.is_multiple_of(word) || size / word > MAX_LIST {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let mut load = |n| Ok(Handle(cx.mem().load(UserPtr::<Word>::new(at.wrapping_add(n * word)))?.0));
    (0..size / word).map(&mut load).collect()
}

/// A token to be the child's primary one: the caller's own kind needs no privilege (`SeIsTokenChild`,
/// `SeIsTokenSibling`).
pub(super) fn token(cx: &mut Cx<'_>, handle: Handle) -> NtResult<ObjectId> {
    let object = cx.primary_token(handle, TOKEN_ASSIGN_PRIMARY)?;
    let own = cx.kernel.ps.process.token;
    let (token, own) = (cx.token(object)?, cx.token(own)?);
    if token.kind != TokenKind::Primary {
        return Err(NtStatus::BAD_TOKEN_TYPE.into());
    }
    let related = token.parent == own.id || token.authentication == own.authentication && token.parent == own.parent;
    if !related {
        cx.require_privilege(Privilege::ASSIGN_PRIMARY_TOKEN)?;
    }
    Ok(object)
}

/// `PsCreate*`: how far it got, in `PS_CREATE_INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    FailOnFileOpen = 1,
    FailOnSectionCreate = 2,
    FailExeFormat = 3,
    Success = 6,
}

/// `IMAGE_FILE_DLL`
pub(super) const IMAGE_FILE_DLL: u16 = 0x2000;

/// Where `PS_CREATE_INFO` is.
#[derive(Clone, Copy, Debug)]
pub(super) struct CreateInfo {
    at: u64,
    width: Width,
    /// `AdditionalFileAccess`.
    pub file_access: AccessMask,
    /// `ProhibitedImageCharacteristics`.
    pub prohibited: u16,
}

impl CreateInfo {
    /// Reads what is asked for.
    ///
    /// `STATUS_INVALID_PARAMETER` for a wrong size or state, `STATUS_ACCESS_VIOLATION`.
    pub(super) fn capture(cx: &mut Cx<'_>, at: u64) -> NtResult<Self> {
        let width = cx.kernel.width();
        if cx.kernel.is_wine_root() {
            // Wine's kernelbase neither fills it in nor reads it.
            return Ok(Self { at: 0, width, file_access: AccessMask(0), prohibited: IMAGE_FILE_DLL });
        }
        let word = width.bytes() as u64;
        // phnt: sizeof(PS_CREATE_INFO)
        let size = match width {
            Width::W32 => 0x48,
            Width::W64 => 0x58,
        };
        cx.mem().probe_write(at, size)?;
        let told = cx.mem().load(UserPtr::<Word>::new(at))?.0;
        let state: u32 = cx.mem().load(UserPtr::new(at + word))?;
        let flags: u32 = cx.mem().load(UserPtr::new(at + 2 * word))?;
        let file_access = AccessMask(cx.mem().load(UserPtr::new(at + 2 * word + 4))?);
        if told != size || state != 0 {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        Ok(Self { at, width, file_access, prohibited: (flags >> 16) as u16 })
    }

    /// Whether the caller wants to know how far it got, and gets handles so.
    pub(super) fn is_told(&self) -> bool {
        self.at != 0
    }

    /// Tells how far it got, with a word about it.
    pub(super) fn tell(&self, cx: &mut Cx<'_>, state: State, word: u64) -> NtResult<()> {
        if !self.is_told() {
            return Ok(());
        }
        let w = self.width.bytes();
        let out = StructWriter::new(2 * w, self.width).field(0, 4, state as u64).word(w, word);
        cx.mem().write(self.at + w as u64, &out.finish())?;
        Ok(())
    }

    /// Tells of a process that was made: its file's handle, where its parameters and its PEB are. There is no section.
    pub(super) fn tell_success(
        &self, cx: &mut Cx<'_>, file: Handle, native: [u64; 2], wow64: [u64; 2],
    ) -> NtResult<()> {
        if !self.is_told() {
            return Ok(());
        }
        let w = self.width.bytes();
        // From `State` on: OutputFlags, FileHandle, SectionHandle; then, aligned to 8, the addresses.
        let addresses = (4 * w + w).next_multiple_of(8) - w;
        let size = addresses + 48;
        let out = StructWriter::new(size, self.width).field(0, 4, State::Success as u64).word(2 * w, file.0);
        let [[parameters, peb], [parameters32, peb32]] = [native, wow64];
        let out = out.field(addresses, 8, parameters).field(addresses + 8, 4, parameters32);
        // CurrentParameterFlags: RTL_USER_PROC_PARAMS_NORMALIZED
        let out = out.field(addresses + 12, 4, 1).field(addresses + 16, 8, peb).field(addresses + 24, 4, peb32);
        cx.mem().write(self.at + w as u64, &out.finish())?;
        Ok(())
    }
}
