//! The connections that a page shows.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use sse_kit_broadcast::{Connection, ConnectionState, ConnectionStats, Hub};
use sse_kit_event::{EventId, Topic, TopicPattern, Topics};

use crate::client_info::ClientInfo;
use crate::filter::View;
use crate::recorder::Recorder;
use crate::text::{number, shortened, since};

/// The maximum number of connections that a page shows.
const SHOWN: usize = 20;

/// The number of topics that are shown for a connection.
const TOPICS: usize = 4;

/// The length of a queue that is worth a look: shorter ones come and go with each event.
const NOTABLE_QUEUE: usize = 10;

/// The connections that a page shows.
#[derive(Debug, Default)]
pub(crate) struct ConnectionRows {
    pub(crate) rows: Vec<ConnectionRow>,
    pub(crate) matching: usize,
}

#[derive(Debug)]
pub(crate) struct ConnectionRow {
    pub(crate) id: String,
    /// The connection in the id of an element, so that an update of the page keeps the focus at a
    /// client and not at a place.
    pub(crate) element: String,
    pub(crate) client: ClientInfo,
    pub(crate) topics: String,
    pub(crate) since: String,
    pub(crate) sent: String,
    pub(crate) queued: String,
    pub(crate) behind: String,
    pub(crate) newest: String,
    pub(crate) state: &'static str,
}

/// A connection and the order in which it is shown: those behind first, then those with long queues,
/// then the newest.
type Candidate =
    ((Reverse<u64>, Reverse<usize>, Reverse<SystemTime>), Arc<Connection>, ConnectionStats);

impl ConnectionRows {
    /// Reads the connections that are most worth a look.
    pub(crate) async fn read(hub: &Hub, recorder: &Recorder, view: &View) -> Self {
        let position = hub.cursor();
        let (mut best, mut matching) = (Vec::with_capacity(2 * SHOWN), 0);
        hub.for_each_connection(|connection| {
            if !view.wants_subscriber_of(connection.topics()) {
                return;
            }
            if !view.search.is_empty() {
                let client = recorder.describe(connection);
                let topics = topics(connection.topics());
                let id = connection.id().as_str();
                if !view.finds_client(id, &client) && !view.finds([&*topics]) {
                    return;
                }
            }
            matching += 1;
            best.push(candidate(connection, position));
            if best.len() == 2 * SHOWN {
                keep_best(&mut best);
            }
        })
        .await;
        keep_best(&mut best);
        let row = |(_, connection, stats): Candidate| {
            let client = recorder.describe(&connection);
            ConnectionRow::new(&connection, &stats, client, position)
        };
        Self { rows: best.into_iter().map(row).collect(), matching }
    }
}

fn candidate(connection: &Arc<Connection>, position: EventId) -> Candidate {
    let stats = connection.stats();
    let queued = if stats.queued < NOTABLE_QUEUE { 0 } else { stats.queued };
    let order =
        (Reverse(behind(&stats, position)), Reverse(queued), Reverse(connection.connected_at()));
    (order, Arc::clone(connection), stats)
}

fn keep_best(candidates: &mut Vec<Candidate>) {
    // One that was visited twice may have made progress in between. The later look counts.
    candidates.reverse();
    let mut seen = HashSet::new();
    candidates.retain(|candidate| seen.insert(Arc::as_ptr(&candidate.1)));
    candidates.sort_by(|one, other| {
        one.0.cmp(&other.0).then_with(|| one.1.id().as_str().cmp(other.1.id().as_str()))
    });
    candidates.truncate(SHOWN);
}

/// Returns the number of events in the log that a connection still has to read from history.
fn behind(stats: &ConnectionStats, position: EventId) -> u64 {
    let at = stats.behind_at.filter(|at| at.epoch() == position.epoch());
    at.map_or(0, |at| position.offset().saturating_sub(at.offset()))
}

fn topics(topics: &Topics) -> String {
    let names = topics.topics().iter().map(Topic::as_str);
    let all: Vec<_> = names.chain(topics.patterns().iter().map(TopicPattern::as_str)).collect();
    let shown =
        all.iter().take(TOPICS).map(|text| shortened(text, 80)).collect::<Vec<_>>().join(", ");
    match all.len() {
        0 => "none".to_owned(),
        count if count > TOPICS => format!("{shown} and {} more", count - TOPICS),
        _ => shown,
    }
}

impl ConnectionRow {
    fn new(
        connection: &Connection,
        stats: &ConnectionStats,
        client: ClientInfo,
        position: EventId,
    ) -> Self {
        Self {
            id: connection.id().to_string(),
            element: element(connection.id().as_str()),
            client,
            topics: topics(connection.topics()),
            since: since(connection.connected_at()),
            sent: number(stats.sent),
            queued: number(stats.queued),
            behind: number(behind(stats, position)),
            newest: stats.delivered_through.to_string(),
            state: match stats.state {
                ConnectionState::Live => "live",
                ConnectionState::CatchingUp => "catching up",
                ConnectionState::Ending => "ending",
                _ => "closed",
            },
        }
    }
}

/// Returns an id as hexadecimal digits, as the id of an element must have no spaces.
fn element(id: &str) -> String {
    id.bytes().fold(String::from("connection-"), |mut element, byte| {
        write!(element, "{byte:02x}").expect("memory takes any text");
        element
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_was_visited_twice_is_shown_once_as_it_was_last() {
        let hub = Hub::new();
        let topic: Topic = "a".parse().unwrap();
        let page = hub.subscribe(&topic).open().unwrap();
        let other = hub.subscribe(&topic).open().unwrap();
        let of = |connection: &Arc<Connection>, behind: u64| {
            let (_, connection, stats) = candidate(connection, hub.cursor());
            ((Reverse(behind), Reverse(0), Reverse(connection.connected_at())), connection, stats)
        };
        let mut found =
            vec![of(page.connection(), 9), of(other.connection(), 5), of(page.connection(), 0)];
        keep_best(&mut found);
        let behind: Vec<_> = found.iter().map(|candidate| candidate.0.0.0).collect();
        assert_eq!(behind, [5, 0]);
    }

    #[test]
    fn each_connection_has_an_element_of_its_own() {
        assert_eq!(element("a b\""), "connection-61206222");
    }
}
