//! `NtCreateKey`, `NtOpenKey`, `NtOpenKeyEx`.

use std::sync::Arc;

use bitflags::bitflags;
use guest::types::{ObjectAttributes, UnicodeString};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::key::access;
use super::node::{KeyId, Node};
use super::notify::filter;
use super::parse::Place;
use crate::cx::Cx;
use crate::ob::{Attributes, NameToOpen, ObjectName, ObjectType, read_name};
use crate::se::{Assign, Privilege, assign_security};
use crate::service::{NtResult, Service, Support, service};

const NO_VIRTUAL_STORE: &str = "no virtualization of a legacy program's writes (VirtualStore); no audits";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateKey => nt_create_key, Support::Partial(NO_VIRTUAL_STORE)),
    service!(NtOpenKey => nt_open_key, Support::Partial(NO_VIRTUAL_STORE)),
    service!(NtOpenKeyEx => nt_open_key_ex, Support::Partial(NO_VIRTUAL_STORE)),
];

bitflags! {
    /// `REG_OPTION_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Options: u32 {
        const VOLATILE = 0x1;
        const CREATE_LINK = 0x2;
        const BACKUP_RESTORE = 0x4;
        const OPEN_LINK = 0x8;
        const DONT_VIRTUALIZE = 0x10;
    }
}

/// What `NtCreateKey` did: `REG_CREATED_NEW_KEY`, `REG_OPENED_EXISTING_KEY`.
const CREATED_NEW: u32 = 1;
const OPENED_EXISTING: u32 = 2;

/// Who asks for a key, and for what.
struct Request {
    name: NameToOpen,
    desired: AccessMask,
    options: Options,
    place: Place,
}

impl Cx<'_> {
    /// What creating and opening have in common: the attributes are read, and the name is looked up.
    fn request(
        &mut self, desired: AccessMask, attributes: UserPtr<ObjectAttributes>, options: u32, creates: bool,
    ) -> NtResult<Request> {
        let options = Options::from_bits(options).ok_or(NtStatus::INVALID_PARAMETER)?;
        if attributes.is_null() {
            return Err(NtStatus::ACCESS_VIOLATION.into());
        }
        let name = NameToOpen::capture(&mut self.mem(), Some(attributes))?;
        let invalid = self.kernel.ob.type_info(ObjectType::Key).map_or(0, |info| info.invalid_attributes);
        if name.attributes.bits() & invalid != 0 {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        let view = self.view(desired.0);
        let desired = AccessMask(desired.0 & !(access::WOW64_64KEY | access::WOW64_32KEY));
        let makes_link = creates && options.contains(Options::CREATE_LINK);
        let link = makes_link || options.contains(Options::OPEN_LINK) || name.attributes.contains(Attributes::OPENLINK);
        let place = self.find_key(&name, view, link)?;
        Ok(Request { name, desired, options, place })
    }

    /// Opens what exists: as its descriptor allows, or by the privileges that back up and restore.
    fn open_existing_key(&mut self, id: KeyId, request: &Request) -> NtResult<Handle> {
        if !request.options.contains(Options::BACKUP_RESTORE) {
            return self.open_key(id, request.desired, request.name.attributes);
        }
        let granted = self.by_backup_or_restore()?;
        self.open_key_granted(id, granted, request.name.attributes)
    }

    /// What `REG_OPTION_BACKUP_RESTORE` grants ("RegCreateKeyEx").
    ///
    /// `STATUS_ACCESS_DENIED` without either privilege.
    fn by_backup_or_restore(&self) -> Result<AccessMask, NtStatus> {
        let held = |privilege, rights: u32| if self.require_privilege(privilege).is_ok() { rights } else { 0 };
        let system = AccessMask::ACCESS_SYSTEM_SECURITY.0;
        let rights = held(Privilege::BACKUP, access::READ.0 | system)
            | held(Privilege::RESTORE, access::WRITE.0 | AccessMask::DELETE.0 | system);
        if rights == 0 { Err(NtStatus::ACCESS_DENIED) } else { Ok(AccessMask(rights)) }
    }

    /// `CmpDoCreate`: a new key in another, with a descriptor of its own.
    fn create_key(&mut self, parent: KeyId, name: &[u16], class: ObjectName, request: &Request) -> NtResult<Handle> {
        if self.kernel.cm.live(parent)?.link {
            return Err(NtStatus::ACCESS_DENIED.into());
        }
        let link = request.options.contains(Options::CREATE_LINK);
        let right = access::CREATE_SUB_KEY.0 | if link { access::CREATE_LINK.0 } else { 0 };
        self.check_key(parent, AccessMask(right))?;
        let granted = match request.options.contains(Options::BACKUP_RESTORE) {
            true => self.by_backup_or_restore()?,
            false => self.grant_new(ObjectType::Key, request.desired)?,
        };
        let mapping = self.kernel.ob.type_info(ObjectType::Key).ok_or(NtStatus::INVALID_PARAMETER)?.mapping;
        let security = {
            let above = &self.kernel.cm.live(parent)?.security;
            let (parent, explicit) = (Some(&**above), request.name.security.as_ref());
            let token = self.subject()?.effective();
            assign_security(&Assign { parent, explicit, container: true, ..Assign::new(token, &mapping) })?
        };
        let node = Node {
            class,
            link,
            volatile: request.options.contains(Options::VOLATILE),
            last_write: self.now(),
            ..Node::new(name, Arc::new(security))
        };
        let id = self.kernel.cm.add(parent, node)?;
        match self.open_key_granted(id, granted, request.name.attributes) {
            Ok(handle) => {
                self.touch(parent);
                self.notify_change(parent, filter::NAME);
                Ok(handle)
            }
            Err(error) => {
                // No handle could be had: the key is not made either.
                let _ = self.kernel.cm.delete(id);
                Err(error)
            }
        }
    }
}

