//! Segments: the pages of sections, whoever has them mapped. The paging file, a file's data or an image is behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use guest::NtStatus;
use guest::mem::PAGE_SIZE;

use super::image::SectionImage;
use super::memory::{Memory, Phys};
use super::pages::{Frame, Pte};
use super::space::VadKind;

/// A segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(u32);

/// A file as sections know it: the I/O manager's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileKey {
    /// Its volume.
    pub volume: u32,
    /// Its place there.
    pub node: u32,
}

/// What is behind a segment.
#[derive(Clone, Debug)]
pub(super) enum Backing {
    /// The paging file, and which pages are committed where not all are.
    PagingFile(Option<BTreeSet<u64>>),
    /// A file's bytes. Pages that are in use are here, and written back.
    Data(FileKey),
    /// An image, whose pages are made as they are touched.
    Image(Arc<SectionImage>),
}

/// Frames in a chunk of a segment's table.
const CHUNK: u64 = 512;

#[derive(Clone, Debug)]
struct Segment {
    /// The frames by chunks; 0: the page has none yet.
    frames: BTreeMap<u64, Vec<u32>>,
    pages: u64,
    backing: Backing,
    /// The section objects, and every view.
    references: u32,
    /// Pages charged.
    charged: u64,
    /// Somebody could write it through a view.
    writable: bool,
}

impl Segment {
    fn frame(&self, page: u64) -> Option<Frame> {
        let frame = *self.frames.get(&(page / CHUNK))?.get((page % CHUNK) as usize)?;
        (frame != 0).then_some(Frame(frame))
    }

    fn set_frame(&mut self, page: u64, frame: Frame) {
        let chunk = self.frames.entry(page / CHUNK).or_insert_with(|| vec![0; CHUNK as usize]);
        if let Some(slot) = chunk.get_mut((page % CHUNK) as usize) {
            *slot = frame.0;
        }
    }

    /// The pages that have frames, in order.
    fn resident(&self) -> impl Iterator<Item = (u64, Frame)> {
        let pages = self.frames.iter().flat_map(|(chunk, frames)| (chunk * CHUNK..).zip(frames));
        pages.filter(|(_, frame)| **frame != 0).map(|(page, frame)| (page, Frame(*frame)))
    }
}

/// Every segment there is.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    segments: BTreeMap<SegmentId, Segment>,
    next: u32,
    /// The data and the image segments of files.
    data: BTreeMap<FileKey, SegmentId>,
    images: BTreeMap<FileKey, SegmentId>,
    /// Data segments that are to be written back, or that nobody needs any more.
    to_write: BTreeSet<SegmentId>,
    /// Files whose segments went.
    left: Vec<FileKey>,
    /// Images that were mapped lately, with their first pages, for whoever names addresses.
    news: Vec<(u64, Arc<SectionImage>)>,
}

impl Segments {
    pub(super) fn frame(&self, id: SegmentId, page: u64) -> Option<Frame> {
        self.segments.get(&id)?.frame(page)
    }

    /// The image of a segment that is one.
    pub(super) fn image(&self, id: SegmentId) -> Option<&Arc<SectionImage>> {
        match &self.segments.get(&id)?.backing {
            Backing::Image(image) => Some(image),
            _ => None,
        }
    }

    /// The bytes of the file that an image segment was made of, if it is a program, and its path.
    pub(crate) fn raw_image(&self, id: SegmentId) -> Option<(Vec<u8>, String)> {
        self.image(id).map(|image| (image.raw.clone(), image.path.clone()))
    }

    /// The file behind a segment.
    pub(super) fn file(&self, id: SegmentId) -> Option<FileKey> {
        match &self.segments.get(&id)?.backing {
            Backing::Data(file) => Some(*file),
            Backing::Image(image) => Some(image.file),
            Backing::PagingFile(_) => None,
        }
    }

