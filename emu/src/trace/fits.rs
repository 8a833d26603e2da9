//! Whether the arguments that a call came with would do for a service: each is held against its type. The rules
//! are in `docs/trace-schema.md`.

use guest::mem::{Access, Width};
use guest::services::{ArgInfo, Direction, LenUnit, ServiceTableId};
use guest::stub::StubService;
use guest::types::{ObjectAttributes, UnicodeString};
use guest::{Arch, Handle};
use kernel_model::Call;
use kernel_model::service::{Args, MAX_ARGS, Row};
use serde::Serialize;

use super::View;
use super::decode::truncate;
use super::types::{Kind, is_pointer, kind, pointee_size};

/// Whether the arguments would do, and why not, or why nobody can say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fit", content = "why", rename_all = "lowercase")]
pub enum Fit {
    /// No argument speaks against it, and at least one for it.
    Yes,
    /// An argument cannot be what the service takes.
    No(String),
    /// Nobody has published the prototype of this build, or no argument tells anything.
    Unknown(&'static str),
}

/// What one argument tells.
enum Verdict {
    /// It is what the type wants, and few values are.
    For,
    /// Any value would do, or this one would.
    Neither,
    /// It cannot be that.
    Against(String),
}
use Verdict::{Against, For, Neither};

/// Handles that name no entry of the handle table, and the types of what they mean: the current process, thread and
/// session, the process's, the thread's and the thread's effective token.
const PSEUDO_HANDLES: &[(i64, &str)] =
    &[(-1, "Process"), (-2, "Thread"), (-3, "Session"), (-4, "Token"), (-5, "Token"), (-6, "Token")];
/// A handle below this may have been closed; one above would need as many open handles.
const SMALL_HANDLE: u64 = 0x1_0000;
/// Bits of an access mask that mean nothing: 21 to 23 of the standard rights, 26 and 27.
const NO_ACCESS_BITS: u64 = 0x0ce0_0000;

impl View<'_> {
    /// Whether a call's arguments would do for a service.
    pub(super) fn fit(&self, call: &Call, service: &StubService) -> Fit {
        let arch = match call.gate.width() {
            Width::W32 => Arch::X86,
            Width::W64 => Arch::X64,
        };
        let Some(infos) = service.signature(arch) else {
            return Fit::Unknown("nobody has published its arguments in this build");
        };
        let Some(args) = self.arguments(call, service) else {
            return Fit::No("arguments on the stack cannot be read".into());
        };
        let judge = Judge { view: self, table: service.info.table, infos, args };
        let mut is_told = false;
        for (i, info) in infos.iter().enumerate() {
            match judge.argument(info, judge.value(i)) {
                For => is_told = true,
                Neither => {}
                Against(why) => return Fit::No(format!("{}={:#x} {why}", info.name, judge.value(i))),
            }
        }
        if is_told { Fit::Yes } else { Fit::Unknown("no argument tells") }
    }

    /// The arguments that a call has if its service is this one. `None`: they cannot be read.
    fn arguments(&self, call: &Call, service: &StubService) -> Option<Args> {
        let row = Row::of(service);
        let width = call.gate.width();
        let mut args = Call::new(call.gate, call.regs).args;
        let mut memory = [0; 8 * MAX_ARGS];
        let memory = memory.get_mut(..row.memory_bytes(width))?;
        let va = call.regs.memory_args(call.gate);
        if !memory.is_empty() {
            let readable = self.kernel.mm.allows(va, memory.len() as u64, Access::Read);
            readable.then(|| self.kernel.mm.peek(self.ram, va, memory)).flatten()?;
        }
        row.spread(width, memory, &mut args);
        Some(args)
    }
}

/// A call seen as one of a service.
struct Judge<'a> {
    view: &'a View<'a>,
    table: ServiceTableId,
    infos: &'static [ArgInfo],
    args: Args,
}

