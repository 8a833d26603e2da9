//! Token and security services, called on the executive itself, with both widths of pointers.
//!
//! Expected values: winnt.h and ntifs.h (layouts, masks), the Win32 pages of the functions over these services
//! (`AdjustTokenPrivileges`, `DuplicateTokenEx`, `CreateRestrictedToken`, `AccessCheck` …) and their NT statuses.

use guest::NtStatus;
use kernel_model::Answer;
use kernel_model::se::{Account, Ace, Acl, Control, Parts, SecurityDescriptor, Sid, account};

use crate::desk::{BASE, Desk};

const S: NtStatus = NtStatus::SUCCESS;
const PROCESS: u64 = u64::MAX;
const THREAD: u64 = u64::MAX - 1;
const TOKEN_ALL: u64 = 0xf_01ff;
const HANDLE: u64 = BASE;
const LENGTH: u64 = BASE + 0x10;
const OUT: u64 = BASE + 0x1000;
/// A build of each width.
const BUILDS: [&str; 2] = ["win10-22h2-x64", "win10-22h2-x86"];

fn desks() -> impl Iterator<Item = Desk> {
    BUILDS.into_iter().map(Desk::new)
}

/// The process's token, opened for everything.
fn open(desk: &mut Desk) -> u64 {
    desk.ok("NtOpenProcessToken", &[PROCESS, TOKEN_ALL, HANDLE]);
    desk.read_pointer(HANDLE)
}

fn query(desk: &mut Desk, token: u64, class: u64) -> Vec<u8> {
    desk.ok("NtQueryInformationToken", &[token, class, OUT, 0x1000, LENGTH]);
    let length = desk.u32(LENGTH) as usize;
    desk.read(OUT, length)
}

/// The SID that the pointer at an address points to.
fn sid_at(desk: &mut Desk, at: u64) -> Sid {
    let pointer = desk.read_pointer(at);
    assert!((OUT..OUT + 0x1000).contains(&pointer), "it points into the answer");
    Sid::parse(&desk.read(pointer, 68)).expect("a SID")
}

fn sid(desk: &mut Desk, sid: Sid) -> u64 {
    desk.place(&sid.to_bytes())
}

/// `TOKEN_GROUPS`.
fn groups(desk: &mut Desk, list: &[(Sid, u32)]) -> u64 {
    let mut bytes = desk.pointer(list.len() as u64);
    for &(who, attributes) in list {
        let at = sid(desk, who);
        bytes.extend(desk.pointer(at));
        bytes.extend(desk.pointer(attributes.into()));
    }
    desk.place(&bytes)
}

/// `TOKEN_PRIVILEGES`.
fn privileges(desk: &mut Desk, list: &[(u32, u32)]) -> u64 {
    let mut bytes = (list.len() as u32).to_le_bytes().to_vec();
    for (luid, attributes) in list {
        bytes.extend(u64::from(*luid).to_le_bytes());
        bytes.extend(attributes.to_le_bytes());
    }
    desk.place(&bytes)
}

/// An absolute `SECURITY_DESCRIPTOR`.
fn absolute(desk: &mut Desk, descriptor: &SecurityDescriptor) -> u64 {
    let mut bytes = vec![1, 0];
    bytes.extend(descriptor.control.bits().to_le_bytes());
    bytes.resize(desk.word() as usize, 0);
    let sids = [descriptor.owner, descriptor.group].map(|sid| sid.map(|sid| sid.to_bytes()));
    let acls = [&descriptor.sacl, &descriptor.dacl].map(|acl| acl.as_ref().map(Acl::to_bytes));
    for part in sids.into_iter().chain(acls) {
        let at = part.map_or(0, |part| desk.place(&part));
        bytes.extend(desk.pointer(at));
    }
    desk.place(&bytes)
}

