//! The actions that a hub may meet, in any order.

use std::ops::Range;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::subsequence;
use sse_kit_broadcast::{Goodbye, SlowConsumer, Start};
use sse_kit_event::Topic;

use crate::log::LogSettings;

/// The topics that events are published to.
pub(crate) const TOPICS: [&str; 5] = ["a", "b", "c:1", "c:2", "c:1:x"];
/// Many of them match one and the same topic.
const PATTERNS: [&str; 7] = ["c:*", "c:**", "c:1*:**", "**", "*", "*:**", "**:1"];
/// The topics that may have a length of history of their own.
pub(crate) const OF_THEIR_OWN: &str = "c:*";
const KEYS: [&str; 2] = ["k", "l"];

/// Short times, in milliseconds.
const WAITS: [u64; 4] = [10, 120, 500, 2_000];

/// The number of clients. Each has an id of its own, and comes and goes.
pub(crate) const CLIENTS: usize = 6;

/// The settings of the hub, small enough that every limit is reached.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) history: usize,
    /// The number of events of topics that match [`OF_THEIR_OWN`].
    pub(crate) history_for: Option<usize>,
    /// In [`units`](Action::Pass) of time.
    pub(crate) history_age: Option<u32>,
    pub(crate) history_bytes: Option<usize>,
    pub(crate) queue_bytes: Option<usize>,
    pub(crate) log_buffer: usize,
    pub(crate) shards: usize,
    pub(crate) heartbeat: bool,
    /// The number of subscribers of the first topic that come before all else: so many that handing
    /// out an event to them takes several turns.
    pub(crate) crowd: usize,
    /// The time that an event may wait for others.
    pub(crate) max_delay: Duration,
    pub(crate) log: LogSettings,
}

