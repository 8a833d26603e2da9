//! The guest's files: which of the host's folders it sees, and what it leaves behind.

use std::path::{Path, PathBuf};

use clap::Args;
use kernel_model::io::{Change, Mount};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::files;
use crate::machine::{Config, Machine, MappedFolder};

#[derive(Debug, Args)]
pub struct FileOptions {
    /// Show the guest a folder of the host's; it may change what is in there only with :rw
    #[arg(long, value_name = "D:\\in=DIR[:rw]", value_parser = mapped)]
    pub map: Vec<MappedFolder>,
    /// Size of the guest's C: in MiB; only what is written takes memory
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub disk: Option<u64>,
    /// Write a list of the files that the guest made, changed or deleted, as JSON
    #[arg(long, value_name = "FILE")]
    pub files: Option<PathBuf>,
    /// Copy a file that the guest has left on C: to the host
    #[arg(long, value_name = "C:\\path=FILE", value_parser = saved)]
    pub save: Vec<(String, PathBuf)>,
}

/// `D:\in=DIR`, `D:\in=DIR:rw` or `D:=DIR`.
fn mapped(text: &str) -> Result<MappedFolder, String> {
    let (guest, host) = text.split_once('=').ok_or("no = between the guest's folder and the host's")?;
    let mount = Mount::parse(guest).ok_or_else(|| format!("{guest}: no folder of a drive, like D:\\in"))?;
    let (host, writable) = match host.strip_suffix(":rw") {
        Some(host) => (host, true),
        None => (host.strip_suffix(":ro").unwrap_or(host), false),
    };
    if host.is_empty() {
        return Err("no folder of the host's behind the =".into());
    }
    Ok(MappedFolder { mount, host: host.into(), writable })
}

fn saved(text: &str) -> Result<(String, PathBuf), String> {
    let (guest, host) = text.split_once('=').ok_or("no = between the guest's file and the host's")?;
    if host.is_empty() || !guest.contains(":\\") {
        return Err(format!("{text}: not like C:\\out.txt=out.txt"));
    }
    Ok((guest.to_string(), host.into()))
}

impl FileOptions {
    /// Gives a machine its folders.
    pub(super) fn apply(&self, config: &mut Config) {
        config.folders.clone_from(&self.map);
        if let Some(disk) = self.disk {
            config.disk = disk << 20;
        }
    }

    /// Writes what was asked for once the machine has stopped.
    pub(super) fn leave(&self, machine: &Machine) -> Result<(), String> {
        for (guest, host) in &self.save {
            let kernel = machine.kernel();
            let place = kernel.file_at(guest);
            let bytes = place.and_then(|place| kernel.file_bytes(place));
            let bytes = bytes.ok_or_else(|| format!("{guest}: the guest has left no such file"))?;
            files::write(host, &bytes)?;
        }
        self.files.as_deref().map_or(Ok(()), |path| list(machine, path))
    }
}

/// One file of the list.
#[derive(Serialize)]
struct Row {
    path: String,
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

fn list(machine: &Machine, path: &Path) -> Result<(), String> {
    let kernel = machine.kernel();
    let row = |(path, change): (&str, Change)| {
        let there = if change == Change::Deleted { None } else { machine.file_bytes(path) };
        Row {
            path: path.to_string(),
            change: change.word(),
            size: there.as_ref().map(|bytes| bytes.len() as u64),
            sha256: there.map(|bytes| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    };
    let rows: Vec<Row> = kernel.io.journal.iter().map(row).collect();
    let mut text = serde_json::to_string_pretty(&rows).map_err(|e| e.to_string())?;
    text.push('\n');
    files::write(path, text.as_bytes())
}
