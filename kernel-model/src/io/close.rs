//! What happens when a file's last handle is closed (`IRP_MJ_CLEANUP`).

use super::file::{FileObject, Target};
use super::volume::Place;
use super::{mailslot, pipe};
use crate::cx::Cx;
use crate::ob::ObjectId;

impl Cx<'_> {
    /// Cleans up behind a file object whose last handle was closed.
    pub(crate) fn clean_up(&mut self, id: ObjectId) {
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
    pub(crate) fn release(&mut self, file: &FileObject) {
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
