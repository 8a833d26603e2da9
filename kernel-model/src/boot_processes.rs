//! The processes of Windows itself: made at boot from `guest/data/processes.csv`, with real ids, tokens, descriptors and
//! handle tables.
//!
//! They run no code. Their threads wait for ever for what such threads wait for, and their address spaces are empty:
//! whoever reads one finds nothing mapped.

use std::collections::BTreeSet;
use std::sync::Arc;

use guest::processes::{Owner, ProcessRow, StartRow, processes_of};
use guest::system::SystemMap;
use guest::{AccessMask, Arch};

use crate::boot::{COOKIE, make_token, process, secure, thread};
use crate::kernel::Kernel;
use crate::ob::{Entry, HandleAttributes, ObjectId};
use crate::ps::{ProcessAbout, ProcessId, SYSTEM_VOLUME, ThreadAbout, ThreadId, priority_class, wait_reason};
use crate::se::{Account, Protection, Token};

/// `DIRECTORY_QUERY | DIRECTORY_TRAVERSE`: the handle to `\KnownDlls` that every process with user mode has.
const KNOWN_DLLS: AccessMask = AccessMask(3);
/// The time between the starts of two processes, in 100 ns; and between two threads.
const PROCESS_APART: u64 = 3_700_000;
const THREAD_APART: u64 = 20_000;
/// Where the first routine that system threads start with lies in `ntoskrnl.exe`, and bytes between two; the same for
/// those of an image of user mode.
const KERNEL_ROUTINES: u64 = 0x10_0000;
const USER_ROUTINES: u64 = 0x1000;
const APART: u64 = 0x40;
/// Where images of system processes lie in their address spaces: there is nothing, but their threads started there.
const IMAGE_64: u64 = 0x7ff6_a000_0000;
const IMAGE_32: u64 = 0x40_0000;

const fn account_of(owner: Owner) -> Account {
    match owner {
        Owner::LocalSystem => Account::LocalSystem,
        Owner::LocalService => Account::LocalService,
        Owner::NetworkService => Account::NetworkService,
        Owner::User => Account::User,
    }
}

impl Kernel {
    /// Makes the processes of Windows.
    pub(crate) fn boot_processes(&mut self) {
        let build = self.profile.version.2;
        let mut taken: BTreeSet<u32> = processes_of(build).map(|row| row.pid).collect();
        let known_dlls = self.ob.find("\\KnownDlls");
        for (order, row) in (0..).zip(processes_of(build)) {
            let created = self.clock.boot_time() + order * PROCESS_APART;
            let token = self.token_for(row);
            let about = ProcessAbout { boot_order: (order > 0).then_some(order), ..self.about(row, created) };
            let process = self.boot_process(row, about, token);
            if let Some(directory) = known_dlls.filter(|_| !row.path.is_empty()) {
                self.give_handle(ProcessId(row.pid), directory, KNOWN_DLLS);
            }
            self.boot_threads(row, process, created, &mut taken);
        }
    }

    fn token_for(&mut self, row: &ProcessRow) -> Token {
        let mut token = self.se.logon(account_of(row.owner));
        token.session = row.session;
        if self.se.mandatory {
            token.integrity = row.integrity;
        }
        token
    }

    fn about(&mut self, row: &ProcessRow, created: u64) -> ProcessAbout {
        let build = self.profile.version.2;
        let kernel_only = row.path.is_empty();
        // RealtimePriorityClass and the like come with the base priority.
        let class = priority_class::BASE.iter().skip(1).position(|base| *base == row.priority);
        ProcessAbout {
            booted: true,
            kernel_only,
            path: if kernel_only { String::new() } else { format!("{SYSTEM_VOLUME}{}", row.path) },
            command_line: row.command.to_string(),
            created,
            critical: row.is_critical_on(build),
            base_priority: row.priority,
            priority_class: class.map_or(priority_class::NORMAL, |class| class as u8 + 1),
            cookie: row.pid.wrapping_mul(COOKIE) ^ created as u32,
            ..ProcessAbout::default()
        }
    }

