//! `FsRtlIsNameInExpression`: names against patterns. It goes through the name once, with the set of places in the pattern
//! that can have been reached, so that no pattern takes long.

use super::name::Name;
use crate::ob::upcase;

const STAR: u16 = b'*' as u16;
const QUESTION: u16 = b'?' as u16;
const DOT: u16 = b'.' as u16;
/// `DOS_STAR`: anything up to the last dot.
const DOS_STAR: u16 = b'<' as u16;
/// `DOS_QM`: any character but a dot, or none before a dot or the end.
const DOS_QM: u16 = b'>' as u16;
/// `DOS_DOT`: a dot, or nothing at the end.
const DOS_DOT: u16 = b'"' as u16;

/// Adds the places that can be reached without a character of the name.
fn close(pattern: &[u16], reached: &mut [bool], next: Option<u16>) {
    for at in 0..pattern.len() {
        let skips = match pattern.get(at) {
            Some(&STAR | &DOS_STAR) => true,
            Some(&DOS_QM) => next.is_none() || next == Some(DOT),
            Some(&DOS_DOT) => next.is_none(),
            _ => false,
        };
        if skips
            && reached.get(at) == Some(&true)
            && let Some(to) = reached.get_mut(at + 1)
        {
            *to = true;
        }
    }
}

/// Whether a name matches a pattern, without regard to case.
pub fn matches(pattern: &[u16], name: &[u16]) -> bool {
    let mut reached = vec![false; pattern.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    let last_dot = name.iter().rposition(|&unit| unit == DOT);
    for (index, &unit) in name.iter().enumerate() {
        close(pattern, &mut reached, Some(unit));
        let mut after = vec![false; pattern.len() + 1];
        for (at, &wanted) in pattern.iter().enumerate() {
            if reached.get(at) != Some(&true) {
                continue;
            }
            let to = match wanted {
                STAR => Some(at),
                DOS_STAR => (unit != DOT || last_dot != Some(index)).then_some(at),
                QUESTION => Some(at + 1),
                DOS_QM => (unit != DOT).then_some(at + 1),
                DOS_DOT => (unit == DOT).then_some(at + 1),
                plain => (upcase(plain) == upcase(unit)).then_some(at + 1),
            };
            if let Some(place) = to.and_then(|to| after.get_mut(to)) {
                *place = true;
            }
        }
        reached = after;
    }
    close(pattern, &mut reached, None);
    reached.last() == Some(&true)
}

/// Which names a directory scan wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// All.
    All,
    /// Those that match.
    Some(Name),
}

impl Pattern {
    /// The pattern that a scan begins with: none and `*` mean all.
    pub fn new(text: Option<&[u16]>) -> Self {
        match text {
            None | Some([] | [STAR]) => Self::All,
            Some(text) => Self::Some(text.to_vec()),
        }
    }

    /// The pattern that Win32 makes of one that a program writes, for callers that leave that to the kernel, as Wine's
    /// kernelbase does: `*.*` is all; `?` stands for a character or the end, a dot before a wildcard for one or the end,
    /// and a `*` before a dot for all but the extension ("Naming Files" and `FsRtlIsNameInExpression` on Microsoft Learn).
    pub fn of_win32(text: Option<&[u16]>) -> Self {
        let Some(text) = text else { return Self::All };
        let unit = |c: u8| u16::from(c);
        if text == [STAR, unit(b'.'), STAR] {
            return Self::All;
        }
        let mut out = text.to_vec();
        for (at, slot) in out.iter_mut().enumerate() {
            let next = text.get(at + 1).copied();
            let wild = next.is_some_and(|next| next == STAR || next == unit(b'?'));
            *slot = match *slot {
                c if c == unit(b'?') => unit(b'>'),
                c if c == unit(b'.') && wild => unit(b'"'),
                STAR if next == Some(unit(b'.')) => unit(b'<'),
                other => other,
            };
        }
        Self::new(Some(&out))
    }

    /// Whether a name is wanted.
    pub fn wants(&self, name: &[u16]) -> bool {
        match self {
            Self::All => true,
            Self::Some(pattern) => matches(pattern, name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::name::name_of;

    /// The cases that the documentation of `FsRtlIsNameInExpression` and of `RtlIsNameInExpression` gives, and those of
    /// cmd's `dir`.
    #[test]
    fn patterns_match_as_documented() {
        for (pattern, name, expected) in [
            ("*", "a.b", true),
            ("*.*", "ab", false),
            ("*.txt", "a.TXT", true),
            ("*.txt", "a.txtx", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("<.txt", "a.b.txt", true),
            ("<.txt", "a.txt.b", false),
            ("<\"*", "ab", true),
            ("<\"*", "a.b", true),
            (">>>.txt", "a.txt", true),
            (">>>.txt", "abcd.txt", false),
            ("a>>>", "a", true),
            ("a\"", "a", true),
            ("a\"", "a.", true),
            ("a\"b", "a.b", true),
            ("a\"b", "ab", false),
            ("", "", true),
            ("", "a", false),
            ("*a*b*c", "xxaxxbxxc", true),
            ("\u{e4}*", "\u{c4}x", true),
        ] {
            assert_eq!(matches(&name_of(pattern), &name_of(name)), expected, "{pattern} {name}");
        }
        let stars = name_of(&"*a".repeat(200));
        assert!(!matches(&stars, &name_of(&"a".repeat(199))), "no pattern takes long");
    }
}