impl Settings {
    /// Returns the age at which events of a topic expire. Where there is one, some topics have another.
    pub(crate) fn age_of(&self, topic: Option<&Topic>) -> Option<u32> {
        let age = self.history_age?;
        match topic.map(Topic::as_str) {
            Some("b") => None,
            Some("c:1") => Some(2 * age),
            Some("c:1:x") => Some(age - 1),
            _ => Some(age),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Action {
    Join(Join),
    /// As `Join`, from the last id that the client saw, with the topics and the policy it had.
    ComeBack {
        client: usize,
    },
    Leave {
        client: usize,
    },
    /// Some of the crowd leave, from the one at `from` on.
    CrowdLeaves {
        from: prop::sample::Index,
        many: usize,
    },
    /// To these topics, or to everybody if there are none; but not to the clients in `except`, who may be
    /// named twice.
    Publish {
        topics: Vec<&'static str>,
        key: Option<&'static str>,
        except: Vec<usize>,
        size: usize,
    },
    /// As `Publish`, to a topic, so many times that the log's books are put in order.
    Burst {
        topic: &'static str,
        many: usize,
    },
    /// A late log delivers so many records.
    Deliver(usize),
    /// It answers one of the publishers who wait for it.
    Answer {
        place: prop::sample::Index,
        how: Answer,
    },
    /// It deletes so many records that it has not delivered.
    Lose(usize),
    /// It notes who is there, and its end.
    Mark,
    /// It delivers what there was when it noted that, and says so.
    CatchUp,
    /// The log deletes all but so many of the records that it has delivered.
    Delete {
        keep: u64,
    },
    /// It answers one of the streams that read from it, or fails to.
    AnswerRead {
        succeeds: bool,
    },
    SendTo {
        client: usize,
    },
    /// The client takes this many deliveries, or as many as there are.
    Take {
        client: usize,
        many: usize,
    },
    /// The tasks of the hub get this many turns.
    Yield(usize),
    /// They get as many as they want.
    Settle,
    /// This many units of time pass.
    Pass(u32),
    /// A little time passes: nothing of history expires.
    Wait(Duration),
    Disconnect {
        client: usize,
        goodbye: Option<Goodbye>,
    },
    /// Its stream ends by itself, as one that is too old.
    Finish {
        client: usize,
        goodbye: Goodbye,
    },
    /// The log begins an epoch that lacks so many events of the one before, or all of them.
    BeginEpoch {
        lacks: Option<u64>,
    },
    ShutDown(Goodbye),
}

#[derive(Clone, Debug)]
pub(crate) struct Join {
    pub(crate) client: usize,
    pub(crate) topics: Vec<&'static str>,
    pub(crate) policy: SlowConsumer,
    pub(crate) queue: usize,
    pub(crate) resume: Resume,
    /// The start if it resumes from nowhere.
    pub(crate) start: Start,
    /// Its earlier connection is still open, and finds itself replaced.
    pub(crate) replaces: bool,
    /// The log is read for what history lacks.
    pub(crate) backfills: bool,
}

/// The answer of a late log to a publisher.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Confirm,
    /// It does not know whether the event is written.
    Shrug,
    /// It is too late: the publisher has gone.
    GiveUp,
}

/// From where a client resumes.
#[derive(Clone, Debug)]
pub(crate) enum Resume {
    No,
    /// From before the first event.
    Beginning,
    /// From the newest event.
    Now,
    /// From the last one it saw.
    LastSeen,
    /// From any other one.
    Somewhere(prop::sample::Index),
    Future(u64),
    OtherEpoch(u64),
    Garbage,
}

/// Either few connections and a longer story, with a log that is prompt or late; or a crowd in one shard
/// that leaves bit by bit, while events are being handed out to it.
pub(crate) fn stories() -> impl Strategy<Value = (Settings, Vec<Action>)> {
    let prompt = (settings(false, 1..4, 0..1), actions(1, 1, 120));
    let late = (settings(true, 1..4, 0..1), actions(1, 12, 120));
    let crowd = (settings(false, 1..2, 280..700), actions(20, 1, 60));
    prop_oneof![5 => prompt, 3 => late, 1 => crowd]
}

fn settings(
    is_late: bool,
    shards: Range<usize>,
    crowd: Range<usize>,
) -> impl Strategy<Value = Settings> {
    let limits = (
        prop_oneof![1 => Just(0), 4 => 1..4_usize, 2 => Just(50)],
        proptest::option::weighted(0.2, 0..3_usize),
        proptest::option::weighted(0.3, 1..4_u32),
        proptest::option::weighted(0.3, 500..6000_usize),
        proptest::option::weighted(0.2, 30..200_usize),
        prop_oneof![2 => 1..5_usize, 1 => Just(1024)],
    );
    let others = (shards, proptest::bool::weighted(0.3), crowd, max_delay(), log(is_late));
    (limits, others).prop_map(|(limits, (shards, heartbeat, crowd, max_delay, log))| {
        let (history, history_for, history_age, history_bytes, queue_bytes, log_buffer) = limits;
        Settings {
            history,
            history_for,
            history_age,
            history_bytes,
            queue_bytes,
            log_buffer,
            shards,
            heartbeat,
            crowd,
            max_delay,
            log,
        }
    })
}

fn max_delay() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => Just(Duration::ZERO),
        1 => Just(Duration::from_millis(20)),
        1 => Just(Duration::from_secs(1)),
    ]
}

fn log(is_late: bool) -> impl Strategy<Value = LogSettings> {
    let page = prop_oneof![2 => 1..6_usize, 1 => Just(usize::MAX)];
    let max_backfill = prop_oneof![1 => 5..30_u64, 3 => Just(10_000)];
    (page, any::<bool>(), max_backfill).prop_map(move |(page, selects, max_backfill)| LogSettings {
        is_late,
        page,
        selects,
        max_backfill,
    })
}

fn actions(crowd_leaves: u32, late: u32, most: usize) -> impl Strategy<Value = Vec<Action>> {
    proptest::collection::vec(action(crowd_leaves, late), 1..most)
}

fn action(crowd_leaves: u32, late: u32) -> impl Strategy<Value = Action> {
    prop_oneof![
        crowd_leaves => (any::<prop::sample::Index>(), 1..40_usize)
            .prop_map(|(from, many)| Action::CrowdLeaves { from, many }),
        32 => of_the_log(late),
        56 => of_a_client(),
        14 => of_time(),
        3 => (0..CLIENTS).prop_map(|client| Action::SendTo { client }),
        1 => Just(Action::ShutDown(Goodbye::StayAway)),
    ]
}

fn of_a_client() -> impl Strategy<Value = Action> {
    let client = 0..CLIENTS;
    prop_oneof![
        8 => join().prop_map(Action::Join),
        4 => client.clone().prop_map(|client| Action::ComeBack { client }),
        4 => client.clone().prop_map(|client| Action::Leave { client }),
        20 => (client.clone(), 1..8_usize)
            .prop_map(|(client, many)| Action::Take { client, many }),
        2 => (client.clone(), proptest::option::of(goodbye()))
            .prop_map(|(client, goodbye)| Action::Disconnect { client, goodbye }),
        2 => (client, goodbye()).prop_map(|(client, goodbye)| Action::Finish { client, goodbye }),
    ]
}

