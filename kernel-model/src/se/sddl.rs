//! Security descriptors as text: SDDL, as `ConvertSecurityDescriptorToStringSecurityDescriptor` writes it.

use std::fmt::Write as _;

use guest::AccessMask;

use super::ace::{Ace, AceBody, AceFlags, Guid, ace_type};
use super::acl::Acl;
use super::descriptor::{Control, Parts, SecurityDescriptor};
use super::sid::Sid;

/// A right and its letters (source: Windows documentation, "ACE Strings"), the order in which they are written.
pub(super) const RIGHTS: &[(u32, &str)] = &[
    (0x0001, "CC"),
    (0x0002, "DC"),
    (0x0004, "LC"),
    (0x0008, "SW"),
    (0x0010, "RP"),
    (0x0020, "WP"),
    (0x0040, "DT"),
    (0x0080, "LO"),
    (0x0100, "CR"),
    (0x0001_0000, "SD"),
    (0x0002_0000, "RC"),
    (0x0004_0000, "WD"),
    (0x0008_0000, "WO"),
    (0x1000_0000, "GA"),
    (0x8000_0000, "GR"),
    (0x4000_0000, "GW"),
    (0x2000_0000, "GX"),
];

/// Sets of rights that have letters of their own: file and key access.
pub(super) const SETS: &[(u32, &str)] = &[
    (0x001f_01ff, "FA"),
    (0x0012_0089, "FR"),
    (0x0012_0116, "FW"),
    (0x0012_00a0, "FX"),
    (0x000f_003f, "KA"),
    (0x0002_0019, "KR"),
    (0x0002_0006, "KW"),
];

/// The policy of a mandatory label.
pub(super) const LABEL_RIGHTS: &[(u32, &str)] = &[(0x1, "NW"), (0x2, "NR"), (0x4, "NX")];

/// Flags of an entry.
pub(super) const FLAGS: &[(AceFlags, &str)] = &[
    (AceFlags::OBJECT_INHERIT, "OI"),
    (AceFlags::CONTAINER_INHERIT, "CI"),
    (AceFlags::NO_PROPAGATE, "NP"),
    (AceFlags::INHERIT_ONLY, "IO"),
    (AceFlags::INHERITED, "ID"),
    (AceFlags::CRITICAL, "CR"),
    (AceFlags::SUCCESSFUL_ACCESS, "SA"),
    (AceFlags::FAILED_ACCESS, "FA"),
];

/// Flags of a list: DACL's and SACL's.
pub(super) const LIST_FLAGS: &[(Control, Control, &str)] = &[
    (Control::DACL_PROTECTED, Control::SACL_PROTECTED, "P"),
    (Control::DACL_AUTO_INHERIT_REQ, Control::SACL_AUTO_INHERIT_REQ, "AR"),
    (Control::DACL_AUTO_INHERITED, Control::SACL_AUTO_INHERITED, "AI"),
];

/// The text of a NULL list.
pub(super) const NULL_LIST: &str = "NO_ACCESS_CONTROL";

fn sid_text(sid: &Sid) -> String {
    sid.alias().map_or_else(|| sid.to_string(), ToString::to_string)
}

fn guid_text(guid: Option<Guid>) -> String {
    let Some([a, b, c, d, e, f, g, h, rest @ ..]) = guid else { return String::new() };
    let [i, j, k, l, m, n, o, p] = rest;
    format!(
        "{d:02x}{c:02x}{b:02x}{a:02x}-{f:02x}{e:02x}-{h:02x}{g:02x}-{i:02x}{j:02x}-{k:02x}{l:02x}{m:02x}{n:02x}{o:02x}{p:02x}"
    )
}

fn rights_text(kind: u8, mask: AccessMask) -> String {
    let table = if kind == ace_type::MANDATORY_LABEL {
        LABEL_RIGHTS
    } else if let Some((_, letters)) = SETS.iter().find(|set| set.0 == mask.0) {
        return (*letters).to_string();
    } else {
        RIGHTS
    };
    let named = table.iter().filter(|right| mask.0 & right.0 != 0);
    if named.clone().fold(0, |all, right| all | right.0) == mask.0 {
        named.map(|right| right.1).collect()
    } else {
        format!("{:#x}", mask.0)
    }
}