    fn boot_process(&mut self, row: &ProcessRow, about: ProcessAbout, token: Token) -> ObjectId {
        let (id, parent) = (ProcessId(row.pid), ProcessId(row.parent));
        let token = make_token(&mut self.ob, token);
        let mut process = process(self.profile, &mut self.ob, id, parent, token, row.image);
        process.session = row.session;
        process.protection = Protection(row.protection_on(self.profile.version.2));
        process.about = about;
        let object = process.object;
        secure(&mut self.ob, &[object, token], token);
        self.ps.others.insert(id, process);
        object
    }

    fn boot_threads(&mut self, row: &ProcessRow, process: ObjectId, created: u64, taken: &mut BTreeSet<u32>) {
        let security = self.ob.get(process).and_then(|object| object.security.clone());
        let mut id = row.pid;
        for number in 0..row.threads {
            // Idle's is no id that anybody else could have.
            if row.pid != 0 {
                id = (id..).step_by(4).find(|id| !taken.contains(id)).unwrap_or(id);
                taken.insert(id);
            }
            let mut thread = thread(&mut self.ob, ThreadId(id), ProcessId(row.pid));
            if let Some(start) = row.start_of(number) {
                (thread.priority, thread.base_priority) = (start.priority, start.priority);
                (thread.start_address, thread.about) = self.boot_thread(row, start, created);
                thread.about.created += u64::from(number) * THREAD_APART;
            }
            if let Some(object) = self.ob.get_mut(thread.object) {
                object.security = security.as_ref().map(Arc::clone);
            }
            self.ps.other_threads.insert(thread.id, thread);
        }
    }

    /// Where a thread has started, and what is told of it.
    fn boot_thread(&self, row: &ProcessRow, start: &'static StartRow, created: u64) -> (u64, ThreadAbout) {
        let place = row.place_of(start.symbol) * APART;
        let is_kernel = start.symbol.starts_with("nt!");
        let address = match self.profile.arch {
            _ if is_kernel => {
                let routines = SystemMap::of(self.profile.arch).ntoskrnl + KERNEL_ROUTINES;
                routines + u64::from(row.pid) * 0x10 + place
            }
            Arch::X64 => IMAGE_64 + u64::from(row.pid) * 0x1_0000 + USER_ROUTINES + place,
            Arch::X86 => IMAGE_32 + USER_ROUTINES + place,
        };
        let about = ThreadAbout {
            start: is_kernel.then_some(address),
            symbol: start.symbol,
            created,
            waits: (row.pid != 0).then(|| wait_reason(start.wait)).flatten(),
            ..ThreadAbout::default()
        };
        (address, about)
    }

    /// Opens a handle in a process, whoever it belongs to.
    fn give_handle(&mut self, process: ProcessId, object: ObjectId, granted: AccessMask) {
        let Some(process) = self.ps.get_mut(process) else { return };
        let entry = Entry { object, granted, attributes: HandleAttributes::empty() };
        let cached = process.handles.initial_cache();
        if process.handles.insert(entry).is_ok() {
            self.ob.handle_opened(object, cached);
        }
    }

    /// Tells the threads of user mode that were there at boot where the kernel has started them: at `RtlUserThreadStart`,
    /// which is at one place in every process. Known when ntdll has been loaded.
    pub fn set_user_thread_start(&mut self, address: u64) {
        let of_user = |id| self.ps.get(id).is_some_and(|p| p.about.booted && !p.about.kernel_only);
        let threads: Vec<ThreadId> = self.ps.threads().filter(|t| of_user(t.process)).map(|t| t.id).collect();
        for id in threads {
            if let Some(thread) = self.ps.thread_mut(id) {
                thread.about.start = Some(address);
            }
        }
    }
}
