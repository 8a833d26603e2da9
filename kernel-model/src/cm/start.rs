//! The registry as it is when the first process starts: a small set of keys and values that programs ask for, each with
//! what is true of this machine and build (`guest/data/registry.csv`).

use std::sync::Arc;

use guest::Profile;
use guest::registry::{RegistryRow, RowKind, rows_of};

use super::node::{KeyId, Node};
use super::parse::{LINK_VALUE, REG_LINK};
use super::registry::Registry;
use crate::ke::Clock;
use crate::ob::ObjectName;
use crate::se::{SecurityDescriptor, account};

/// The user whose hive is there: the one that the first process belongs to, unless it is another's.
const USER: u32 = 1001;
/// The descriptor of `\REGISTRY`.
const ROOT_SDDL: &str = "O:BAG:SYD:(A;CI;KR;;;WD)(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;CI;KR;;;RC)";
/// `REG_*` types whose data the table has in another form than text.
const BINARY: u32 = 3;
const DWORD: u32 = 4;
const MULTI_SZ: u32 = 7;
const QWORD: u32 = 11;

fn wide(text: &str) -> ObjectName {
    text.encode_utf16().collect()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A number, decimal or hexadecimal.
fn number(text: &str) -> u64 {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.unwrap_or(0)
}

fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().as_chunks::<2>().0;
    pairs.iter().filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// A value's data from the table's text.
fn data(kind: u32, text: &str) -> Vec<u8> {
    match kind {
        BINARY => hex(text),
        DWORD => (number(text) as u32).to_le_bytes().to_vec(),
        QWORD => number(text).to_le_bytes().to_vec(),
        MULTI_SZ if text.is_empty() => utf16("\0"),
        MULTI_SZ => utf16(&format!("{}\0\0", text.replace('|', "\0"))),
        REG_LINK => utf16(text),
        _ => utf16(&format!("{text}\0")),
    }
}

/// Descriptors of keys are inherited: what a hive's root has, its keys have, as far as it is passed on.
struct Setup {
    cm: Registry,
    profile: &'static Profile,
    sid: String,
    now: u64,
}

impl Setup {
    fn fill_in(&self, text: &str) -> String {
        if !text.contains('{') {
            return text.to_string();
        }
        let (major, minor, build) = self.profile.version;
        // CSDVersion has the service pack in its high byte.
        let csd = self.profile.service_pack() << 8;
        let text = text.replace("{sid}", &self.sid).replace("{csd}", &csd.to_string());
        let text = text.replace("{major}", &major.to_string()).replace("{minor}", &minor.to_string());
        text.replace("{build}", &build.to_string())
    }

    fn security(&self, row: &RegistryRow) -> Option<Arc<SecurityDescriptor>> {
        let text =
            matches!(row.kind, RowKind::Master | RowKind::Hive | RowKind::Volatile).then(|| self.fill_in(row.data))?;
        SecurityDescriptor::from_sddl(&text).ok().map(Arc::new)
    }

    /// The key of a row, made with all above it.
    fn key(&mut self, row: &RegistryRow) -> Option<KeyId> {
        let path = self.fill_in(row.key);
        let path = match path.split_once('\\') {
            Some(("HKLM", rest)) => format!("MACHINE\\{rest}"),
            Some(("HKU", rest)) => format!("USER\\{rest}"),
            _ if path == "HKLM" => "MACHINE".to_string(),
            _ => "USER".to_string(),
        };
        let names: Vec<&str> = path.split('\\').collect();
        let mut at = self.cm.root();
        for (index, name) in names.iter().enumerate() {
            let last = index + 1 == names.len();
            let name = wide(name);
            at = match self.cm.child(at, &name) {
                Some(child) => child,
                None => {
                    let above = self.cm.get(at)?;
                    let mut node = Node::new(&name, above.security.clone());
                    // What is in a hive that does not last does not last; `MACHINE` and `USER` are in none.
                    (node.last_write, node.volatile) = (self.now, above.volatile && above.depth > 1);
                    if last {
                        self.adapt(&mut node, row);
                    }
                    self.cm.add(at, node).ok()?
                }
            };
        }
        Some(at)
    }

    fn adapt(&self, node: &mut Node, row: &RegistryRow) {
        if let Some(security) = self.security(row) {
            node.security = security;
        }
        node.fixed = matches!(row.kind, RowKind::Master | RowKind::Hive | RowKind::Volatile);
        node.volatile |= matches!(row.kind, RowKind::Master | RowKind::Volatile | RowKind::Transient);
        node.link = row.kind == RowKind::Link;
        // S-1-5-18 lies above the hives, where what is not one does not last.
        node.volatile |= node.link && row.key.starts_with("HKU\\S-");
    }

    fn enter(&mut self, row: &RegistryRow) -> Option<()> {
        let id = self.key(row)?;
        let (name, kind) = match row.kind {
            RowKind::Value(kind) => (row.name, kind),
            RowKind::Link => (LINK_VALUE, REG_LINK),
            _ => return Some(()),
        };
        let bytes = data(kind, &self.fill_in(row.data));
        self.cm.charge(bytes.len() as u64 + 2 * name.len() as u64).ok()?;
        self.cm.get_mut(id)?.values.set(&wide(name), kind, bytes.into());
        Some(())
    }
}

impl Registry {
    /// The registry of a build that has just booted.
    pub fn boot(profile: &'static Profile) -> Self {
        let clock = Clock::default();
        let now = clock.system_time_at(clock.interrupt_time());
        let security = SecurityDescriptor::from_sddl(ROOT_SDDL).unwrap_or_default();
        let root = Node { last_write: now, ..Node::new(&wide("REGISTRY"), Arc::new(security)) };
        let mut setup = Setup { cm: Self::new(root), profile, sid: account(USER).to_string(), now };
        for row in rows_of(profile) {
            // A row of the table that says nothing is found by the tests.
            let _ = setup.enter(row);
        }
        setup.cm
    }
}