/// One entry. A type that SDDL has no letters for, or whose body is not looked into, is written as its number and
/// its length, which cannot be read back.
fn ace_text(ace: &Ace) -> String {
    let letters = ace_type::NAMES.iter().find(|row| row.0 == ace.kind).map_or("", |row| row.2);
    let flags: String = FLAGS.iter().filter(|f| ace.flags.contains(f.0)).map(|f| f.1).collect();
    let rights = rights_text(ace.kind, ace.mask());
    match &ace.body {
        AceBody::Plain(_, sid) => format!("({letters};{flags};{rights};;;{})", sid_text(sid)),
        AceBody::Object { object_type, inherited_type, sid, .. } => {
            let (object, inherited) = (guid_text(*object_type), guid_text(*inherited_type));
            format!("({letters};{flags};{rights};{object};{inherited};{})", sid_text(sid))
        }
        AceBody::Opaque(rest) => format!("({:#04x};{flags};{} bytes;;;)", ace.kind, rest.len()),
    }
}

fn list_text(out: &mut String, head: &str, list: Option<&Acl>, flags: &str) {
    let _ = write!(out, "{head}:{flags}");
    match list {
        None => out.push_str(NULL_LIST),
        Some(list) => out.extend(list.aces.iter().map(ace_text)),
    }
}

impl SecurityDescriptor {
    /// These parts of it in SDDL.
    pub fn to_sddl(&self, parts: Parts) -> String {
        let only = self.only(parts);
        let mut out = String::new();
        for (head, sid) in [("O", &only.owner), ("G", &only.group)] {
            if let Some(sid) = sid {
                let _ = write!(out, "{head}:{}", sid_text(sid));
            }
        }
        let flags = |pick: fn(&(Control, Control, &str)) -> Control| -> String {
            LIST_FLAGS.iter().filter(|f| only.control.contains(pick(f))).map(|f| f.2).collect()
        };
        if only.control.contains(Control::DACL_PRESENT) {
            list_text(&mut out, "D", only.dacl.as_ref(), &flags(|f| f.0));
        }
        if only.control.contains(Control::SACL_PRESENT) {
            list_text(&mut out, "S", only.sacl.as_ref(), &flags(|f| f.1));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Descriptors that Windows' documentation gives in both forms ("Security Descriptor String Format", "ACE
    /// Strings") or that its tools print for well-known objects (`sc sdshow`, `icacls /save`).
    #[test]
    fn texts_read_and_write_the_same() {
        for text in [
            "O:AOG:DAD:(A;;RPWPCCDCLCSWRCWDWOGA;;;S-1-0-0)",
            "D:(A;;CCLCSWRPWPDTLOCRRC;;;SY)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;BA)S:(AU;FA;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;WD)",
            "O:BAG:SYD:PAI(A;OICI;FA;;;SY)(A;OICIIO;GA;;;CO)(A;OICIID;0x1200a9;;;BU)",
            "D:NO_ACCESS_CONTROL",
            "D:",
            "S:(ML;;NW;;;LW)",
            "S:(ML;CI;NWNRNX;;;HI)",
            "O:SYG:SYD:P(OA;;CR;00299570-246d-11d0-a768-00aa006e0529;4828cc14-1437-45bc-9b07-ad6f015e5f28;AU)",
            "D:ARAI(D;;GA;;;AN)(A;;GRGX;;;AC)",
        ] {
            let descriptor = SecurityDescriptor::from_sddl(&text.replace("G:DA", "G:BU")).expect(text);
            let parts = Parts::OWNER | Parts::GROUP | Parts::DACL | Parts::SACL | Parts::LABEL;
            // The order of rights is the table's.
            let expected = text.replace("G:DA", "G:BU").replace("RPWPCCDCLCSWRCWDWOGA", "CCDCLCSWRPWPRCWDWOGA");
            assert_eq!(descriptor.to_sddl(parts), expected);
            assert_eq!(SecurityDescriptor::parse(&descriptor.to_bytes()), Ok(descriptor), "{text}");
        }
    }

    #[test]
    fn what_is_no_sddl_is_refused() {
        for text in [
            "X:SY",
            "O:",
            "O:SYO:SY",
            "D:(A;;GA;;SY)",
            "D:(A;;GA;;;SY",
            "D:(Q;;GA;;;SY)",
            "D:(A;ZZ;GA;;;SY)",
            "D:(A;;ZZ;;;SY)",
            "D:(A;;GA;;;ZZ)",
            "D:(A;;0x;;;SY)",
            "D:(XA;;GA;;;SY;(x==1))",
            "O:DA",
            "D:(A;;GA;;;SY)x",
            "D:(OA;;GA;123;;SY)",
        ] {
            assert!(SecurityDescriptor::from_sddl(text).is_err(), "{text}");
        }
    }
}
