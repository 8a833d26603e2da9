//! Security: the access check and what descriptors and tokens are made of.
//!
//! Expected results are Windows' documented behaviour; each row names where: MS-DTYP is [MS-DTYP] "Windows Data
//! Types" 2.5.3 (the access check and its parts), DOC the Win32 documentation of "Access Control" by page name.

use guest::access::generic_mapping;
use guest::{AccessMask, NtStatus};
use kernel_model::se::*;
use kernel_model::service::Unwind;
use proptest::prelude::*;

const ACCESS_DENIED: NtStatus = NtStatus::ACCESS_DENIED;
const MAXIMUM: u32 = AccessMask::MAXIMUM_ALLOWED.0;
/// READ_CONTROL, WRITE_DAC, WRITE_OWNER, ACCESS_SYSTEM_SECURITY.
const RC: u32 = 0x2_0000;
const WD: u32 = 0x4_0000;
const WO: u32 = 0x8_0000;
const AS: u32 = 0x100_0000;
/// The rights of an event.
const QUERY: u32 = 1;
const MODIFY: u32 = 2;
const EVENT_ALL: u32 = 0x1f_0003;

const PACKAGE: &str = "S-1-15-2-1-2-3-4-5-6-7";
const CAPABILITY: &str = "S-1-15-3-1024-1";

fn luids() -> impl FnMut() -> Luid {
    let mut last = 0x1000;
    move || {
        last += 1;
        Luid(last)
    }
}

fn token(account: Account) -> Token {
    Token::of(account, &mut luids())
}

fn sid(text: &str) -> Sid {
    Sid::from_alias(text).unwrap_or_else(|| text.parse().unwrap_or_else(|_| panic!("{text}")))
}

/// The tokens that the table speaks of.
fn named(name: &str) -> Token {
    let filter = |filter: Filter| filter.apply(&token(Account::User), Luid(7)).expect("a token");
    let restrict = |list: &[&str]| list.iter().map(|text| sid(text)).collect();
    match name {
        "user" => token(Account::User),
        "admin" => token(Account::Administrator),
        "admin+" => {
            let mut all = token(Account::Administrator);
            all.enabled = all.privileges;
            all
        }
        "system" => token(Account::LocalSystem),
        "low" => Token { integrity: integrity::LOW, ..token(Account::User) },
        "relabel" => {
            let mut low = Token { integrity: integrity::LOW, ..token(Account::User) };
            low.privileges = low.privileges.with(Privilege::RELABEL);
            low.enabled = low.privileges;
            low
        }
        "off" => Token { integrity: integrity::LOW, policy: 0, ..token(Account::User) },
        "restricted" => filter(Filter { restrict: restrict(&["RC"]), ..Filter::default() }),
        "write-restricted" => {
            filter(Filter { flags: Filter::WRITE_RESTRICTED, restrict: restrict(&["WR"]), ..Filter::default() })
        }
        "deny-everyone" => filter(Filter { disable: restrict(&["WD"]), ..Filter::default() }),
        "deny-self" => filter(Filter { disable: vec![token(Account::User).user.sid], ..Filter::default() }),
        "box" | "lpac" => {
            let on = GroupAttributes::ENABLED | GroupAttributes::ENABLED_BY_DEFAULT;
            let capability = Group { sid: sid(CAPABILITY), attributes: on };
            let mut boxed =
                lowbox_token(&token(Account::User), sid(PACKAGE), vec![capability], 1, Luid(8)).expect("a token");
            boxed.flags.set(TokenFlags::LESS_PRIVILEGED, name == "lpac");
            boxed
        }
        _ => panic!("{name}"),
    }
}

fn check(token: &Token, descriptor: &SecurityDescriptor, desired: u32) -> Result<u32, NtStatus> {
    let subject = SubjectContext { primary: token, client: None };
    let mapping = generic_mapping("Event").expect("a type");
    match access_check(&subject, Some(descriptor), &Request::new(AccessMask(desired), mapping)) {
        Ok(granted) => Ok(granted.access.0),
        Err(Unwind::Status(status)) => Err(status),
        Err(other) => panic!("{other:?}"),
    }
}

