//! What the options about the registry do, and the command that shows it.

use std::path::Path;

use super::args::{RegOptions, RegistryOptions};
use super::commands::Outcome;
use super::{files, names, pages};
use crate::machine::Machine;
use crate::registry::{self, HiveFile, KeyRow};
use crate::view::{Paint, Snapshot};

/// The hive files that are named.
pub(super) fn hives(options: &[String]) -> Result<Vec<HiveFile>, String> {
    options.iter().map(|option| HiveFile::open(option)).collect()
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}

/// Writes what is asked for of the registry that a run leaves.
pub(super) fn save(options: &RegistryOptions, machine: &Machine) -> Result<(), String> {
    let (before, after) = (machine.registry_at_start(), &machine.kernel().cm);
    if let Some(path) = &options.reg_out {
        let bytes = if is_json(path) { registry::json(after)?.into_bytes() } else { registry::reg_text(after) };
        files::write(path, &bytes)?;
    }
    if let Some(path) = &options.reg_diff {
        let changes = registry::changes(before, after);
        let text = if is_json(path) {
            serde_json::to_string_pretty(&changes).map_err(|e| e.to_string())? + "\n"
        } else {
            registry::changes_text(&changes)
        };
        files::write(path, text.as_bytes())?;
    }
    Ok(())
}

/// `trapgate reg`.
pub(super) fn reg(options: &RegOptions) -> Outcome {
    let mut kernel = Snapshot::boot(names::profile(&options.profile.profile)?).kernel;
    for hive in hives(&options.hive)? {
        registry::mount(&mut kernel.cm, &hive).map_err(|e| e.to_string())?;
    }
    let path = options.path.as_deref().map_or(Ok("\\REGISTRY".into()), registry::full_path)?;
    let from = kernel.cm.find(&path).ok_or_else(|| format!("{}: no such key", registry::short_path(&path)))?;
    let rows = registry::key_rows(&kernel.cm, from, options.depth);
    pages::page(options.json, &rows, |paint| text(&rows, paint))
}

fn text(rows: &[KeyRow], paint: Paint) -> String {
    let mut text = String::new();
    for row in rows {
        let mut head = row.path.clone();
        if row.link {
            head += "  (link)";
        }
        if row.volatile {
            head += "  (volatile)";
        }
        text += &format!("{}\n", paint.bold(&head));
        let width = row.values.iter().map(|value| value.title().chars().count()).max().unwrap_or(0).min(32);
        for value in &row.values {
            text += &format!("    {:<width$}  {:<13}  {}\n", value.title(), value.kind, value.data.line());
        }
    }
    text
}
