//! Presence by key: the people on two topics, of whom each may have two clients.
//!
//! A connection counts from when it opens until it has been closed for [`LINGER`], unless another one of
//! its person took its place. Reports come a little later than changes, so the model is asked when nothing
//! has changed for a while, and does not decide what happened within the same moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use sse_kit_broadcast::{Connection, Hub, PresenceByKey};
use sse_kit_event::Topic;
use tokio::time::Instant;

use crate::client::{Checked, Client};
use crate::world::topic;

const ROOMS: [&str; 2] = ["a", "c:1"];
const LINGER: Duration = Duration::from_secs(1);
/// The time within which changes are one report, and as many ticks as that takes.
const MOMENT: Duration = PresenceByKey::<usize>::GATHER.saturating_add(Duration::from_millis(5));

#[derive(Debug, Default)]
struct Reports {
    newest: BTreeMap<usize, usize>,
    /// One said nothing new.
    is_repeated: bool,
    has_ended: bool,
}

#[derive(Debug)]
pub(crate) struct People {
    reports: Arc<Mutex<Reports>>,
    persons: [Person; 3],
    changed: Instant,
    is_over: bool,
}

/// The connections of one person.
#[derive(Debug, Default)]
struct Person {
    /// The time since which each is there, by serial.
    here: BTreeMap<u64, Instant>,
    opened: Option<Instant>,
    /// The times at which those closed that still count.
    lingering: Vec<Instant>,
    /// The times of closes that may count or not.
    unsure: Vec<Instant>,
}

impl People {
    /// Watches the people of a hub, until that shuts down.
    pub(crate) fn watch(hub: &Hub) -> Self {
        let reports = Arc::new(Mutex::new(Reports::default()));
        let mut people = hub.presence_by_key(ROOMS.map(topic), person_of).linger(LINGER);
        let to = Arc::clone(&reports);
        tokio::spawn(async move {
            let mut is_first = true;
            while let Ok(counts) = people.changed().await {
                let mut reports = to.lock();
                reports.is_repeated |= !is_first && reports.newest == counts;
                (reports.newest, is_first) = (counts, false);
            }
            to.lock().has_ended = true;
        });
        Self { reports, persons: Default::default(), changed: Instant::now(), is_over: false }
    }

    pub(crate) fn came(&mut self, client: &Client) {
        let person = client.number.map(person_of_client);
        let is_there = ROOMS.map(topic).iter().any(|room: &Topic| client.topics.cover(room));
        if let Some(person) = person.filter(|_| is_there) {
            self.persons[person].came(client.serial);
            self.changed = Instant::now();
        }
    }

    pub(crate) fn went(&mut self, serial: u64) {
        for person in &mut self.persons {
            if let Some(since) = person.here.remove(&serial) {
                person.went(since);
                self.changed = Instant::now();
            }
        }
    }

    /// The hub shuts down, and with it the reports end.
    pub(crate) fn see_the_end(&mut self) {
        self.is_over = true;
    }

    pub(crate) fn have_ended(&self) -> Checked {
        prop_assert!(self.reports.lock().has_ended, "nobody said that the hub is gone");
        Ok(())
    }

    pub(crate) fn compare(&self, settled: bool) -> Checked {
        let reports = self.reports.lock();
        prop_assert!(!reports.is_repeated, "a report that says nothing new");
        if self.is_over || !settled || self.changed.elapsed() <= MOMENT {
            return Ok(());
        }
        for (number, person) in self.persons.iter().enumerate() {
            let reported = reports.newest.get(&number).copied();
            prop_assert!(reported != Some(0), "nobody is counted: {reports:?}");
            person.compare(reported.unwrap_or(0))?;
        }
        Ok(())
    }
}

impl Person {
    fn came(&mut self, serial: u64) {
        let now = Instant::now();
        self.lingering.retain(|closed| closed.elapsed() < LINGER);
        self.lingering.pop();
        self.here.insert(serial, now);
        self.opened = Some(now);
    }

    fn went(&mut self, since: Instant) {
        let now = Instant::now();
        let just = |time: Instant| now.duration_since(time) <= MOMENT;
        // One that came and went within a moment was never seen. One that came just before another one
        // went may have taken its place.
        if just(since) || self.opened.is_some_and(just) {
            self.unsure.push(now);
        }
        self.lingering.push(now);
    }

    fn compare(&self, reported: usize) -> Checked {
        let ends = |closed: &Instant| LINGER <= closed.elapsed();
        let ended = |closed: &Instant| LINGER + 2 * MOMENT < closed.elapsed();
        if self.lingering.iter().any(|closed| ends(closed) && !ended(closed)) {
            return Ok(()); // any moment now
        }
        let lingering = self.lingering.iter().filter(|closed| !ends(closed)).count();
        let unsure = self.unsure.iter().filter(|closed| !ended(closed)).count();
        let most = self.here.len() + lingering;
        let is_right = (most.saturating_sub(unsure)..=most).contains(&reported);
        prop_assert!(is_right, "{reported} of {self:#?} at {:?}", Instant::now());
        Ok(())
    }
}

fn person_of(connection: &Connection) -> Option<usize> {
    let number = connection.id().as_str().strip_prefix("client-")?;
    Some(person_of_client(number.parse().ok()?))
}

fn person_of_client(number: usize) -> usize {
    number / 2
}
