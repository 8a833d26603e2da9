//! Hives from and into files: `NtSaveKey`, `NtLoadKey`, `NtUnloadKey` and their relatives.

use guest::types::ObjectAttributes;
use guest::{AccessMask, Handle, NtStatus, UserPtr};

use super::node::KeyId;
use super::parse::Place;
use super::wow64::View;
use crate::cx::Cx;
use crate::ob::NameToOpen;
use crate::se::Privilege;
use crate::service::{NtResult, Service, Support, Unwind, service};

const GAP: &str =
    "descriptors and times of hive files are not read; changes of a loaded hive are not written back; no flags";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtSaveKey => nt_save_key, Support::Partial("the latest format, whichever is asked for")),
    service!(NtSaveKeyEx => nt_save_key_ex, Support::Partial("the latest format, whichever is asked for")),
    service!(NtSaveMergedKeys => nt_save_merged_keys, Support::Partial("checked, and refused by name")),
    service!(NtLoadKey => nt_load_key, Support::Partial(GAP)),
    service!(NtLoadKey2 => nt_load_key_2, Support::Partial(GAP)),
    service!(NtLoadKeyEx => nt_load_key_ex, Support::Partial("as NtLoadKey2: no trust class, event or handle to the root")),
    service!(NtUnloadKeyEx => nt_unload_key_ex, Support::Partial("no event: a hive that is in use is not unloaded later")),
    service!(NtRestoreKey => nt_restore_key, Support::Partial("checked, and refused by name")),
    service!(NtUnloadKey => nt_unload_key, Support::Full),
    service!(NtUnloadKey2 => nt_unload_key_2, Support::Full),
];

/// `REG_STANDARD_FORMAT`, `REG_LATEST_FORMAT`, `REG_NO_COMPRESSION`.
const FORMATS: [u32; 3] = [1, 2, 4];
/// `REG_FORCE_UNLOAD`.
const FORCE_UNLOAD: u32 = 1;

/// `NtSaveKey`: writes a key and what is below it into a file.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeBackupPrivilege`; `STATUS_INVALID_HANDLE`, `STATUS_KEY_DELETED`; the statuses of
/// writing a file.
fn nt_save_key(cx: &mut Cx<'_>, key: Handle, file: Handle) -> NtResult {
    nt_save_key_ex(cx, key, file, 1)
}

