//! Audits: the services of subsystems, and what the kernel's own objects have audited. Sources: Microsoft Learn on
//! `AccessCheckAndAuditAlarm`, `ObjectOpenAuditAlarm`, `ObjectCloseAuditAlarm`, `ObjectPrivilegeAuditAlarm`,
//! `PrivilegedServiceAuditAlarm`, "SACL Access Right", "Audit Generation".

use guest::NtStatus as S;
use kernel_model::body::Body;
use kernel_model::se::{AuditKind, AuditPolicy, Privilege, SecurityDescriptor};

use crate::desk::Desk;

const PROFILES: [&str; 2] = ["win10-22h2-x64", "win7-sp1-x86"];
/// Audits whoever is granted the right 2, and whoever is refused the right 4.
const AUDITED: &str = "O:BAG:SYD:(A;;0x3;;;WD)S:(AU;SA;0x2;;;WD)(AU;FA;0x4;;;WD)";
const LOGGED: AuditPolicy = AuditPolicy { object_access: true, privilege_use: true };

/// A desk whose thread impersonates its own user at a level; the process may audit, or not.
fn desk(profile: &str, level: Option<u64>, may_audit: bool) -> Desk {
    let mut d = Desk::new(profile);
    if may_audit {
        d.kernel.hold(Privilege::AUDIT);
    }
    let out = d.place(&[0; 8]);
    d.ok("NtOpenProcessToken", &[u64::MAX, 0xf_01ff, out]);
    let token = d.read_pointer(out);
    if let Some(level) = level {
        let quality = d.place(&[12, 0, 0, 0, level as u8, 0, 0, 0, 0, 0, 0, 0]);
        let attributes = d.attributes("", 0, 0, quality);
        d.ok("NtDuplicateToken", &[token, 0xf_01ff, attributes, 0, 2, out]);
        d.ok("NtSetInformationThread", &[u64::MAX - 1, 5, out, d.word()]);
    }
    d
}

fn text(d: &mut Desk, text: &str) -> u64 {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let buffer = d.place(&units);
    let mut string = vec![0; d.word() as usize];
    string[..2].copy_from_slice(&(units.len() as u16).to_le_bytes());
    string[2..4].copy_from_slice(&(units.len() as u16).to_le_bytes());
    string.extend(d.pointer(buffer));
    d.place(&string)
}

fn descriptor(d: &mut Desk, sddl: &str) -> u64 {
    let bytes = SecurityDescriptor::from_sddl(sddl).expect("SDDL").to_bytes();
    d.place(&bytes)
}

/// `NtAccessCheckAndAuditAlarm`: its status, and `AccessStatus`, `GrantedAccess`, `GenerateOnClose`.
fn check(d: &mut Desk, sddl: &str, desired: u64) -> (S, [u32; 3]) {
    d.clear();
    let (subsystem, kind, name) = (text(d, "Lab"), text(d, "Flask"), text(d, "Blue"));
    let descriptor = descriptor(d, sddl);
    let mapping = d.place(&[0; 16]);
    let out = d.place(&[0xaa; 12]);
    let args = [subsystem, 0x77, kind, name, descriptor, desired, mapping, 0, out, out + 4, out + 8];
    let status = d.call("NtAccessCheckAndAuditAlarm", &args);
    let generate = d.read(out + 8, 1)[0];
    (status, [d.u32(out + 4), d.u32(out), generate.into()])
}

#[test]
fn an_access_check_is_audited_as_the_sacl_asks() {
    for profile in PROFILES {
        let mut d = desk(profile, Some(2), true);
        d.kernel.se.audits.policy = LOGGED;
        for (desired, expected, audited) in [
            (2, [0, 2, 1], Some(true)),
            (1, [0, 1, 0], None),
            (4, [S::ACCESS_DENIED.0, 0, 0], Some(false)),
            (8, [S::ACCESS_DENIED.0, 0, 0], None),
        ] {
            let before = d.kernel.se.audits.iter().count();
            assert_eq!(check(&mut d, AUDITED, desired), (S::SUCCESS, expected), "{profile} {desired:#x}");
            let new: Vec<bool> = d.kernel.se.audits.iter().skip(before).map(|event| event.success).collect();
            assert_eq!(new, Vec::from_iter(audited), "{profile} {desired:#x}");
        }
        let event = d.kernel.se.audits.iter().next().expect("an event").clone();
        assert_eq!((event.kind, event.kind.event_id(), event.handle_id), (AuditKind::Open, 4656, 0x77));
        assert_eq!([event.subsystem, event.object_type, event.object_name], ["Lab", "Flask", "Blue"]);
        // No policy is on at boot: nothing is written, and closing is not audited.
        let mut d = desk(profile, Some(2), true);
        assert_eq!(check(&mut d, AUDITED, 2), (S::SUCCESS, [0, 2, 0]));
        assert!(d.kernel.se.audits.iter().all(|event| !event.logged));
    }
}

