//! `trapgate profiles`: the Windows builds a machine can be.

use guest::Profile;
use guest::services::ServiceTableId;
use serde::Serialize;

use super::Paint;

/// One profile.
#[derive(Clone, Debug, Serialize)]
pub struct ProfileRow {
    /// The name for `--profile`.
    pub name: &'static str,
    /// The name a person would use.
    pub description: &'static str,
    /// How its stubs are made.
    pub stub_style: &'static str,
    /// Rows of the NT table.
    pub nt: usize,
    /// Rows of the win32k table.
    pub win32k: usize,
    /// The gates that lead into the kernel.
    pub gates: &'static [&'static str],
}

/// Every profile.
pub fn profile_rows() -> Vec<ProfileRow> {
    let row = |p: &'static Profile| ProfileRow {
        name: p.name,
        description: p.description,
        stub_style: p.stub_style.name,
        nt: p.table_size(ServiceTableId::Nt),
        win32k: p.table_size(ServiceTableId::Win32k),
        gates: p.stub_style.gates,
    };
    Profile::all().iter().map(row).collect()
}

/// The rows as a listing.
pub fn profiles_text(rows: &[ProfileRow], paint: Paint) -> String {
    let mut text =
        format!("{:<16}  {:<14}  {:>4}  {:>6}  {:<14}  build\n", "profile", "stubs", "nt", "win32k", "gates");
    for row in rows {
        let name = paint.name(&format!("{:<16}", row.name));
        let gates = row.gates.join(", ");
        text += &format!(
            "{name}  {:<14}  {:>4}  {:>6}  {gates:<14}  {}\n",
            row.stub_style, row.nt, row.win32k, row.description
        );
    }
    text
}
