//! `trapgate objects`: the tree of object directories.

use kernel_model::Kernel;
use kernel_model::body::Body;
use kernel_model::ob::{Body as _, Lookup, ObjectId, Walk};
use kernel_model::service::Unwind;
use serde::Serialize;

use super::bodies::{counted, hex, printable, title, units};
use super::html::{Cells, Column, Page};
use super::{Paint, Snapshot};

/// An object with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectRow {
    /// Its address.
    pub address: String,
    /// Its full path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// How many directories it is below the first row.
    pub depth: usize,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// A symbolic link's target.
    pub target: Option<String>,
    /// Its handles.
    pub handle_count: u32,
    /// Its references, as the header counts them.
    pub pointer_count: u64,
    /// It stays without handles.
    pub permanent: bool,
}

/// A part of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Objects {
    /// The Windows build.
    pub profile: &'static str,
    /// When it was taken.
    pub moment: String,
    /// The objects: each directory, and behind it what is in it, by name.
    pub rows: Vec<ObjectRow>,
    /// Directories with names in them that are deeper than was asked for.
    pub not_shown: usize,
}

/// The object at a path, whose case does not count. At the end of the path, a link itself or what it leads to.
pub(super) fn at_path(kernel: &Kernel, path: &str, link_itself: bool) -> Result<ObjectId, String> {
    let path_units: Vec<u16> = path.encode_utf16().collect();
    let walk =
        Walk { path: &path_units, ignore_case: true, link_itself, device_map: kernel.ob.device_map, ..Walk::default() };
    match kernel.ob.lookup(&walk) {
        Ok(Lookup::Found(id)) => Ok(id),
        Ok(Lookup::Parse { object, rest }) if rest.is_empty() => Ok(object),
        Ok(Lookup::Parse { object, .. }) => Err(match kernel.ob.type_of(object) {
            Some(kernel_model::ob::ObjectType::Key) => "a key: trapgate reg shows keys".to_string(),
            _ => "the device looks that up itself".to_string(),
        }),
        Ok(Lookup::Missing { .. }) => Err("STATUS_OBJECT_NAME_NOT_FOUND".to_string()),
        Err(Unwind::Status(status)) => Err(status.to_string()),
        Err(other) => Err(format!("{other:?}")),
    }
    .map_err(|status| format!("no object is called {}: {status}", printable(path)))
}

/// The tree below a directory, `depth` directories deep.
///
/// What is wrong with the path, in words.
pub fn objects(snapshot: &Snapshot, path: &str, depth: usize) -> Result<Objects, String> {
    let kernel = &snapshot.kernel;
    let top = at_path(kernel, path, false)?;
    if kernel.ob.get(top).and_then(|o| o.body.directory()).is_none() {
        let kind = kernel.ob.type_of(top).map_or("?", |t| t.name());
        let path = printable(path);
        return Err(format!("{path} is no directory, its type is {kind} (trapgate object {path} shows it)"));
    }
    let mut page =
        Objects { profile: kernel.profile.name, moment: snapshot.moment.clone(), rows: Vec::new(), not_shown: 0 };
    // What is still to be listed, the next on top. A guest can make directories as deep as it likes.
    let mut rest = vec![(top, title(kernel, top), 0)];
    while let Some((id, path, level)) = rest.pop() {
        let Some(object) = kernel.ob.get(id) else { continue };
        let name = match &object.name {
            Some((_, name)) if level > 0 => units(name),
            _ => path.clone(),
        };
        let below = object.body.directory().filter(|directory| !directory.is_empty());
        if level < depth {
            let parent = if path == "\\" { "" } else { path.as_str() };
            let mut children: Vec<(String, ObjectId)> = below
                .into_iter()
                .flat_map(|d| d.iter())
                .filter_map(|id| {
                    let (_, name) = kernel.ob.get(id)?.name.as_ref()?;
                    Some((units(name), id))
                })
                .collect();
            children.sort_by_cached_key(|(name, id)| (name.to_lowercase(), name.clone(), *id));
            rest.extend(children.into_iter().rev().map(|(name, id)| (id, format!("{parent}\\{name}"), level + 1)));
        } else if below.is_some() {
            page.not_shown += 1;
        }
        page.rows.push(ObjectRow {
            address: hex(kernel, kernel.address_of(id)),
            path,
            name,
            depth: level,
            kind: object.body.object_type().name(),
            target: if let Body::SymbolicLink(target) = &object.body { Some(units(target)) } else { None },
            handle_count: object.handle_count,
            pointer_count: object.pointer_count(),
            permanent: object.permanent,
        });
    }
    Ok(page)
}

/// Columns of names are no wider than this.
const WIDEST: usize = 56;

impl Objects {
    fn title(&self) -> String {
        format!("Objects of {}", self.profile)
    }

    fn note(&self) -> String {
        let mut note = format!("{}, taken {}", counted(self.rows.len(), "object"), self.moment);
        if self.not_shown > 0 {
            note += &format!("; what is in {} deeper directories is not shown", self.not_shown);
        }
        note
    }
}

/// The page as text.
pub fn objects_text(page: &Objects, paint: Paint) -> String {
    let indented = |row: &ObjectRow| format!("{}{}", "  ".repeat(row.depth), row.name);
    let width = page.rows.iter().map(|r| indented(r).chars().count()).max().unwrap_or(0).clamp(4, WIDEST);
    let digits = page.rows.first().map_or(18, |r| r.address.len());
    let mut text = format!(
        "{:<width$}  {:<12}  {:<digits$}  {:>7}  {:>8}  target\n",
        "name", "type", "address", "handles", "pointers"
    );
    for row in &page.rows {
        let name = format!("{:<width$}", indented(row));
        let name = if row.kind == "Directory" { paint.bold(&name) } else { name };
        let target = row.target.as_ref().map_or(String::new(), |t| format!("  -> {t}"));
        let line = format!(
            "{name}  {:<12}  {}  {:>7}  {:>8}{}",
            row.kind,
            row.address,
            row.handle_count,
            row.pointer_count,
            paint.dim(&target)
        );
        text += &format!("{}\n", line.trim_end());
    }
    text + &format!("{}\n", page.note())
}

/// The page for a browser.
pub fn objects_html(page: &Objects) -> String {
    let mut html = Page::new(&page.title(), &page.note());
    let columns = [
        Column("name", Cells::Text),
        Column("type", Cells::Text),
        Column("address", Cells::Text),
        Column("handles", Cells::Number),
        Column("pointers", Cells::Number),
        Column("target", Cells::Wide),
    ];
    html.table(
        &columns,
        page.rows.iter().map(|row| {
            vec![
                format!("{}{}", "   ".repeat(row.depth), row.name),
                row.kind.to_string(),
                row.address.clone(),
                row.handle_count.to_string(),
                row.pointer_count.to_string(),
                row.target.clone().unwrap_or_default(),
            ]
        }),
    );
    html.finish()
}
