//! `NtDeleteKey`, `NtRenameKey`, `NtFlushKey`, `NtSetInformationKey`, and services about whole keys that need no files.

use guest::mem::GuestMemory;
use guest::types::UnicodeString;
use guest::{AccessMask, Handle, NtStatus, UserPtr};

use super::key::{Key, access};
use super::notify::filter;
use super::registry::MAX_KEY_NAME;
use crate::cx::Cx;
use crate::ob::read_name;
use crate::se::Privilege;
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

const IN_MEMORY: &str = "hives are in memory only: there is nothing to write";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtDeleteKey => nt_delete_key, Support::Full),
    service!(NtRenameKey => nt_rename_key, Support::Full),
    service!(NtFlushKey => nt_flush_key, Support::Partial(IN_MEMORY)),
    service!(NtSetInformationKey => nt_set_information_key,
        Support::Partial("no virtualization, debug, handle tag or layer classes")),
    service!(NtLockRegistryKey => nt_lock_registry_key, Support::Partial("user mode is refused, as on Windows; no drivers lock")),
    service!(NtCompactKeys => nt_compact_keys, Support::Partial(IN_MEMORY)),
    service!(NtCompressKey => nt_compress_key, Support::Partial(IN_MEMORY)),
    service!(NtInitializeRegistry => nt_initialize_registry, Support::Partial("the registry is set up: a second time is refused")),
];

