//! How many rows of each partition are buffered, and which of them need not wait for more.

/// Rows buffered, by partition.
#[derive(Debug)]
pub(super) struct Fills {
    /// The most rows of a row group.
    group_rows: usize,
    partitions: Vec<Fill>,
    /// Rows of the write so far, without and with those that are being added.
    before: u64,
    seen: u64,
    /// Of the rows, those that make full row groups.
    full: usize,
    /// Of the others, those of partitions that seemed to be done at the last check.
    done: usize,
    next_check: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Fill {
    rows: usize,
    /// The span of the write's rows that they are among.
    first: u64,
    last: u64,
}

impl Fills {
    /// Rows between two checks of all partitions, which may be many.
    const MIN_CHECK_ROWS: usize = 1 << 13;

    pub(super) fn new(group_rows: usize) -> Self {
        Self { group_rows, partitions: Vec::new(), before: 0, seen: 0, full: 0, done: 0, next_check: 0 }
    }

    /// Partitions are below this.
    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Rows buffered of the partition.
    pub(super) fn rows(&self, partition: u32) -> usize {
        self.partitions.get(partition as usize).map_or(0, |fill| fill.rows)
    }

    /// Rows of full row groups, and of partitions that seem to be done.
    pub(super) fn ready_rows(&self) -> usize {
        self.full + self.done
    }

    /// Notes that so many rows come. What they are is told by [`Fills::add`].
    pub(super) fn advance(&mut self, rows: usize) {
        self.before = self.seen;
        self.seen += rows as u64;
    }

    pub(super) fn add(&mut self, partition: u32, rows: usize) {
        let index = partition as usize;
        if self.partitions.len() <= index {
            self.partitions.resize(index + 1, Fill::default());
        }
        let fill = &mut self.partitions[index];
        if fill.rows == 0 {
            fill.first = self.before;
        }
        let full_before = fill.rows / self.group_rows;
        fill.rows += rows;
        fill.last = self.seen;
        self.full += (fill.rows / self.group_rows - full_before) * self.group_rows;
    }

    /// Looks for partitions that seem to be done, once enough rows have come since the last time.
    pub(super) fn check(&mut self) {
        if self.seen >= self.next_check {
            self.next_check = self.seen + (self.group_rows / 8).max(Self::MIN_CHECK_ROWS) as u64;
            let done = self.partitions.iter().filter(|fill| self.is_done(fill));
            self.done = done.map(|fill| fill.rows % self.group_rows).sum();
        }
    }

    /// Whether a partition seems to have got all its rows, and enough of them for a row group: none came for longer
    /// than they had taken to come. Where rows come sorted by partition, waiting for more would keep them in memory,
    /// and the threads that encode idle.
    fn is_done(&self, fill: &Fill) -> bool {
        let enough = self.group_rows / 8;
        fill.rows >= enough && self.seen - fill.last >= (fill.last - fill.first).max(enough as u64)
    }

    /// By partition: how many of its rows, those that came last, had better wait for more to fill a row group of
    /// `group_rows`: the smallest rests, `most` rows of all partitions together.
    pub(super) fn rests(&self, group_rows: usize, most: usize) -> Vec<usize> {
        let rest = |id: &usize| self.partitions[*id].rows % group_rows;
        let waits = |id: &usize| rest(id) > 0 && !self.is_done(&self.partitions[*id]);
        let mut ids: Vec<usize> = (0..self.partitions.len()).filter(waits).collect();
        ids.sort_by_key(rest);
        let mut stay = vec![0; self.partitions.len()];
        let mut left = most;
        for id in ids {
            let Some(others) = left.checked_sub(rest(&id)) else { break };
            left = others;
            stay[id] = rest(&id);
        }
        stay
    }

    /// Forgets all rows. The answer is what [`Fills::remember`] takes.
    pub(super) fn clear(&mut self) -> Vec<(u64, u64)> {
        (self.full, self.done) = (0, 0);
        self.partitions.iter_mut().map(std::mem::take).map(|fill| (fill.first, fill.last)).collect()
    }