fn of_time() -> impl Strategy<Value = Action> {
    prop_oneof![
        10 => (1..4_usize).prop_map(Action::Yield),
        4 => Just(Action::Settle),
        3 => (1..3_u32).prop_map(Action::Pass),
        3 => proptest::sample::select(&WAITS).prop_map(Duration::from_millis).prop_map(Action::Wait),
    ]
}

fn of_the_log(late: u32) -> impl Strategy<Value = Action> {
    prop_oneof![
        28 => publish(),
        1 => (proptest::sample::select(&TOPICS), 20..90_usize)
            .prop_map(|(topic, many)| Action::Burst { topic, many }),
        2 => proptest::option::weighted(0.7, 0..9_u64)
            .prop_map(|lacks| Action::BeginEpoch { lacks }),
        1 => (0..9_u64).prop_map(|keep| Action::Delete { keep }),
        6 => proptest::bool::weighted(0.8).prop_map(|succeeds| Action::AnswerRead { succeeds }),
        late => of_a_late_log(),
    ]
}

fn of_a_late_log() -> impl Strategy<Value = Action> {
    let how = prop_oneof![
        4 => Just(Answer::Confirm),
        1 => Just(Answer::Shrug),
        1 => Just(Answer::GiveUp),
    ];
    prop_oneof![
        8 => (1..8_usize).prop_map(Action::Deliver),
        4 => (any::<prop::sample::Index>(), how)
            .prop_map(|(place, how)| Action::Answer { place, how }),
        1 => (1..4_usize).prop_map(Action::Lose),
        2 => Just(Action::Mark),
        2 => Just(Action::CatchUp),
    ]
}

fn join() -> impl Strategy<Value = Join> {
    let all: Vec<_> = TOPICS.into_iter().chain(PATTERNS).collect();
    let policy = prop_oneof![
        3 => Just(SlowConsumer::Heal),
        2 => Just(SlowConsumer::Conflate),
        2 => Just(SlowConsumer::DropOldest),
        2 => Just(SlowConsumer::Disconnect),
    ];
    let topics = subsequence(all, 0..6);
    let from = (resume(), start());
    let how = (proptest::bool::weighted(0.3), proptest::bool::weighted(0.4));
    (0..CLIENTS, topics, policy, 1..5_usize, from, how).prop_map(
        |(client, topics, policy, queue, (resume, start), (replaces, backfills))| Join {
            client,
            topics,
            policy,
            queue,
            resume,
            start,
            replaces,
            backfills,
        },
    )
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![
        3 => Just(Start::Now),
        3 => Just(Start::All),
        1 => (0..6_usize).prop_map(Start::Last),
        1 => Just(Start::PerKey),
    ]
}

fn goodbye() -> impl Strategy<Value = Goodbye> {
    let later = (0..9_u64).prop_map(|secs| Goodbye::ComeBack { within: Duration::from_secs(secs) });
    prop_oneof![Just(Goodbye::StayAway), later]
}

fn resume() -> impl Strategy<Value = Resume> {
    prop_oneof![
        6 => Just(Resume::No),
        3 => Just(Resume::Beginning),
        1 => Just(Resume::Now),
        4 => Just(Resume::LastSeen),
        6 => any::<prop::sample::Index>().prop_map(Resume::Somewhere),
        2 => prop_oneof![1..5_u64, 50..90_u64].prop_map(Resume::Future),
        1 => (0..5_u64).prop_map(Resume::OtherEpoch),
        1 => Just(Resume::Garbage),
    ]
}

fn publish() -> impl Strategy<Value = Action> {
    let except =
        prop_oneof![4 => Just(Vec::new()), 1 => proptest::collection::vec(0..CLIENTS, 1..4)];
    let topics = prop_oneof![
        2 => Just(Vec::new()),
        8 => subsequence(TOPICS.to_vec(), 1),
        3 => subsequence(TOPICS.to_vec(), 2..5),
    ];
    let key = proptest::option::weighted(0.6, proptest::sample::select(&KEYS));
    (topics, key, except, 0..60_usize).prop_map(|(topics, key, except, size)| Action::Publish {
        topics,
        key,
        except,
        size,
    })
}
