//! The walk from a path to an object.

use std::borrow::Cow;

use guest::{AccessMask, GenericMapping, NtStatus};

use super::directory::{ObjectName, hash_of, same_name};
use super::manager::{Body, ObjectId, ObjectManager};
use crate::se::{Request, SubjectContext, access_check};
use crate::service::NtResult;

const SEPARATOR: u16 = b'\\' as u16;
/// `\??`, a name of the caller's device map.
const DEVICE_MAP: [u16; 3] = [b'\\' as u16, b'?' as u16, b'?' as u16];
/// How many symbolic links one look-up follows.
const MAX_REPARSE: usize = 63;

/// What is looked up, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Walk<'a> {
    /// Where a relative path starts; `None`: the path is a full one.
    pub root: Option<ObjectId>,
    /// The path.
    pub path: &'a [u16],
    /// Names are compared without case.
    pub ignore_case: bool,
    /// A symbolic link at the end of the path is what is wanted, not its target.
    pub link_itself: bool,
    /// No link may be followed (`OBJ_DONT_REPARSE`).
    pub no_links: bool,
    /// The directory that `\??` names.
    pub device_map: Option<ObjectId>,
    /// Who walks, if directories are asked whether it may; `None`: nobody asks.
    pub traverse: Option<Traverse<'a>>,
}

/// Whoever needs `DIRECTORY_TRAVERSE` of each directory on the way: a caller without `SeChangeNotifyPrivilege`.
#[derive(Clone, Copy, Debug)]
pub struct Traverse<'a> {
    /// The caller.
    pub subject: SubjectContext<'a>,
    /// What a directory's generic rights stand for.
    pub mapping: &'a GenericMapping,
}

/// `DIRECTORY_TRAVERSE`.
const TRAVERSE: AccessMask = AccessMask(2);

/// Where a look-up ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The object is there.
    Found(ObjectId),
    /// An object that looks the rest of the path up itself.
    Parse {
        /// The object.
        object: ObjectId,
        /// What follows its name, from the separator on; empty if nothing does.
        rest: ObjectName,
    },
    /// Its directory is there, and no such name in it.
    Missing {
        /// The directory.
        directory: ObjectId,
        /// The name that is missing.
        name: ObjectName,
    },
}

impl<B: Body> ObjectManager<B> {
    /// The object at a full path, for the kernel itself.
    pub fn find(&self, path: &str) -> Option<ObjectId> {
        let path: ObjectName = path.encode_utf16().collect();
        match self.lookup(&Walk { path: &path, ..Walk::default() }) {
            Ok(Lookup::Found(id)) => Some(id),
            Ok(Lookup::Parse { object, rest }) if rest.is_empty() => Some(object),
            _ => None,
        }
    }

    /// The object under a name in a directory, or in those that it shadows.
    pub fn entry(&self, directory: ObjectId, name: &[u16], ignore_case: bool) -> Option<ObjectId> {
        let hash = hash_of(name);
        let mut at = Some(directory);
        // Shadows are made of directories that exist: they cannot run in a circle.
        while let Some(entries) = at.and_then(|id| self.directory(id)) {
            let named = |id: &ObjectId| {
                let own = self.get(*id).and_then(|o| o.name.as_ref());
                own.is_some_and(|(_, own)| same_name(own, name, ignore_case))
            };
            if let Some(found) = entries.candidates(hash).find(named) {
                return Some(found);
            }
            at = entries.shadow;
        }
        None
    }

    /// `ObpLookupObjectName`.
    ///
    /// `STATUS_OBJECT_PATH_SYNTAX_BAD`, `STATUS_OBJECT_NAME_INVALID` (an empty component),
    /// `STATUS_OBJECT_PATH_NOT_FOUND`, `STATUS_OBJECT_TYPE_MISMATCH` (a component that is no directory),
    /// `STATUS_OBJECT_NAME_NOT_FOUND` (links that run in a circle), `STATUS_REPARSE_POINT_ENCOUNTERED`,
    /// `STATUS_ACCESS_DENIED` (a directory that may not be traversed).
    pub fn lookup(&self, walk: &Walk<'_>) -> NtResult<Lookup> {
        let mut path = Cow::Borrowed(walk.path);
        let mut place = match walk.root {
            Some(_) if path.first() == Some(&SEPARATOR) => return Err(NtStatus::OBJECT_PATH_SYNTAX_BAD.into()),
            Some(root) => Place { directory: root, at: 0 },
            None => self.start(&path, walk.device_map)?,
        };
        for _ in 0..=MAX_REPARSE {
            match self.walk_to_link(walk, &path, place)? {
                Step::End(end) => return Ok(end),
                Step::Link { .. } if walk.no_links => return Err(NtStatus::REPARSE_POINT_ENCOUNTERED.into()),
                Step::Link { target, after } => {
                    let mut longer = target.to_vec();
                    longer.extend(path.get(after..).unwrap_or(&[]));
                    place = self.start(&longer, walk.device_map)?;
                    path = Cow::Owned(longer);
                }
            }
        }
        Err(NtStatus::OBJECT_NAME_NOT_FOUND.into())
    }

