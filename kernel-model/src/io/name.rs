//! File names: how a path splits into components, and which names there can be.

use guest::NtStatus;

use crate::ob::upcase;

/// A name of UTF-16 code units.
pub type Name = Vec<u16>;

/// What stands between components.
pub const SEPARATOR: u16 = b'\\' as u16;
/// What stands before the name of a stream.
const STREAM: u16 = b':' as u16;
/// The longest component, in units.
const LONGEST: usize = 255;
/// Characters that no component has, beside those below a space ("Naming Files, Paths, and Namespaces").
const RESERVED: &str = "\"*/:<>?|\\";
/// The names that DOS gives to devices.
const DEVICES: &[&str] = &["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"];
/// The same with a number from 1 to 9 (or a superscript 1, 2 or 3) behind them.
const PORTS: &[&str] = &["COM", "LPT"];

/// A path below a device, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FilePath {
    /// Its components.
    pub parts: Vec<Name>,
    /// It ends in a separator, so that it can only name a directory.
    pub directory: bool,
    /// A stream that is not the file's data.
    pub stream: Option<Name>,
}

/// A name as directories are sorted by.
pub fn key(name: &[u16]) -> Name {
    name.iter().map(|&unit| upcase(unit)).collect()
}

/// Text as a name.
pub fn name_of(text: &str) -> Name {
    text.encode_utf16().collect()
}

/// Whether a component may be so called on NTFS.
pub fn is_legal(name: &[u16]) -> bool {
    let reserved = |unit: u16| unit < 0x20 || RESERVED.encode_utf16().any(|r| r == unit);
    let dots = name == [u16::from(b'.')] || name == [u16::from(b'.'); 2];
    !name.is_empty() && name.len() <= LONGEST && !dots && !name.iter().any(|&unit| reserved(unit))
}

/// Whether a component is one that Win32 would not take for a file's: a device's name, with or without an extension, or
/// one that ends in a dot or a space. Folders of the host have no such files.
pub fn is_dos_special(name: &[u16]) -> bool {
    let ends = |unit: u16| unit == u16::from(b'.') || unit == u16::from(b' ');
    if name.last().is_some_and(|&last| ends(last)) {
        return true;
    }
    let stem = name.split(|&unit| unit == u16::from(b'.')).next().unwrap_or(name);
    let stem = key(stem);
    let stem =
        stem.iter().rposition(|&unit| unit != u16::from(b' ')).map_or(&[][..], |last| stem.get(..=last).unwrap_or(&[]));
    let named = |text: &str| text.encode_utf16().eq(stem.iter().copied());
    let digit = |unit: u16| (u16::from(b'1')..=u16::from(b'9')).contains(&unit) || [0xb9, 0xb2, 0xb3].contains(&unit);
    let port = |text: &str| {
        stem.split_last().is_some_and(|(&last, rest)| digit(last) && text.encode_utf16().eq(rest.iter().copied()))
    };
    DEVICES.iter().any(|device| named(device)) || PORTS.iter().any(|device| port(device))
}

/// Takes a stream's name off the last component: `name::$DATA` is the file itself.
fn split_stream(last: &mut Name) -> Result<Option<Name>, NtStatus> {
    let Some(colon) = last.iter().position(|&unit| unit == STREAM) else { return Ok(None) };
    let stream = last.split_off(colon);
    let stream = stream.get(1..).unwrap_or(&[]);
    let (name, kind) = match stream.iter().position(|&unit| unit == STREAM) {
        Some(at) => (stream.get(..at).unwrap_or(&[]), Some(key(stream.get(at + 1..).unwrap_or(&[])))),
        None => (stream, None),
    };
    let is_data = kind.as_ref().is_none_or(|kind| *kind == name_of("$DATA"));
    match (is_data, name.is_empty()) {
        (false, _) | (true, true) if kind.is_none() || !is_data => Err(NtStatus::OBJECT_NAME_INVALID),
        (_, true) => Ok(None),
        _ => Ok(Some(name.to_vec())),
    }
}

impl FilePath {
    /// Takes a path apart. It begins with a separator, except below a directory that is open.
    ///
    /// `STATUS_OBJECT_NAME_INVALID`.
    pub fn parse(path: &[u16], relative: bool) -> Result<Self, NtStatus> {
        let rest = match (path.strip_prefix(&[SEPARATOR]), relative) {
            (Some(rest), false) => rest,
            (None, true) => path,
            _ => return Err(NtStatus::OBJECT_NAME_INVALID),
        };
        if rest.is_empty() {
            return Ok(Self { directory: !relative, ..Self::default() });
        }
        let (rest, directory) = match rest.strip_suffix(&[SEPARATOR]) {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let mut parts: Vec<Name> = rest.split(|&unit| unit == SEPARATOR).map(<[u16]>::to_vec).collect();
        let stream = parts.last_mut().map(split_stream).transpose()?.flatten();
        if !parts.iter().all(|part| is_legal(part)) || directory && stream.is_some() {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        Ok(Self { parts, directory, stream })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<String>, NtStatus> {
        FilePath::parse(&name_of(text), false).map(|p| p.parts.iter().map(|n| String::from_utf16_lossy(n)).collect())
    }

    #[test]
    fn paths_are_taken_apart() {
        let invalid = Err(NtStatus::OBJECT_NAME_INVALID);
        assert_eq!(parse("\\"), Ok(vec![]));
        assert_eq!(parse("\\a\\B c"), Ok(vec!["a".into(), "B c".into()]));
        assert_eq!(parse("\\a\\"), Ok(vec!["a".into()]));
        assert_eq!(parse("\\a::$DATA"), Ok(vec!["a".into()]));
        for bad in
            ["a", "\\a\\\\b", "\\\\", "\\a\\..\\b", "\\.", "\\a*", "\\a/b", "\\a\u{1}", "\\a:", "\\a::$X", "\\a:b\\c"]
        {
            assert_eq!(parse(bad), invalid, "{bad}");
        }
        assert_eq!(parse(&format!("\\{}", "x".repeat(256))), invalid);
        let stream = FilePath::parse(&name_of("\\a:b:$data"), false).map(|p| p.stream);
        assert_eq!(stream, Ok(Some(name_of("b"))));
    }

    #[test]
    fn device_names_are_known() {
        for special in ["CON", "con.txt", "Nul", "aux .c", "COM1", "lpt9.x.y", "COM\u{b9}", "a.", "a ", "conin$", "prn"]
        {
            assert!(is_dos_special(&name_of(special)), "{special}");
        }
        for plain in ["con1", "COM", "COM0", "COM10", "nul_", "a.con", ".gitignore", "x y"] {
            assert!(!is_dos_special(&name_of(plain)), "{plain}");
        }
    }
}
