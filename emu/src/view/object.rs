//! `trapgate object`: one object with its header, its body, its security, and who holds it.

use kernel_model::Kernel;
use kernel_model::body::Body;
use kernel_model::ob::{Body as _, ObjectId};
use kernel_model::se::{AuditEvent, AuditKind, Parts};
use serde::Serialize;

use super::bodies::{body, counted, hex, printable, title, units};
use super::handles::{HandleRow, all_handles};
use super::html::{Cells, Column, Page};
use super::objects::at_path;
use super::{Paint, Snapshot};

/// Pointers to an object that are not handles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct References {
    /// How many.
    pub count: u64,
    /// Whose.
    pub whose: &'static str,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectPage {
    /// The Windows build.
    pub profile: &'static str,
    /// When it was taken.
    pub moment: String,
    /// Its address.
    pub address: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its path; `null`: it has no name.
    pub name: Option<String>,
    /// What an object without a name stands for, where that can be told.
    pub stands_for: Option<String>,
    /// `HandleCount`.
    pub handle_count: u32,
    /// `PointerCount`, as the header has it.
    pub pointer_count: u64,
    /// How many of those references are in store in handles, taken ahead of their use.
    pub in_store: u64,
    /// How many there are without them.
    pub true_references: u64,
    /// `permanent` or `temporary`, `exclusive`.
    pub flags: Vec<&'static str>,
    /// What is in its body.
    pub body: Vec<String>,
    /// Its security descriptor in SDDL.
    pub security: Option<String>,
    /// What was audited of it; of a process, what its calls had audited.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audits: Vec<String>,
    /// The handles to it.
    pub handles: Vec<HandleRow>,
    /// Who else points to it.
    pub references: Vec<References>,
}

/// The object that somebody means: by address, by path, or by a name that only one object has.
///
/// What is wrong, in words.
fn find(kernel: &Kernel, what: &str) -> Result<ObjectId, String> {
    if what.starts_with('\\') {
        return at_path(kernel, what, true);
    }
    match address(what).map(|address| (address, kernel.object_at(address))) {
        Some((_, Some(id))) => return Ok(id),
        Some((address, None)) if what.starts_with("0x") => {
            return Err(format!("no object is at {}", hex(kernel, address)));
        }
        _ => {}
    }
    let wanted = what.to_lowercase();
    let named = |id: ObjectId| {
        let own = kernel.ob.get(id).and_then(|o| o.name.as_ref());
        own.is_some_and(|(_, name)| units(name).to_lowercase() == wanted)
    };
    let found: Vec<ObjectId> = kernel.ob.iter().map(|(id, _)| id).filter(|id| named(*id)).collect();
    let shown = printable(what);
    match found.as_slice() {
        [] => Err(format!("no object is called {shown}")),
        [only] => Ok(*only),
        several => {
            let paths: Vec<String> = several.iter().take(4).map(|id| title(kernel, *id)).collect();
            let more = if several.len() > 4 { " and others" } else { "" };
            Err(format!("{} objects are called {shown}: {}{more}", several.len(), paths.join(", ")))
        }
    }
}

/// An address as debuggers print it: `0x` and digits, or eight digits and more, perhaps with a grave accent among them.
/// What has no `0x` may be a name too.
fn address(text: &str) -> Option<u64> {
    let digits = text.replace('`', "");
    match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if digits.len() >= 8 => u64::from_str_radix(&digits, 16).ok(),
        None => None,
    }
}

/// The references that are no handle's.
fn references(kernel: &Kernel, id: ObjectId) -> Vec<References> {
    let Some(object) = kernel.ob.get(id) else { return Vec::new() };
    let name = u64::from(object.name.is_some());
    let names = object.body.directory().map_or(0, |d| d.len() as u64);
    let rest = object.references.saturating_sub(u64::from(object.handle_count) + name + names);
    let all = [(name, "its name"), (names, "names in it"), (rest, "the kernel's own")];
    all.into_iter().filter(|(count, _)| *count > 0).map(|(count, whose)| References { count, whose }).collect()
}

/// The audit events about an object, or caused by a process.
fn audits(kernel: &Kernel, id: ObjectId) -> Vec<String> {
    let process = match kernel.ob.get(id).map(|object| &object.body) {
        Some(Body::Process(process)) => Some(process.id.0),
        _ => None,
    };
    let mine = |event: &&AuditEvent| event.object == Some(id.0) || process == Some(event.process);
    kernel.se.audits.iter().filter(mine).map(audit_line).collect()
}

fn audit_line(event: &AuditEvent) -> String {
    let what = match event.kind {
        AuditKind::Open => "open",
        AuditKind::Close => "close",
        AuditKind::Delete => "delete",
        AuditKind::PrivilegedService => "privileged service",
        AuditKind::PrivilegedObject => "privileged object",
    };
    let mut line = format!("{} {what}", event.kind.event_id());
    for text in [&event.subsystem, &event.object_type, &event.object_name].into_iter().filter(|text| !text.is_empty()) {
        line += &format!(" {}", printable(text));
    }
    line += &format!(" by {}", event.user.0.name().map_or_else(|| event.user.0.to_string(), String::from));
    if event.access.0 != 0 {
        line += &format!(", {}", event.access.describe(&event.object_type));
    }
    for privilege in event.privileges.iter() {
        line += &format!(", {}", privilege.name());
    }
    let outcome = if event.success { "allowed" } else { "refused" };
    line + &format!(": {outcome}, {}", if event.logged { "logged" } else { "no policy logs it" })
}

