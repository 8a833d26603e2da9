//! File objects that nobody has a handle to any more, and files when the machine stops.

use crate::body::Body;
use crate::cx::{Cx, Outside};
use crate::io::FileObject;
use crate::kernel::Kernel;
use crate::ob::ObjectId;

impl Kernel {
    /// Cleans up behind files whose last handles were closed since the last time.
    #[inline]
    pub fn close_files(&mut self, outside: &mut dyn Outside) {
        if self.mm.segments.has_work() {
            Cx { kernel: self, ram: outside }.write_sections_back();
        }
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
        self.flush_sections(outside);
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
    pub(crate) fn file_deleted(&mut self, file: FileObject) {
        if let Some((port, _)) = file.port {
            self.ob.dereference(port);
        }
        if !file.cleaned {
            self.io.lost.push(file);
        }
    }
}