    /// Restores when rows of each partition came: those that were added since have been there before.
    pub(super) fn remember(&mut self, times: &[(u64, u64)]) {
        for (fill, (first, last)) in self.partitions.iter_mut().zip(times) {
            (fill.first, fill.last) = (*first, *last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds rows of one partition.
    fn push(fills: &mut Fills, partition: u32, rows: usize) {
        fills.advance(rows);
        fills.add(partition, rows);
        fills.check();
    }

    /// Rows of some other partition, number 9.
    fn others(fills: &mut Fills, rows: usize) {
        push(fills, 9, rows);
    }

    /// Fills of partitions that got so many rows, one after the other, in batches of 2,000.
    fn filled(group_rows: usize, partitions: &[usize]) -> Fills {
        let mut fills = Fills::new(group_rows);
        for (partition, rows) in partitions.iter().enumerate() {
            for start in (0..*rows).step_by(2_000) {
                push(&mut fills, partition as u32, 2_000.min(rows - start));
            }
        }
        fills
    }

    #[test]
    fn a_partition_without_news_is_done() {
        // 0 has enough for a row group and 1 has too few; 2 is under way.
        let mut fills = filled(100_000, &[30_000, 4_000, 40_000]);
        assert_eq!(fills.ready_rows(), 30_000);
        assert_eq!(fills.rests(100_000, 100_000), [0, 4_000, 40_000]);
        // More rows, and it is not until none came for as long as they took.
        push(&mut fills, 0, 5);
        others(&mut fills, 13_000);
        assert_eq!(fills.ready_rows(), 0);
        assert_eq!(fills.rests(100_000, 100_000)[..3], [30_005, 4_000, 40_000]);
        others(&mut fills, 40_000);
        assert_eq!(fills.ready_rows(), 40_000);
        others(&mut fills, 40_000);
        assert_eq!(fills.ready_rows(), 70_005);
    }

    #[test]
    fn partitions_that_take_turns_are_not_done() {
        let mut fills = Fills::new(100_000);
        for turn in 0..80_u32 {
            push(&mut fills, turn % 8, 2_000);
        }
        assert_eq!((fills.ready_rows(), fills.rows(0)), (0, 20_000));
        let mut seldom = Fills::new(1_000);
        for _ in 0..200 {
            push(&mut seldom, 0, 1);
            seldom.advance(999);
            seldom.check();
        }
        assert_eq!((seldom.ready_rows(), seldom.rows(0)), (0, 200));
        // Nor are those that came in one large batch with others.
        let mut fills = Fills::new(1_000);
        fills.advance(2_048);
        fills.add(0, 1_024);
        fills.add(1, 1_024);
        fills.check();
        assert_eq!((fills.ready_rows(), fills.rests(1_000, 100)), (2_000, vec![24, 24]));
    }

    #[test]
    fn the_smallest_rests_stay() {
        let fills = filled(1_000_000, &[5_000, 3_000, 0, 7_000, 2_000_001]);
        assert_eq!(fills.ready_rows(), 2_000_000);
        assert_eq!(fills.rests(1_000_000, 8_000), [0, 3_000, 0, 0, 1]);
        assert_eq!(fills.rests(1_000_000, 8_001), [5_000, 3_000, 0, 0, 1]);
        assert_eq!(fills.rests(1_000_000, 0), [0; 5]);
    }

    #[test]
    fn what_stays_is_as_old_as_before() {
        let mut fills = filled(100_000, &[30_000, 4_000, 20_000]);
        assert_eq!(fills.ready_rows(), 0);
        let times = fills.clear();
        assert_eq!((fills.ready_rows(), fills.rows(0)), (0, 0));
        fills.add(0, 30_000);
        fills.remember(&times);
        others(&mut fills, 10_000);
        assert_eq!(fills.ready_rows(), 30_000);
    }
}
