//! Segments: the pages of sections that the paging file backs, whoever has them mapped.

use std::collections::BTreeMap;

use guest::NtStatus;

use super::memory::Memory;
use super::pages::Frame;
use super::space::VadKind;

/// A segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(u32);

#[derive(Clone, Debug)]
struct Segment {
    /// The frame of each page; 0: it has none yet and reads as zeros.
    frames: Vec<u32>,
    /// The section object, and every view.
    references: u32,
}

/// Every segment there is.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    segments: BTreeMap<SegmentId, Segment>,
    next: u32,
}

impl Segments {
    pub(super) fn frame_mut(&mut self, id: SegmentId, page: u64) -> Option<&mut u32> {
        self.segments.get_mut(&id)?.frames.get_mut(usize::try_from(page).ok()?)
    }

    pub(super) fn frame(&self, id: SegmentId, page: u64) -> Option<Frame> {
        let frame = *self.segments.get(&id)?.frames.get(usize::try_from(page).ok()?)?;
        (frame != 0).then_some(Frame(frame))
    }
}

impl Memory {
    /// Makes a segment of this many pages, all of them charged.
    ///
    /// `STATUS_COMMITMENT_LIMIT`.
    pub(super) fn create_segment(&mut self, pages: u64) -> Result<SegmentId, NtStatus> {
        self.charge(pages)?;
        let id = SegmentId(self.segments.next);
        self.segments.next += 1;
        let frames = vec![0; usize::try_from(pages).unwrap_or(0)];
        self.segments.segments.insert(id, Segment { frames, references: 1 });
        Ok(id)
    }

    pub(super) fn reference_segment(&mut self, id: SegmentId) {
        if let Some(segment) = self.segments.segments.get_mut(&id) {
            segment.references += 1;
        }
    }

    /// The section object or a view is gone; with the last of them the pages go.
    pub fn release_segment(&mut self, id: SegmentId) {
        let Some(segment) = self.segments.segments.get_mut(&id) else { return };
        segment.references -= 1;
        if segment.references > 0 {
            return;
        }
        let Some(segment) = self.segments.segments.remove(&id) else { return };
        self.committed = self.committed.saturating_sub(segment.frames.len() as u64);
        for frame in segment.frames.into_iter().filter(|&f| f != 0).map(Frame) {
            self.invalidate.code |= self.frames.is_code(frame);
            self.frames.give_back(frame);
        }
    }

    /// Checks that every page is charged once, and that segments live as long as they must.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut views: BTreeMap<SegmentId, u32> = BTreeMap::new();
        for vad in self.all_spaces().flat_map(|space| space.vads()) {
            if let VadKind::View(view) = vad.kind {
                *views.entry(view.segment).or_default() += 1;
            }
        }
        for (id, segment) in &self.segments.segments {
            let mapped = views.remove(id).unwrap_or(0);
            if segment.references != mapped && segment.references != mapped + 1 {
                return Err(format!("{id:?} has {} references and {mapped} views", segment.references));
            }
        }
        if let Some((id, _)) = views.first_key_value() {
            return Err(format!("{id:?} is mapped and not there"));
        }
        let segments: u64 = self.segments.segments.values().map(|s| s.frames.len() as u64).sum();
        if segments > self.committed {
            return Err(format!("{segments} pages of segments, and {} are charged", self.committed));
        }
        Ok(())
    }
}
