//! What the directories that are there from boot on let whom do, and what is asked on the way to a name.
//!
//! Expected results follow from the descriptors in `guest/data/protections.csv` (which names its sources) by Windows'
//! documented access check, and from "Bypass traverse checking" (Microsoft Learn).

use guest::NtStatus as S;
use kernel_model::body::Body;
use kernel_model::se::{Account, Filter, Luid, Privilege, SecurityDescriptor, Sid, Token, integrity, lowbox_token};

use crate::desk::Desk;

const EVENT_ALL: u64 = 0x1f_0003;
const PROFILES: [&str; 3] = ["win10-22h2-x64", "win10-22h2-x86", "win7-sp1-x86"];
const PACKAGE: &str = "S-1-15-2-1-2-3-4-5-6-7";

/// A token by the name of its kind.
fn token(who: &str) -> Token {
    let mut last = 0x1000;
    let mut luids = || {
        last += 1;
        Luid(last)
    };
    let mut of = |account| Token::of(account, &mut luids);
    let user = of(Account::User);
    match who {
        "user" => user,
        "administrator" => of(Account::Administrator),
        "system" => of(Account::LocalSystem),
        "low" => Token { integrity: integrity::LOW, ..user },
        "restricted" => {
            let filter = Filter { restrict: vec![Sid::RESTRICTED], ..Filter::default() };
            filter.apply(&user, Luid(7)).expect("a token")
        }
        "boxed" => lowbox_token(&user, PACKAGE.parse().expect("a SID"), Vec::new(), 1, Luid(8)).expect("a token"),
        _ => panic!("{who}"),
    }
}

fn desk(profile: &str, who: &str) -> Desk {
    let mut d = Desk::new(profile);
    become_who(&mut d, token(who));
    d
}

fn become_who(d: &mut Desk, token: Token) {
    let id = d.kernel.ps.process.token;
    d.kernel.ob.get_mut(id).expect("the token").body = Body::Token(Box::new(token));
}

/// What a call with a handle, rights and attributes for a name ends in.
fn call(d: &mut Desk, service: &str, access: u64, name: &str, rest: &[u64]) -> S {
    d.clear();
    let handle = d.place(&[0; 8]);
    let attributes = d.attributes(name, 0, 0, 0);
    let mut args = vec![handle, access, attributes];
    args.extend(rest);
    d.call(service, &args)
}

fn event(d: &mut Desk, name: &str) -> S {
    call(d, "NtCreateEvent", EVENT_ALL, name, &[0, 0])
}

fn directory(d: &mut Desk, name: &str) -> S {
    call(d, "NtCreateDirectoryObject", 3, name, &[])
}

fn open_directory(d: &mut Desk, access: u64, name: &str) -> S {
    call(d, "NtOpenDirectoryObject", access, name, &[])
}

/// Who may make an event where.
#[test]
fn names_are_made_where_the_directory_lets_them() {
    const YES: S = S::SUCCESS;
    const NO: S = S::ACCESS_DENIED;
    let all = ["system", "administrator", "user", "low", "restricted", "boxed"];
    for (path, expected) in [
        ("\\E", [YES, YES, NO, NO, NO, NO]),
        ("\\BaseNamedObjects\\E", [YES, YES, YES, YES, NO, NO]),
        ("\\BaseNamedObjects\\Restricted\\E", [YES, YES, YES, YES, YES, NO]),
        ("\\Sessions\\1\\BaseNamedObjects\\E", [YES, YES, YES, YES, NO, NO]),
        ("\\Sessions\\1\\BaseNamedObjects\\Local\\E", [YES, YES, YES, YES, NO, NO]),
        ("\\Sessions\\1\\AppContainerNamedObjects\\E", [YES, YES, YES, NO, NO, NO]),
        ("\\Sessions\\1\\E", [YES, YES, NO, NO, NO, NO]),
        ("\\KernelObjects\\E", [YES, YES, NO, NO, NO, NO]),
        ("\\KnownDlls\\E", [YES, YES, NO, NO, NO, NO]),
        ("\\RPC Control\\E", [YES, YES, YES, YES, YES, NO]),
        ("\\GLOBAL??\\E", [YES, NO, NO, NO, NO, NO]),
        ("\\??\\E", [YES, YES, YES, NO, NO, NO]),
    ] {
        for (who, expected) in all.iter().zip(expected) {
            for profile in PROFILES {
                // Windows 7 has no AppContainers.
                if profile.starts_with("win7") && (*who == "boxed" || path.contains("AppContainer")) {
                    continue;
                }
                let mut d = desk(profile, who);
                assert_eq!(event(&mut d, path), expected, "{profile}: {who} makes {path}");
                d.kernel.check_invariants().expect("the invariants hold");
            }
        }
    }
}