/// Token, descriptor (`ME` in it is the user, `PKG` the package, `CAP` its capability), rights asked for, result, why.
type Row = (&'static str, &'static str, u32, Result<u32, NtStatus>, &'static str);

const CHECKS: &[Row] = &[
    // The DACL: DOC "How AccessCheck Works", "Null DACLs and Empty DACLs", "Order of ACEs in a DACL".
    ("user", "O:SYD:NO_ACCESS_CONTROL", EVENT_ALL, Ok(EVENT_ALL), "a NULL DACL grants all"),
    ("user", "O:SY", EVENT_ALL, Ok(EVENT_ALL), "so does none"),
    ("user", "O:SYD:NO_ACCESS_CONTROL", MAXIMUM, Ok(EVENT_ALL), "and that is the maximum"),
    ("user", "O:SYD:", QUERY, Err(ACCESS_DENIED), "an empty DACL grants nothing"),
    ("user", "O:SYD:", MAXIMUM, Err(ACCESS_DENIED), "not even as the maximum"),
    ("user", "O:SYD:(A;;0x3;;;WD)", 0, Err(ACCESS_DENIED), "asking for nothing"),
    ("user", "O:SYD:(A;;0x1;;;WD)", QUERY, Ok(QUERY), "allowed by a group"),
    ("user", "O:SYD:(A;;0x1;;;WD)", QUERY | MODIFY, Err(ACCESS_DENIED), "all must be allowed"),
    ("user", "O:SYD:(A;;0x1;;;WD)(A;;0x2;;;BU)", QUERY | MODIFY, Ok(QUERY | MODIFY), "by several entries"),
    ("user", "O:SYD:(A;;0x3;;;BA)", QUERY, Err(ACCESS_DENIED), "a group the token is not in"),
    ("user", "O:SYD:(D;;0x2;;;BU)(A;;0x3;;;WD)", MODIFY, Err(ACCESS_DENIED), "denied first"),
    ("user", "O:SYD:(A;;0x3;;;WD)(D;;0x2;;;BU)", MODIFY, Ok(MODIFY), "allowed first: order decides"),
    ("user", "O:SYD:(D;;0x2;;;BU)(A;;0x3;;;WD)", QUERY, Ok(QUERY), "denied something else"),
    ("user", "O:SYD:(D;;0x2;;;BU)(A;;0x3;;;WD)", MAXIMUM, Ok(QUERY), "the maximum leaves out what is denied"),
    ("user", "O:SYD:(D;;0x2;;;BU)(A;;0x3;;;WD)", MAXIMUM | MODIFY, Err(ACCESS_DENIED), "unless it is asked for"),
    ("user", "O:SYD:(A;;0x3;;;WD)(D;;0x2;;;BU)", MAXIMUM, Ok(QUERY | MODIFY), "order decides there too"),
    ("user", "O:SYD:(A;OICIIO;0x3;;;WD)", QUERY, Err(ACCESS_DENIED), "inherit-only entries do not count"),
    ("user", "O:SYD:(D;OICIIO;0x3;;;WD)(A;;0x3;;;WD)", QUERY, Ok(QUERY), "nor do they deny"),
    ("user", "O:SYD:(A;;GA;;;WD)", 0x1000_0000, Ok(EVENT_ALL), "generic rights are mapped on both sides"),
    ("user", "O:SYD:(A;;GR;;;WD)", 0x8000_0000, Ok(0x2_0001), "GENERIC_READ of an event"),
    // The owner: MS-DTYP 2.5.3.2, DOC "Owner of a New Object", OWNER RIGHTS in "Well-known SIDs".
    ("user", "O:MED:", RC | WD, Ok(RC | WD), "the owner reads and sets the DACL"),
    ("user", "O:MED:", MAXIMUM, Ok(RC | WD), "and that is the maximum"),
    ("user", "O:MED:", QUERY, Err(ACCESS_DENIED), "nothing else"),
    ("user", "O:MED:(D;;RCWD;;;ME)", WD, Ok(WD), "which no entry takes away"),
    ("user", "O:MED:(A;;RC;;;OW)", WD, Err(ACCESS_DENIED), "except for OWNER RIGHTS"),
    ("user", "O:MED:(A;;0x20002;;;OW)", RC | MODIFY, Ok(RC | MODIFY), "which say what the owner may"),
    ("user", "O:MED:(A;IO;RC;;;OW)", WD, Ok(WD), "inherit-only ones do not"),
    ("user", "O:SYD:(A;;0x20002;;;OW)", RC, Err(ACCESS_DENIED), "and who is not the owner gets nothing from them"),
    ("user", "O:BAD:", RC, Err(ACCESS_DENIED), "a group for denying only is no owner"),
    ("admin", "O:BAD:", RC | WD, Ok(RC | WD), "an enabled group is"),
    // Privileges: MS-DTYP 2.5.3.2, DOC "SACL Access Right", "Privilege Constants".
    ("admin", "O:SYD:(A;;GA;;;BA)", AS, Err(NtStatus::PRIVILEGE_NOT_HELD), "a disabled SeSecurityPrivilege"),
    ("user", "O:MED:NO_ACCESS_CONTROL", AS, Err(NtStatus::PRIVILEGE_NOT_HELD), "no DACL grants it"),
    ("admin+", "O:SYD:", AS, Ok(AS), "enabled, it is enough"),
    ("admin+", "O:SYD:", WO, Ok(WO), "SeTakeOwnershipPrivilege"),
    ("admin", "O:SYD:", WO, Err(ACCESS_DENIED), "a disabled one"),
    ("admin+", "O:SYD:", WO | QUERY, Err(ACCESS_DENIED), "only for the owner"),
    // Deny-only SIDs: DOC "SID Attributes in an Access Token".
    ("user", "O:SYD:(D;;0x1;;;BA)(A;;0x3;;;WD)", QUERY, Err(ACCESS_DENIED), "a deny-only group denies"),
    ("deny-everyone", "O:SYD:(A;;0x1;;;WD)", QUERY, Err(ACCESS_DENIED), "and does not allow"),
    ("deny-self", "O:MED:(A;;0x1;;;ME)", QUERY, Err(ACCESS_DENIED), "the user too"),
    ("deny-self", "O:MED:", RC, Err(ACCESS_DENIED), "who is then no owner"),
    // Restricted tokens: DOC "Restricted Tokens": two checks, and both must allow.
    ("restricted", "O:SYD:(A;;0x3;;;WD)", QUERY, Err(ACCESS_DENIED), "only the first check allows"),
    ("restricted", "O:SYD:(A;;0x3;;;RC)", QUERY, Err(ACCESS_DENIED), "only the second"),
    ("restricted", "O:SYD:(A;;0x3;;;WD)(A;;0x1;;;RC)", QUERY, Ok(QUERY), "both"),
    ("restricted", "O:SYD:(A;;0x3;;;WD)(A;;0x1;;;RC)", MAXIMUM, Ok(QUERY), "what both allow"),
    ("restricted", "O:SYD:(D;;0x1;;;RC)(A;;0x3;;;WD)(A;;0x3;;;RC)", QUERY, Err(ACCESS_DENIED), "the second denies"),
    ("restricted", "O:MED:", RC, Err(ACCESS_DENIED), "the owner is no restricting SID"),
    ("restricted", "O:SYD:NO_ACCESS_CONTROL", QUERY, Ok(QUERY), "a NULL DACL grants all"),
    ("write-restricted", "O:SYD:(A;;0x3;;;WD)", QUERY, Ok(QUERY), "reading is checked once"),
    ("write-restricted", "O:SYD:(A;;0x3;;;WD)", MODIFY, Err(ACCESS_DENIED), "writing twice"),
    ("write-restricted", "O:SYD:(A;;0x3;;;WD)(A;;0x2;;;WR)", MODIFY, Ok(MODIFY), "and both allow"),
    // Mandatory integrity: MS-DTYP 2.5.3.3, DOC "Mandatory Integrity Control".
    ("low", "O:SYD:(A;;GA;;;WD)", MODIFY, Err(ACCESS_DENIED), "no label is medium, no-write-up"),
    ("low", "O:SYD:(A;;GA;;;WD)", QUERY | 0x10_0000, Ok(QUERY | 0x10_0000), "reading and waiting go on"),
    ("low", "O:SYD:(A;;GA;;;WD)", MAXIMUM, Ok(0x12_0001), "GENERIC_READ and GENERIC_EXECUTE"),
    ("low", "O:MED:", WD, Err(ACCESS_DENIED), "the owner too"),
    ("low", "O:SYD:NO_ACCESS_CONTROL", MODIFY, Err(ACCESS_DENIED), "a NULL DACL too"),
    ("low", "O:SYD:(A;;GA;;;WD)S:(ML;;NW;;;LW)", MODIFY, Ok(MODIFY), "the same level"),
    ("user", "O:SYD:(A;;GA;;;WD)S:(ML;;NW;;;LW)", MODIFY, Ok(MODIFY), "a lower level"),
    ("user", "O:SYD:(A;;GA;;;WD)S:(ML;;NW;;;HI)", MODIFY, Err(ACCESS_DENIED), "a higher one"),
    ("user", "O:SYD:(A;;GA;;;WD)S:(ML;;NR;;;HI)", QUERY, Err(ACCESS_DENIED), "no-read-up"),
    ("user", "O:SYD:(A;;GA;;;WD)S:(ML;;NR;;;HI)", MODIFY, Ok(MODIFY), "which lets it write"),
    ("user", "O:SYD:(A;;GA;;;WD)S:(ML;;NX;;;HI)", 0x10_0000, Err(ACCESS_DENIED), "no-execute-up: SYNCHRONIZE"),
    ("user", "O:SYD:(A;;GA;;;WD)S:(ML;;NWNRNX;;;HI)", MAXIMUM, Err(ACCESS_DENIED), "all three"),
    ("admin", "O:SYD:(A;;GA;;;WD)S:(ML;;NWNRNX;;;HI)", EVENT_ALL, Ok(EVENT_ALL), "whoever is as high"),
    ("off", "O:SYD:(A;;GA;;;WD)", MODIFY, Ok(MODIFY), "a token whose policy is off"),
    ("relabel", "O:SYD:(A;;GA;;;WD)", WO, Ok(WO), "SeRelabelPrivilege lets the owner be set"),
    ("low", "O:SYD:(A;;GA;;;WD)", WO, Err(ACCESS_DENIED), "without it"),
    // AppContainers: DOC "AppContainer Isolation", "Launch an AppContainer": user and package must both be allowed.
    ("box", "O:SYD:(A;;GA;;;WD)", QUERY, Err(ACCESS_DENIED), "the user alone"),
    ("box", "O:SYD:(A;;GA;;;PKG)", QUERY, Err(ACCESS_DENIED), "the package alone"),
    ("box", "O:SYD:(A;;GA;;;WD)(A;;0x1;;;PKG)", QUERY, Ok(QUERY), "both"),
    ("box", "O:SYD:(A;;GA;;;WD)(A;;0x1;;;PKG)", MODIFY, Err(ACCESS_DENIED), "what both allow"),
    ("box", "O:SYD:(A;;GA;;;WD)(A;;0x1;;;CAP)", QUERY, Ok(QUERY), "by a capability"),
    ("box", "O:SYD:(A;;GA;;;WD)(A;;0x1;;;AC)", MAXIMUM, Ok(QUERY), "by ALL APPLICATION PACKAGES"),
    ("lpac", "O:SYD:(A;;GA;;;WD)(A;;0x1;;;AC)", QUERY, Err(ACCESS_DENIED), "to which an LPAC does not belong"),
    ("lpac", "O:SYD:(A;;GA;;;WD)(A;;0x1;;;S-1-15-2-2)", QUERY, Ok(QUERY), "it has one of its own"),
    ("box", "O:SYD:(A;;GA;;;WD)(D;;0x1;;;PKG)(A;;0x3;;;AC)", QUERY, Err(ACCESS_DENIED), "the package denied"),
    ("user", "O:SYD:(A;;GA;;;PKG)(A;;GA;;;AC)", QUERY, Err(ACCESS_DENIED), "package SIDs mean nothing to others"),
    ("box", "O:SYD:(A;;GA;;;WD)(A;;GA;;;AC)S:(ML;;NW;;;HI)", MODIFY, Err(ACCESS_DENIED), "a high label holds it"),
];

fn descriptor(text: &str) -> SecurityDescriptor {
    let me = token(Account::User).user.sid.to_string();
    let text = text.replace(";ME)", &format!(";{me})")).replace("O:ME", &format!("O:{me}"));
    let text = text.replace("PKG", PACKAGE).replace("CAP", CAPABILITY);
    SecurityDescriptor::from_sddl(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn access_is_granted_as_documented() {
    for &(who, text, desired, expected, why) in CHECKS {
        assert_eq!(check(&named(who), &descriptor(text), desired), expected, "{who} {text} {desired:#x}: {why}");
    }
}

/// DOC "Impersonation Levels": below SecurityImpersonation a token is not good for access.
#[test]
fn a_client_that_may_only_be_looked_at_opens_nothing() {
    let primary = token(Account::LocalSystem);
    let mapping = generic_mapping("Event").expect("a type");
    let everybody = descriptor("O:SYD:NO_ACCESS_CONTROL");
    let request = Request::new(AccessMask(QUERY), mapping);
    for (level, good) in [
        (Level::Anonymous, false),
        (Level::Identification, false),
        (Level::Impersonation, true),
        (Level::Delegation, true),
    ] {
        let client = Token { kind: TokenKind::Impersonation(level), ..token(Account::User) };
        let subject = SubjectContext { primary: &primary, client: Some(&client) };
        let result = access_check(&subject, Some(&everybody), &request);
        match good {
            true => assert_eq!(result.expect("access").access.0, QUERY, "{level:?}"),
            false => assert_eq!(result, Err(NtStatus::BAD_IMPERSONATION_LEVEL.into()), "{level:?}"),
        }
        assert!(!subject.has_privilege(Privilege::TCB), "the client's privileges count, not the process's");
    }
}

#[test]
fn privileges_that_were_needed_are_reported() {
    let all = named("admin+");
    let subject = SubjectContext { primary: &all, client: None };
    let mapping = generic_mapping("Event").expect("a type");
    let used = |text, desired| {
        let request = Request::new(AccessMask(desired), mapping);
        access_check(&subject, Some(&descriptor(text)), &request).expect("access").used
    };
    assert_eq!(used("O:SYD:(A;;GA;;;WD)", QUERY), PrivilegeSet::EMPTY);
    assert_eq!(used("O:SYD:", AS), PrivilegeSet::of(&[Privilege::SECURITY]));
    assert_eq!(used("O:SYD:", AS | WO), PrivilegeSet::of(&[Privilege::SECURITY, Privilege::TAKE_OWNERSHIP]));
}

/// Conditional, compound and filter entries are not looked into, so a check that meets one says so.
#[test]
fn entries_that_are_not_understood_are_named() {
    for (kind, name) in [
        (ace_type::ALLOWED_CALLBACK, "ACCESS_ALLOWED_CALLBACK_ACE in a DACL"),
        (0x0a, "ACCESS_DENIED_CALLBACK_ACE in a DACL"),
        (0x0c, "ACCESS_DENIED_CALLBACK_OBJECT_ACE in a DACL"),
        (ace_type::COMPOUND, "ACCESS_ALLOWED_COMPOUND_ACE in a DACL"),
    ] {
        let odd = Ace { kind, flags: AceFlags::empty(), body: AceBody::Opaque(vec![0; 24]) };
        let user = token(Account::User);
        let subject = SubjectContext { primary: &user, client: None };
        let mapping = generic_mapping("Event").expect("a type");
        let ask = |aces: Vec<Ace>| {
            let descriptor = SecurityDescriptor::new(Sid::LOCAL_SYSTEM, Sid::LOCAL_SYSTEM, Acl::new(aces));
            access_check(&subject, Some(&descriptor), &Request::new(AccessMask(QUERY), mapping))
        };
        assert_eq!(ask(vec![odd.clone()]), Err(Unwind::unsupported(name)));
        let before = vec![Ace::allow(QUERY, Sid::EVERYONE), odd];
        assert_eq!(ask(before).map(|granted| granted.access.0), Ok(QUERY), "it is not reached");
    }
}

/// DOC "Access Checks on an Object Type" and "ACEs to Control Access to an Object's Properties": object, property sets, properties.
#[test]
fn object_types_have_access_of_their_own() {
    const SET: Guid = [1; 16];
    const A: Guid = [2; 16];
    const B: Guid = [3; 16];
    let node = |level, object_type| ObjectTypeNode { level, object_type };
    let tree = [node(0, [9; 16]), node(1, SET), node(2, A), node(2, B)];
    let object = |kind, mask, guid| Ace {
        kind,
        flags: AceFlags::empty(),
        body: AceBody::Object {
            mask: AccessMask(mask),
            object_type: Some(guid),
            inherited_type: None,
            sid: Sid::EVERYONE,
        },
    };
    let allow = |guid| object(ace_type::ALLOWED_OBJECT, QUERY, guid);
    let deny = |guid| object(ace_type::DENIED_OBJECT, QUERY, guid);
    let user = token(Account::User);
    let mapping = generic_mapping("Event").expect("a type");
    let ask = |aces: Vec<Ace>, nodes: &[ObjectTypeNode]| -> Vec<bool> {
        let descriptor = SecurityDescriptor::new(Sid::LOCAL_SYSTEM, Sid::LOCAL_SYSTEM, Acl::new(aces));
        let request = Request::new(AccessMask(QUERY), mapping);
        let results = access_check_by_type(&user, &descriptor, &request, nodes).expect("results");
        results.iter().map(Result::is_ok).collect()
    };
    assert_eq!(ask(vec![Ace::allow(QUERY, Sid::EVERYONE)], &tree), [true; 4], "a plain entry is about all");
    assert_eq!(ask(vec![allow(SET)], &tree), [true; 4], "the only set is the whole object");
    assert_eq!(ask(vec![allow(A)], &tree), [false, false, true, false]);
    assert_eq!(ask(vec![allow(A), allow(B)], &tree), [true; 4], "all properties are the set");
    assert_eq!(ask(vec![deny(A), Ace::allow(QUERY, Sid::EVERYONE)], &tree), [false, false, false, true]);
    assert_eq!(ask(vec![allow([7; 16])], &tree), [false; 4], "a type that is not in the list");
    assert_eq!(ask(vec![allow(A)], &[]), [false], "without a list there is only the object");
    for bad in
        [&[node(1, A)][..], &[node(0, A), node(2, B)], &[node(0, A), node(0, B)], &[node(0, A), node(1, B), node(5, B)]]
    {
        assert_eq!(ObjectTypeNode::validate(bad), Err(NtStatus::INVALID_PARAMETER));
    }
}

/// The properties' parts: subjects and objects made of few SIDs, so that they meet.
const WHO: [Sid; 6] =
    [Sid::EVERYONE, Sid::USERS, Sid::ADMINISTRATORS, Sid::RESTRICTED, Sid::ALL_PACKAGES, Sid::OWNER_RIGHTS];
const TOKENS: [&str; 8] = ["user", "admin", "low", "restricted", "write-restricted", "deny-everyone", "box", "system"];

fn ace() -> impl Strategy<Value = Ace> {
    let flags = (0u8..=0x1f).prop_map(AceFlags::from_bits_retain);
    (any::<bool>(), flags, any::<u32>(), prop::sample::select(&WHO[..]))
        .prop_map(|(deny, flags, mask, sid)| Ace::new(u8::from(deny), flags, AccessMask(mask & 0x1f_0003), sid))
}

fn acl() -> impl Strategy<Value = Acl> {
    prop::collection::vec(ace(), 0..8).prop_map(Acl::new)
}

fn any_descriptor() -> impl Strategy<Value = SecurityDescriptor> {
    let sids = || prop::option::of(prop::sample::select(&WHO[..]));
    let label = prop::option::of((0u32..8, 0u32..8));
    (sids(), sids(), prop::option::of(acl()), label, 0u16..).prop_map(|(owner, group, dacl, label, control)| {
        let sacl = label.map(|(level, policy)| Acl::of_label(level << 11, policy));
        let fixed = Control::DACL_PRESENT | Control::SACL_PRESENT | Control::SELF_RELATIVE | Control::RM_CONTROL_VALID;
        let flags = Control::DACL_PROTECTED | Control::DACL_AUTO_INHERITED | Control::DACL_AUTO_INHERIT_REQ;
        let mut control = Control::from_bits_retain(control).difference(fixed) & flags;
        control |= Control::DACL_PRESENT;
        control.set(Control::SACL_PRESENT, sacl.is_some());
        SecurityDescriptor { rm_control: 0, control, owner, group, dacl, sacl }
    })
}

const ALL_PARTS: Parts = Parts::OWNER.union(Parts::GROUP).union(Parts::DACL).union(Parts::SACL).union(Parts::LABEL);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn access_never_exceeds_what_the_entries_give(
        who in prop::sample::select(&TOKENS[..]), descriptor in any_descriptor(), desired in any::<u32>(),
    ) {
        let token = named(who);
        let desired = desired & (0x1f_0003 | MAXIMUM);
        let Ok(granted) = check(&token, &descriptor, desired) else { return Ok(()) };
        prop_assert_ne!(granted, 0);
        prop_assert_eq!(granted & (desired & !MAXIMUM), desired & !MAXIMUM, "all that was asked for");
        if desired & MAXIMUM == 0 {
            prop_assert_eq!(granted, desired, "and no more");
        }
        if let Some(dacl) = descriptor.dacl() {
            let allows = |ace: &&Ace| ace.kind == ace_type::ALLOWED && ace.is_effective();
            let given = dacl.aces.iter().filter(allows).fold(RC | WD, |all, ace| all | ace.mask().0);
            prop_assert_eq!(granted & !given, 0);
        }
        let again = check(&token, &descriptor, granted);
        prop_assert_eq!(again, Ok(granted), "what the maximum gives can be asked for");
    }

    #[test]
    fn an_entry_that_denies_in_front_never_grants_more(
        who in prop::sample::select(&TOKENS[..]), descriptor in any_descriptor(), deny in ace(),
    ) {
        let token = named(who);
        let before = check(&token, &descriptor, MAXIMUM).unwrap_or(0);
        let mut stricter = descriptor.clone();
        let Some(dacl) = &mut stricter.dacl else { return Ok(()) };
        // An entry for OWNER RIGHTS takes from the owner too, so it is no exception.
        dacl.aces.insert(0, Ace { kind: ace_type::DENIED, ..deny });
        let after = check(&token, &stricter, MAXIMUM).unwrap_or(0);
        prop_assert_eq!(after & !before, 0);
    }

    #[test]
    fn filtering_and_boxing_never_grant_more(descriptor in any_descriptor()) {
        let user = check(&named("user"), &descriptor, MAXIMUM).unwrap_or(0);
        for less in ["low", "restricted", "write-restricted", "deny-everyone", "deny-self", "box", "lpac"] {
            let granted = check(&named(less), &descriptor, MAXIMUM).unwrap_or(0);
            prop_assert_eq!(granted & !user, 0, "{}", less);
        }
    }

    #[test]
    fn descriptors_keep_through_bytes_and_text(descriptor in any_descriptor()) {
        prop_assert_eq!(SecurityDescriptor::parse(&descriptor.to_bytes()), Ok(descriptor.clone()));
        let text = descriptor.to_sddl(ALL_PARTS);
        prop_assert_eq!(SecurityDescriptor::from_sddl(&text), Ok(descriptor), "{}", text);
    }

    #[test]
    fn bytes_that_are_no_descriptor_are_refused_not_followed(
        mut bytes in any_descriptor().prop_map(|d| d.to_bytes()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        match SecurityDescriptor::parse(&bytes) {
            // What is understood is written and read the same again, though not at the same places.
            Ok(read) => prop_assert_eq!(SecurityDescriptor::parse(&read.to_bytes()), Ok(read)),
            Err(status) => prop_assert!([
                NtStatus::INVALID_SECURITY_DESCR, NtStatus::INVALID_ACL, NtStatus::INVALID_SID, NtStatus::UNKNOWN_REVISION,
            ].contains(&status)),
        }
    }

    #[test]
    fn text_that_is_sddl_reads_the_same_again(text in "(O:|G:|D:|S:|P|AI|\\((A|D|AU|ML);(OI|CI|IO)?;(GA|CC|0x3|NW);;;(SY|WD|LW|S-1-5-7)\\)){0,6}") {
        let Ok(read) = SecurityDescriptor::from_sddl(&text) else { return Ok(()) };
        prop_assert_eq!(SecurityDescriptor::from_sddl(&read.to_sddl(ALL_PARTS)), Ok(read));
    }
}