#[test]
fn a_process_has_a_token_and_a_thread_has_none() {
    for mut desk in desks() {
        assert_eq!(desk.call("NtOpenProcessToken", &[PROCESS, 0, HANDLE]), NtStatus::ACCESS_DENIED);
        assert_eq!(
            desk.call("NtOpenProcessToken", &[PROCESS, 0x8000, HANDLE]),
            NtStatus::ACCESS_DENIED,
            "no such right"
        );
        assert_eq!(desk.call("NtOpenProcessToken", &[0x5000, 8, HANDLE]), NtStatus::INVALID_HANDLE);
        assert_eq!(desk.call("NtOpenProcessToken", &[THREAD, 8, HANDLE]), NtStatus::OBJECT_TYPE_MISMATCH);
        assert_eq!(desk.call("NtOpenProcessToken", &[PROCESS, 8, 0]), NtStatus::ACCESS_VIOLATION);
        assert_eq!(desk.call("NtOpenThreadToken", &[THREAD, 8, 1, HANDLE]), NtStatus::NO_TOKEN);
        let token = open(&mut desk);
        assert_eq!(desk.call("NtOpenThreadToken", &[token, 8, 1, HANDLE]), NtStatus::OBJECT_TYPE_MISMATCH);
        desk.ok("NtClose", &[token]);
        desk.ok("NtOpenProcessTokenEx", &[PROCESS, 8, 2, HANDLE]);
        let query_only = desk.read_pointer(HANDLE);
        assert_eq!(desk.call("NtQueryInformationToken", &[query_only, 7, OUT, 16, LENGTH]), NtStatus::ACCESS_DENIED);
        assert_eq!(desk.call("NtQueryInformationToken", &[query_only, 8, OUT, 4, LENGTH]), S);
    }
}

#[test]
fn a_token_tells_who_it_is() {
    for mut desk in desks() {
        let token = open(&mut desk);
        let w = desk.word();
        assert_eq!(query(&mut desk, token, 1).len() as u64, 2 * w + 28);
        assert_eq!(sid_at(&mut desk, OUT), account(1001));
        assert_eq!(desk.u32(OUT + w), 0, "the user has no attributes");
        query(&mut desk, token, 2);
        let count = u64::from(desk.u32(OUT));
        let list: Vec<(Sid, u32)> = (0..count)
            .map(|index| w + 2 * w * index)
            .map(|at| (sid_at(&mut desk, OUT + at), desk.u32(OUT + at + w)))
            .collect();
        assert!(list.contains(&(Sid::EVERYONE, 7)) && list.contains(&(Sid::ADMINISTRATORS, 0x10)), "{list:?}");
        assert_eq!(list.last(), Some(&(Sid::integrity(0x2000), 0x60)), "the label is among them");
        let privileges = query(&mut desk, token, 3);
        assert_eq!((privileges.len(), privileges[0]), (4 + 5 * 12, 5));
        assert_eq!(
            privileges[4 + 12..4 + 24],
            [23, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0],
            "SeChangeNotifyPrivilege, enabled"
        );
        assert_eq!(query(&mut desk, token, 8), [1, 0, 0, 0], "a primary token");
        assert_eq!(desk.call("NtQueryInformationToken", &[token, 9, OUT, 4, LENGTH]), NtStatus::INVALID_INFO_CLASS);
        let statistics = query(&mut desk, token, 10);
        assert_eq!((statistics.len(), statistics[0x18], u64::from(statistics[0x28])), (0x38, 1, count));
        for (class, value) in [(12, 1), (18, 3), (20, 0), (21, 1), (23, 1), (24, 0), (26, 0), (27, 3), (29, 0), (40, 0)]
        {
            assert_eq!(query(&mut desk, token, class), [value, 0, 0, 0], "class {class}");
        }
        query(&mut desk, token, 25);
        assert_eq!((sid_at(&mut desk, OUT), desk.u32(OUT + w)), (Sid::integrity(0x2000), 0x60));
        query(&mut desk, token, 28);
        assert_eq!((desk.u32(OUT), desk.u32(OUT + 2 * w)), (1, 0xc000_0007), "one logon SID");
        query(&mut desk, token, 6);
        let at = desk.read_pointer(OUT);
        let dacl = Acl::parse(&desk.read(at, 200)).expect("a list");
        assert_eq!(dacl.aces.len(), 3);
        let all = query(&mut desk, token, 13);
        assert_eq!((u64::from(desk.u32(OUT)), desk.u32(OUT + 2 * (8 + w))), (count + 1, 5), "{} bytes", all.len());
        query(&mut desk, token, 19);
        let other = desk.read_pointer(OUT);
        assert_eq!(query(&mut desk, other, 18), [2, 0, 0, 0], "the elevated half");
        assert_eq!(query(&mut desk, other, 9), [1, 0, 0, 0], "only for identification");
    }
}

