//! The history, the sizes and the presence that the hub tells of, compared with the model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::actions::TOPICS;
use crate::client::Checked;
use crate::world::{World, topic};

impl World {
    pub(crate) fn compare(&mut self) -> Checked {
        self.see_who_was_evicted()?;
        self.compare_history()?;
        self.compare_sizes()?;
        self.compare_presence()?;
        self.people.compare(self.settled)
    }

    fn compare_history(&self) -> Checked {
        let epochs = &self.chronicle.epochs;
        prop_assert_eq!(self.hub.cursor(), epochs.id(self.chronicle.position()));
        for address in TOPICS.map(|text| Some(topic(text))).into_iter().chain([None]) {
            let history = match &address {
                Some(topic) => self.hub.history(topic, usize::MAX),
                None => self.hub.broadcast_history(usize::MAX),
            };
            let number = |id| epochs.number(id).unwrap_or(0);
            let numbers: Vec<_> = history.iter().map(|entry| number(entry.id())).collect();
            prop_assert_eq!(numbers, self.chronicle.kept(&address), "history of {:?}", address);
        }
        Ok(())
    }

    fn compare_sizes(&self) -> Checked {
        let present = || self.clients.iter().flatten().chain(&self.others).filter(|c| !c.gone);
        let mut topics: BTreeSet<_> = self.chronicle.topics_with_history().collect();
        topics.extend(present().flat_map(|client| client.topics.topics()));
        let patterns: BTreeSet<_> = present().flat_map(|c| c.topics.patterns()).collect();
        let stats = self.hub.stats();
        prop_assert_eq!(stats.connections, present().count());
        prop_assert_eq!(stats.patterns, patterns.len());
        prop_assert_eq!(stats.topics, topics.len(), "expected {:?}", topics);
        prop_assert_eq!(stats.history, self.chronicle.kept_in_all());
        prop_assert_eq!(stats.history_bytes, self.chronicle.bytes());
        Ok(())
    }

    fn compare_presence(&self) -> Checked {
        let present = || self.clients.iter().flatten().chain(&self.others).filter(|c| !c.gone);
        for topic in TOPICS.map(topic) {
            let members = self.hub.presence(&topic);
            let mut members: Vec<_> =
                members.iter().filter_map(|m| m.metadata::<u64>().copied()).collect();
            members.sort_unstable();
            let mut expected: Vec<_> =
                present().filter(|c| c.topics.cover(&topic)).map(|c| c.serial).collect();
            expected.sort_unstable();
            prop_assert_eq!(members, expected, "present on {}", topic);
        }
        Ok(())
    }
}
