//! `trapgate ssdt`: the service tables with what there is of each service.

use guest::Profile;
use guest::convention::row_bits;
use kernel_model::kernel::services;
use kernel_model::service::{Row, ServiceTable};
use serde::Serialize;

use super::Paint;

/// One row of a service table.
#[derive(Clone, Debug, Serialize)]
pub struct SsdtRow {
    /// The service number, with the table's bits.
    pub number: u32,
    /// `nt` or `win32k`.
    pub table: &'static str,
    /// The NT name.
    pub name: &'static str,
    /// Arguments in this build: 8-byte words, 4-byte slots on x86; `null` where nobody has published the count.
    pub args: Option<u32>,
    /// The prototype's arguments: type and name. Empty where there is none, or it has not as many as the build says.
    pub signature: Vec<String>,
    /// `full`, `partial` or `none`.
    pub support: &'static str,
    /// What is missing.
    pub gap: &'static str,
}

fn row(profile: &Profile, row: &Row) -> SsdtRow {
    let service = profile.service(row.info.table, row_bits(row.number()));
    let signature = service.and_then(|s| s.signature(profile.arch)).unwrap_or(&[]);
    SsdtRow {
        number: row.number(),
        table: row.info.table.name(),
        name: row.info.name,
        args: service.and_then(|s| s.words(profile.arch)),
        signature: signature.iter().map(|a| format!("{} {}", a.ty, a.name)).collect(),
        support: row.support().level(),
        gap: row.support().gap(),
    }
}

/// Every row of a profile.
pub fn ssdt_rows(profile: &'static Profile) -> Vec<SsdtRow> {
    ServiceTable::new(profile, services()).rows().map(|r| row(profile, r)).collect()
}

/// The services that are written, whatever the build, as a page of Markdown (`docs/services.md`).
pub fn written_services() -> String {
    let mut written: Vec<_> = services().map(|s| (s.name, s.support.level(), s.support.gap())).collect();
    written.sort_unstable();
    let full = written.iter().filter(|(_, level, _)| *level == "full").count();
    let mut text = format!(
        "# The services that are written\n\nMade by `trapgate ssdt --written`. {} NT services: {full} full, {} partial, of which \
         the gap is named. Every other service\nanswers STATUS_NOT_IMPLEMENTED, and is told of in one line.\n\n\
         | service | support | what is missing |\n| --- | --- | --- |\n",
        written.len(),
        written.len() - full
    );
    for (name, level, gap) in written {
        text += &format!("| {name} | {level} | {gap} |\n");
    }
    text
}

/// The rows as a listing, and a line of totals.
pub fn ssdt_text(rows: &[SsdtRow], paint: Paint) -> String {
    let mut text = format!("{:>6}  {:<6}  {:<48} {:>4}  {:<7}  gap\n", "number", "table", "service", "args", "support");
    let mut counts = [0; 3];
    for row in rows {
        let args = row.args.map_or("?".to_string(), |n| n.to_string());
        let level = format!("{:<7}", row.support);
        let (index, level) = match row.support {
            "full" => (0, paint.good(&level)),
            "partial" => (1, paint.warn(&level)),
            _ => (2, paint.dim(&level)),
        };
        counts[index] += 1;
        let gap = if row.support == "none" { "" } else { row.gap };
        let line = format!("{:#6x}  {:<6}  {:<48} {args:>4}  {level}  {gap}", row.number, row.table, row.name);
        text += line.trim_end();
        text.push('\n');
    }
    let [full, partial, none] = counts;
    text + &format!("{} services: {full} full, {partial} partial, {none} not written\n", rows.len())
}