/// One object, meant by address, path or name.
///
/// What is wrong with that, in words.
pub fn object(snapshot: &Snapshot, what: &str) -> Result<ObjectPage, String> {
    let kernel = &snapshot.kernel;
    let none = || format!("no object is called {}", printable(what));
    let id = find(kernel, what)?;
    let object = kernel.ob.get(id).ok_or_else(none)?;
    let title = title(kernel, id);
    let (name, stands_for) =
        if object.name.is_some() || id == kernel.ob.root() { (Some(title), None) } else { (None, Some(title)) };
    let address = hex(kernel, kernel.address_of(id));
    let held = all_handles(kernel).into_iter().filter(|row| row.address == address);
    let flags =
        [Some(if object.permanent { "permanent" } else { "temporary" }), object.exclusive.then_some("exclusive")];
    let parts = Parts::OWNER | Parts::GROUP | Parts::DACL | Parts::SACL | Parts::LABEL;
    Ok(ObjectPage {
        profile: kernel.profile.name,
        moment: snapshot.moment.clone(),
        address: address.clone(),
        kind: object.body.object_type().name(),
        name,
        stands_for: stands_for.filter(|text| !text.is_empty()),
        handle_count: object.handle_count,
        pointer_count: object.pointer_count(),
        in_store: object.cached,
        true_references: object.references,
        flags: flags.into_iter().flatten().collect(),
        body: body(kernel, id),
        security: object.security.as_ref().map(|security| security.to_sddl(parts)),
        audits: audits(kernel, id),
        handles: held.collect(),
        references: references(kernel, id),
    })
}

impl ObjectPage {
    fn facts(&self) -> Vec<(&'static str, String)> {
        let name = match (&self.name, &self.stands_for) {
            (Some(name), _) => name.clone(),
            (None, Some(what)) => format!("none; it stands for {what}"),
            (None, None) => "none".into(),
        };
        let pointers = match self.in_store {
            0 => self.pointer_count.to_string(),
            stored => format!(
                "{}, of which {stored} in store in handles: {} true references",
                self.pointer_count, self.true_references
            ),
        };
        let mut facts = vec![
            ("type", self.kind.to_string()),
            ("name", name),
            ("handle count", self.handle_count.to_string()),
            ("pointer count", pointers),
            ("flags", self.flags.join(", ")),
        ];
        facts.extend(self.body.iter().enumerate().map(|(i, line)| (if i == 0 { "body" } else { "" }, line.clone())));
        facts.push(("security", self.security.clone().unwrap_or_else(|| "no descriptor".into())));
        facts
            .extend(self.audits.iter().enumerate().map(|(i, line)| (if i == 0 { "audits" } else { "" }, line.clone())));
        facts
    }

    fn holders(&self) -> Vec<[String; 2]> {
        let handles = self.handles.iter().map(|h| {
            let attributes =
                if h.attributes.is_empty() { String::new() } else { format!(", {}", h.attributes.join(",")) };
            let whose = format!("{} ({:#x})", h.process, h.pid);
            [whose, format!("handle {}, access {} {}{attributes}", h.handle, h.access, h.decoded_access)]
        });
        let others = self.references.iter().map(|r| [r.whose.to_string(), counted(r.count as usize, "reference")]);
        handles.chain(others).collect()
    }
}

/// The object as text.
pub fn object_text(page: &ObjectPage, paint: Paint) -> String {
    let mut text = format!("{} at {}\n", paint.name(page.kind), page.address);
    for (what, value) in page.facts().iter().skip(1) {
        text += &format!("  {what:<14} {value}\n");
    }
    let holders = page.holders();
    let width = holders.iter().map(|h| h[0].chars().count()).max().unwrap_or(0);
    for (i, [who, how]) in holders.iter().enumerate() {
        text += &format!("  {:<14} {who:<width$}  {how}\n", if i == 0 { "held by" } else { "" });
    }
    text + &format!("taken {}\n", page.moment)
}

/// The object for a browser.
pub fn object_html(page: &ObjectPage) -> String {
    let what = page.name.as_ref().or(page.stands_for.as_ref()).map_or(page.address.as_str(), String::as_str);
    let mut html = Page::new(&format!("{} {what}", page.kind), &format!("{}, taken {}", page.profile, page.moment));
    let facts = std::iter::once(("address", page.address.clone())).chain(page.facts());
    html.table(
        &[Column("", Cells::Text), Column("header, body, security", Cells::Wide)],
        facts.map(|(what, value)| vec![what.to_string(), value]),
    );
    html.heading("Held by");
    html.table(&[Column("who", Cells::Text), Column("how", Cells::Wide)], page.holders().into_iter().map(Vec::from));
    html.finish()
}