impl Judge<'_> {
    /// An argument, as wide as its type.
    fn value(&self, index: usize) -> u64 {
        self.infos.get(index).map_or(0, |info| truncate(info, self.args.get(index)))
    }

    fn argument(&self, info: &ArgInfo, value: u64) -> Verdict {
        match kind(info, self.table) {
            Kind::Handle(wanted) => self.handle(value, wanted),
            Kind::UserHandle if value > u32::MAX.into() && value as i32 as u64 != value => {
                Against("has more than the 32 bits of such a handle".into())
            }
            Kind::Boolean if value > 1 => Against("is neither TRUE nor FALSE".into()),
            Kind::AccessMask if value & NO_ACCESS_BITS != 0 => Against("has bits that are no access right".into()),
            Kind::Enum(known) => {
                let least = known.members.first().map_or(0, |m| m.0);
                let most = known.members.last().map_or(0, |m| m.0);
                let is_member = if known.name.ends_with("FLAGS") {
                    known.members.iter().fold(value, |rest, m| rest & !(m.0 as u64)) == 0
                } else {
                    (least..=most).contains(&i64::from(value as i32))
                };
                if is_member { Neither } else { Against(format!("is no {}", known.name)) }
            }
            Kind::Pointer => self.pointer(info, value),
            Kind::UserHandle | Kind::Boolean | Kind::AccessMask | Kind::Word => Neither,
        }
    }

    fn handle(&self, value: u64, wanted: Option<&str>) -> Verdict {
        match self.object_type(value) {
            Some(found) if wanted.is_none_or(|wanted| wanted == found) => For,
            Some(found) => Against(format!("is a {found}")),
            None if !value.is_multiple_of(4) => Against("is no handle: they are multiples of 4".into()),
            None if value < SMALL_HANDLE => Neither,
            None => Against("is no handle".into()),
        }
    }

    /// The type of what a handle names.
    fn object_type(&self, value: u64) -> Option<&'static str> {
        if let Some((_, name)) = PSEUDO_HANDLES.iter().find(|(pseudo, _)| *pseudo == value.cast_signed()) {
            return Some(name);
        }
        let entry = self.view.kernel.ps.process.handles.get(Handle(value)).filter(|_| value.is_multiple_of(4))?;
        self.view.kernel.ob.type_of(entry.object).map(|t| t.name())
    }

    fn pointer(&self, info: &ArgInfo, va: u64) -> Verdict {
        let size = pointee_size(info.ty, self.width());
        let unit = if info.len_unit == LenUnit::Bytes { 1 } else { size };
        let len = info.len.and_then(|expression| self.length(expression));
        let bytes = len.map_or(size, |n| n.saturating_mul(unit));
        let (access, verb) = match info.dir {
            Direction::In => (Access::Read, "read"),
            Direction::Out | Direction::InOut => (Access::Write, "written"),
        };
        match va {
            _ if bytes == 0 => Neither,
            0 if info.optional => Neither,
            0 => Against("may not be NULL".into()),
            _ if !self.view.kernel.mm.allows(va, bytes, access) => {
                Against(format!("points to {bytes:#x} bytes that cannot be {verb}"))
            }
            _ => self.pointee(info, va),
        }
    }

    /// What the memory that an argument points to tells, beside that it can be used.
    fn pointee(&self, info: &ArgInfo, va: u64) -> Verdict {
        let wrong = match info.ty {
            "POBJECT_ATTRIBUTES" | "PCOBJECT_ATTRIBUTES" | "OBJECT_ATTRIBUTES *" => self.object_attributes(va),
            "PUNICODE_STRING" | "PCUNICODE_STRING" if info.dir != Direction::Out => self.unicode_string(va),
            _ => None,
        };
        wrong.map_or(For, Against)
    }

    /// What is wrong with an `OBJECT_ATTRIBUTES`.
    fn object_attributes(&self, va: u64) -> Option<String> {
        if !va.is_multiple_of(self.width().bytes() as u64) {
            return Some("is not aligned".into());
        }
        let attributes: ObjectAttributes = self.view.value(va)?;
        let size = pointee_size("POBJECT_ATTRIBUTES", self.width());
        if u64::from(attributes.length) != size {
            return Some(format!("points to a Length of {:#x} instead of {size:#x}", attributes.length));
        }
        if let Against(why) = self.handle(attributes.root_directory.0, None) {
            return Some(format!("points to a RootDirectory of {:#x}, which {why}", attributes.root_directory.0));
        }
        let name = attributes.object_name;
        let readable = |size| self.view.kernel.mm.allows(name, size, Access::Read);
        match name {
            0 => None,
            _ if !readable(pointee_size("PUNICODE_STRING", self.width())) => {
                Some("points to an ObjectName that cannot be read".into())
            }
            _ => self.unicode_string(name),
        }
    }

    /// What is wrong with a `UNICODE_STRING` that is to be read.
    fn unicode_string(&self, va: u64) -> Option<String> {
        let string: UnicodeString = self.view.value(va)?;
        let len = u64::from(string.length);
        if len % 2 != 0 {
            return Some(format!("points to a string of {len:#x} bytes, which is odd"));
        }
        if len != 0 && !string.buffer.is_multiple_of(2) {
            return Some("points to a string that is not aligned".into());
        }
        let readable = len == 0 || self.view.kernel.mm.allows(string.buffer, len, Access::Read);
        (!readable).then(|| "points to a string that cannot be read".into())
    }

    /// What a length expression gives where it is simple: a number, an argument, or what one points to. Of `A, B` the
    /// first is the room, the second what is used of it.
    fn length(&self, expression: &str) -> Option<u64> {
        let first = expression.split(',').next()?.trim();
        if let Some(hex) = first.strip_prefix("0x") {
            return u64::from_str_radix(hex, 16).ok();
        }
        if let Ok(number) = first.parse() {
            return Some(number);
        }
        let name = first.trim_start_matches('*');
        let index = self.infos.iter().position(|info| info.name == name)?;
        let (info, value) = (self.infos.get(index)?, self.value(index));
        if !is_pointer(info.ty) {
            return Some(value);
        }
        let size = pointee_size(info.ty, self.width());
        let mut bytes = [0; 8];
        let read = self.view.kernel.mm.peek(self.view.ram, value, bytes.get_mut(..size as usize)?);
        read.map(|()| u64::from_le_bytes(bytes))
    }

    fn width(&self) -> Width {
        self.view.kernel.width()
    }
}
