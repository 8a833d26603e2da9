//! The registry as regedit exports it, and as JSON.

use std::fmt::Write as _;

use kernel_model::cm::{KeyId, Node, Registry, Value};
use kernel_model::se::Parts;
use serde::Serialize;

use super::data::{DWORD, SZ, ValueRow, text};
use super::names::short_path;

/// A key.
#[derive(Clone, Debug, Serialize)]
pub struct KeyRow {
    /// Its path, as regedit writes it.
    pub path: String,
    /// Its class, where it has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub class: String,
    /// When it was last changed, in 100 ns since 1601.
    pub last_write: u64,
    /// It is gone when the machine is switched off.
    pub volatile: bool,
    /// It is a symbolic link.
    pub link: bool,
    /// Owner, group and DACL in SDDL.
    pub security: String,
    /// Its values.
    pub values: Vec<ValueRow>,
}

/// A key and all below it, each before what is in it.
pub(super) fn walk(cm: &Registry, from: KeyId, depth: usize, visit: &mut impl FnMut(&str, &Node)) {
    let Some(path) = cm.path_of(from) else { return };
    let mut left = vec![(from, path, depth)];
    while let Some((id, path, depth)) = left.pop() {
        let Some(node) = cm.get(id) else { continue };
        visit(&path, node);
        if depth > 0 {
            let mut children: Vec<KeyId> = node.children().collect();
            children.reverse();
            for child in children {
                let name = cm.get(child).map_or_else(String::new, |node| String::from_utf16_lossy(&node.name));
                left.push((child, format!("{path}\\{name}"), depth - 1));
            }
        }
    }
}

/// A key and as much below it as `depth` says, as rows.
pub fn key_rows(cm: &Registry, from: KeyId, depth: usize) -> Vec<KeyRow> {
    let mut rows = Vec::new();
    walk(cm, from, depth, &mut |path, node| {
        rows.push(KeyRow {
            path: short_path(path),
            class: String::from_utf16_lossy(&node.class),
            last_write: node.last_write,
            volatile: node.volatile,
            link: node.link,
            security: node.security.to_sddl(Parts::OWNER | Parts::GROUP | Parts::DACL),
            values: node.values.iter().map(ValueRow::of).collect(),
        });
    });
    rows
}

/// The whole registry as JSON.
pub fn json(cm: &Registry) -> Result<String, String> {
    let rows = key_rows(cm, cm.root(), usize::MAX);
    serde_json::to_string_pretty(&rows).map(|text| text + "\n").map_err(|e| e.to_string())
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Where regedit breaks a line of bytes.
const LINE: usize = 76;

fn hex_lines(head: &str, bytes: &[u8]) -> String {
    let mut text = head.to_string();
    let mut column = head.chars().count();
    for (index, byte) in bytes.iter().enumerate() {
        let last = index + 1 == bytes.len();
        let _ = write!(text, "{byte:02x}{}", if last { "" } else { "," });
        column += 3;
        if column > LINE && !last {
            text.push_str("\\\r\n  ");
            column = 2;
        }
    }
    text
}

fn value_text(value: &Value) -> String {
    let name = String::from_utf16_lossy(&value.name);
    let head = if name.is_empty() { "@=".to_string() } else { format!("\"{}\"=", escaped(&name)) };
    match (value.kind, <[u8; 4]>::try_from(&*value.data), text(&value.data)) {
        (SZ, _, Some(text)) if !text.contains(['\r', '\n']) => format!("{head}\"{}\"", escaped(&text)),
        (DWORD, Ok(four), _) => format!("{head}dword:{:08x}", u32::from_le_bytes(four)),
        (3, ..) => hex_lines(&format!("{head}hex:"), &value.data),
        (kind, ..) => hex_lines(&format!("{head}hex({kind:x}):"), &value.data),
    }
}

/// The registry in the format of regedit's files, version 5.00: UTF-16 with a mark, lines that end in CR LF.
pub fn reg_text(cm: &Registry) -> Vec<u8> {
    let mut text = String::from("\u{feff}Windows Registry Editor Version 5.00\r\n");
    walk(cm, cm.root(), usize::MAX, &mut |path, node| {
        // What is above the root keys has no name in the format.
        let short = short_path(path);
        if short.starts_with('\\') || node.link {
            return;
        }
        let _ = write!(text, "\r\n[{short}]\r\n");
        node.values.iter().for_each(|value| text += &format!("{}\r\n", value_text(value)));
    });
    text += "\r\n";
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, kind: u32, data: &[u8]) -> String {
        value_text(&Value { name: name.encode_utf16().collect(), kind, data: data.into() })
    }

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    /// "How to add, modify, or delete registry subkeys and values by using a .reg file" (Microsoft Support) has these
    /// forms; where lines break is what regedit does.
    #[test]
    fn values_are_written_as_regedit_does() {
        assert_eq!(value("a\\b\"", SZ, &wide("C:\\x\0")), r#""a\\b\""="C:\\x""#);
        assert_eq!(value("", SZ, &wide("text\0")), r#"@="text""#);
        assert_eq!(value("n", DWORD, &[0x2a, 0, 0, 0]), r#""n"=dword:0000002a"#);
        assert_eq!(value("n", DWORD, &[1, 2]), r#""n"=hex(4):01,02"#, "a number of another length");
        assert_eq!(value("b", 3, &[1, 0xff]), r#""b"=hex:01,ff"#);
        assert_eq!(value("b", 3, &[]), r#""b"=hex:"#);
        assert_eq!(value("q", 11, &[1, 0, 0, 0, 0, 0, 0, 0]), r#""q"=hex(b):01,00,00,00,00,00,00,00"#);
        assert_eq!(value("e", 2, &wide("%a%\0")), r#""e"=hex(2):25,00,61,00,25,00,00,00"#);
        assert_eq!(value("s", SZ, &wide("no zero")).split('=').nth(1).map(|s| &s[..7]), Some("hex(1):"));
        let long = value("b", 3, &[0xaa; 30]);
        assert!(long.split("\r\n").all(|line| line.len() <= 80), "{long}");
    }
}
