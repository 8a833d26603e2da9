//! What happens when a file's last handle is closed (`IRP_MJ_CLEANUP`).

use super::file::{FileObject, Target};
use super::volume::Place;
use super::{mailslot, pipe};
use crate::body::Body;
use crate::cx::{Cx, Outside};
use crate::kernel::Kernel;
use crate::ob::ObjectId;

impl Kernel {
    /// Cleans up behind files whose last handles were closed since the last time.
    #[inline]
    pub fn close_files(&mut self, outside: &mut dyn Outside) {
        while !self.io.closing.is_empty() || !self.io.lost.is_empty() {
            for id in std::mem::take(&mut self.io.closing) {
                Cx { kernel: self, ram: outside }.clean_up(id);
                self.ob.dereference(id);
            }
            // These never had a handle.
            for file in std::mem::take(&mut self.io.lost) {
                Cx { kernel: self, ram: outside }.release(&file);
            }
            self.run_down();
        }
    }

    /// The machine stops: what is to be deleted on close is deleted. Handles stay, to be looked at.
    pub fn end_files(&mut self, outside: &mut dyn Outside) {
        self.close_files(outside);
        let files: Vec<ObjectId> =
            self.ob.iter().filter(|(_, o)| matches!(&o.body, Body::File(f) if !f.cleaned)).map(|(id, _)| id).collect();
        for id in files {
            Cx { kernel: self, ram: outside }.clean_up(id);
        }
        self.run_down();
    }

    /// A file object's last handle was closed; it is referenced.
    pub(crate) fn file_closed(&mut self, id: ObjectId) {
        self.io.closing.push(id);
    }

    /// A file object is deleted.
    pub(crate) fn file_deleted(&mut self, file: Box<FileObject>) {
        if let Some((port, _)) = file.port {
            self.ob.dereference(port);
        }
        if !file.cleaned {
            self.io.lost.push(*file);
        }
    }
}

impl Cx<'_> {
    fn clean_up(&mut self, id: ObjectId) {
        let Ok(file) = self.file_mut(id) else { return };
        if std::mem::replace(&mut file.cleaned, true) {
            return;
        }
        let file = file.clone();
        self.cancel(id, None, None);
        self.kernel.io.watches.remove(&id);
        if let Target::Node(place) = file.target {
            // What locks let go of cannot fail in a way that the closer is told.
            let _ = self.drop_locks(place, id);
        }
        self.release(&file);
    }

    /// Gives back what a file object has.
    fn release(&mut self, file: &FileObject) {
        match file.target {
            Target::Node(place) => self.release_node(place, file),
            Target::Pipe(end) => pipe::closed(self, end),
            Target::Mailslot(slot) => mailslot::closed(self, slot),
            _ => {}
        }
    }

    fn release_node(&mut self, place: Place, file: &FileObject) {
        let Ok(node) = self.node_mut(place) else { return };
        node.opens.remove(file.share);
        node.delete_pending |= file.delete_on_close;
        if node.opens.is_empty() && node.delete_pending {
            // A directory that has got something in it meanwhile stays, and so does what the host does not let go.
            if self.remove_node(place).is_err()
                && let Ok(node) = self.node_mut(place)
            {
                node.delete_pending = false;
            }
        }
        self.forget(place);
    }
}
