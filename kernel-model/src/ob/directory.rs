//! Object directories and the walk from a path to an object.

use std::collections::BTreeMap;

use guest::NtStatus;

use super::manager::{Body, ObjectId, ObjectManager};

/// A name of UTF-16 code units, without terminator.
pub type ObjectName = Vec<u16>;

const SEPARATOR: u16 = b'\\' as u16;
/// How many symbolic links one look-up follows.
const MAX_REPARSE: usize = 32;

/// A directory: names to objects.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// By upper-case name, so that both kinds of look-up are one search.
    entries: BTreeMap<ObjectName, Vec<(ObjectName, ObjectId)>>,
}

/// `RtlUpcaseUnicodeChar` for what one UTF-16 unit can hold: a mapping to one unit, or none.
fn upcase(unit: u16) -> u16 {
    let Some(c) = char::from_u32(unit.into()) else { return unit };
    let mut upper = c.to_uppercase();
    match (upper.next().and_then(|u| u16::try_from(u32::from(u)).ok()), upper.next()) {
        (Some(u), None) => u,
        _ => unit,
    }
}

fn upcase_name(name: &[u16]) -> ObjectName {
    name.iter().copied().map(upcase).collect()
}

impl Directory {
    /// The object under a name.
    pub fn get(&self, name: &[u16], ignore_case: bool) -> Option<ObjectId> {
        let same = self.entries.get(&upcase_name(name))?;
        let found = same.iter().find(|(n, _)| ignore_case || n == name);
        found.map(|(_, id)| *id)
    }

    /// Enters an object under a name.
    pub fn insert(&mut self, name: ObjectName, object: ObjectId) {
        self.entries.entry(upcase_name(&name)).or_default().push((name, object));
    }

    /// Takes a name out.
    pub fn remove(&mut self, name: &[u16]) {
        let key = upcase_name(name);
        if let Some(same) = self.entries.get_mut(&key) {
            same.retain(|(n, _)| n != name);
            if same.is_empty() {
                self.entries.remove(&key);
            }
        }
    }
}

/// Where a look-up ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The object is there.
    Found(ObjectId),
    /// Its directory is there, and no such name in it.
    Missing {
        /// The directory.
        directory: ObjectId,
        /// The name that is missing.
        name: ObjectName,
    },
}

impl<B: Body> ObjectManager<B> {
    /// `ObpLookupObjectName`: walks `path`, from `root` if there is one and from `\` otherwise.
    ///
    /// `STATUS_OBJECT_PATH_SYNTAX_BAD`, `STATUS_OBJECT_NAME_INVALID` (an empty component),
    /// `STATUS_OBJECT_PATH_NOT_FOUND`, `STATUS_OBJECT_TYPE_MISMATCH` (a component that is no directory).
    pub fn lookup(&self, root: Option<ObjectId>, path: &[u16], ignore_case: bool) -> Result<Lookup, NtStatus> {
        let starts_at_root = path.first() == Some(&SEPARATOR);
        if starts_at_root == root.is_some() {
            return Err(NtStatus::OBJECT_PATH_SYNTAX_BAD);
        }
        let mut directory = root.unwrap_or(self.root());
        let mut rest: ObjectName = path.get(usize::from(starts_at_root)..).unwrap_or(&[]).to_vec();
        if rest.is_empty() {
            return Ok(Lookup::Found(directory));
        }
        let mut reparsed = 0;
        loop {
            let end = rest.iter().position(|&u| u == SEPARATOR);
            let name: ObjectName = rest.iter().copied().take(end.unwrap_or(rest.len())).collect();
            if name.is_empty() {
                return Err(NtStatus::OBJECT_NAME_INVALID);
            }
            let entries = self.directory(directory).ok_or(NtStatus::OBJECT_TYPE_MISMATCH)?;
            let Some(found) = entries.get(&name, ignore_case) else {
                return match end {
                    None => Ok(Lookup::Missing { directory, name }),
                    Some(_) => Err(NtStatus::OBJECT_PATH_NOT_FOUND),
                };
            };
            // What follows the component: `None` where it was the last.
            let after = end.map(|end| rest.split_off(end + 1));
            match (self.link_target(found), after) {
                (Some(target), after) if reparsed < MAX_REPARSE => {
                    reparsed += 1;
                    rest = target.get(1..).unwrap_or(&[]).to_vec();
                    if let Some(after) = after {
                        rest.push(SEPARATOR);
                        rest.extend(after);
                    }
                    directory = self.root();
                }
                (Some(_), _) => return Err(NtStatus::OBJECT_NAME_NOT_FOUND),
                (None, None) => return Ok(Lookup::Found(found)),
                (None, Some(after)) => {
                    directory = found;
                    rest = after;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use crate::ke::{Event, EventKind};

    fn look_up(path: &str) -> Result<Lookup, NtStatus> {
        let mut ob: ObjectManager<Body> = ObjectManager::new();
        let directory = || Body::Directory(Directory::default());
        let link = |to: &str| Body::SymbolicLink(to.encode_utf16().collect());
        for (path, body) in [
            ("\\A", directory()),
            ("\\A\\Event", Body::Event(Event { kind: EventKind::Notification, signaled: false })),
            ("\\Link", link("\\A")),
            ("\\Loop", link("\\Loop")),
        ] {
            assert!(ob.create_at(path, body).is_some(), "{path}");
        }
        ob.lookup(None, &path.encode_utf16().collect::<Vec<u16>>(), false)
    }

    /// The statuses of the object manager, as Windows documents and Wine's tests pin them.
    #[test]
    fn each_path_ends_as_it_must() {
        use NtStatus as S;
        for (path, status) in [
            ("A", S::OBJECT_PATH_SYNTAX_BAD),
            ("\\A\\", S::OBJECT_NAME_INVALID),
            ("\\\\A", S::OBJECT_NAME_INVALID),
            ("\\A\\\\Event", S::OBJECT_NAME_INVALID),
            ("\\Nothing\\Event", S::OBJECT_PATH_NOT_FOUND),
            ("\\Nothing\\", S::OBJECT_PATH_NOT_FOUND),
            ("\\A\\Event\\X", S::OBJECT_TYPE_MISMATCH),
            ("\\Loop", S::OBJECT_NAME_NOT_FOUND),
        ] {
            assert_eq!(look_up(path), Err(status), "{path}");
        }
        let direct = look_up("\\A\\Event").expect("it is there");
        assert_eq!(look_up("\\Link\\Event"), Ok(direct), "links are followed");
        assert!(matches!(look_up("\\a\\Event"), Err(S::OBJECT_PATH_NOT_FOUND)), "case counts");
        assert!(matches!(look_up("\\A\\New"), Ok(Lookup::Missing { .. })));
        assert_eq!(look_up("\\Link"), look_up("\\A"), "a link at the end too");
    }
}