    pub(super) fn is_data(&self, id: SegmentId) -> bool {
        self.segments.get(&id).is_some_and(|segment| matches!(segment.backing, Backing::Data(_)))
    }

    /// Whether a page is committed: all are, but for those of a section that was only reserved.
    pub(super) fn is_committed(&self, id: SegmentId, page: u64) -> bool {
        match self.segments.get(&id).map(|segment| &segment.backing) {
            Some(Backing::PagingFile(Some(committed))) => committed.contains(&page),
            Some(_) => true,
            None => false,
        }
    }

    /// Whether a section was only reserved.
    pub(super) fn is_reserved(&self, id: SegmentId) -> bool {
        let backing = self.segments.get(&id).map(|segment| &segment.backing);
        matches!(backing, Some(Backing::PagingFile(Some(_))))
    }

    /// Takes note of an image that is mapped. Where nobody asks, the latest are kept.
    pub(super) fn note_image(&mut self, first: u64, image: &Arc<SectionImage>) {
        const MOST: usize = 512;
        if self.news.len() >= MOST {
            self.news.drain(..MOST / 2);
        }
        self.news.push((first, Arc::clone(image)));
    }

    /// The images that were mapped since somebody asked, with their addresses.
    pub fn take_news(&mut self) -> Vec<(u64, Arc<SectionImage>)> {
        self.news.drain(..).map(|(first, image)| (first * PAGE_SIZE, image)).collect()
    }

    /// The data segment of a file.
    pub fn data_of(&self, file: FileKey) -> Option<SegmentId> {
        self.data.get(&file).copied()
    }

    /// The image segment of a file.
    pub fn image_of(&self, file: FileKey) -> Option<SegmentId> {
        self.images.get(&file).copied()
    }

    /// Whether there is something for [`Cx::write_sections_back`](crate::Cx::write_sections_back) to do.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        !self.to_write.is_empty() || !self.left.is_empty()
    }
}

impl Memory {
    fn add_segment(&mut self, backing: Backing, pages: u64, charged: u64) -> SegmentId {
        let segments = &mut self.segments;
        let id = SegmentId(segments.next);
        segments.next += 1;
        match &backing {
            Backing::Data(file) => segments.data.insert(*file, id),
            Backing::Image(image) => segments.images.insert(image.file, id),
            Backing::PagingFile(_) => None,
        };
        let frames = BTreeMap::new();
        let segment = Segment { frames, pages, backing, references: 1, charged, writable: false };
        segments.segments.insert(id, segment);
        id
    }

    /// Makes a segment of this many pages, all of them charged, or none if they are only reserved.
    ///
    /// `STATUS_COMMITMENT_LIMIT`.
    pub(super) fn create_segment(&mut self, pages: u64, reserve: bool) -> Result<SegmentId, NtStatus> {
        let charged = if reserve { 0 } else { pages };
        self.charge(charged)?;
        Ok(self.add_segment(Backing::PagingFile(reserve.then(BTreeSet::new)), pages, charged))
    }

    /// The data segment of a file, with room for so many pages. Whether it is new: then the file is to be held.
    pub(super) fn data_segment(&mut self, file: FileKey, pages: u64) -> (SegmentId, bool) {
        if let Some(id) = self.segments.data_of(file) {
            self.reference_segment(id);
            self.extend_segment(id, pages);
            return (id, false);
        }
        (self.add_segment(Backing::Data(file), pages, 0), true)
    }

    /// A new image segment, whose file is to be held.
    pub(super) fn image_segment(&mut self, image: Arc<SectionImage>) -> SegmentId {
        let pages = image.pages();
        self.add_segment(Backing::Image(image), pages, 0)
    }

    /// A data segment has at least so many pages.
    pub(super) fn extend_segment(&mut self, id: SegmentId, pages: u64) {
        if let Some(segment) = self.segments.segments.get_mut(&id) {
            segment.pages = segment.pages.max(pages);
        }
    }

