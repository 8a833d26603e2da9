//! A process that another makes: its object, its token, its handles, its first thread. What is in its memory somebody
//! outside puts there ([`crate::cx::Outside::load_process`]).

use guest::Handle;

use crate::body::Body;
use crate::boot::{make_token, process, secure, thread};
use crate::kernel::Kernel;
use crate::ob::{Entry, HandleAttributes, ObjectId};
use crate::ps::{ProcessAbout, ProcessId, ThreadId, priority_class};
use crate::se::{Account, Token};

impl Kernel {
    /// A process with one thread, a child of `parent`, with nothing in its memory. Its thread does not run yet.
    pub(crate) fn make_process(
        &mut self, parent: ProcessId, token: Option<ObjectId>, image: &str,
    ) -> Option<(ProcessId, ThreadId)> {
        let of_parent = self.ps.get(parent)?;
        let (session, inherited) = (of_parent.session, inherited(&of_parent.about));
        let source = token.unwrap_or(of_parent.token);
        let id = ProcessId(self.ps.next_id());
        let thread_id = ThreadId(id.0 + 4);
        // PspInheritToken, PspAssignPrimaryToken: the child's token is a copy.
        let token = match self.ob.get(source).map(|object| object.body.clone()) {
            Some(Body::Token(token)) => Token { id: self.se.new_luid(), ..*token },
            _ => self.se.logon(Account::User),
        };
        let token = make_token(&mut self.ob, token);
        let mut process = process(self.profile, &mut self.ob, id, parent, token, image);
        let object = process.object;
        (process.session, process.about) = (session, inherited);
        self.ps.others.insert(id, process);
        let mut thread = thread(&mut self.ob, thread_id, id);
        let base = self.ps.others.get(&id).map_or(thread.priority, |p| p.about.base_priority);
        (thread.priority, thread.base_priority) = (base, base);
        secure(&mut self.ob, &[object, thread.object, token], token);
        self.ps.other_threads.insert(thread_id, thread);
        self.begins(id);
        Some((id, thread_id))
    }

    /// Has something done as if a thread ran that does not: its process and its memory are the current ones meanwhile.
    pub fn as_thread<T>(&mut self, id: ThreadId, act: impl FnOnce(&mut Self) -> T) -> T {
        let (process, thread) = (self.ps.process.id, self.ps.thread.id);
        self.ps.switch_to(id);
        self.mm.switch_space(process.0, self.ps.process.id.0);
        let result = act(self);
        self.mm.switch_space(self.ps.process.id.0, process.0);
        self.ps.switch_to(thread);
        result
    }

    /// `ObInitProcess`: a new process gets the handles of another that are to be inherited, at their values; with a list,
    /// only those of it.
    pub(crate) fn inherit_handles(&mut self, from: ProcessId, to: ProcessId, only: Option<&[Handle]>) {
        let Some(source) = self.ps.get(from) else { return };
        let listed = |handle: Handle| only.is_none_or(|list| list.contains(&handle));
        let table = source
            .handles
            .keeping(|handle, entry| entry.attributes.contains(HandleAttributes::INHERIT) && listed(handle));
        let cached = table.initial_cache();
        let objects: Vec<ObjectId> = table.iter().map(|(_, entry)| entry.object).collect();
        objects.into_iter().for_each(|object| self.ob.handle_opened(object, cached));
        if let Some(process) = self.ps.get_mut(to) {
            process.handles = table;
        }
    }

    /// Gives a process a copy of a handle of another's; its value there.
    pub(crate) fn copy_handle(&mut self, from: ProcessId, to: ProcessId, handle: Handle) -> Option<Handle> {
        let entry: Entry = *self.ps.get(from)?.handles.get(handle)?;
        let handles = &mut self.ps.get_mut(to)?.handles;
        let copy = handles.insert(entry).ok()?;
        let cached = handles.initial_cache();
        self.ob.handle_opened(entry.object, cached);
        Some(copy)
    }
}

/// What a process takes over from its parent: the mode of hard errors, the processors, and of the priority classes the
/// low ones (`CreateProcess` on Microsoft Learn).
fn inherited(parent: &ProcessAbout) -> ProcessAbout {
    let low = [priority_class::IDLE, priority_class::BELOW_NORMAL].contains(&parent.priority_class);
    let class = if low { parent.priority_class } else { priority_class::NORMAL };
    ProcessAbout {
        hard_error_mode: parent.hard_error_mode,
        affinity: parent.affinity,
        priority_class: class,
        base_priority: priority_class::BASE.get(usize::from(class)).copied().unwrap_or(8),
        ..ProcessAbout::default()
    }
}
