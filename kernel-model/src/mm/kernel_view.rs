//! Views that the kernel itself makes in the current process: system images, national-language tables.

use std::sync::Arc;

use guest::NtStatus;
use guest::mem::PAGE_SIZE;

use super::image::SectionImage;
use super::protect::Protect;
use super::segment::{FileKey, pages_of};
use super::space::View;
use super::view::{Wanted, map};
use crate::cx::Cx;
use crate::service::NtResult;

impl Cx<'_> {
    /// Maps a file's bytes for reading; where.
    ///
    /// `STATUS_MAPPED_FILE_SIZE_ZERO`, `STATUS_NO_MEMORY`, the file's statuses.
    pub(crate) fn map_data(&mut self, file: FileKey) -> NtResult<(u64, u64)> {
        let size = self.file_length(file)?;
        if size == 0 {
            return Err(NtStatus::MAPPED_FILE_SIZE_ZERO.into());
        }
        let pages = pages_of(size);
        let (segment, is_new) = self.kernel.mm.data_segment(file, pages);
        if is_new {
            self.hold_file(file);
        }
        let highest = self.kernel.ps.process.highest;
        let view = View { segment, first: 0 };
        let wanted = Wanted { base: 0, highest, pages, view, protect: Protect::READONLY, top_down: false };
        let read = self.read_in(segment, 0, pages);
        let first = read.and_then(|()| Ok(map(&mut self.kernel.mm, &wanted)?));
        self.kernel.mm.release_segment(segment);
        Ok((first? * PAGE_SIZE, size))
    }

    /// Maps a file as an image, where it belongs if there is room; where, and what it is.
    ///
    /// The statuses of images that are none, `STATUS_NO_MEMORY`, the file's statuses.
    pub(crate) fn map_image(&mut self, file: FileKey) -> NtResult<(u64, Arc<SectionImage>)> {
        let segment = match self.kernel.mm.segments.image_of(file) {
            Some(segment) => {
                self.kernel.mm.reference_segment(segment);
                segment
            }
            None => self.new_image_segment(file)?,
        };
        let image = self.kernel.mm.segments.image(segment).cloned().ok_or(NtStatus::SECTION_NOT_IMAGE)?;
        let highest = self.kernel.ps.process.highest;
        let view = View { segment, first: 0 };
        let (pages, protect) = (image.pages(), Protect::EXECUTE_READ);
        let wanted = Wanted { base: 0, highest, pages, view, protect, top_down: false };
        let mapped = super::image_view::map(&mut self.kernel.mm, &wanted, None);
        self.kernel.mm.release_segment(segment);
        Ok((mapped?.0 * PAGE_SIZE, image))
    }
}