    pub(super) fn reference_segment(&mut self, id: SegmentId) {
        if let Some(segment) = self.segments.segments.get_mut(&id) {
            segment.references += 1;
        }
    }

    /// A view that can be written shows the segment.
    pub(super) fn note_writable(&mut self, id: SegmentId) {
        if let Some(segment) = self.segments.segments.get_mut(&id) {
            segment.writable = true;
        }
    }

    /// Commits pages of a section that was reserved, in every view of it.
    ///
    /// `STATUS_COMMITMENT_LIMIT`.
    pub(super) fn commit_segment(&mut self, id: SegmentId, first: u64, last: u64) -> Result<(), NtStatus> {
        let Some(segment) = self.segments.segments.get_mut(&id) else { return Ok(()) };
        let Backing::PagingFile(Some(committed)) = &segment.backing else { return Ok(()) };
        let fresh = (last - first + 1).saturating_sub(committed.range(first..=last).count() as u64);
        self.charge(fresh)?;
        if let Some(segment) = self.segments.segments.get_mut(&id)
            && let Backing::PagingFile(Some(committed)) = &mut segment.backing
        {
            segment.charged += fresh;
            committed.extend(first..=last);
        }
        let spaces = std::iter::once(&mut self.space).chain(self.spaces.values_mut());
        for space in spaces {
            let views: Vec<_> = space.vads().filter_map(|v| Some((v.first, v.last, v.protect, v.view()?))).collect();
            for (at, end, protect, view) in views.into_iter().filter(|(.., view)| view.segment == id) {
                for page in first.max(view.first)..=last {
                    let vpn = at + (page - view.first);
                    if vpn <= end && space.pages.get(vpn).protect().is_none() {
                        space.pages.set(vpn, Pte::prototype(protect));
                    }
                }
            }
        }
        Ok(())
    }

    /// The frame of a segment's page, filled the first time: zeros, or what an image has there.
    pub(super) fn segment_frame(&mut self, ram: &mut dyn Phys, id: SegmentId, page: u64) -> Option<Frame> {
        let segment = self.segments.segments.get(&id)?;
        if let Some(frame) = segment.frame(page) {
            return Some(frame);
        }
        if page >= segment.pages {
            return None;
        }
        let image = match &segment.backing {
            Backing::Image(image) => Some(Arc::clone(image)),
            _ => None,
        };
        let charge = u64::from(!matches!(segment.backing, Backing::PagingFile(_)));
        self.charge(charge).ok()?;
        let Some(frame) = self.frames.take(ram) else {
            self.committed -= charge;
            return None;
        };
        if let Some(bytes) = image.as_ref().and_then(|image| image.page(page)) {
            ram.write(frame, 0, bytes);
        }
        let segment = self.segments.segments.get_mut(&id)?;
        segment.charged += charge;
        segment.set_frame(page, frame);
        Some(frame)
    }

    /// The pages of a data segment that are in memory, up to a number of them: what a file's bytes are there.
    pub(crate) fn data_pages(&self, id: SegmentId, first: u64, last: u64) -> Vec<(u64, Frame)> {
        let Some(segment) = self.segments.segments.get(&id) else { return Vec::new() };
        if last - first < CHUNK {
            return (first..=last).filter_map(|page| Some((page, segment.frame(page)?))).collect();
        }
        segment.resident().filter(|(page, _)| (first..=last).contains(page)).collect()
    }

    /// The kernel changes a page of a data segment.
    pub(crate) fn write_frame(&mut self, ram: &mut dyn Phys, frame: Frame, offset: usize, bytes: &[u8]) {
        self.invalidate.code |= self.frames.is_code(frame);
        ram.write(frame, offset, bytes);
    }

