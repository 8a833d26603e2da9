//! What objects are made of: the one list of every component's bodies.

use crate::io::FileObject;
use crate::ke::Event;
use crate::ob::{Body as ObjectBody, Directory, ObjectName, ObjectType};
use crate::ps::{ProcessId, ThreadId};
use crate::se::Token;

/// The body of an object.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Body {
    Directory(Directory),
    SymbolicLink(ObjectName),
    Event(Event),
    File(FileObject),
    Process(ProcessId),
    Thread(ThreadId),
    Token(Box<Token>),
}

impl ObjectBody for Body {
    fn object_type(&self) -> ObjectType {
        match self {
            Self::Directory(_) => ObjectType::Directory,
            Self::SymbolicLink(_) => ObjectType::SymbolicLink,
            Self::Event(_) => ObjectType::Event,
            Self::File(_) => ObjectType::File,
            Self::Process(_) => ObjectType::Process,
            Self::Thread(_) => ObjectType::Thread,
            Self::Token(_) => ObjectType::Token,
        }
    }

    fn directory(&self) -> Option<&Directory> {
        if let Self::Directory(d) = self { Some(d) } else { None }
    }

    fn directory_mut(&mut self) -> Option<&mut Directory> {
        if let Self::Directory(d) = self { Some(d) } else { None }
    }

    fn link_target(&self) -> Option<&[u16]> {
        if let Self::SymbolicLink(target) = self { Some(target) } else { None }
    }

    fn from_directory(directory: Directory) -> Self {
        Self::Directory(directory)
    }

    fn try_acquire(&mut self) -> Option<bool> {
        match self {
            Self::Event(event) => Some(event.try_acquire()),
            // A process or thread is signalled when it has ended; the only ones there are run.
            Self::Process(_) | Self::Thread(_) => Some(false),
            // A file object is signalled while no operation is under way.
            Self::File(_) => Some(true),
            Self::Directory(_) | Self::SymbolicLink(_) | Self::Token(_) => None,
        }
    }
}

/// A kind of body that a service asks for by handle.
pub trait BodyKind: Sized {
    /// The object type it stands for.
    const TYPE: ObjectType;
    /// It, in a body of that type.
    fn of(body: &mut Body) -> Option<&mut Self>;
}

macro_rules! body_kind {
    ($($ty:ty => $variant:ident),*) => {$(
        impl BodyKind for $ty {
            const TYPE: ObjectType = ObjectType::$variant;
            fn of(body: &mut Body) -> Option<&mut Self> {
                if let Body::$variant(inner) = body { Some(inner) } else { None }
            }
        }
    )*};
}
body_kind!(Directory => Directory, Event => Event, FileObject => File, ProcessId => Process, ThreadId => Thread);
