//! A set of sequence numbers.

use std::ops::RangeInclusive;

/// Numbers, most of which follow each other: kept as runs, so that a busy day's thousands are as small as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// In their order, with a gap between any two; none is empty.
    runs: Vec<RangeInclusive<u64>>,
}

impl Numbers {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The lowest.
    pub fn first(&self) -> Option<u64> {
        self.runs.first().map(|run| *run.start())
    }

    /// The highest.
    pub fn last(&self) -> Option<u64> {
        self.runs.last().map(|run| *run.end())
    }

    /// Whether `number` is one of them.
    pub fn contains(&self, number: u64) -> bool {
        let following = self.runs.partition_point(|run| *run.end() < number);
        self.runs.get(following).is_some_and(|run| run.contains(&number))
    }

    /// How many of them are above `floor`.
    pub fn count_above(&self, floor: u64) -> u64 {
        let above = |run: &RangeInclusive<u64>| run.end().saturating_sub(floor.max(run.start().saturating_sub(1)));
        self.runs.iter().rev().map(above).take_while(|count| *count > 0).sum()
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.runs.iter().cloned().flatten()
    }
}

impl Extend<u64> for Numbers {
    /// Adds numbers above those that are there; others are passed over.
    fn extend<T: IntoIterator<Item = u64>>(&mut self, numbers: T) {
        for number in numbers {
            match self.runs.last_mut() {
                Some(run) if number <= *run.end() => {}
                Some(run) if number - 1 == *run.end() => *run = *run.start()..=number,
                _ => self.runs.push(number..=number),
            }
        }
    }
}

impl FromIterator<u64> for Numbers {
    /// Of numbers in any order.
    fn from_iter<T: IntoIterator<Item = u64>>(numbers: T) -> Self {
        let mut sorted: Vec<u64> = numbers.into_iter().collect();
        sorted.sort_unstable();
        let mut numbers = Self::default();
        numbers.extend(sorted);
        numbers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_the_set_of_what_was_put_in(some: Vec<u8>, more in prop::collection::btree_set(0..300u64, 0..40)) {
            let mut expected: BTreeSet<u64> = some.iter().map(|&number| u64::from(number)).collect();
            let mut numbers: Numbers = some.iter().map(|&number| u64::from(number)).collect();
            let highest = expected.last().copied();
            expected.extend(more.iter().filter(|number| highest.is_none_or(|highest| **number > highest)));
            numbers.extend(more);
            prop_assert_eq!(numbers.iter().collect::<Vec<_>>(), expected.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!((numbers.first(), numbers.last()), (expected.first().copied(), expected.last().copied()));
            prop_assert_eq!(numbers.is_empty(), expected.is_empty());
            for number in 0..310 {
                prop_assert_eq!(numbers.contains(number), expected.contains(&number));
                prop_assert_eq!(numbers.count_above(number), expected.range(number + 1..).count() as u64);
            }
        }
    }

    #[test]
    fn numbers_that_follow_each_other_are_one_run() {
        let numbers: Numbers = (1..=100_000).chain([200_000]).collect();
        assert_eq!(numbers.runs, [1..=100_000, 200_000..=200_000]);
    }
}
