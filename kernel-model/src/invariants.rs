//! The executive checked against itself: every count recounted.

use std::collections::BTreeMap;

use crate::body::Body;
use crate::kernel::Kernel;
use crate::ob::ObjectId;
use crate::service::WaitOn;

/// What the counts of one object should be.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Counts {
    handles: u32,
    cached: u64,
    references: u64,
}

impl Kernel {
    /// Checks what must hold between calls: handle counts and reference counts are those of the handles, names and
    /// pointers there are, names lead to their objects, free lists hold what is free, and memory is charged once.
    ///
    /// What is wrong, in words. Meant for tests: it looks at everything.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.ob.check()?;
        let mut sections = BTreeMap::new();
        for (_, object) in self.ob.iter() {
            if let Body::Section(section) = &object.body {
                *sections.entry(section.segment).or_insert(0) += 1;
            }
        }
        self.mm.check(&sections)?;
        self.io.check()?;
        for process in self.ps.iter() {
            process.handles.check().map_err(|e| format!("handles of {:?}: {e}", process.id))?;
        }
        self.ob.kernel_handles.check().map_err(|e| format!("the kernel's handles: {e}"))?;
        self.cm.check()?;
        self.check_keys()?;
        let expected = self.count_references();
        for (id, object) in self.ob.iter() {
            let counts = Counts { handles: object.handle_count, cached: object.cached, references: object.references };
            let expected = expected.get(&id).copied().unwrap_or_default();
            if counts != expected {
                let kind = self.ob.type_of(id);
                return Err(format!("{id:?}, {kind:?}: {counts:?}, but there are {expected:?}"));
            }
        }
        match expected.keys().find(|id| self.ob.get(**id).is_none()) {
            Some(id) => Err(format!("{id:?} is pointed to and not there")),
            None => Ok(()),
        }
    }

    /// Each key counts its key objects, but for the one that has the name `\REGISTRY`.
    fn check_keys(&self) -> Result<(), String> {
        let mut counted = BTreeMap::new();
        for (_, object) in self.ob.iter().filter(|(_, object)| object.name.is_none()) {
            if let Body::Key(key) = &object.body {
                *counted.entry(key.node).or_insert(0) += 1;
            }
        }
        let told = self.cm.opens();
        if counted == told { Ok(()) } else { Err(format!("{counted:?} key objects, {told:?} told")) }
    }

    fn count_references(&self) -> BTreeMap<ObjectId, Counts> {
        let mut all: BTreeMap<ObjectId, Counts> = BTreeMap::new();
        let mut point = |id: ObjectId| all.entry(id).or_default().references += 1;
        // ObpRootDirectoryObject
        point(self.ob.root());
        for (id, object) in self.ob.iter() {
            if let Some((directory, _)) = &object.name {
                point(id);
                point(*directory);
            }
            match &object.body {
                Body::Directory(directory) => directory.shadow.into_iter().for_each(&mut point),
                Body::File(file) => file.port.iter().for_each(|(port, _)| point(*port)),
                Body::Timer(timer) if timer.apc.is_some() => point(id),
                Body::Job(job) => job.port.iter().for_each(|(port, _)| point(*port)),
                Body::WorkerFactory(factory) => point(factory.port),
                Body::Key(key) => {
                    let posts = key.notify.iter().flat_map(|notify| &notify.posts);
                    posts.flat_map(|post| post.event.into_iter().chain(post.waiter)).for_each(&mut point);
                }
                _ => {}
            }
        }
        self.io.pointed().for_each(&mut point);
        for process in self.ps.iter().filter(|p| !p.buried) {
            point(process.object);
            process.jobs.iter().for_each(|job| point(*job));
            process.debug.port.iter().for_each(|port| point(*port));
        }
        for thread in self.ps.threads() {
            if !thread.has_ended() || thread.id == self.ps.thread.id {
                point(thread.object);
            }
            match thread.wait.as_ref().map(|wait| &wait.on) {
                Some(WaitOn::Objects { objects, .. }) => objects.iter().for_each(|&id| point(ObjectId(id))),
                Some(&(WaitOn::Again(id) | WaitOn::Key { event: id, .. })) => point(ObjectId(id)),
                _ => {}
            }
        }
        // A token goes when the process or thread itself is deleted.
        self.ps.iter().for_each(|process| all.entry(process.token).or_default().references += 1);
        let clients = self.ps.threads().filter_map(|thread| thread.impersonation);
        clients.for_each(|token| all.entry(token).or_default().references += 1);
        for table in self.ps.iter().map(|p| &p.handles).chain([&self.ob.kernel_handles]) {
            for (handle, entry) in table.iter() {
                let counts = all.entry(entry.object).or_default();
                counts.handles += 1;
                counts.references += 1;
                counts.cached += u64::from(table.cached(handle).unwrap_or(0));
            }
        }
        all
    }
}
