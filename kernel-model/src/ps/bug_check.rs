//! Bugchecks that services raise, first of all because a critical process or thread has ended.

use guest::NtStatus;
use guest::bugcheck::BugCheckCode;
use guest::system::SystemMap;

use super::{ProcessId, ThreadId};
use crate::kernel::Kernel;
use crate::ob::ObjectId;

/// A call of `KeBugCheckEx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BugCheck {
    /// The code.
    pub code: BugCheckCode,
    /// The four parameters.
    pub parameters: [u64; 4],
    /// What happened, in words.
    pub what: String,
}

/// The first build that says `CRITICAL_PROCESS_DIED`: Windows 8.
const PROCESS_DIED: u32 = 9200;
/// The types that `CRITICAL_OBJECT_TERMINATION` tells apart: those of `DISPATCHER_HEADER`.
const PROCESS_OBJECT: u64 = 3;
const THREAD_OBJECT: u64 = 6;

/// Which of the two has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Critical {
    Process,
    Thread,
}

impl Kernel {
    /// `PspCatchCriticalBreak` for a process that is about to end.
    pub fn process_dies(&mut self, id: ProcessId) {
        if let Some(process) = self.ps.get(id).filter(|p| p.about.critical) {
            let (object, what) =
                (process.object, format!("the critical process {} ({:#x}) has ended", process.image, id.0));
            self.dies(Critical::Process, id, object, what);
        }
    }

    /// The same for a thread.
    pub(crate) fn thread_dies(&mut self, id: ThreadId) {
        if let Some(thread) = self.ps.thread(id).filter(|t| t.about.critical && t.exit_status == NtStatus::PENDING) {
            let (process, object) = (thread.process, thread.object);
            let what = format!("the critical thread {:#x} of process {:#x} has ended", id.0, process.0);
            self.dies(Critical::Thread, process, object, what);
        }
    }

    /// The parameters are those of Microsoft's bug check reference: from Windows 8 on the object, and whether it is a
    /// process (0) or a thread (1); before, the kind of object, the object, the process's image name and a text.
    fn dies(&mut self, kind: Critical, process: ProcessId, object: ObjectId, what: String) {
        // The first is the one that the machine ends with.
        if self.bug_check.is_some() {
            return;
        }
        let address = self.address_of(object);
        let thread = u64::from(kind == Critical::Thread);
        let (code, parameters) = if self.profile.version.2 >= PROCESS_DIED {
            (BugCheckCode::CRITICAL_PROCESS_DIED, [address, thread, 0, 0])
        } else {
            let owner = self.ps.get(process).map_or(0, |p| self.address_of(p.object));
            let name =
                owner + self.profile.layout_for(self.profile.arch).offset("EPROCESS", "ImageFileName").unwrap_or(0);
            let kind = if kind == Critical::Process { PROCESS_OBJECT } else { THREAD_OBJECT };
            (BugCheckCode::CRITICAL_OBJECT_TERMINATION, [kind, address, name, self.message(kind)])
        };
        self.bug_check = Some(Box::new(BugCheck { code, parameters, what }));
    }

    /// Where the kernel has the text that it explains a critical object's end with: in `ntoskrnl.exe`, which no memory
    /// stands behind unless kernel code runs.
    fn message(&self, kind: u64) -> u64 {
        const TEXTS: u64 = 0x2_0000;
        SystemMap::of(self.profile.arch).ntoskrnl + TEXTS + 0x20 * kind
    }
}