#[test]
fn who_may_audit_and_for_whom() {
    const UNTOUCHED: [u32; 3] = [0xaaaa_aaaa, 0xaaaa_aaaa, 0xaa];
    let profile = PROFILES[0];
    for (level, may_audit, expected) in [
        (None, true, S::NO_IMPERSONATION_TOKEN),
        (Some(0), true, S::BAD_IMPERSONATION_LEVEL),
        (Some(1), false, S::PRIVILEGE_NOT_HELD),
        (Some(2), false, S::PRIVILEGE_NOT_HELD),
    ] {
        let mut d = desk(profile, level, may_audit);
        assert_eq!(check(&mut d, AUDITED, 2), (expected, UNTOUCHED), "{level:?} {may_audit}");
    }
    // Who is only identified can still be checked.
    let mut d = desk(profile, Some(1), true);
    assert_eq!(check(&mut d, AUDITED, 2).0, S::SUCCESS);
    for (sddl, desired, expected) in
        [(AUDITED, 0x8000_0000, S::GENERIC_NOT_MAPPED), ("D:(A;;0x3;;;WD)", 2, S::INVALID_SECURITY_DESCR)]
    {
        assert_eq!(check(&mut d, sddl, desired), (expected, UNTOUCHED));
    }
}

/// The services with lists of types: the privilege may be missing where that is allowed, and a list needs its types.
#[test]
fn checks_by_type() {
    let mut d = desk(PROFILES[0], Some(2), false);
    let subsystem = text(&mut d, "Lab");
    let descriptor = descriptor(&mut d, AUDITED);
    let mapping = d.place(&[0; 16]);
    let guid = d.place(&[7; 16]);
    let mut node = vec![0; 8];
    node.extend(d.pointer(guid));
    let list = d.place(&node);
    let out = d.place(&[0xaa; 16]);
    let call = |d: &mut Desk, service: &str, audit_type: u64, flags: u64, count: u64| {
        let args = [
            subsystem,
            0,
            subsystem,
            subsystem,
            descriptor,
            0,
            2,
            audit_type,
            flags,
            list,
            count,
            mapping,
            0,
            out,
            out + 4,
            out + 8,
        ];
        d.call(service, &args)
    };
    let by_type = "NtAccessCheckByTypeAndAuditAlarm";
    let each = "NtAccessCheckByTypeResultListAndAuditAlarm";
    assert_eq!(call(&mut d, by_type, 0, 0, 1), S::PRIVILEGE_NOT_HELD);
    assert_eq!(call(&mut d, by_type, 2, 1, 1), S::INVALID_PARAMETER);
    assert_eq!(call(&mut d, each, 0, 1, 0), S::INVALID_PARAMETER);
    for service in [by_type, each] {
        assert_eq!(call(&mut d, service, 1, 1, 1), S::SUCCESS);
        assert_eq!((d.u32(out), d.u32(out + 4)), (2, 0));
    }
    assert_eq!(d.kernel.se.audits.iter().count(), 0, "nothing is audited without the privilege");
    // By handle: the thread need not impersonate.
    let token = d.place(&[0; 8]);
    d.ok("NtOpenThreadToken", &[u64::MAX - 1, 8, 1, token]);
    let client = d.read_pointer(token);
    let args = [
        subsystem,
        0,
        client,
        subsystem,
        subsystem,
        descriptor,
        0,
        2,
        0,
        1,
        list,
        1,
        mapping,
        0,
        out,
        out + 4,
        out + 8,
    ];
    d.ok("NtAccessCheckByTypeResultListAndAuditAlarmByHandle", &args);
    assert_eq!((d.u32(out), d.u32(out + 4)), (2, 0));
}

