//! Values as they are shown.

use kernel_model::cm::Value;
use serde::Serialize;

/// `REG_*` by number.
const TYPES: [&str; 12] = [
    "REG_NONE",
    "REG_SZ",
    "REG_EXPAND_SZ",
    "REG_BINARY",
    "REG_DWORD",
    "REG_DWORD_BIG_ENDIAN",
    "REG_LINK",
    "REG_MULTI_SZ",
    "REG_RESOURCE_LIST",
    "REG_FULL_RESOURCE_DESCRIPTOR",
    "REG_RESOURCE_REQUIREMENTS_LIST",
    "REG_QWORD",
];
pub(super) const SZ: u32 = 1;
const EXPAND_SZ: u32 = 2;
pub(super) const DWORD: u32 = 4;
const LINK: u32 = 6;
const MULTI_SZ: u32 = 7;
const QWORD: u32 = 11;

/// Data, by what its type says it is, as far as that is so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// A text that ends where its data does.
    Text(String),
    /// Texts.
    List(Vec<String>),
    /// A number.
    Number(u64),
    /// Anything else: bytes in hexadecimal.
    Hex(String),
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueRow {
    /// Its name; empty: the default value.
    pub name: String,
    /// `REG_SZ` and so on, or the number.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its data.
    pub data: Data,
}

/// Bytes in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn units(bytes: &[u8]) -> Option<Vec<u16>> {
    let (units, rest) = bytes.as_chunks();
    rest.is_empty().then(|| units.iter().map(|unit| u16::from_le_bytes(*unit)).collect())
}

/// A text with its zero, and none inside.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let units = units(bytes)?;
    let text = String::from_utf16(units.strip_suffix(&[0])?).ok()?;
    (!text.contains('\0')).then_some(text)
}

fn list(bytes: &[u8]) -> Option<Vec<String>> {
    let text = String::from_utf16(&units(bytes)?).ok()?;
    if text == "\0" {
        return Some(Vec::new());
    }
    let parts: Vec<String> = text.strip_suffix("\0\0")?.split('\0').map(str::to_string).collect();
    parts.iter().all(|part| !part.is_empty()).then_some(parts)
}

/// A text that a guest chose, on one line.
pub(super) fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

impl Data {
    /// From a value.
    pub fn of(value: &Value) -> Self {
        let bytes: &[u8] = &value.data;
        let known = match value.kind {
            SZ | EXPAND_SZ => text(bytes).map(Self::Text),
            LINK => units(bytes).and_then(|units| String::from_utf16(&units).ok()).map(Self::Text),
            MULTI_SZ => list(bytes).map(Self::List),
            DWORD => bytes.try_into().ok().map(|four| Self::Number(u32::from_le_bytes(four).into())),
            QWORD => bytes.try_into().ok().map(|eight| Self::Number(u64::from_le_bytes(eight))),
            _ => None,
        };
        known.unwrap_or_else(|| Self::Hex(hex(bytes)))
    }

    /// In one line.
    pub fn line(&self) -> String {
        match self {
            Self::Text(text) => format!("\"{}\"", printable(text)),
            Self::List(list) => {
                let parts: Vec<String> = list.iter().map(|part| format!("\"{}\"", printable(part))).collect();
                format!("[{}]", parts.join(", "))
            }
            Self::Number(number) => format!("{number:#x} ({number})"),
            Self::Hex(hex) if hex.len() > 128 => {
                format!("{}… ({} bytes)", hex.get(..128).unwrap_or(""), hex.len() / 2)
            }
            Self::Hex(hex) => hex.clone(),
        }
    }
}

impl ValueRow {
    /// From a value.
    pub fn of(value: &Value) -> Self {
        let kind = TYPES.get(value.kind as usize).map_or_else(|| format!("{:#x}", value.kind), ToString::to_string);
        Self { name: String::from_utf16_lossy(&value.name), kind, data: Data::of(value) }
    }

    /// Its name, or what regedit writes for the default value.
    pub fn title(&self) -> String {
        if self.name.is_empty() { "(default)".into() } else { printable(&self.name) }
    }
}