/// Directories are asked for another right than other names, and what is there is opened by its own descriptor.
#[test]
fn what_else_is_asked_of_a_directory() {
    let mut d = desk("win10-22h2-x64", "user");
    assert_eq!(directory(&mut d, "\\BaseNamedObjects\\D"), S::SUCCESS);
    assert_eq!(directory(&mut d, "\\RPC Control\\D"), S::ACCESS_DENIED);
    assert_eq!(event(&mut d, "\\RPC Control\\E"), S::SUCCESS);
    for (access, path, expected) in [
        (0x3, "\\", S::SUCCESS),
        (0xf_000f, "\\", S::ACCESS_DENIED),
        (0x200_0000, "\\", S::SUCCESS),
        (0x2_000f, "\\BaseNamedObjects", S::SUCCESS),
        (0x4_0000, "\\BaseNamedObjects", S::ACCESS_DENIED),
        (0x3, "\\ObjectTypes", S::SUCCESS),
    ] {
        assert_eq!(open_directory(&mut d, access, path), expected, "{access:#x} of {path}");
    }
    assert_eq!(call(&mut d, "NtOpenSymbolicLinkObject", 1, "\\DosDevices", &[]), S::SUCCESS);
    assert_eq!(call(&mut d, "NtOpenSymbolicLinkObject", 0xf_0001, "\\DosDevices", &[]), S::ACCESS_DENIED);
    let low = "\\KernelObjects\\LowMemoryCondition";
    assert_eq!(call(&mut d, "NtOpenEvent", 0x10_0001, low, &[]), S::SUCCESS);
    assert_eq!(call(&mut d, "NtOpenEvent", 2, low, &[]), S::ACCESS_DENIED);
    // A restricted caller may pass through BaseNamedObjects, and not look into it.
    let mut d = desk("win10-22h2-x64", "restricted");
    assert_eq!(open_directory(&mut d, 2, "\\BaseNamedObjects"), S::SUCCESS);
    assert_eq!(open_directory(&mut d, 1, "\\BaseNamedObjects"), S::ACCESS_DENIED);
    // A package may look, and make nothing.
    let mut d = desk("win10-22h2-x64", "boxed");
    assert_eq!(open_directory(&mut d, 3, "\\Sessions\\1\\BaseNamedObjects"), S::SUCCESS);
    assert_eq!(open_directory(&mut d, 4, "\\Sessions\\1\\BaseNamedObjects"), S::ACCESS_DENIED);
}

/// A directory that nobody may traverse stops whoever lacks `SeChangeNotifyPrivilege`, at any depth and behind links.
#[test]
fn the_way_is_checked_without_the_privilege() {
    let mut d = desk("win10-22h2-x64", "user");
    let closed = SecurityDescriptor::from_sddl("O:BAG:SYD:(A;;0xd;;;WD)").expect("SDDL");
    assert_eq!(directory(&mut d, "\\BaseNamedObjects\\D"), S::SUCCESS);
    let made = d.kernel.ob.iter().find(|(_, o)| o.name.as_ref().is_some_and(|(_, name)| *name == [u16::from(b'D')]));
    let made = made.expect("the directory").0;
    d.kernel.ob.get_mut(made).expect("the directory").security = Some(std::sync::Arc::new(closed));
    let inside = "\\BaseNamedObjects\\D\\E";
    let by_link = "\\BaseNamedObjects\\Global\\D\\E";
    assert_eq!(event(&mut d, inside), S::SUCCESS);
    assert_eq!(call(&mut d, "NtOpenEvent", 1, by_link, &[]), S::SUCCESS);
    let mut without = token("user");
    without.enabled = without.enabled.without(Privilege::CHANGE_NOTIFY);
    become_who(&mut d, without.clone());
    for name in [inside, by_link, "\\BaseNamedObjects\\D\\Nothing", "\\BaseNamedObjects\\D\\Nothing\\More"] {
        assert_eq!(call(&mut d, "NtOpenEvent", 1, name, &[]), S::ACCESS_DENIED, "{name}");
    }
    // The directory itself is reached: the last name is not traversed.
    assert_eq!(open_directory(&mut d, 1, "\\BaseNamedObjects\\D"), S::SUCCESS);
    // The way from a root handle is one through its directory.
    let root = d.place(&[0; 8]);
    let attributes = d.attributes("\\BaseNamedObjects\\D", 0, 0, 0);
    d.ok("NtOpenDirectoryObject", &[root, 1, attributes]);
    let handle = d.read_pointer(root);
    let attributes = d.attributes("E", 0, 0, 0);
    let bytes = d.pointer(handle);
    d.write(attributes + d.word(), &bytes);
    let out = d.place(&[0; 8]);
    assert_eq!(d.call("NtOpenEvent", &[out, 1, attributes]), S::ACCESS_DENIED);
    become_who(&mut d, token("user"));
    assert_eq!(d.call("NtOpenEvent", &[out, 1, attributes]), S::SUCCESS);
    // Kernel code is asked only where it says so (OBJ_FORCE_ACCESS_CHECK).
    become_who(&mut d, without);
    d.kernel.ps.thread.kernel_mode = true;
    assert_eq!(call(&mut d, "NtOpenEvent", 1, inside, &[]), S::SUCCESS);
    d.clear();
    let out = d.place(&[0; 8]);
    let attributes = d.attributes(inside, 0x400, 0, 0);
    assert_eq!(d.call("NtOpenEvent", &[out, 1, attributes]), S::ACCESS_DENIED);
}

/// Every name at boot has an owner and a DACL, on every build.
#[test]
fn everything_at_boot_has_a_descriptor() {
    for profile in guest::Profile::all() {
        let kernel = kernel_model::Kernel::new(profile, 16, "boot.exe");
        // Keys and devices have the descriptors that their own components give them.
        let ours =
            |body: &Body| matches!(body, Body::Directory(_) | Body::SymbolicLink(_) | Body::Event(_) | Body::Type(_));
        let named = kernel.ob.iter().filter(|(id, o)| o.name.is_some() || *id == kernel.ob.root());
        for (id, object) in named.filter(|(_, o)| ours(&o.body)) {
            let security = object.security.as_deref();
            let whole = security.is_some_and(|s| s.owner.is_some() && s.group.is_some() && s.dacl().is_some());
            assert!(whole, "{}: {:?}", profile.name, kernel.ob.path_of(id));
            let generic = security.and_then(SecurityDescriptor::dacl).into_iter().flat_map(|dacl| &dacl.aces);
            assert!(generic.filter(|ace| ace.is_effective()).all(|ace| ace.mask().0 < 0x1000_0000));
        }
    }
}