#[test]
fn lengths_and_classes_of_questions() {
    for mut desk in desks() {
        let token = open(&mut desk);
        let w = desk.word();
        assert_eq!(desk.call("NtQueryInformationToken", &[token, 1, OUT, 27, LENGTH]), NtStatus::BUFFER_TOO_SMALL);
        assert_eq!(u64::from(desk.u32(LENGTH)), 2 * w + 28);
        assert_eq!(desk.call("NtQueryInformationToken", &[token, 1, 0, 0, LENGTH]), NtStatus::BUFFER_TOO_SMALL);
        assert_eq!(desk.call("NtQueryInformationToken", &[token, 1, 0, 64, LENGTH]), NtStatus::ACCESS_VIOLATION);
        assert_eq!(desk.call("NtQueryInformationToken", &[token, 1, OUT, 64, 0]), NtStatus::ACCESS_VIOLATION);
        assert_eq!(desk.call("NtQueryInformationToken", &[token, 20, OUT, 3, LENGTH]), NtStatus::INFO_LENGTH_MISMATCH);
        for class in [0, 51, 1000] {
            assert_eq!(
                desk.call("NtQueryInformationToken", &[token, class, OUT, 64, LENGTH]),
                NtStatus::INVALID_INFO_CLASS
            );
        }
        let answer = desk.answer("NtQueryInformationToken", &[token, 22, OUT, 0x100, LENGTH]);
        assert_eq!(answer, Answer::NotImplemented(Some("TokenInformationClass TokenAccessInformation".into())));
    }
    let mut old = Desk::new("xp-sp3-x86");
    let token = open(&mut old);
    assert_eq!(old.call("NtQueryInformationToken", &[token, 18, OUT, 4, LENGTH]), NtStatus::INVALID_INFO_CLASS);
}

#[test]
fn pseudo_handles_are_for_looking() {
    let pseudo = |n: i64| n as u64;
    for mut desk in desks() {
        assert_eq!(query(&mut desk, pseudo(-4), 8), [1, 0, 0, 0]);
        assert_eq!(query(&mut desk, pseudo(-6), 8), [1, 0, 0, 0]);
        assert_eq!(desk.call("NtQueryInformationToken", &[pseudo(-5), 8, OUT, 4, LENGTH]), NtStatus::NO_TOKEN);
        let status = desk.call("NtAdjustPrivilegesToken", &[pseudo(-4), 1, 0, 0, 0, 0]);
        assert_eq!(status, NtStatus::ACCESS_DENIED);
    }
    let mut before = Desk::new("win7-sp1-x64");
    assert_eq!(before.call("NtQueryInformationToken", &[pseudo(-4), 8, OUT, 4, LENGTH]), NtStatus::INVALID_HANDLE);
}