/// `NtSaveKeyEx`: the same, in a format.
///
/// `STATUS_INVALID_PARAMETER` for an unknown format, and those of `NtSaveKey`.
fn nt_save_key_ex(cx: &mut Cx<'_>, key: Handle, file: Handle, format: u32) -> NtResult {
    if !FORMATS.contains(&format) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    cx.require_privilege(Privilege::BACKUP)?;
    let id = cx.key(key, AccessMask(0))?;
    let bytes = super::hive::save(&cx.kernel.cm, id);
    cx.write_whole_file(file, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtSaveMergedKeys`: writes two keys as if the first lay over the second.
///
/// Those of `NtSaveKey`.
fn nt_save_merged_keys(cx: &mut Cx<'_>, high: Handle, low: Handle, file: Handle) -> NtResult {
    cx.require_privilege(Privilege::BACKUP)?;
    cx.key(high, AccessMask(0))?;
    cx.key(low, AccessMask(0))?;
    cx.use_handle(file)?;
    Err(Unwind::unsupported("FileHandle of NtSaveMergedKeys: hives are not written into files"))
}

/// Where a hive is to be put, or is.
fn target(cx: &mut Cx<'_>, attributes: UserPtr<ObjectAttributes>) -> NtResult<Place> {
    if attributes.is_null() {
        return Err(NtStatus::ACCESS_VIOLATION.into());
    }
    let name = NameToOpen::capture(&mut cx.mem(), Some(attributes))?;
    cx.find_key(&name, View::Wide, false)
}

/// `NtLoadKey`: puts a hive file's keys under a name.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeRestorePrivilege`; `STATUS_OBJECT_NAME_COLLISION`, `STATUS_INVALID_PARAMETER` for a
/// place that is not in `\REGISTRY\MACHINE` or `USER`, `STATUS_NOT_REGISTRY_FILE`, `STATUS_REGISTRY_CORRUPT`, and the statuses of
/// names and of reading a file.
fn nt_load_key(
    cx: &mut Cx<'_>, target_key: UserPtr<ObjectAttributes>, source_file: UserPtr<ObjectAttributes>,
) -> NtResult {
    nt_load_key_2(cx, target_key, source_file, 0)
}

/// `NtLoadKey2`: the same, with flags.
///
/// Those of `NtLoadKey`.
fn nt_load_key_2(
    cx: &mut Cx<'_>, target_key: UserPtr<ObjectAttributes>, source_file: UserPtr<ObjectAttributes>, flags: u32,
) -> NtResult {
    cx.require_privilege(Privilege::RESTORE)?;
    if flags != 0 {
        return Err(Unwind::unsupported(format!("Flags {flags:#x} of NtLoadKey2")));
    }
    let Place::Missing(parent, name) = target(cx, target_key)? else {
        return Err(NtStatus::OBJECT_NAME_COLLISION.into());
    };
    let above = cx.kernel.cm.live(parent)?;
    if !above.fixed || above.depth != 1 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let bytes = cx.read_whole_by_name(source_file)?;
    cx.kernel.cm.load(parent, &name, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtLoadKeyEx`: the same, with more that can be asked for.
///
/// Those of `NtLoadKey`.
#[expect(clippy::too_many_arguments, reason = "NtLoadKeyEx has eight")]
fn nt_load_key_ex(
    cx: &mut Cx<'_>, target_key: UserPtr<ObjectAttributes>, source_file: UserPtr<ObjectAttributes>, flags: u32,
    trust_class: Handle, event: Handle, _access: AccessMask, root: Option<UserPtr<Handle>>, _reserved: u64,
) -> NtResult {
    cx.require_privilege(Privilege::RESTORE)?;
    if trust_class != Handle::NULL || event != Handle::NULL || root.is_some() {
        return Err(Unwind::unsupported("TrustClassKey, Event or RootHandle of NtLoadKeyEx"));
    }
    nt_load_key_2(cx, target_key, source_file, flags)
}

/// `NtRestoreKey`: replaces what is below a key by a hive file's keys.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeRestorePrivilege`; `STATUS_INVALID_HANDLE`, `STATUS_KEY_DELETED`.
fn nt_restore_key(cx: &mut Cx<'_>, key: Handle, file: Handle, _flags: u32) -> NtResult {
    cx.require_privilege(Privilege::RESTORE)?;
    cx.key(key, AccessMask(0))?;
    cx.use_handle(file)?;
    Err(Unwind::unsupported("FileHandle of NtRestoreKey: hives are not read from files"))
}

/// Whether somebody has a key of a hive open.
fn in_use(cx: &Cx<'_>, root: KeyId) -> bool {
    let cm = &cx.kernel.cm;
    cm.below(root).into_iter().any(|id| cm.get(id).is_some_and(|node| node.opens > 0))
}

/// `NtUnloadKey`: takes a hive out of the registry.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeRestorePrivilege`; `STATUS_INVALID_PARAMETER` for a key that is no hive's root;
/// `STATUS_CANNOT_DELETE` while a key of it is open; the statuses of names.
fn nt_unload_key(cx: &mut Cx<'_>, target_key: UserPtr<ObjectAttributes>) -> NtResult {
    nt_unload_key_2(cx, target_key, 0)
}

/// `NtUnloadKey2`: the same; `REG_FORCE_UNLOAD` makes keys that are open deleted ones.
///
/// `STATUS_INVALID_PARAMETER` for unknown flags, and those of `NtUnloadKey`.
fn nt_unload_key_2(cx: &mut Cx<'_>, target_key: UserPtr<ObjectAttributes>, flags: u32) -> NtResult {
    cx.require_privilege(Privilege::RESTORE)?;
    if flags & !FORCE_UNLOAD != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let Place::Found(id) = target(cx, target_key)? else { return Err(NtStatus::OBJECT_NAME_NOT_FOUND.into()) };
    let node = cx.kernel.cm.live(id)?;
    // What is above the hives is none.
    let above = node.parent.and_then(|parent| cx.kernel.cm.get(parent));
    let root = node.fixed && !node.volatile && above.is_some_and(|above| above.fixed && above.volatile);
    if !root {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if flags & FORCE_UNLOAD == 0 && in_use(cx, id) {
        return Err(NtStatus::CANNOT_DELETE.into());
    }
    cx.kernel.cm.delete_tree(id);
    Ok(NtStatus::SUCCESS)
}

/// `NtUnloadKeyEx`: the same as `NtUnloadKey`, or later, when nobody has a key of it open any more.
///
/// Those of `NtUnloadKey`.
fn nt_unload_key_ex(cx: &mut Cx<'_>, target_key: UserPtr<ObjectAttributes>, event: Handle) -> NtResult {
    cx.require_privilege(Privilege::RESTORE)?;
    if event != Handle::NULL {
        return Err(Unwind::unsupported("Event of NtUnloadKeyEx"));
    }
    nt_unload_key(cx, target_key)
}