    /// A view, which could be written, is gone: what was written goes to the file.
    pub(super) fn view_left(&mut self, id: SegmentId) {
        let Some(segment) = self.segments.segments.get(&id) else { return };
        if matches!(segment.backing, Backing::Data(_)) && segment.writable {
            self.segments.to_write.insert(id);
        }
    }

    /// Data segments that are to be written back now, with their files; asking forgets them.
    pub(crate) fn take_to_write(&mut self) -> Vec<(SegmentId, FileKey)> {
        let ids = std::mem::take(&mut self.segments.to_write);
        ids.into_iter().filter_map(|id| Some((id, self.segments.file(id)?))).collect()
    }

    /// Every data segment that was written through views, with its file.
    pub(crate) fn written_segments(&self) -> Vec<(SegmentId, FileKey)> {
        let written = self.segments.segments.iter().filter(|(_, segment)| segment.writable);
        written.filter_map(|(id, _)| Some((*id, self.segments.file(*id)?))).collect()
    }

    /// A segment was written back: it goes if nobody needs it.
    pub(crate) fn written_back(&mut self, id: SegmentId) {
        if self.segments.segments.get(&id).is_some_and(|segment| segment.references == 0) {
            self.drop_segment(id);
        }
    }

    /// Files whose segments went since somebody asked.
    pub(crate) fn take_left_files(&mut self) -> Vec<FileKey> {
        std::mem::take(&mut self.segments.left)
    }

    /// Whether a file's data is mapped somewhere, not just by a section.
    pub(crate) fn is_mapped(&self, file: FileKey) -> bool {
        let Some(id) = self.segments.data_of(file) else { return false };
        self.all_spaces().flat_map(|space| space.vads()).any(|v| v.view().is_some_and(|view| view.segment == id))
    }

    /// The section object or a view is gone; with the last of them the pages go.
    pub fn release_segment(&mut self, id: SegmentId) {
        let Some(segment) = self.segments.segments.get_mut(&id) else { return };
        segment.references = segment.references.saturating_sub(1);
        if segment.references > 0 {
            return;
        }
        match &segment.backing {
            Backing::Data(_) => {
                self.segments.to_write.insert(id);
            }
            _ => self.drop_segment(id),
        }
    }

    fn drop_segment(&mut self, id: SegmentId) {
        let Some(segment) = self.segments.segments.remove(&id) else { return };
        let segments = &mut self.segments;
        match &segment.backing {
            Backing::Data(file) => {
                segments.data.remove(file);
                segments.left.push(*file);
            }
            Backing::Image(image) => {
                segments.images.remove(&image.file);
                segments.left.push(image.file);
            }
            Backing::PagingFile(_) => {}
        }
        self.committed = self.committed.saturating_sub(segment.charged);
        for (_, frame) in segment.resident() {
            self.invalidate.code |= self.frames.is_code(frame);
            self.frames.give_back(frame);
        }
    }

    /// Checks that every page is charged once, and that segments live as long as they must. `sections` has the number of
    /// section objects over each.
    pub(crate) fn check(&self, sections: &BTreeMap<SegmentId, u32>) -> Result<(), String> {
        let mut users = sections.clone();
        for vad in self.all_spaces().flat_map(|space| space.vads()) {
            if let VadKind::View(view) = vad.kind {
                *users.entry(view.segment).or_default() += 1;
            }
        }
        for (id, segment) in &self.segments.segments {
            let counted = users.remove(id).unwrap_or(0);
            if segment.references != counted {
                return Err(format!("{id:?} has {} references, and {counted} sections and views", segment.references));
            }
        }
        if let Some((id, _)) = users.first_key_value() {
            return Err(format!("{id:?} is in use and not there"));
        }
        let segments: u64 = self.segments.segments.values().map(|s| s.charged).sum();
        if segments > self.committed {
            return Err(format!("{segments} pages of segments, and {} are charged", self.committed));
        }
        Ok(())
    }
}

/// Pages that so many bytes take.
pub(super) fn pages_of(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE_SIZE)
}
