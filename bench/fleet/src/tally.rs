//! The messages of one topic that one stream has seen, by their numbers.

/// The messages that a stream has seen of a topic, which are numbered from 0.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The number after the highest that came.
    next: u32,
    /// The lower numbers that have not come.
    missing: Vec<u32>,
    doubled: u32,
    late: u32,
}

impl Tally {
    pub(crate) fn count(&mut self, number: u32) {
        if number >= self.next {
            self.missing.extend(self.next..number);
            self.next = number + 1;
        } else if let Some(place) = self.missing.iter().position(|&missing| missing == number) {
            self.missing.swap_remove(place);
            self.late += 1;
        } else {
            self.doubled += 1;
        }
    }

    /// Returns whether the last of `sent` messages has come.
    pub(crate) fn has_all_of(&self, sent: u32) -> bool {
        self.next >= sent && self.missing.is_empty()
    }

    /// Returns the number of `sent` messages that have not come.
    pub(crate) fn lost(&self, sent: u32) -> u64 {
        self.missing.len() as u64 + u64::from(sent.saturating_sub(self.next))
    }

    /// Returns the number of messages that came again.
    pub(crate) fn doubled(&self) -> u64 {
        u64::from(self.doubled)
    }

    /// Returns the number of messages that came after a later one.
    pub(crate) fn late(&self) -> u64 {
        u64::from(self.late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_doubled_and_late_messages_are_told_apart() {
        let mut tally = Tally::default();
        for number in [0, 1, 4, 4, 2, 5] {
            tally.count(number);
        }
        assert_eq!((tally.lost(6), tally.doubled(), tally.late()), (1, 1, 1));
        assert_eq!(tally.lost(8), 3);
        assert!(!tally.has_all_of(6));
        tally.count(3);
        assert!(tally.has_all_of(6) && !tally.has_all_of(7));
    }
}
