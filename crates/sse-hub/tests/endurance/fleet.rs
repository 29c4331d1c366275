//! A fleet of clients in a process of its own: this test program, started again. So the hub's file
//! descriptors and the clients' are not the same ones.

use std::io::{Write, stdout};
use std::process::Stdio;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream::{self, StreamExt};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::client::{Socket, contains};

const PART: &str = "SSE_KIT_FLEET";

/// The test that plays the part first, in the fleet's process.
const PLAYED_BY: &str = "endurance::every_one_of_many_streams_gets_its_goodbye_and_a_proper_end";

/// The number of clients that connect at a time.
const MAX_TOGETHER: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Behaviour {
    /// Listens to `a` to the end.
    Reads,
    /// The same, and measures how old each event is.
    Measures,
    /// Asks for `b`, and reads nothing of it.
    NeverReads,
    /// Asks for `a`, and reads nothing of it.
    NeverReadsA,
}

impl FromStr for Behaviour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Reads, Self::Measures, Self::NeverReads, Self::NeverReadsA]
            .into_iter()
            .find(|one| format!("{one:?}") == text)
            .ok_or_else(|| text.to_owned())
    }
}

pub(crate) struct Fleet {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// The events and ends that a fleet that reads has seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) goodbyes: usize,
    /// Bodies that ended as bodies do, and were not cut off.
    pub(crate) ends: usize,
    pub(crate) events: usize,
    pub(crate) p99: Duration,
}

impl Fleet {
    /// Starts it, and waits until each client is there.
    pub(crate) async fn start(address: &str, behaviour: Behaviour, clients: usize) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("it runs"))
            .args(["--exact", PLAYED_BY, "--nocapture"])
            .env(PART, format!("{address} {behaviour:?} {clients}"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let stdout = process.stdout.take().expect("it is piped");
        let mut fleet = Self { _process: process, lines: BufReader::new(stdout).lines() };
        fleet.line_after("fleet open").await;
        fleet
    }

    /// Waits until each of those that measure has read one more event.
    pub(crate) async fn has_read(&mut self) {
        self.line_after("fleet read").await;
    }

    /// Waits until all streams have ended.
    pub(crate) async fn end(mut self) -> Seen {
        let line = self.line_after("fleet seen").await;
        let numbers: Vec<usize> =
            line.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        let [goodbyes, ends, events, p99] = numbers[..] else { panic!("{line}") };
        Seen { goodbyes, ends, events, p99: Duration::from_micros(p99 as u64) }
    }

    async fn line_after(&mut self, beginning: &str) -> String {
        while let Some(line) = self.lines.next_line().await.expect("UTF-8") {
            // The test harness may have begun the line.
            if let Some((_, rest)) = line.split_once(beginning) {
                return rest.to_owned();
            }
        }
        panic!("the fleet ended without saying `{beginning}`");
    }
}

/// Plays a fleet when the parent asks for one, to the end of the process; in any other run there is none.
pub(crate) async fn play_if_asked() {
    if let Ok(part) = std::env::var(PART) {
        play(&part).await;
        std::process::exit(0);
    }
}

async fn play(part: &str) {
    let part: Vec<&str> = part.split(' ').collect();
    let [address, behaviour, clients] = part[..] else { panic!("{part:?}") };
    let behaviour: Behaviour = behaviour.parse().expect("a behaviour");
    let clients = clients.parse().expect("a number");
    let connecting = stream::iter(0..clients).map(|_| async {
        match behaviour {
            Behaviour::Reads | Behaviour::Measures => Socket::open(address, "topic=a").await,
            Behaviour::NeverReads => Socket::ask(address, "topic=b").await,
            Behaviour::NeverReadsA => Socket::ask(address, "topic=a").await,
        }
    });
    let sockets: Vec<Socket> = connecting.buffer_unordered(MAX_TOGETHER).collect().await;
    say("fleet open");
    match behaviour {
        Behaviour::NeverReads | Behaviour::NeverReadsA => std::future::pending().await,
        Behaviour::Reads | Behaviour::Measures => {}
    }
    let told = if behaviour == Behaviour::Measures { clients } else { usize::MAX };
    let reading: Vec<_> =
        sockets.into_iter().map(|socket| tokio::spawn(read_to_end(socket, told))).collect();
    let (mut goodbyes, mut ends, mut events, mut ages) = (0, 0, 0, Vec::new());
    for reading in reading {
        let one = reading.await.expect("no panic");
        goodbyes += usize::from(one.goodbye);
        ends += usize::from(one.ended);
        events += one.events;
        ages.extend(one.ages);
    }
    ages.sort_unstable();
    let p99 = ages.get(ages.len() * 99 / 100).map_or(0, Duration::as_micros);
    say(&format!("fleet seen {goodbyes} {ends} {events} {p99}"));
}

#[derive(Default)]
struct One {
    goodbye: bool,
    ended: bool,
    events: usize,
    ages: Vec<Duration>,
}

/// Looks at each event as it comes; the bytes of a stream may be many, and are looked at once.
///
/// The parent is told each time that all of them have read so many events.
async fn read_to_end(mut socket: Socket, told: usize) -> One {
    static EVENTS: AtomicUsize = AtomicUsize::new(0);
    let (mut one, mut bytes, mut looked_at) = (One::default(), Vec::new(), 0);
    while socket.read(&mut bytes).await {
        while let Some(end) = bytes[looked_at..].windows(2).position(|two| two == b"\n\n") {
            let is_event = one.look_at(&bytes[..looked_at + end]);
            if is_event && (EVENTS.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(told) {
                say("fleet read");
            }
            bytes.drain(..looked_at + end + 2);
            looked_at = 0;
        }
        looked_at = bytes.len().saturating_sub(1);
    }
    // The last chunk has no bytes.
    one.ended = bytes.ends_with(b"0\r\n\r\n");
    one
}

impl One {
    /// True when it is not one of sse-kit itself.
    fn look_at(&mut self, event: &[u8]) -> bool {
        let beginning = &event[..event.len().min(100)];
        if contains(beginning, b"event: sse-kit:") {
            self.goodbye |= contains(beginning, b"event: sse-kit:shutdown");
            return false;
        }
        self.events += 1;
        self.ages.extend(age(beginning));
        true
    }
}

/// Data of so many bytes that say when they were made.
pub(crate) fn timed(bytes: usize) -> String {
    format!("@{}@{}", now().as_micros(), "x".repeat(bytes))
}

fn age(event: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(event).ok()?;
    let made = Duration::from_micros(text.split('@').nth(1)?.parse().ok()?);
    Some(now().saturating_sub(made))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970")
}

fn say(line: &str) {
    writeln!(stdout(), "{line}").expect("the parent reads it");
}
