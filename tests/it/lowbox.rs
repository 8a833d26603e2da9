//! `NtCreateLowBoxToken`: the handles that a package keeps, and what its capabilities open. Sources: Microsoft Learn on
//! AppContainers; that the handles live as long as the package has a token is Forshaw's description of the service
//! (Project Zero, issue 1550).

use guest::NtStatus as S;
use kernel_model::se::{SecurityDescriptor, Sid};

use crate::desk::Desk;

const PROFILES: [&str; 2] = ["win10-22h2-x64", "win10-22h2-x86"];
const PACKAGE: &str = "S-1-15-2-7-6-5-4-3-2-1";
const CAPABILITY: &str = "S-1-15-3-1024-5";

fn sid(d: &mut Desk, text: &str) -> u64 {
    let sid: Sid = text.parse().expect("a SID");
    d.place(&sid.to_bytes())
}

/// Makes a token of the package with one capability, and these handles.
fn boxed(d: &mut Desk, handles: &[u64]) -> Result<u64, S> {
    let out = d.place(&[0; 8]);
    d.ok("NtOpenProcessToken", &[u64::MAX, 0xf_01ff, out]);
    let own = d.read_pointer(out);
    let package = sid(d, PACKAGE);
    let capability = sid(d, CAPABILITY);
    let mut entry = d.pointer(capability);
    entry.extend(d.pointer(4));
    let capabilities = d.place(&entry);
    let list: Vec<u8> = handles.iter().flat_map(|handle| d.pointer(*handle)).collect();
    let list = if list.is_empty() { 0 } else { d.place(&list) };
    let count = handles.len() as u64;
    let args = [out, own, 0xf_01ff, 0, package, 1, capabilities, count, list];
    let status = d.call("NtCreateLowBoxToken", &args);
    d.ok("NtClose", &[own]);
    if status == S::SUCCESS { Ok(d.read_pointer(out)) } else { Err(status) }
}

fn directory(d: &mut Desk, path: &str) -> u64 {
    let out = d.place(&[0; 8]);
    let attributes = d.attributes(path, 0, 0, 0);
    d.ok("NtCreateDirectoryObject", &[out, 0xf, attributes]);
    d.read_pointer(out)
}

fn open(d: &mut Desk, service: &str, access: u64, path: &str) -> S {
    let out = d.place(&[0; 8]);
    let attributes = d.attributes(path, 0, 0, 0);
    d.call(service, &[out, access, attributes])
}

/// The package's directory stays while the package has a token, with no handle of a process's to it.
#[test]
fn handles_stay_with_the_package() {
    for profile in PROFILES {
        let mut d = Desk::new(profile);
        let path = format!("\\Sessions\\1\\AppContainerNamedObjects\\{PACKAGE}");
        let home = directory(&mut d, &path);
        assert_eq!(boxed(&mut d, &[home, 0x7770]), Err(S::INVALID_HANDLE), "{profile}");
        assert_eq!(d.kernel.ob.kernel_handles.count(), 0, "{profile}");
        let first = boxed(&mut d, &[home]).expect("a token");
        d.ok("NtClose", &[home]);
        d.clear();
        assert_eq!(d.kernel.ob.kernel_handles.count(), 1);
        assert_eq!(open(&mut d, "NtOpenDirectoryObject", 3, &path), S::SUCCESS);
        // A second token of the package's adds nothing, and is enough to keep what there is.
        let other = directory(&mut d, "\\BaseNamedObjects\\Other");
        let second = boxed(&mut d, &[other]).expect("a token");
        d.ok("NtClose", &[first]);
        assert_eq!(d.kernel.ob.kernel_handles.count(), 1);
        d.kernel.check_invariants().expect("the invariants hold");
        for handle in d.kernel.ps.process.handles.iter().map(|(handle, _)| handle.0).collect::<Vec<_>>() {
            if handle != second {
                d.ok("NtClose", &[handle]);
            }
        }
        d.clear();
        assert_eq!(open(&mut d, "NtOpenDirectoryObject", 1, &path), S::SUCCESS);
        let probe = d.kernel.ps.process.handles.iter().map(|(handle, _)| handle.0).find(|handle| *handle != second);
        d.ok("NtClose", &[probe.expect("the directory")]);
        d.ok("NtClose", &[second]);
        assert_eq!(d.kernel.ob.kernel_handles.count(), 0, "{profile}");
        assert_eq!(open(&mut d, "NtOpenDirectoryObject", 3, &path), S::OBJECT_NAME_NOT_FOUND, "{profile}");
        d.kernel.check_invariants().expect("the invariants hold");
    }
}

/// What a capability is granted, its package may; what only the user is granted, it may not.
#[test]
fn capabilities_open_what_they_are_granted() {
    for profile in PROFILES {
        let mut d = Desk::new(profile);
        let token = boxed(&mut d, &[]).expect("a token");
        let rows = [
            (format!("D:(A;;0x1f0003;;;WD)(A;;0x3;;;{CAPABILITY})"), S::SUCCESS),
            (format!("D:(A;;0x1f0003;;;WD)(A;;0x3;;;{PACKAGE})"), S::SUCCESS),
            ("D:(A;;0x1f0003;;;WD)(A;;0x3;;;AC)".into(), S::SUCCESS),
            ("D:(A;;0x1f0003;;;WD)".into(), S::ACCESS_DENIED),
            ("D:(A;;0x1f0003;;;WD)(A;;0x3;;;S-1-15-3-1024-6)".into(), S::ACCESS_DENIED),
            (format!("D:(A;;0x3;;;{CAPABILITY})"), S::ACCESS_DENIED),
        ];
        for (index, (sddl, _)) in rows.iter().enumerate() {
            d.clear();
            let security = SecurityDescriptor::from_sddl(sddl).expect("SDDL").to_bytes();
            let security = d.place(&security);
            let out = d.place(&[0; 8]);
            let attributes = d.attributes(&format!("\\BaseNamedObjects\\E{index}"), 0, security, 0);
            d.ok("NtCreateEvent", &[out, 0x1f_0003, attributes, 0, 0]);
        }
        d.clear();
        let out = d.place(&[0; 8]);
        let quality = d.place(&[12, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        let attributes = d.attributes("", 0, 0, quality);
        d.ok("NtDuplicateToken", &[token, 0xf_01ff, attributes, 0, 2, out]);
        let word = d.word();
        d.ok("NtSetInformationThread", &[u64::MAX - 1, 5, out, word]);
        for (index, (sddl, expected)) in rows.iter().enumerate() {
            d.clear();
            let path = format!("\\BaseNamedObjects\\E{index}");
            assert_eq!(open(&mut d, "NtOpenEvent", 1, &path), *expected, "{profile} {sddl}");
        }
        // The bounds of the service.
        let too_many = vec![4; 65];
        d.clear();
        let none = d.place(&[0; 8]);
        d.ok("NtSetInformationThread", &[u64::MAX - 1, 5, none, word]);
        assert_eq!(boxed(&mut d, &too_many), Err(S::INVALID_PARAMETER));
    }
}
