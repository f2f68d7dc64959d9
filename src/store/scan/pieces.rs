//! Which ranges of a file to ask for so that few requests bring many, and the answers put together.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::storage::Access;

/// Parts of a file in memory, each with where it starts: sorted, and apart from each other.
#[derive(Debug, Clone, Default)]
pub(super) struct Pieces(Vec<(u64, Bytes)>);

impl Pieces {
    /// One part, which starts at `start`.
    pub(super) fn one(start: u64, bytes: Bytes) -> Self {
        Self(vec![(start, bytes)])
    }

    /// The bytes of `range`; `None` where they are not here.
    pub(super) fn cut(&self, range: &Range<u64>) -> Option<Bytes> {
        if range.is_empty() {
            return Some(Bytes::new());
        }
        let behind = self.0.partition_point(|(start, _)| *start <= range.start);
        let (start, bytes) = self.0.get(behind.checked_sub(1)?)?;
        let (from, to) = (usize::try_from(range.start - start).ok()?, usize::try_from(range.end - start).ok()?);
        (to <= bytes.len()).then(|| bytes.slice(from..to))
    }

    /// How many bytes are here.
    pub(super) fn size(&self) -> u64 {
        self.0.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }
}

/// Requests that together bring some ranges of a file.
#[derive(Debug)]
pub(super) struct Requests {
    /// What is asked for, in the order of the file.
    parts: Vec<Range<u64>>,
    /// How many of the parts make up each piece.
    parts_of_piece: Vec<usize>,
}

impl Requests {
    /// The fewest that bring all of `ranges`, read over gaps of up to `gap_bytes`. Over a network, a piece too large
    /// for one request is asked for in several, which travel at the same time.
    pub(super) fn new(ranges: Vec<Range<u64>>, gap_bytes: u64, access: &Access) -> Self {
        let pieces = coalesce(ranges, gap_bytes, access.request_max_bytes);
        let mut parts = Vec::with_capacity(pieces.len());
        let mut parts_of_piece = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let bytes = piece.end - piece.start;
            let count = if access.remote { bytes.div_ceil(access.request_max_bytes.max(1)).max(1) } else { 1 };
            let step = bytes.div_ceil(count);
            parts.extend((0..count).map(|part| {
                let start = piece.start + part * step;
                start.min(piece.end)..(start + step).min(piece.end)
            }));
            parts_of_piece.push(count as usize);
        }
        Self { parts, parts_of_piece }
    }

    /// What to ask for.
    pub(super) fn parts(&self) -> &[Range<u64>] {
        &self.parts
    }

    /// Puts the answers together, one a part; `None` where one is not as long as was asked.
    pub(super) fn put_together(self, answers: Vec<Bytes>) -> Option<Pieces> {
        let complete = |(part, answer): (&Range<u64>, &Bytes)| answer.len() as u64 == part.end - part.start;
        if answers.len() != self.parts.len() || !self.parts.iter().zip(&answers).all(complete) {
            return None;
        }
        let mut answers = self.parts.into_iter().zip(answers);
        let mut pieces = Vec::with_capacity(self.parts_of_piece.len());
        for count in self.parts_of_piece {
            let (first, bytes) = answers.next()?;
            if count == 1 {
                pieces.push((first.start, bytes));
                continue;
            }
            let rest: Vec<Bytes> = answers.by_ref().take(count - 1).map(|(_, bytes)| bytes).collect();
            let mut whole = BytesMut::with_capacity(bytes.len() + rest.iter().map(Bytes::len).sum::<usize>());
            whole.extend_from_slice(&bytes);
            rest.iter().for_each(|bytes| whole.extend_from_slice(bytes));
            pieces.push((first.start, whole.freeze()));
        }
        Some(Pieces(pieces))
    }
}

/// The fewest ranges to read that contain all of `ranges`: sorted, apart from each other, and not joined beyond
/// `max_bytes`.
fn coalesce(mut ranges: Vec<Range<u64>>, gap_bytes: u64, max_bytes: u64) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last)
                if range.end <= last.end
                    || range.start < last.end
                    || (range.start <= last.end.saturating_add(gap_bytes) && range.end - last.start <= max_bytes) =>
            {
                last.end = last.end.max(range.end);
            }
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REMOTE: Access = Access { remote: true, concurrency: 8, coalesce_gap_bytes: 50, request_max_bytes: 100 };

    #[test]
    fn near_ranges_become_one_far_and_huge_ones_stay_apart() {
        let (gap, max) = (64, 1000);
        let coalesce = |ranges| coalesce(ranges, gap, max);
        assert_eq!(coalesce(vec![10 + gap..20 + gap, 0..10]), vec![0..20 + gap]);
        assert_eq!(coalesce(vec![0..10, 11 + gap..12 + gap]), vec![0..10, 11 + gap..12 + gap]);
        let half = max / 2 + 1;
        assert_eq!(coalesce(vec![0..half, half..2 * half]), vec![0..half, half..2 * half]);
        assert_eq!(coalesce(vec![0..100, 20..30, 90..120, 5..5]), vec![0..120]);
    }

    #[test]
    fn what_is_large_is_asked_for_in_parts_over_a_network_only() {
        let ranges = || vec![0..250, 1000..1010];
        assert_eq!(Requests::new(ranges(), 50, &REMOTE).parts(), [0..84, 84..168, 168..250, 1000..1010]);
        let local = Access { remote: false, ..REMOTE };
        assert_eq!(Requests::new(ranges(), 50, &local).parts(), ranges());
    }

    proptest! {
        #[test]
        fn every_range_is_found_in_what_was_asked_for(
            ranges in proptest::collection::vec((0..900_usize, 0..100_usize), 0..20),
            gap in 0..80_u64,
            max in 1..200_u64,
        ) {
            let file: Vec<u8> = (0..1000_u32).map(|at| (at * 7 % 251) as u8).collect();
            let ranges: Vec<Range<u64>> =
                ranges.into_iter().map(|(start, size)| start as u64..(start + size) as u64).collect();
            let slice = |range: &Range<u64>| file[range.start as usize..range.end as usize].to_vec();
            let requests = Requests::new(ranges.clone(), gap, &Access { request_max_bytes: max, ..REMOTE });
            prop_assert!(requests.parts().iter().all(|part| !part.is_empty() && part.end - part.start <= max.max(1)));
            let mut answers: Vec<Bytes> = requests.parts().iter().map(|part| slice(part).into()).collect();
            let pieces = Requests::new(ranges.clone(), gap, &Access { request_max_bytes: max, ..REMOTE })
                .put_together(answers.clone())
                .unwrap();
            for range in &ranges {
                prop_assert_eq!(pieces.cut(range).unwrap(), slice(range));
            }
            if let Some(last) = answers.pop() {
                answers.push(last.slice(1..));
                prop_assert!(requests.put_together(answers).is_none());
            }
        }
    }
}