#[test]
fn privileges_are_adjusted() {
    const SHUTDOWN: u32 = 19;
    for mut desk in desks() {
        let token = open(&mut desk);
        let wanted = privileges(&mut desk, &[(SHUTDOWN, 2)]);
        let adjust = |desk: &mut Desk, state, length| {
            desk.call("NtAdjustPrivilegesToken", &[token, 0, state, length, OUT, LENGTH])
        };
        assert_eq!(adjust(&mut desk, wanted, 15), NtStatus::BUFFER_TOO_SMALL);
        assert_eq!(desk.u32(LENGTH), 16);
        assert_eq!(adjust(&mut desk, wanted, 16), S, "and nothing had changed");
        assert_eq!(desk.read(OUT, 16), [1, 0, 0, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "it was disabled");
        assert_eq!(adjust(&mut desk, wanted, 16), S);
        assert_eq!(desk.u32(OUT), 0, "nothing changes the second time");
        let more = privileges(&mut desk, &[(SHUTDOWN, 0), (20, 2)]);
        assert_eq!(adjust(&mut desk, more, 16), NtStatus::NOT_ALL_ASSIGNED, "SeDebugPrivilege is not there");
        assert_eq!(desk.u32(OUT), 1, "the other was disabled");
        let gone = privileges(&mut desk, &[(SHUTDOWN, 4)]);
        assert_eq!(adjust(&mut desk, gone, 16), S);
        assert_eq!(adjust(&mut desk, wanted, 16), NtStatus::NOT_ALL_ASSIGNED, "removed for good");
        assert_eq!(query(&mut desk, token, 3)[0], 4);
        assert_eq!(desk.call("NtAdjustPrivilegesToken", &[token, 0, 0, 0, 0, 0]), NtStatus::INVALID_PARAMETER);
        assert_eq!(desk.call("NtAdjustPrivilegesToken", &[token, 1, 0, 0, OUT, 0]), NtStatus::ACCESS_VIOLATION);
        desk.ok("NtAdjustPrivilegesToken", &[token, 1, 0, 0, 0, 0]);
        // Read-only handles do not do.
        desk.ok("NtOpenProcessToken", &[PROCESS, 0x28, HANDLE]);
        let both = desk.read_pointer(HANDLE);
        desk.ok("NtOpenProcessToken", &[PROCESS, 0x20, HANDLE]);
        let blind = desk.read_pointer(HANDLE);
        assert_eq!(desk.call("NtAdjustPrivilegesToken", &[blind, 1, 0, 16, OUT, LENGTH]), NtStatus::ACCESS_DENIED);
        assert_eq!(desk.call("NtAdjustPrivilegesToken", &[both, 1, 0, 16, OUT, LENGTH]), S);
    }
}

#[test]
fn groups_are_adjusted() {
    for mut desk in desks() {
        let token = open(&mut desk);
        let adjust = |desk: &mut Desk, who, attributes| {
            let state = groups(desk, &[(who, attributes)]);
            desk.call("NtAdjustGroupsToken", &[token, 0, state, 0, 0, 0])
        };
        assert_eq!(adjust(&mut desk, Sid::EVERYONE, 0), NtStatus::CANT_DISABLE_MANDATORY);
        assert_eq!(adjust(&mut desk, Sid::ADMINISTRATORS, 4), NtStatus::CANT_ENABLE_DENY_ONLY);
        assert_eq!(adjust(&mut desk, Sid::SERVICE, 4), NtStatus::NOT_ALL_ASSIGNED);
        assert_eq!(adjust(&mut desk, Sid::EVERYONE, 4), S, "it is enabled");
        assert_eq!(desk.call("NtAdjustGroupsToken", &[token, 0, 0, 0, 0, 0]), NtStatus::INVALID_PARAMETER);
    }
    let mut desk = Desk::new(BUILDS[0]);
    desk.kernel.log_on(Account::LocalSystem);
    let token = open(&mut desk);
    let off = groups(&mut desk, &[(Sid::ADMINISTRATORS, 0)]);
    desk.ok("NtAdjustGroupsToken", &[token, 0, off, 0x100, OUT, LENGTH]);
    assert_eq!((desk.u32(OUT), sid_at(&mut desk, OUT + 8), desk.u32(OUT + 16)), (1, Sid::ADMINISTRATORS, 0xe));
    desk.ok("NtAdjustGroupsToken", &[token, 1, 0, 0, 0, 0]);
    query(&mut desk, token, 2);
    assert_eq!(desk.u32(OUT + 16), 0xe, "as by default again");
}

/// `OBJECT_ATTRIBUTES` with a `SECURITY_QUALITY_OF_SERVICE` of this level.
fn of_level(desk: &mut Desk, level: u32) -> u64 {
    let mut quality = [12u32, level].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    quality.extend([0; 4]);
    let quality = desk.place(&quality);
    desk.attributes("", 0, 0, quality)
}

fn duplicate(desk: &mut Desk, token: u64, access: u64, level: u32, kind: u64) -> Result<u64, NtStatus> {
    let attributes = of_level(desk, level);
    match desk.call("NtDuplicateToken", &[token, access, attributes, 0, kind, HANDLE]) {
        S => Ok(desk.read_pointer(HANDLE)),
        status => Err(status),
    }
}

#[test]
fn tokens_are_duplicated_and_impersonated() {
    for mut desk in desks() {
        let token = open(&mut desk);
        assert_eq!(duplicate(&mut desk, token, 0, 2, 3), Err(NtStatus::INVALID_PARAMETER), "no such type");
        assert_eq!(duplicate(&mut desk, token, 0, 4, 2), Err(NtStatus::BAD_IMPERSONATION_LEVEL));
        let identification = duplicate(&mut desk, token, 0, 1, 2).expect("a token");
        assert_eq!(query(&mut desk, identification, 9), [1, 0, 0, 0]);
        let low = NtStatus::BAD_IMPERSONATION_LEVEL;
        assert_eq!(duplicate(&mut desk, identification, 0, 2, 2), Err(low), "levels do not rise");
        assert_eq!(duplicate(&mut desk, identification, 0, 0, 1), Err(low), "nor is it good for a process");
        desk.clear();
        let impersonation = duplicate(&mut desk, token, 0, 2, 2).expect("a token");
        duplicate(&mut desk, impersonation, 0, 2, 1).expect("a primary one again");
        let set = |desk: &mut Desk, token: u64| {
            let at = desk.pointer(token);
            let at = desk.place(&at);
            let length = desk.word();
            desk.call("NtSetInformationThread", &[THREAD, 5, at, length])
        };
        assert_eq!(set(&mut desk, token), NtStatus::BAD_TOKEN_TYPE);
        assert_eq!(desk.call("NtSetInformationThread", &[THREAD, 5, OUT, 3]), NtStatus::INFO_LENGTH_MISMATCH);
        assert_eq!(set(&mut desk, impersonation), S);
        desk.ok("NtOpenThreadToken", &[THREAD, 8, 1, HANDLE]);
        let opened = desk.read_pointer(HANDLE);
        assert_eq!(query(&mut desk, opened, 9), [2, 0, 0, 0], "the same user impersonates itself fully");
        assert_eq!(query(&mut desk, -5i64 as u64, 8), [2, 0, 0, 0]);
        // At the identification level nothing opens.
        assert_eq!(set(&mut desk, identification), S);
        assert_eq!(desk.call("NtOpenThreadToken", &[THREAD, 8, 0, HANDLE]), low);
        assert_eq!(desk.call("NtOpenThreadToken", &[THREAD, 8, 1, HANDLE]), S, "as the process it does");
        assert_eq!(set(&mut desk, 0), S);
        assert_eq!(desk.call("NtOpenThreadToken", &[THREAD, 8, 1, HANDLE]), NtStatus::NO_TOKEN);
        // Nobody.
        desk.ok("NtImpersonateAnonymousToken", &[THREAD]);
        desk.ok("NtOpenThreadToken", &[THREAD, 8, 1, HANDLE]);
    }
}

/// "Impersonate a client after authentication": without the privilege another user's token is for looking at.
#[test]
fn another_user_is_impersonated_with_the_privilege_alone() {
    for (who, level) in [(Account::StandardUser, 1), (Account::NetworkService, 2)] {
        let mut desk = Desk::new(BUILDS[0]);
        desk.kernel.log_on(Account::LocalService);
        let token = open(&mut desk);
        let service = duplicate(&mut desk, token, 0, 2, 2).expect("a token");
        desk.kernel.log_on(who);
        let at = desk.place(&service.to_le_bytes());
        desk.ok("NtSetInformationThread", &[THREAD, 5, at, 8]);
        assert_eq!(query(&mut desk, -5i64 as u64, 9), [level, 0, 0, 0], "{who:?}");
    }
}

#[test]
fn filtered_and_boxed_tokens_say_so() {
    for mut desk in desks() {
        let token = open(&mut desk);
        let filter = |desk: &mut Desk, flags, disable, delete, restrict| {
            desk.call("NtFilterToken", &[token, flags, disable, delete, restrict, HANDLE])
        };
        assert_eq!(filter(&mut desk, 0x10, 0, 0, 0), NtStatus::INVALID_PARAMETER);
        let attributes = groups(&mut desk, &[(Sid::RESTRICTED, 4)]);
        assert_eq!(filter(&mut desk, 0, 0, 0, attributes), NtStatus::INVALID_PARAMETER, "restricting SIDs have none");
        let disable = groups(&mut desk, &[(Sid::USERS, 0)]);
        let restrict = groups(&mut desk, &[(Sid::RESTRICTED, 0)]);
        assert_eq!(filter(&mut desk, 1, disable, 0, restrict), S);
        let filtered = desk.read_pointer(HANDLE);
        assert_eq!(query(&mut desk, filtered, 3).len(), 16, "one privilege");
        assert_eq!(query(&mut desk, filtered, 40), [1, 0, 0, 0]);
        query(&mut desk, filtered, 11);
        let w = desk.word();
        assert_eq!((desk.u32(OUT), sid_at(&mut desk, OUT + w)), (1, Sid::RESTRICTED));
        assert_eq!(desk.call("NtCompareTokens", &[token, filtered, OUT]), S);
        assert_eq!(desk.read(OUT, 1), [0]);
        assert_eq!(desk.call("NtCompareTokens", &[token, token, OUT]), S);
        assert_eq!(desk.read(OUT, 1), [1]);

        desk.clear();
        let package: Sid = "S-1-15-2-1-2-3-4-5-6-7".parse().expect("a SID");
        let at = sid(&mut desk, package);
        let wrong = sid(&mut desk, Sid::EVERYONE);
        let make = |desk: &mut Desk, package| {
            desk.call("NtCreateLowBoxToken", &[HANDLE, token, TOKEN_ALL, 0, package, 0, 0, 0, 0])
        };
        assert_eq!(make(&mut desk, wrong), NtStatus::INVALID_PARAMETER);
        assert_eq!(make(&mut desk, at), S);
        let boxed = desk.read_pointer(HANDLE);
        assert_eq!(query(&mut desk, boxed, 29), [1, 0, 0, 0]);
        assert_ne!(query(&mut desk, boxed, 32), [0; 4]);
        query(&mut desk, boxed, 31);
        assert_eq!(sid_at(&mut desk, OUT), package);
        query(&mut desk, boxed, 25);
        assert_eq!(sid_at(&mut desk, OUT), Sid::integrity(0x1000), "AppContainers are low");
    }
}

#[test]
fn access_is_checked_for_a_client() {
    for mut desk in desks() {
        let token = open(&mut desk);
        let client = duplicate(&mut desk, token, 0, 1, 2).expect("a token");
        let anonymous = duplicate(&mut desk, token, 0, 0, 2).expect("a token");
        desk.clear();
        let mut good = SecurityDescriptor::new(
            Sid::LOCAL_SYSTEM,
            Sid::LOCAL_SYSTEM,
            Acl::new(vec![Ace::deny(4, Sid::ADMINISTRATORS), Ace::allow(7, Sid::USERS)]),
        );
        let mapping = [1u32, 2, 4, 7].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
        let mapping = desk.place(&mapping);
        let (set, granted, status) = (OUT, OUT + 0x100, OUT + 0x104);
        let descriptor = absolute(&mut desk, &good);
        let relative = desk.place(&good.to_bytes());
        let check = |desk: &mut Desk, descriptor, client, desired, length: u32| {
            desk.write(LENGTH, &length.to_le_bytes());
            let args = [descriptor, client, desired, mapping, set, LENGTH, granted, status];
            let answer = desk.call("NtAccessCheck", &args);
            (answer, desk.u32(granted), NtStatus(desk.u32(status)))
        };
        for form in [descriptor, relative] {
            assert_eq!(check(&mut desk, form, client, 3, 20), (S, 3, S));
            assert_eq!(
                check(&mut desk, form, client, 4, 20),
                (S, 0, NtStatus::ACCESS_DENIED),
                "a deny-only group denies"
            );
            assert_eq!(check(&mut desk, form, client, 0x200_0000, 20), (S, 3, S), "the maximum");
        }
        assert_eq!(check(&mut desk, descriptor, client, 0x100_0000, 20).2, NtStatus::PRIVILEGE_NOT_HELD);
        assert_eq!(check(&mut desk, descriptor, client, 0x8000_0000, 20).0, NtStatus::GENERIC_NOT_MAPPED);
        assert_eq!(check(&mut desk, descriptor, token, 1, 20).0, NtStatus::NO_IMPERSONATION_TOKEN);
        assert_eq!(check(&mut desk, descriptor, anonymous, 1, 20).0, NtStatus::BAD_IMPERSONATION_LEVEL);
        assert_eq!(check(&mut desk, descriptor, client, 1, 19).0, NtStatus::BUFFER_TOO_SMALL);
        assert_eq!(desk.u32(LENGTH), 20);
        good.owner = None;
        let ownerless = absolute(&mut desk, &good);
        assert_eq!(check(&mut desk, ownerless, client, 1, 20).0, NtStatus::INVALID_SECURITY_DESCR);
    }
}

#[test]
fn only_the_authority_makes_tokens() {
    for mut desk in desks() {
        let pointer_to = |desk: &mut Desk, sid: Sid| {
            let at = desk.place(&sid.to_bytes());
            let mut bytes = desk.pointer(at);
            bytes.extend(desk.pointer(0));
            desk.place(&bytes)
        };
        let user = pointer_to(&mut desk, Sid::LOCAL_SERVICE);
        let list = groups(&mut desk, &[(Sid::EVERYONE, 7), (Sid::integrity(0x3000), 0x60)]);
        let rights = privileges(&mut desk, &[(23, 3), (20, 0)]);
        let session = desk.place(&0x3e5u64.to_le_bytes());
        let nowhere = desk.place(&0x1234u64.to_le_bytes());
        let group = pointer_to(&mut desk, Sid::EVERYONE);
        let source = desk.place(b"Trapgate\0\0\0\0\0\0\0\0");
        let make = |desk: &mut Desk, session, group| {
            let args = [HANDLE, TOKEN_ALL, 0, 1, session, session, user, list, rights, 0, group, 0, source];
            desk.call("NtCreateToken", &args)
        };
        assert_eq!(make(&mut desk, session, group), NtStatus::PRIVILEGE_NOT_HELD);
        let token = desk.kernel.ps.process.token;
        if let Some(object) = desk.kernel.ob.get_mut(token)
            && let kernel_model::body::Body::Token(token) = &mut object.body
        {
            token.privileges = kernel_model::se::PrivilegeSet(u64::MAX);
            token.enabled = token.privileges;
        }
        assert_eq!(make(&mut desk, nowhere, group), NtStatus::NO_SUCH_LOGON_SESSION);
        let stranger = pointer_to(&mut desk, Sid::INTERACTIVE);
        assert_eq!(make(&mut desk, session, stranger), NtStatus::INVALID_PRIMARY_GROUP);
        assert_eq!(make(&mut desk, session, group), S);
        let made = desk.read_pointer(HANDLE);
        assert_eq!(query(&mut desk, made, 7)[..8], *b"Trapgate");
        query(&mut desk, made, 25);
        assert_eq!(sid_at(&mut desk, OUT), Sid::integrity(0x3000), "the label was among the groups");
        assert_eq!(query(&mut desk, made, 3).len(), 4 + 24);
    }
}

const EVENT_ALL: u64 = 0x1f_0003;

fn event(desk: &mut Desk, name: &str, descriptor: u64) -> NtStatus {
    let attributes = desk.attributes(name, 0, descriptor, 0);
    desk.call("NtCreateEvent", &[HANDLE, EVENT_ALL, attributes, 0, 0])
}

#[test]
fn objects_keep_their_descriptors() {
    for mut desk in desks() {
        let me = account(1001);
        let wanted = SecurityDescriptor::new(me, Sid::EVERYONE, Acl::new(vec![Ace::allow(1, Sid::EVERYONE)]));
        let descriptor = absolute(&mut desk, &wanted);
        assert_eq!(event(&mut desk, "\\BaseNamedObjects\\Kept", descriptor), S);
        let creator = desk.read_pointer(HANDLE);
        let attributes = desk.attributes("\\BaseNamedObjects\\Kept", 0, 0, 0);
        let open = |desk: &mut Desk, access| desk.call("NtOpenEvent", &[HANDLE, access, attributes]);
        assert_eq!(open(&mut desk, 1), S);
        assert_eq!(open(&mut desk, 2), NtStatus::ACCESS_DENIED);
        assert_eq!(open(&mut desk, 0x6_0000), S, "its owner");
        let blind = desk.read_pointer(HANDLE);
        // What was set is what is there.
        let query =
            |desk: &mut Desk, handle, length| desk.call("NtQuerySecurityObject", &[handle, 7, OUT, length, LENGTH]);
        assert_eq!(query(&mut desk, creator, 0), NtStatus::BUFFER_TOO_SMALL);
        assert_eq!(query(&mut desk, creator, 0x200), S);
        let length = desk.u32(LENGTH) as usize;
        let there = SecurityDescriptor::parse(&desk.read(OUT, length)).expect("a descriptor");
        assert_eq!(there, wanted);
        assert_eq!(desk.call("NtQuerySecurityObject", &[creator, 8, OUT, 0x200, LENGTH]), NtStatus::ACCESS_DENIED);
        // It is changed by whoever may.
        let open_to_all = SecurityDescriptor { control: Control::DACL_PRESENT, ..SecurityDescriptor::default() };
        let open_to_all = absolute(&mut desk, &open_to_all);
        let dacl = u64::from(Parts::DACL.bits());
        assert_eq!(open(&mut desk, 1), S);
        let reader = desk.read_pointer(HANDLE);
        assert_eq!(desk.call("NtSetSecurityObject", &[reader, dacl, open_to_all]), NtStatus::ACCESS_DENIED);
        assert_eq!(desk.call("NtSetSecurityObject", &[blind, dacl, open_to_all]), S);
        assert_eq!(open(&mut desk, 2), S, "a NULL DACL");
        let stranger = SecurityDescriptor { owner: Some(Sid::LOCAL_SYSTEM), ..SecurityDescriptor::default() };
        let stranger = absolute(&mut desk, &stranger);
        assert_eq!(desk.call("NtSetSecurityObject", &[creator, 1, stranger]), NtStatus::INVALID_OWNER);
        desk.clear();
        let stranger =
            absolute(&mut desk, &SecurityDescriptor { owner: Some(Sid::LOCAL_SYSTEM), ..Default::default() });
        assert_eq!(event(&mut desk, "\\BaseNamedObjects\\Other", stranger), NtStatus::INVALID_OWNER);
        assert_eq!(event(&mut desk, "\\BaseNamedObjects\\Default", 0), S);
        let handle = desk.read_pointer(HANDLE);
        assert_eq!(query(&mut desk, handle, 0x200), S);
        let length = desk.u32(LENGTH) as usize;
        let there = SecurityDescriptor::parse(&desk.read(OUT, length)).expect("a descriptor");
        let text = there.to_sddl(Parts::OWNER | Parts::GROUP | Parts::DACL);
        let (me, none) = (account(1001), account(513));
        // The default DACL, its generic rights mapped for an event.
        assert_eq!(
            text,
            format!("O:{me}G:{none}D:(A;;0x1f0003;;;{me})(A;;0x1f0003;;;SY)(A;;0x120001;;;S-1-5-5-0-159054)")
        );
        assert_eq!(event(&mut desk, "", 0), S);
        let unnamed = desk.read_pointer(HANDLE);
        assert_eq!(desk.call("NtSetSecurityObject", &[unnamed, dacl, open_to_all]), NtStatus::NO_SECURITY_ON_OBJECT);
    }
}

/// What `RtlValidAcl`, `RtlValidSid` and `SeCaptureSecurityDescriptor` refuse, and how.
#[test]
fn malformed_descriptors_are_refused() {
    for mut desk in desks() {
        let good = SecurityDescriptor::new(account(1001), Sid::USERS, Acl::new(vec![Ace::allow(1, Sid::USERS)]));
        let whole = good.to_bytes();
        let place = |offset: usize| {
            u32::from_le_bytes([whole[offset], whole[offset + 1], whole[offset + 2], whole[offset + 3]]) as usize
        };
        let (dacl, owner) = (place(16), place(4));
        for (at, value, status) in [
            (0, 2, NtStatus::UNKNOWN_REVISION),
            (dacl, 1, NtStatus::INVALID_ACL),
            (dacl + 2, 4, NtStatus::INVALID_ACL),
            (dacl + 4, 9, NtStatus::INVALID_ACL),
            (dacl + 10, 2, NtStatus::INVALID_ACL),
            (dacl + 17, 14, NtStatus::INVALID_ACL),
            (owner, 2, NtStatus::INVALID_SID),
            (owner + 1, 16, NtStatus::INVALID_SID),
            (7, 0x70, NtStatus::ACCESS_VIOLATION),
        ] {
            desk.clear();
            let mut bytes = whole.clone();
            bytes[at] = value;
            let descriptor = desk.place(&bytes);
            assert_eq!(event(&mut desk, "\\BaseNamedObjects\\Bad", descriptor), status, "byte {at} is {value}");
        }
        desk.clear();
        assert_eq!(event(&mut desk, "\\BaseNamedObjects\\Bad", BASE + 0x402), NtStatus::DATATYPE_MISALIGNMENT);
        assert_eq!(event(&mut desk, "\\BaseNamedObjects\\Bad", 0x1000), NtStatus::ACCESS_VIOLATION);
    }
}

#[test]
fn privileges_open_what_descriptors_do_not() {
    for (who, status) in [(Account::User, NtStatus::PRIVILEGE_NOT_HELD), (Account::LocalSystem, S)] {
        let mut desk = Desk::new(BUILDS[0]);
        desk.kernel.log_on(who);
        let permanent = desk.attributes("\\BaseNamedObjects\\Forever", 0x10, 0, 0);
        assert_eq!(desk.call("NtCreateEvent", &[HANDLE, EVENT_ALL, permanent, 0, 0]), status, "{who:?}");
        let set = {
            let mut bytes = vec![1, 0, 0, 0, 1, 0, 0, 0];
            bytes.extend(20u64.to_le_bytes());
            bytes.extend([0; 4]);
            desk.place(&bytes)
        };
        desk.ok("NtPrivilegeCheck", &[-4i64 as u64, set, OUT]);
        assert_eq!(desk.read(OUT, 1), [u8::from(who == Account::LocalSystem)], "SeDebugPrivilege");
    }
}