    /// Where a full path begins.
    fn start(&self, path: &[u16], device_map: Option<ObjectId>) -> Result<Place, NtStatus> {
        match (path.strip_prefix(&DEVICE_MAP), device_map) {
            (Some([]), Some(map)) => Ok(Place { directory: map, at: 3 }),
            (Some([SEPARATOR, ..]), Some(map)) => Ok(Place { directory: map, at: 4 }),
            _ if path.first() == Some(&SEPARATOR) => Ok(Place { directory: self.root(), at: 1 }),
            _ => Err(NtStatus::OBJECT_PATH_SYNTAX_BAD),
        }
    }

    /// `ObpCheckTraverseAccess`.
    fn check_traverse(&self, walk: &Walk<'_>, directory: ObjectId) -> NtResult<()> {
        let (Some(traverse), Some(object)) = (&walk.traverse, self.get(directory)) else { return Ok(()) };
        let request = Request::new(TRAVERSE, traverse.mapping);
        access_check(&traverse.subject, object.security.as_deref(), &request)?;
        Ok(())
    }

    /// Walks until the path ends or a link is met.
    fn walk_to_link(&self, walk: &Walk<'_>, path: &[u16], mut place: Place) -> NtResult<Step<'_>> {
        if place.at >= path.len() {
            return Ok(Step::End(Lookup::Found(place.directory)));
        }
        loop {
            let rest = path.get(place.at..).unwrap_or(&[]);
            let end = rest.iter().position(|&u| u == SEPARATOR);
            let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or(&[]);
            if name.is_empty() {
                return Err(NtStatus::OBJECT_NAME_INVALID.into());
            }
            if self.directory(place.directory).is_none() {
                return Err(NtStatus::OBJECT_TYPE_MISMATCH.into());
            }
            self.check_traverse(walk, place.directory)?;
            let Some(found) = self.entry(place.directory, name, walk.ignore_case) else {
                return match end {
                    None => Ok(Step::End(Lookup::Missing { directory: place.directory, name: name.to_vec() })),
                    Some(_) => Err(NtStatus::OBJECT_PATH_NOT_FOUND.into()),
                };
            };
            let after = place.at + name.len();
            if self.get(found).is_some_and(|object| object.body.parses()) {
                let rest = path.get(after..).unwrap_or(&[]).to_vec();
                return Ok(Step::End(Lookup::Parse { object: found, rest }));
            }
            match (self.link_target(found), end) {
                (Some(_), None) if walk.link_itself => return Ok(Step::End(Lookup::Found(found))),
                (Some(target), _) => return Ok(Step::Link { target, after }),
                (None, None) => return Ok(Step::End(Lookup::Found(found))),
                (None, Some(_)) => place = Place { directory: found, at: after + 1 },
            }
        }
    }
}

/// How far a walk is.
#[derive(Clone, Copy)]
struct Place {
    directory: ObjectId,
    at: usize,
}

/// How a walk without links ends.
enum Step<'a> {
    End(Lookup),
    /// A link, and how much of the path is behind.
    Link {
        target: &'a [u16],
        after: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use crate::ke::{Event, EventKind};
    use crate::ob::Types;
    use crate::service::Unwind;
    use guest::Profile;

    fn store() -> ObjectManager<Body> {
        let mut ob = ObjectManager::new(Types::new(Profile::default_profile()));
        let directory = || Body::Directory(Box::default());
        let link = |to: &str| Body::SymbolicLink(to.encode_utf16().collect());
        for (path, body) in [
            ("\\A", directory()),
            ("\\A\\Event", Body::Event(Event { kind: EventKind::Notification, signaled: false })),
            ("\\Link", link("\\A")),
            ("\\Loop", link("\\Loop")),
            ("\\Ping", link("\\Pong")),
            ("\\Pong", link("\\Ping")),
            ("\\Relative", link("A")),
            ("\\Empty", link("")),
            ("\\GLOBAL??", directory()),
            ("\\GLOBAL??\\C:", link("\\A")),
            ("\\Map", directory()),
            ("\\Map\\Own", link("\\A\\Event")),
        ] {
            assert!(ob.create_at(path, body).is_some(), "{path}");
        }
        let global = at(&ob, "\\GLOBAL??");
        let map = at(&ob, "\\Map");
        ob.set_shadow(map, global);
        ob
    }

    fn look(ob: &ObjectManager<Body>, path: &str, walk: Walk<'_>) -> NtResult<Lookup> {
        ob.lookup(&Walk { path: &path.encode_utf16().collect::<Vec<u16>>(), ..walk })
    }

    fn at(ob: &ObjectManager<Body>, path: &str) -> ObjectId {
        let found = look(ob, path, Walk { link_itself: true, ..Walk::default() });
        let Ok(Lookup::Found(id)) = found else { panic!("{path}: {found:?}") };
        id
    }

    /// The statuses of the object manager, as Windows documents and Wine's tests pin them.
    #[test]
    fn each_path_ends_as_it_must() {
        use NtStatus as S;
        let ob = store();
        for (path, status) in [
            ("A", S::OBJECT_PATH_SYNTAX_BAD),
            ("\\A\\", S::OBJECT_NAME_INVALID),
            ("\\\\A", S::OBJECT_NAME_INVALID),
            ("\\A\\\\Event", S::OBJECT_NAME_INVALID),
            ("\\Nothing\\Event", S::OBJECT_PATH_NOT_FOUND),
            ("\\Nothing\\", S::OBJECT_PATH_NOT_FOUND),
            ("\\A\\Event\\X", S::OBJECT_TYPE_MISMATCH),
            ("\\Loop", S::OBJECT_NAME_NOT_FOUND),
            ("\\Ping", S::OBJECT_NAME_NOT_FOUND),
            ("\\Relative", S::OBJECT_PATH_SYNTAX_BAD),
        ] {
            assert_eq!(look(&ob, path, Walk::default()), Err(status.into()), "{path}");
        }
        let event = Ok(Lookup::Found(at(&ob, "\\A\\Event")));
        assert_eq!(look(&ob, "\\Link\\Event", Walk::default()), event, "links are followed");
        assert_eq!(look(&ob, "\\Empty\\A\\Event", Walk::default()), event, "an empty target, as GLOBALROOT has");
        assert!(
            matches!(look(&ob, "\\a\\Event", Walk::default()), Err(Unwind::Status(S::OBJECT_PATH_NOT_FOUND))),
            "case counts"
        );
        let ignore = Walk { ignore_case: true, ..Walk::default() };
        assert_eq!(look(&ob, "\\a\\eVENT", ignore), event);
        assert!(matches!(look(&ob, "\\A\\New", Walk::default()), Ok(Lookup::Missing { .. })));
        assert_eq!(look(&ob, "\\Link", Walk::default()), Ok(Lookup::Found(at(&ob, "\\A"))), "a link at the end too");
        let no_links = Walk { no_links: true, ..Walk::default() };
        assert_eq!(look(&ob, "\\Link\\Event", no_links), Err(S::REPARSE_POINT_ENCOUNTERED.into()));
        assert_eq!(look(&ob, "\\A\\Event", no_links), event);
    }

    #[test]
    fn a_device_map_lies_over_the_global_one() {
        let ob = store();
        let walk = Walk { device_map: Some(at(&ob, "\\Map")), ..Walk::default() };
        let event = Ok(Lookup::Found(at(&ob, "\\A\\Event")));
        assert_eq!(look(&ob, "\\??\\Own", walk), event);
        assert_eq!(look(&ob, "\\??\\C:\\Event", walk), event, "what is not in it is searched in \\GLOBAL??");
        assert_eq!(look(&ob, "\\??", walk), Ok(Lookup::Found(at(&ob, "\\Map"))));
        assert!(matches!(look(&ob, "\\??x", walk), Ok(Lookup::Missing { .. })));
        let missing = look(&ob, "\\??\\New", walk);
        assert!(matches!(missing, Ok(Lookup::Missing { directory, .. }) if directory == at(&ob, "\\Map")));
    }
}
