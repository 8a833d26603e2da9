//! What changed between two moments of a registry.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kernel_model::cm::{Node, Registry};
use serde::Serialize;

use super::data::{ValueRow, printable};
use super::export::walk;
use super::names::short_path;

/// How a thing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Deleted,
    /// It is another.
    Changed,
}

/// A value that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueChange {
    /// How.
    pub change: Change,
    /// As it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<ValueRow>,
    /// As it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<ValueRow>,
}

/// A key that changed, or whose values did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyChange {
    /// The key.
    pub path: String,
    /// How it changed.
    pub change: Change,
    /// Its descriptor is another.
    pub security: bool,
    /// Its values, as far as they changed.
    pub values: Vec<ValueChange>,
}

/// All that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// The keys, by path.
    pub keys: Vec<KeyChange>,
}

fn by_path(cm: &Registry) -> BTreeMap<String, (String, Node)> {
    let mut keys = BTreeMap::new();
    walk(cm, cm.root(), usize::MAX, &mut |path, node| {
        keys.insert(path.to_uppercase(), (path.to_string(), node.clone()));
    });
    keys
}

fn value_changes(before: Option<&Node>, after: Option<&Node>) -> Vec<ValueChange> {
    let values = |node: Option<&Node>| node.map_or_else(Vec::new, |node| node.values.iter().cloned().collect());
    let (old, new) = (values(before), values(after));
    let mut changes = Vec::new();
    for value in &old {
        let now = after.and_then(|node| node.values.get(&value.name));
        if now == Some(value) {
            continue;
        }
        let change = if now.is_some() { Change::Changed } else { Change::Deleted };
        changes.push(ValueChange { change, before: Some(ValueRow::of(value)), after: now.map(ValueRow::of) });
    }
    for value in new.iter().filter(|value| before.is_none_or(|node| node.values.get(&value.name).is_none())) {
        changes.push(ValueChange { change: Change::Added, before: None, after: Some(ValueRow::of(value)) });
    }
    changes
}

/// What changed from one registry to another.
pub fn changes(before: &Registry, after: &Registry) -> Changes {
    let (old, new) = (by_path(before), by_path(after));
    let mut paths: Vec<&String> = old.keys().chain(new.keys()).collect();
    paths.sort();
    paths.dedup();
    let mut keys = Vec::new();
    for path in paths {
        let (was, is) = (old.get(path), new.get(path));
        let change = match (was, is) {
            (None, _) => Change::Added,
            (_, None) => Change::Deleted,
            _ => Change::Changed,
        };
        let values = value_changes(was.map(|k| &k.1), is.map(|k| &k.1));
        let security = was.zip(is).is_some_and(|(was, is)| was.1.security != is.1.security);
        let shown = is.or(was).map_or("", |key| &key.0);
        if change != Change::Changed || security || !values.is_empty() {
            keys.push(KeyChange { path: short_path(shown), change, security, values });
        }
    }
    Changes { keys }
}

const fn sign(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Deleted => '-',
        Change::Changed => '~',
    }
}

/// The same for people: one line for each key and value.
pub fn changes_text(changes: &Changes) -> String {
    let mut text = String::new();
    for key in &changes.keys {
        let _ = writeln!(text, "{} {}", sign(key.change), printable(&key.path));
        if key.security {
            let _ = writeln!(text, "  ~ its security descriptor");
        }
        for value in &key.values {
            let shown = value.before.as_ref().or(value.after.as_ref()).map_or_else(String::new, ValueRow::title);
            let told = |row: &ValueRow| format!("{} {}", row.kind, row.data.line());
            let line: Vec<String> = value.before.iter().chain(&value.after).map(told).collect();
            let _ = writeln!(text, "  {} {shown} = {}", sign(value.change), line.join(" -> "));
        }
    }
    if text.is_empty() { "nothing\n".into() } else { text }
}