/// `NtDeleteKey`: deletes a key without subkeys. Open handles to it are answered `STATUS_KEY_DELETED` from then on.
///
/// `STATUS_CANNOT_DELETE` for one with subkeys or the root of a hive; `STATUS_KEY_DELETED`, `STATUS_ACCESS_DENIED`
/// without `DELETE`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`.
fn nt_delete_key(cx: &mut Cx<'_>, key: Handle) -> NtResult {
    let id = cx.key(key, AccessMask::DELETE)?;
    let parent = cx.kernel.cm.live(id)?.parent;
    cx.kernel.cm.delete(id)?;
    cx.notify_deleted(id);
    if let Some(parent) = parent {
        cx.touch(parent);
        cx.notify_change(parent, filter::NAME);
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtRenameKey`: gives a key another name in the key that it is in.
///
/// `STATUS_INVALID_PARAMETER` for a name that is empty, too long or a path; `STATUS_CANNOT_DELETE` for a name that is
/// taken, or the root of a hive; `STATUS_ACCESS_DENIED` without `KEY_WRITE`.
fn nt_rename_key(cx: &mut Cx<'_>, key: Handle, new_name: UserPtr<UnicodeString>) -> NtResult {
    if new_name.is_null() {
        return Err(NtStatus::ACCESS_VIOLATION.into());
    }
    let name = read_name(&mut cx.mem(), new_name)?.unwrap_or_default();
    if name.is_empty() || name.len() > MAX_KEY_NAME || name.contains(&u16::from(b'\\')) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let id = cx.key(key, access::WRITE)?;
    cx.kernel.cm.rename(id, &name)?;
    cx.touch(id);
    if let Some(parent) = cx.kernel.cm.live(id)?.parent {
        cx.touch(parent);
        cx.notify_change(parent, filter::NAME);
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtFlushKey`: writes a key's hive to its file.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_KEY_DELETED`.
fn nt_flush_key(cx: &mut Cx<'_>, key: Handle) -> NtResult {
    cx.key(key, AccessMask(0))?;
    Ok(NtStatus::SUCCESS)
}

const WRITE_TIME: u32 = 0;
const WOW64_FLAGS: u32 = 1;
const CONTROL_FLAGS: u32 = 2;

/// `NtSetInformationKey`: a key's time, or flags that the kernel keeps for user mode.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_ACCESS_DENIED` without `KEY_SET_VALUE`,
/// `STATUS_KEY_DELETED`, `STATUS_ACCESS_VIOLATION`.
fn nt_set_information_key(cx: &mut Cx<'_>, key: Handle, class: u32, information: UserPtr<u8>, length: u32) -> NtResult {
    let name = class_name("KEY_SET_INFORMATION_CLASS", class)?;
    let size = match class {
        WRITE_TIME => 8,
        WOW64_FLAGS | CONTROL_FLAGS => 4,
        _ => return Err(Unwind::unsupported(format!("KeySetInformationClass {name}"))),
    };
    if length != size {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let value = match size {
        8 => cx.mem().load(information.cast::<u64>())?,
        _ => cx.mem().load(information.cast::<u32>())?.into(),
    };
    let id = cx.key(key, access::SET_VALUE)?;
    let node = cx.kernel.cm.get_mut(id).ok_or(NtStatus::KEY_DELETED)?;
    match class {
        WRITE_TIME => node.last_write = value,
        WOW64_FLAGS => node.user_flags = value as u32 & 0xf,
        _ => node.control_flags = value as u32 & 0xf,
    }
    cx.notify_change(id, filter::ATTRIBUTES);
    Ok(NtStatus::SUCCESS)
}

/// `NtLockRegistryKey`: keeps a key from being changed until the machine is switched off. Only for kernel mode.
///
/// `STATUS_PRIVILEGE_NOT_HELD`.
fn nt_lock_registry_key(cx: &mut Cx<'_>, _key: Handle) -> NtResult {
    if !cx.kernel.ps.thread.kernel_mode {
        return Err(NtStatus::PRIVILEGE_NOT_HELD.into());
    }
    Err(Unwind::unsupported("NtLockRegistryKey by kernel code"))
}

/// The most keys of one call; more are no count that anybody means. Source: none.
const MOST_KEYS: u32 = 0x1_0000;

/// `NtCompactKeys`: puts the given keys close to each other in their hives' files.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeBackupPrivilege`, `STATUS_INVALID_PARAMETER`, and the statuses of the handles.
fn nt_compact_keys(cx: &mut Cx<'_>, count: u32, keys: UserPtr<Handle>) -> NtResult {
    cx.require_privilege(Privilege::BACKUP)?;
    if count > MOST_KEYS {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let width = cx.kernel.width().bytes() as u64;
    for index in 0..u64::from(count) {
        let handle = cx.mem().load(UserPtr::<Handle>::new(keys.va.wrapping_add(index * width)))?;
        cx.key(handle, access::WRITE)?;
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtCompressKey`: writes a hive without gaps. The key must be the hive's root.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeBackupPrivilege`, `STATUS_INVALID_PARAMETER` for another key, and the
/// statuses of the handle.
fn nt_compress_key(cx: &mut Cx<'_>, key: Handle) -> NtResult {
    cx.require_privilege(Privilege::BACKUP)?;
    let id = cx.key(key, access::WRITE)?;
    if !cx.kernel.cm.live(id)?.fixed {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtInitializeRegistry`: the session manager tells that files can be used. It did at boot.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeTcbPrivilege`; `STATUS_ACCESS_DENIED`, since it has been done.
fn nt_initialize_registry(cx: &mut Cx<'_>, _boot_condition: u32) -> NtResult {
    cx.require_privilege(Privilege::TCB)?;
    Err(NtStatus::ACCESS_DENIED.into())
}

impl Cx<'_> {
    /// `NtSetSecurityObject` on a key: every key object of it has the new descriptor.
    ///
    /// `STATUS_KEY_DELETED`.
    pub fn key_security_changed(&mut self, object: crate::ob::ObjectId) -> NtResult<()> {
        let header = self.kernel.ob.get(object).ok_or(NtStatus::INVALID_HANDLE)?;
        let (crate::body::Body::Key(Key { node, .. }), Some(security)) = (&header.body, header.security.clone()) else {
            return Ok(());
        };
        let node = *node;
        self.kernel.cm.live(node)?;
        let same = |body: &crate::body::Body| matches!(body, crate::body::Body::Key(key) if key.node == node);
        let objects: Vec<_> = self.kernel.ob.iter().filter(|(_, o)| same(&o.body)).map(|(id, _)| id).collect();
        for id in objects {
            if let Some(header) = self.kernel.ob.get_mut(id) {
                header.security = Some(security.clone());
            }
        }
        if let Some(node) = self.touch(node) {
            node.security = security;
        }
        self.notify_change(node, filter::SECURITY);
        Ok(())
    }
}
