//! A key as the registry stores it: name, class, descriptor, subkeys and values.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::ob::{ObjectName, upcase};
use crate::se::SecurityDescriptor;

/// A key's place in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub u32);

/// A value. What its type number says about its data binds nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its name; empty: the key's default value.
    pub name: ObjectName,
    /// `REG_SZ` and so on.
    pub kind: u32,
    /// Its data.
    pub data: Arc<[u8]>,
}

/// The values of a key: in the order in which they were made, which enumeration shows, and found by name.
#[derive(Clone, Debug, Default)]
pub struct Values {
    list: Vec<Value>,
    /// Places in `list`, sorted by name.
    by_name: Vec<u32>,
}

/// How names are ordered: by upper-case units (`RtlCompareUnicodeString`).
pub fn compare_names(a: &[u16], b: &[u16]) -> Ordering {
    a.iter().map(|&unit| upcase(unit)).cmp(b.iter().map(|&unit| upcase(unit)))
}

impl Values {
    fn find(&self, name: &[u16]) -> Result<usize, usize> {
        let named = |at: &u32| self.list.get(*at as usize).map_or(&[][..], |value| &value.name);
        self.by_name.binary_search_by(|at| compare_names(named(at), name))
    }

    /// A value by name, in any case.
    pub fn get(&self, name: &[u16]) -> Option<&Value> {
        let at = *self.by_name.get(self.find(name).ok()?)?;
        self.list.get(at as usize)
    }

    /// A value by its index.
    pub fn at(&self, index: usize) -> Option<&Value> {
        self.list.get(index)
    }

    /// Every value, in the order of enumeration.
    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Sets a value. One that is there keeps its place and the spelling of its name.
    pub fn set(&mut self, name: &[u16], kind: u32, data: Arc<[u8]>) {
        match self.find(name) {
            Ok(found) => {
                let at = self.by_name.get(found).copied().unwrap_or(u32::MAX);
                if let Some(value) = self.list.get_mut(at as usize) {
                    (value.kind, value.data) = (kind, data);
                }
            }
            Err(place) => {
                self.by_name.insert(place, self.list.len() as u32);
                self.list.push(Value { name: name.to_vec(), kind, data });
            }
        }
    }

    /// Takes a value out; those behind it move up.
    pub fn remove(&mut self, name: &[u16]) -> Option<Value> {
        let found = self.find(name).ok()?;
        let at = self.by_name.remove(found);
        self.by_name.iter_mut().filter(|place| **place > at).for_each(|place| *place -= 1);
        ((at as usize) < self.list.len()).then(|| self.list.remove(at as usize))
    }

    fn check(&self) -> bool {
        let sorted = self.by_name.windows(2).all(|pair| match pair {
            [a, b] => match (self.list.get(*a as usize), self.list.get(*b as usize)) {
                (Some(a), Some(b)) => compare_names(&a.name, &b.name) == Ordering::Less,
                _ => false,
            },
            _ => true,
        });
        sorted && self.by_name.len() == self.list.len()
    }
}

/// A key.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name, in the case in which it was made.
    pub name: ObjectName,
    /// The key that it is in; `None` for the root, and for a deleted key.
    pub parent: Option<KeyId>,
    /// How many keys are above it.
    pub depth: u16,
    /// Its class, which nothing interprets.
    pub class: ObjectName,
    /// When it or what is in it was last changed, in system time.
    pub last_write: u64,
    /// Its descriptor, which keys that were made alike share.
    pub security: Arc<SecurityDescriptor>,
    /// It is gone when the machine is switched off (`REG_OPTION_VOLATILE`).
    pub volatile: bool,
    /// It is a symbolic link to the key that its value `SymbolicLinkValue` names.
    pub link: bool,
    /// It is the root of a hive, or above those: it cannot be deleted or renamed.
    pub fixed: bool,
    /// It was deleted, and is there for the handles that are open.
    pub deleted: bool,
    /// `KeyWow64FlagsInformation`.
    pub user_flags: u32,
    /// `KeyControlFlagsInformation`.
    pub control_flags: u32,
    /// How many key objects there are of it.
    pub opens: u32,
    /// Subkeys that last, and those that do not, each sorted by name: the order of enumeration.
    pub(super) children: [Vec<KeyId>; 2],
    /// Its values.
    pub values: Values,
}

impl Node {
    /// A key of this name, with nothing in it.
    pub fn new(name: &[u16], security: Arc<SecurityDescriptor>) -> Self {
        Self {
            name: name.to_vec(),
            parent: None,
            depth: 0,
            class: Vec::new(),
            last_write: 0,
            security,
            volatile: false,
            link: false,
            fixed: false,
            deleted: false,
            user_flags: 0,
            control_flags: 0,
            opens: 0,
            children: Default::default(),
            values: Values::default(),
        }
    }

    /// How many subkeys there are.
    pub fn child_count(&self) -> usize {
        self.children.iter().map(Vec::len).sum()
    }

    /// The subkey with this index.
    pub fn child_at(&self, index: usize) -> Option<KeyId> {
        let [stable, volatile] = &self.children;
        stable.get(index).or_else(|| volatile.get(index.checked_sub(stable.len())?)).copied()
    }

    /// Every subkey, in the order of enumeration.
    pub fn children(&self) -> impl Iterator<Item = KeyId> {
        self.children.iter().flatten().copied()
    }

    pub(super) fn check(&self) -> bool {
        self.values.check()
    }
}
