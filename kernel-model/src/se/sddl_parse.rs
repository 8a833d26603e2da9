//! Reading SDDL.

use guest::{AccessMask, NtStatus};

use super::ace::{Ace, AceBody, AceFlags, Guid, ace_type};
use super::acl::Acl;
use super::descriptor::{Control, SecurityDescriptor};
use super::sddl::{FLAGS, LABEL_RIGHTS, LIST_FLAGS, NULL_LIST, RIGHTS, SETS};
use super::sid::Sid;

/// Why a text is no SDDL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a security descriptor: {what}, at {at:?}")]
pub struct SddlError {
    what: &'static str,
    at: String,
}

type Parsed<T> = Result<T, SddlError>;

fn wrong<T>(what: &'static str, at: &str) -> Parsed<T> {
    Err(SddlError { what, at: at.chars().take(24).collect() })
}

fn guid(text: &str) -> Parsed<Option<Guid>> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = || {
        let groups: Vec<&str> = text.split('-').collect();
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        if lengths != [8, 4, 4, 4, 12] || !text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()) {
            return None;
        }
        let mut digits = u128::from_str_radix(&groups.concat(), 16).ok()?.to_be_bytes();
        // The first three groups are numbers, stored little-endian.
        for field in [0..4, 4..6, 6..8] {
            digits.get_mut(field)?.reverse();
        }
        Some(digits)
    };
    read().map_or_else(|| wrong("no GUID", text), |guid| Ok(Some(guid)))
}

fn pairs<T>(mut text: &str, find: impl Fn(&str) -> Option<T>, what: &'static str) -> Parsed<Vec<T>> {
    let mut found = Vec::new();
    while !text.is_empty() {
        let value = text.get(..2).and_then(&find);
        let Some(value) = value else { return wrong(what, text) };
        found.push(value);
        text = text.get(2..).unwrap_or("");
    }
    Ok(found)
}

fn rights(kind: u8, text: &str) -> Parsed<AccessMask> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let number = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => text.parse(),
        };
        return number.map(AccessMask).or_else(|_| wrong("no number", text));
    }
    let label = kind == ace_type::MANDATORY_LABEL;
    let find = |letters: &str| {
        let table = if label { LABEL_RIGHTS } else { RIGHTS };
        let mut all = table.iter().chain(if label { &[] } else { SETS });
        all.find(|right| right.1.eq_ignore_ascii_case(letters)).map(|right| right.0)
    };
    Ok(AccessMask(pairs(text, find, "no right")?.into_iter().fold(0, |mask, right| mask | right)))
}

fn sid(text: &str) -> Parsed<Sid> {
    let found = if text.len() == 2 { Sid::from_alias(text) } else { text.parse().ok() };
    found.map_or_else(|| wrong("no SID, or one of a domain", text), Ok)
}

fn ace(text: &str) -> Parsed<Ace> {
    let fields: Vec<&str> = text.split(';').collect();
    let &[letters, flags, mask, object, inherited, account] = fields.as_slice() else {
        return wrong("an entry has six fields (conditions are not supported)", text);
    };
    let row = ace_type::NAMES.iter().find(|row| !row.2.is_empty() && row.2.eq_ignore_ascii_case(letters));
    let Some(&(kind, ..)) = row else { return wrong("no type of entry, or one that is not supported", text) };
    let find = |letters: &str| FLAGS.iter().find(|f| f.1.eq_ignore_ascii_case(letters)).map(|f| f.0);
    let flags = pairs(flags, find, "no flag")?.into_iter().collect::<AceFlags>();
    let (mask, sid) = (rights(kind, mask)?, sid(account)?);
    let (object_type, inherited_type) = (guid(object)?, guid(inherited)?);
    let is_object = (ace_type::ALLOWED_OBJECT..=ace_type::ALARM_OBJECT).contains(&kind);
    if !is_object && (object_type.is_some() || inherited_type.is_some()) {
        return wrong("an object type in an entry without one", text);
    }
    let body =
        if is_object { AceBody::Object { mask, object_type, inherited_type, sid } } else { AceBody::Plain(mask, sid) };
    Ok(Ace { kind, flags, body })
}

/// What stands before the next part: a letter and a colon outside parentheses.
fn part(text: &str) -> (&str, &str) {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                let end = text.get(..at).and_then(|before| before.char_indices().next_back()).map_or(0, |(i, _)| i);
                return text.split_at(end);
            }
            _ => {}
        }
    }
    (text, "")
}

type Pick = fn(&(Control, Control, &str)) -> Control;

fn list(mut text: &str, control: &mut Control, pick: Pick) -> Parsed<Option<Acl>> {
    let (mut aces, mut null) = (Vec::new(), false);
    while !text.is_empty() && !text.starts_with('(') {
        if let Some(rest) = text.strip_prefix(NULL_LIST) {
            (null, text) = (true, rest);
            continue;
        }
        let flag = LIST_FLAGS.iter().find_map(|f| Some((f, text.strip_prefix(f.2)?)));
        let Some((flag, rest)) = flag else { return wrong("no flag of a list", text) };
        *control |= pick(flag);
        text = rest;
    }
    while let Some(rest) = text.strip_prefix('(') {
        let Some((inside, rest)) = rest.split_once(')') else { return wrong("an entry without end", text) };
        aces.push(ace(inside)?);
        text = rest.trim_start();
    }
    match (text, null, aces.is_empty()) {
        ("", true, true) => Ok(None),
        ("", false, _) => Ok(Some(Acl::new(aces))),
        _ => wrong("more than a list", text),
    }
}

impl SecurityDescriptor {
    /// Reads SDDL. Aliases of a domain's accounts (`DA` and the like) are refused: there is no domain.
    pub fn from_sddl(text: &str) -> Result<Self, SddlError> {
        let mut descriptor = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let Some((head, after)) = rest.split_once(':') else { return wrong("no part", rest) };
            let (value, next) = part(after);
            let control = &mut descriptor.control;
            match head {
                "O" if descriptor.owner.is_none() => descriptor.owner = Some(sid(value)?),
                "G" if descriptor.group.is_none() => descriptor.group = Some(sid(value)?),
                "D" if !control.contains(Control::DACL_PRESENT) => {
                    *control |= Control::DACL_PRESENT;
                    descriptor.dacl = list(value, control, |f| f.0)?;
                }
                "S" if !control.contains(Control::SACL_PRESENT) => {
                    *control |= Control::SACL_PRESENT;
                    descriptor.sacl = list(value, control, |f| f.1)?;
                }
                _ => return wrong("no part, or one that stands twice", rest),
            }
            rest = next;
        }
        Ok(descriptor)
    }
}

impl From<SddlError> for NtStatus {
    fn from(_: SddlError) -> Self {
        Self::INVALID_SECURITY_DESCR
    }
}