#[test]
fn a_subsystem_tells_what_happened() {
    for profile in PROFILES {
        let mut d = desk(profile, None, true);
        d.kernel.se.audits.policy = LOGGED;
        let out = d.place(&[0; 8]);
        d.ok("NtOpenProcessToken", &[u64::MAX, 8, out]);
        let client = d.read_pointer(out);
        let (subsystem, kind, name) = (text(&mut d, "Lab"), text(&mut d, "Flask"), text(&mut d, "Blue"));
        let descriptor = descriptor(&mut d, AUDITED);
        // PRIVILEGE_SET with SeTcbPrivilege.
        let set = d.place(&[1, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let open = |granted: u64, success: u64, descriptor: u64, privileges: u64| {
            [subsystem, 0x77, kind, name, descriptor, client, 4, granted, privileges, 0, success, out]
        };
        for (args, generate, events) in [
            (open(2, 1, descriptor, 0), 1, vec![(AuditKind::Open, true)]),
            (open(1, 1, descriptor, 0), 0, vec![]),
            (open(0, 0, descriptor, 0), 0, vec![(AuditKind::Open, false)]),
            (open(2, 1, 0, 0), 0, vec![]),
            (open(2, 1, descriptor, set), 1, vec![(AuditKind::PrivilegedObject, true), (AuditKind::Open, true)]),
        ] {
            let before = d.kernel.se.audits.iter().count();
            d.ok("NtOpenObjectAuditAlarm", &args);
            assert_eq!(d.read(out, 1), [generate], "{profile}");
            let new: Vec<_> = d.kernel.se.audits.iter().skip(before).map(|e| (e.kind, e.success)).collect();
            assert_eq!(new, events, "{profile}");
        }
        let before = d.kernel.se.audits.iter().count();
        d.ok("NtCloseObjectAuditAlarm", &[subsystem, 0x77, 1]);
        d.ok("NtDeleteObjectAuditAlarm", &[subsystem, 0x77, 1]);
        d.ok("NtPrivilegeObjectAuditAlarm", &[subsystem, 0x77, client, 4, set, 0]);
        d.ok("NtPrivilegedServiceAuditAlarm", &[subsystem, name, client, set, 1]);
        d.ok("NtCloseObjectAuditAlarm", &[subsystem, 0x77, 0]);
        let new: Vec<_> = d.kernel.se.audits.iter().skip(before).map(|e| e.kind.event_id()).collect();
        assert_eq!(new, [4658, 4660, 4674, 4673]);
        // Without the privilege.
        let object = d.kernel.ps.process.token;
        if let Some(Body::Token(token)) = d.kernel.ob.get_mut(object).map(|o| &mut o.body) {
            token.enabled = token.enabled.without(Privilege::AUDIT);
        }
        for (service, args) in [
            ("NtOpenObjectAuditAlarm", open(2, 1, descriptor, 0).to_vec()),
            ("NtCloseObjectAuditAlarm", vec![subsystem, 0, 1]),
            ("NtDeleteObjectAuditAlarm", vec![subsystem, 0, 1]),
            ("NtPrivilegeObjectAuditAlarm", vec![subsystem, 0, client, 4, set, 0]),
            ("NtPrivilegedServiceAuditAlarm", vec![subsystem, name, client, set, 1]),
        ] {
            assert_eq!(d.call(service, &args), S::PRIVILEGE_NOT_HELD, "{profile} {service}");
        }
        assert_eq!(d.call("NtCloseObjectAuditAlarm", &[subsystem, 0, 0]), S::SUCCESS, "nobody asked");
    }
}

/// An object of the kernel's with a SACL: its opening is audited, and the handle's closing.
#[test]
fn the_kernels_own_objects() {
    let mut d = desk(PROFILES[0], None, false);
    d.kernel.hold(Privilege::SECURITY);
    d.kernel.se.audits.policy = LOGGED;
    let security = descriptor(&mut d, "D:(A;;0x1f0003;;;WD)S:(AU;SAFA;0x2;;;WD)");
    let out = d.place(&[0; 8]);
    let attributes = d.attributes("\\BaseNamedObjects\\Audited", 0, security, 0);
    d.ok("NtCreateEvent", &[out, 0x1f_0003, attributes, 0, 0]);
    let plain = d.attributes("\\BaseNamedObjects\\Audited", 0, 0, 0);
    d.ok("NtOpenEvent", &[out, 1, plain]);
    assert_eq!(d.kernel.se.audits.iter().count(), 0);
    d.ok("NtOpenEvent", &[out, 3, plain]);
    let handle = d.read_pointer(out);
    d.ok("NtClose", &[handle]);
    let events: Vec<_> = d.kernel.se.audits.iter().map(|e| (e.kind, e.object_name.clone(), e.access.0)).collect();
    let name = "\\BaseNamedObjects\\Audited".to_string();
    assert_eq!(events, [(AuditKind::Open, name.clone(), 3), (AuditKind::Close, name, 3)]);
}