/// `NtCreateKey`: creates a key, or opens the one of that name, and says which. Only the last name of the path may
/// be missing.
///
/// `STATUS_OBJECT_NAME_NOT_FOUND`, `STATUS_OBJECT_NAME_COLLISION` (a link over an existing key),
/// `STATUS_CHILD_MUST_BE_VOLATILE`, `STATUS_INVALID_PARAMETER` (unknown options, a name over 255 units),
/// `STATUS_ACCESS_DENIED`, `STATUS_KEY_DELETED`, and the statuses of names and descriptors.
#[expect(clippy::too_many_arguments, reason = "NtCreateKey has seven")]
fn nt_create_key(
    cx: &mut Cx<'_>, key_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: UserPtr<ObjectAttributes>, _title_index: u32, class: Option<UserPtr<UnicodeString>>,
    create_options: u32, disposition: Option<UserPtr<u32>>,
) -> NtResult {
    cx.probe_handle(key_handle)?;
    if let Some(pointer) = disposition {
        cx.mem().probe(pointer)?;
    }
    let class = class.map(|class| read_name(&mut cx.mem(), class)).transpose()?.flatten().unwrap_or_default();
    let request = cx.request(desired_access, object_attributes, create_options, true)?;
    let (handle, done) = match &request.place {
        Place::Found(_) if request.options.contains(Options::CREATE_LINK) => {
            return Err(NtStatus::OBJECT_NAME_COLLISION.into());
        }
        Place::Found(id) => (cx.open_existing_key(*id, &request)?, OPENED_EXISTING),
        Place::Missing(parent, name) => (cx.create_key(*parent, name, class, &request)?, CREATED_NEW),
    };
    cx.mem().store(key_handle, &handle)?;
    if let Some(pointer) = disposition {
        cx.mem().store(pointer, &done)?;
    }
    Ok(NtStatus::SUCCESS)
}

fn open(
    cx: &mut Cx<'_>, key_handle: UserPtr<Handle>, desired_access: AccessMask, attributes: UserPtr<ObjectAttributes>,
    options: u32,
) -> NtResult {
    cx.probe_handle(key_handle)?;
    let request = cx.request(desired_access, attributes, options, false)?;
    let Place::Found(id) = request.place else { return Err(NtStatus::OBJECT_NAME_NOT_FOUND.into()) };
    let handle = cx.open_existing_key(id, &request)?;
    cx.mem().store(key_handle, &handle)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtOpenKey`: opens a key.
///
/// `STATUS_OBJECT_NAME_NOT_FOUND`, `STATUS_ACCESS_DENIED`, `STATUS_KEY_DELETED`, `STATUS_OBJECT_TYPE_MISMATCH`,
/// `STATUS_OBJECT_PATH_SYNTAX_BAD`, and the other statuses of names.
fn nt_open_key(
    cx: &mut Cx<'_>, key_handle: UserPtr<Handle>, desired_access: AccessMask, attributes: UserPtr<ObjectAttributes>,
) -> NtResult {
    open(cx, key_handle, desired_access, attributes, 0)
}

/// `NtOpenKeyEx`: the same, with `REG_OPTION_OPEN_LINK` and `REG_OPTION_BACKUP_RESTORE`.
///
/// `STATUS_INVALID_PARAMETER` for other options, and those of `NtOpenKey`.
fn nt_open_key_ex(
    cx: &mut Cx<'_>, key_handle: UserPtr<Handle>, desired_access: AccessMask, attributes: UserPtr<ObjectAttributes>,
    open_options: u32,
) -> NtResult {
    let known = Options::OPEN_LINK | Options::BACKUP_RESTORE | Options::DONT_VIRTUALIZE;
    if open_options & !known.bits() != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    open(cx, key_handle, desired_access, attributes, open_options)
}
