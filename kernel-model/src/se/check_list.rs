//! One walk through a DACL, for an object and the parts of it that object types name.

use std::ops::Range;

use guest::{AccessMask, GenericMapping, NtStatus};

use super::access_check::{Granted, Request, check_nodes};
use super::ace::{Ace, AceBody, Guid, ace_type};
use super::acl::Acl;
use super::descriptor::SecurityDescriptor;
use super::sid::Sid;
use super::token::Token;
use crate::service::{NtResult, Unwind};

/// `OBJECT_TYPE_LIST`: an object (level 0), a property set (1), a property (2) and so on, depth first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ObjectTypeNode {
    /// How deep it is.
    pub level: u16,
    /// What it is.
    pub object_type: Guid,
}

/// `ACCESS_MAX_LEVEL`.
const MAX_LEVEL: u16 = 4;

impl ObjectTypeNode {
    /// Checks that a list is a tree with one root.
    ///
    /// `STATUS_INVALID_PARAMETER`.
    pub fn validate(nodes: &[Self]) -> Result<(), NtStatus> {
        let steps = nodes.iter().zip(nodes.iter().skip(1));
        let root = nodes.first().is_some_and(|node| node.level == 0);
        let below = steps.into_iter().all(|(a, b)| (1..=MAX_LEVEL).contains(&b.level) && b.level <= a.level + 1);
        if root && below { Ok(()) } else { Err(NtStatus::INVALID_PARAMETER) }
    }
}

/// What a walk has decided of one node: each right belongs to the first entry that names it.
#[derive(Clone, Copy, Default)]
struct Decided {
    allowed: u32,
    denied: u32,
}

struct Walk<'a> {
    nodes: &'a [ObjectTypeNode],
    decided: Vec<Decided>,
}

impl Walk<'_> {
    fn level(&self, at: usize) -> u16 {
        self.nodes.get(at).map_or(0, |node| node.level)
    }

    /// The places behind `at` that are below it.
    fn below(&self, at: usize) -> Range<usize> {
        let level = self.level(at);
        let count = self.nodes.iter().skip(at + 1).take_while(|node| node.level > level).count();
        at + 1..at + 1 + count
    }

    fn parent(&self, at: usize) -> Option<usize> {
        let level = self.level(at);
        (0..at).rev().find(|&before| self.level(before) < level)
    }

    fn allow_one(&mut self, at: usize, mask: u32) {
        if let Some(node) = self.decided.get_mut(at) {
            node.allowed |= mask & !node.denied;
        }
    }

    fn deny_one(&mut self, at: usize, mask: u32) {
        if let Some(node) = self.decided.get_mut(at) {
            node.denied |= mask & !node.allowed;
        }
    }

    /// A right on a node is one on all below it; one on all children of a node is one on the node.
    fn allow(&mut self, at: usize, mask: u32) {
        self.allow_one(at, mask);
        self.below(at).for_each(|child| self.allow_one(child, mask));
        let mut child = at;
        while let Some(parent) = self.parent(child) {
            let children = self.below(parent).filter(|&c| self.level(c) == self.level(parent) + 1);
            let common = children.filter_map(|c| self.decided.get(c)).fold(u32::MAX, |all, node| all & node.allowed);
            self.allow_one(parent, common);
            child = parent;
        }
    }

    /// What is refused on a node is refused on all below it, and on those above as wholes.
    fn deny(&mut self, at: usize, mask: u32) {
        self.deny_one(at, mask);
        self.below(at).for_each(|child| self.deny_one(child, mask));
        let mut child = at;
        while let Some(parent) = self.parent(child) {
            self.deny_one(parent, mask);
            child = parent;
        }
    }

    /// The node an entry is about: the object itself without an object type; `None` if the type is not in the list.
    fn node_of(&self, ace: &Ace) -> Option<usize> {
        match &ace.body {
            AceBody::Object { object_type: Some(guid), .. } => {
                self.nodes.iter().position(|node| node.object_type == *guid)
            }
            _ => Some(0),
        }
    }
}

/// What a walk asks.
pub(super) struct Question<'a> {
    pub nodes: &'a [ObjectTypeNode],
    pub mapping: &'a GenericMapping,
    /// Whether a SID counts in an entry that allows (or, if true, denies).
    pub counts: &'a dyn Fn(&Sid, bool) -> bool,
    /// Rights that are there before the first entry.
    pub start: u32,
    /// The rights that matter; the walk ends when each is decided.
    pub wanted: u32,
}

/// What each node grants. Entries that are conditional or compound are not supported.
pub(super) fn walk(dacl: &Acl, question: &Question<'_>) -> NtResult<Vec<u32>> {
    let mut walk = Walk { nodes: question.nodes, decided: vec![Decided::default(); question.nodes.len().max(1)] };
    walk.allow(0, question.start);
    for ace in dacl.aces.iter().filter(|ace| ace.is_effective()) {
        if walk.decided.iter().all(|node| question.wanted & !(node.allowed | node.denied) == 0) {
            break;
        }
        let deny = match ace.kind {
            ace_type::ALLOWED | ace_type::ALLOWED_OBJECT => false,
            ace_type::DENIED | ace_type::DENIED_OBJECT => true,
            ace_type::COMPOUND | ace_type::ALLOWED_CALLBACK..ace_type::AUDIT_CALLBACK => {
                return Err(Unwind::unsupported(format!("{} in a DACL", ace.type_name())));
            }
            _ => continue,
        };
        let mask = ace.mask().map_generic(question.mapping).0;
        if let (Some(true), Some(at)) = (ace.sid().map(|sid| (question.counts)(sid, deny)), walk.node_of(ace)) {
            if deny { walk.deny(at, mask) } else { walk.allow(at, mask) }
        }
    }
    Ok(walk.decided.iter().map(|node| node.allowed).collect())
}

/// `SeAccessCheckByType`: one result a node. Without a list there is one node, the object.
///
/// The statuses are those of [`super::access_check`]; `STATUS_INVALID_PARAMETER` for a list that is no tree.
pub fn access_check_by_type(
    token: &Token, descriptor: &SecurityDescriptor, request: &Request<'_>, nodes: &[ObjectTypeNode],
) -> NtResult<Vec<Result<Granted, NtStatus>>> {
    if nodes.is_empty() {
        return check_nodes(token, descriptor, request, &[ObjectTypeNode::default()]);
    }
    ObjectTypeNode::validate(nodes)?;
    check_nodes(token, descriptor, request, nodes)
}

/// The rights that an entry of the list may be asked for at all.
pub(super) const fn asked(request: &Request<'_>) -> u32 {
    request.desired.0 & !AccessMask::MAXIMUM_ALLOWED.0
}
