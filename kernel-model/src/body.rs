//! What objects are made of: the one list of every component's bodies.

use guest::NtStatus;

use crate::cm::Key;
use crate::ex::EventPair;
use crate::io::{Device, FileObject, IoCompletion};
use crate::ke::{Event, IrTimer, KeyedEvent, Mutant, Semaphore, Timer};
use crate::mm::Section;
use crate::ob::{Body as ObjectBody, Directory, ObjectName, ObjectType, Waiter};
use crate::ps::{DebugObject, Job, ProcessObject, ThreadObject, WorkerFactory};
use crate::se::Token;

/// The body of an object.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Body {
    /// A type, by its index.
    Type(u8),
    Directory(Box<Directory>),
    SymbolicLink(ObjectName),
    Event(Event),
    EventPair(EventPair),
    Mutant(Mutant),
    Semaphore(Semaphore),
    Timer(Timer),
    IrTimer(IrTimer),
    KeyedEvent(KeyedEvent),
    Section(Section),
    IoCompletion(IoCompletion),
    Device(Device),
    File(Box<FileObject>),
    Job(Box<Job>),
    DebugObject(DebugObject),
    WorkerFactory(Box<WorkerFactory>),
    Process(ProcessObject),
    Thread(ThreadObject),
    Token(Box<Token>),
    Key(Key),
}

impl ObjectBody for Body {
    fn object_type(&self) -> ObjectType {
        match self {
            Self::Type(_) => ObjectType::Type,
            Self::Directory(_) => ObjectType::Directory,
            Self::SymbolicLink(_) => ObjectType::SymbolicLink,
            Self::Event(_) => ObjectType::Event,
            Self::EventPair(_) => ObjectType::EventPair,
            Self::Mutant(_) => ObjectType::Mutant,
            Self::Semaphore(_) => ObjectType::Semaphore,
            Self::Timer(_) => ObjectType::Timer,
            Self::IrTimer(_) => ObjectType::IrTimer,
            Self::KeyedEvent(_) => ObjectType::KeyedEvent,
            Self::Section(_) => ObjectType::Section,
            Self::IoCompletion(_) => ObjectType::IoCompletion,
            Self::Device(_) => ObjectType::Device,
            Self::File(_) => ObjectType::File,
            Self::Job(_) => ObjectType::Job,
            Self::DebugObject(_) => ObjectType::DebugObject,
            Self::WorkerFactory(_) => ObjectType::WorkerFactory,
            Self::Process(_) => ObjectType::Process,
            Self::Thread(_) => ObjectType::Thread,
            Self::Token(_) => ObjectType::Token,
            Self::Key(_) => ObjectType::Key,
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

    fn parses(&self) -> bool {
        matches!(self, Self::Key(_) | Self::Device(_))
    }

    fn from_directory(directory: Directory) -> Self {
        Self::Directory(Box::new(directory))
    }

    fn from_type(index: u8) -> Self {
        Self::Type(index)
    }

    fn signaled(&self, waiter: Waiter) -> Option<bool> {
        match self {
            Self::Event(event) => Some(event.signaled),
            Self::EventPair(pair) => pair.side_signaled(waiter.side),
            Self::Mutant(mutant) => Some(mutant.signaled(waiter.thread)),
            Self::Semaphore(semaphore) => Some(semaphore.count > 0),
            Self::Timer(timer) | Self::IrTimer(IrTimer(timer)) => Some(timer.signaled(waiter.now)),
            Self::IoCompletion(port) => Some(!port.packets.is_empty()),
            // A process, a thread or a job is signalled when it has ended.
            Self::Process(process) => Some(process.ended),
            Self::Thread(thread) => Some(thread.ended),
            Self::Job(job) => Some(job.signaled),
            Self::DebugObject(debug) => Some(debug.signaled()),
            Self::Key(key) => Some(key.signaled()),
            // A file object is signalled while no operation is under way.
            Self::File(file) => Some(file.signaled),
            // These types' valid access has no SYNCHRONIZE, or they are waited for in their own way.
            Self::Directory(_)
            | Self::SymbolicLink(_)
            | Self::Section(_)
            | Self::KeyedEvent(_)
            | Self::Token(_)
            | Self::WorkerFactory(_) => None,
            // ObpDefaultObject, which is always signalled.
            Self::Type(_) | Self::Device(_) => Some(true),
        }
    }

    fn satisfy(&mut self, waiter: Waiter) -> Result<NtStatus, NtStatus> {
        match self {
            Self::Event(event) => event.satisfy(),
            Self::EventPair(pair) => pair.satisfy(waiter.side),
            Self::Semaphore(semaphore) => semaphore.count = semaphore.count.saturating_sub(1),
            Self::Timer(timer) | Self::IrTimer(IrTimer(timer)) => timer.satisfy(waiter.now),
            Self::File(file) => return Ok(file.take_awaited(waiter.thread)),
            Self::Mutant(mutant) => return mutant.acquire(waiter.thread),
            Self::Key(key) => return Ok(key.answer()),
            _ => {}
        }
        Ok(NtStatus::SUCCESS)
    }

    fn due(&self) -> Option<u64> {
        match self {
            Self::Timer(timer) | Self::IrTimer(IrTimer(timer)) => timer.due(),
            _ => None,
        }
    }

    #[inline]
    fn has_delete_procedure(&self) -> bool {
        match self {
            Self::Section(_)
            | Self::File(_)
            | Self::Job(_)
            | Self::Process(_)
            | Self::Thread(_)
            | Self::Key(_)
            | Self::WorkerFactory(_) => true,
            Self::Token(token) => token.lowbox.is_some(),
            _ => false,
        }
    }

    #[inline]
    fn has_close_procedure(&self) -> bool {
        match self {
            Self::Job(_) | Self::File(_) | Self::DebugObject(_) => true,
            Self::Key(key) => key.notify.is_some(),
            _ => false,
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
body_kind!(
    Directory => Directory, ObjectName => SymbolicLink, Event => Event, EventPair => EventPair, Mutant => Mutant,
    Semaphore => Semaphore, Timer => Timer, IrTimer => IrTimer, KeyedEvent => KeyedEvent, Section => Section, IoCompletion => IoCompletion, FileObject => File,
    Job => Job, DebugObject => DebugObject, ProcessObject => Process, ThreadObject => Thread, Key => Key, WorkerFactory => WorkerFactory
);
