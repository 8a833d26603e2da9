//! From a name to a key: the walk through the registry, symbolic links, the view of 32-bit programs.

use guest::{Handle, NtStatus};

use super::node::KeyId;
use super::registry::MAX_KEY_NAME;
use super::wow64::{View, redirect};
use crate::body::Body;
use crate::cx::Cx;
use crate::ob::{Attributes, Lookup, NameToOpen, ObjectName, Walk};
use crate::service::NtResult;

const SEPARATOR: u16 = b'\\' as u16;
/// How many symbolic links one look-up follows, as with objects.
const MAX_REPARSE: usize = 64;
/// The value of a symbolic link that names the key it leads to.
pub const LINK_VALUE: &str = "SymbolicLinkValue";
/// Its type.
pub const REG_LINK: u32 = 6;

/// Where a look-up of a key ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The key is there.
    Found(KeyId),
    /// The key that it should be in is there.
    Missing(KeyId, ObjectName),
}

/// Where a walk stops.
enum Step {
    /// At the end of its names.
    End(Place),
    /// At a symbolic link that is to be followed, to which so many names led.
    Link(KeyId, usize),
}

/// Where a walk goes on: from a key, by these names.
struct From {
    at: KeyId,
    names: Vec<ObjectName>,
}

fn split(path: &[u16]) -> Vec<ObjectName> {
    path.split(|&unit| unit == SEPARATOR).filter(|name| !name.is_empty()).map(<[u16]>::to_vec).collect()
}

impl Cx<'_> {
    /// `CmpParseKey`: finds the key of a name.
    ///
    /// `STATUS_OBJECT_NAME_NOT_FOUND`, whichever key on the way is missing; `STATUS_INVALID_PARAMETER` for a name of
    /// more than 255 units; `STATUS_KEY_DELETED`, `STATUS_OBJECT_TYPE_MISMATCH` for what is no key,
    /// `STATUS_INVALID_HANDLE`, and the statuses of looking an object's name up.
    pub(super) fn find_key(&mut self, name: &NameToOpen, view: View, link_itself: bool) -> NtResult<Place> {
        let mut from = self.start(name)?;
        for _ in 0..MAX_REPARSE {
            if view == View::Narrow {
                self.narrow(&mut from);
            }
            match self.walk_keys(&from, link_itself)? {
                Step::End(place) => return Ok(place),
                Step::Link(..) if name.attributes.contains(Attributes::DONT_REPARSE) => {
                    return Err(NtStatus::REPARSE_POINT_ENCOUNTERED.into());
                }
                Step::Link(link, used) => {
                    let rest = from.names.split_off(used.min(from.names.len()));
                    from = self.follow(link)?;
                    from.names.extend(rest);
                }
            }
        }
        Err(NtStatus::OBJECT_NAME_NOT_FOUND.into())
    }

    fn start(&mut self, name: &NameToOpen) -> NtResult<From> {
        let path = name.name.as_deref().unwrap_or(&[]);
        if let Some(root) = name.root
            && let Some(at) = self.root_key(root)?
        {
            if path.first() == Some(&SEPARATOR) {
                return Err(NtStatus::OBJECT_PATH_SYNTAX_BAD.into());
            }
            return Ok(From { at, names: split(path) });
        }
        let root = name.root.map(|root| self.use_handle(root)).transpose()?.map(|entry| entry.object);
        if path.is_empty() {
            let status = if root.is_some() { NtStatus::OBJECT_TYPE_MISMATCH } else { NtStatus::OBJECT_PATH_SYNTAX_BAD };
            return Err(status.into());
        }
        self.through_objects(&Walk {
            root,
            path,
            // Wine's ntdll does not ask for it where Windows' does.
            ignore_case: name.attributes.contains(Attributes::CASE_INSENSITIVE) || self.kernel.is_wine_root(),
            no_links: name.attributes.contains(Attributes::DONT_REPARSE),
            device_map: self.kernel.ob.device_map,
            link_itself: false,
            traverse: self.traverse(name)?,
        })
    }

    /// The key that a root handle names, if it names one.
    fn root_key(&mut self, handle: Handle) -> Result<Option<KeyId>, NtStatus> {
        let object = self.use_handle(handle)?.object;
        match self.kernel.ob.get(object).map(|object| &object.body) {
            Some(Body::Key(key)) => {
                let id = key.node;
                self.kernel.cm.live(id)?;
                Ok(Some(id))
            }
            Some(Body::Directory(_)) => Ok(None),
            _ => Err(NtStatus::OBJECT_TYPE_MISMATCH),
        }
    }

    /// The part of a name that leads through object directories to `\REGISTRY`.
    fn through_objects(&self, walk: &Walk<'_>) -> NtResult<From> {
        match self.kernel.ob.lookup(walk)? {
            Lookup::Parse { object, rest } => match self.kernel.ob.get(object).map(|object| &object.body) {
                Some(Body::Key(key)) => Ok(From { at: key.node, names: split(&rest) }),
                _ => Err(NtStatus::OBJECT_TYPE_MISMATCH.into()),
            },
            Lookup::Found(_) => Err(NtStatus::OBJECT_TYPE_MISMATCH.into()),
            Lookup::Missing { .. } => Err(NtStatus::OBJECT_NAME_NOT_FOUND.into()),
        }
    }

    /// Where a symbolic link leads.
    ///
    /// `STATUS_OBJECT_NAME_NOT_FOUND` for one without a target.
    fn follow(&self, link: KeyId) -> NtResult<From> {
        let name: ObjectName = LINK_VALUE.encode_utf16().collect();
        let value = self.kernel.cm.live(link)?.values.get(&name).filter(|value| value.kind == REG_LINK);
        let value = value.ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
        let path: ObjectName = value.data.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        self.through_objects(&Walk { path: &path, ignore_case: true, ..Walk::default() })
    }

    /// Walks down to the end of the names, or to a link that is to be followed and how many names led to it.
    fn walk_keys(&self, from: &From, link_itself: bool) -> Result<Step, NtStatus> {
        let cm = &self.kernel.cm;
        let mut at = from.at;
        for (index, name) in from.names.iter().enumerate() {
            if name.len() > MAX_KEY_NAME {
                return Err(NtStatus::INVALID_PARAMETER);
            }
            let last = index + 1 == from.names.len();
            at = match cm.child(at, name) {
                Some(child) => child,
                None if last => return Ok(Step::End(Place::Missing(at, name.clone()))),
                None => return Err(NtStatus::OBJECT_NAME_NOT_FOUND),
            };
            if cm.live(at)?.link && !(last && link_itself) {
                return Ok(Step::Link(at, index + 1));
            }
        }
        Ok(Step::End(Place::Found(at)))
    }

    /// What a 32-bit program means by a path.
    fn narrow(&self, from: &mut From) {
        let Some(above) = self.kernel.cm.components(from.at) else { return };
        let path: Vec<ObjectName> = above.iter().chain(&from.names).cloned().collect();
        if let Some(other) = redirect(&path, above.len(), self.kernel.profile.version.2) {
            *from = From { at: self.kernel.cm.root(), names: other };
        }
    }
}
