//! `trapgate profiles`: the Windows builds a machine can be.

use guest::services::ServiceTableId;
use guest::{Arch, Profile};
use serde::Serialize;

use super::Paint;

/// One profile.
#[derive(Clone, Debug, Serialize)]
pub struct ProfileRow {
    /// The name for `--profile`.
    pub name: &'static str,
    /// The name a person would use.
    pub description: &'static str,
    /// `x86` or `x64`.
    pub arch: &'static str,
    /// How its stubs are made.
    pub stub_style: &'static str,
    /// How the stubs of its 32-bit ntdll are made; `null` on a 32-bit kernel.
    pub wow64_stub_style: Option<&'static str>,
    /// Rows of the NT table.
    pub nt: usize,
    /// Rows of the win32k table.
    pub win32k: usize,
    /// The gates that lead into the kernel.
    pub gates: Vec<&'static str>,
    /// It is used where none is named.
    pub default: bool,
}

/// Every profile of these architectures, in the order of the data: by release, the 32-bit build first.
pub fn profile_rows(archs: &[Arch]) -> Vec<ProfileRow> {
    let row = |p: &'static Profile| {
        let wow64 = p.wow64.as_ref().map(|w| w.stub_style);
        ProfileRow {
            name: p.name,
            description: p.description,
            arch: p.arch.name(),
            stub_style: p.stub_style.name,
            wow64_stub_style: wow64.map(|style| style.name),
            nt: p.table_size(ServiceTableId::Nt),
            win32k: p.table_size(ServiceTableId::Win32k),
            gates: [p.stub_style.gates, wow64.map_or(&[], |style| style.gates)].concat(),
            default: p.name == Profile::DEFAULT,
        }
    };
    Profile::all().iter().filter(|p| archs.contains(&p.arch)).map(row).collect()
}

/// The rows as a listing.
pub fn profiles_text(rows: &[ProfileRow], paint: Paint) -> String {
    let cells = |row: &ProfileRow| {
        let wow64 = row.wow64_stub_style.unwrap_or("-").to_string();
        // The name says the architecture.
        let build = row.description.trim_end_matches(row.arch).trim_end();
        let build = format!("{build}{}", if row.default { ", the default" } else { "" });
        let (nt, win32k) = (row.nt.to_string(), row.win32k.to_string());
        [row.name.to_string(), row.stub_style.to_string(), wow64, nt, win32k, row.gates.join(", "), build]
    };
    let head = ["profile", "stubs", "wow64 stubs", "nt", "win32k", "gates", "build"].map(String::from);
    let lines: Vec<[String; 7]> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for (i, [name, stubs, wow64, nt, win32k, gates, build]) in lines.iter().enumerate() {
        let [w0, w1, w2, w3, w4, w5, _] = widths;
        let name = format!("{name:<w0$}");
        let name = if i == 0 { name } else { paint.name(&name) };
        text += &format!("{name}  {stubs:<w1$}  {wow64:<w2$}  {nt:>w3$}  {win32k:>w4$}  {gates:<w5$}  {build}\n");
    }
    text
}
