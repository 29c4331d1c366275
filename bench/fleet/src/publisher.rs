//! Publishes a message to each stream in each round, by several connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::clock;
use crate::control::Published;
use crate::latencies::Latencies;
use crate::plan::Plan;
use crate::stream::Message;

/// One round of so many is a message to `all`.
const ALL_EVERY: u32 = 10;

/// The time for which a message is published again, by one hub after the other.
const PATIENCE: Duration = Duration::from_secs(120);

/// A hub that does not answer within this is given up.
const ANSWER: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(20);

/// The publishers, each a thread with a connection and with some of the topics.
#[derive(Debug)]
pub(crate) struct Publishers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<Published>>>,
}

#[derive(Debug)]
struct Shared {
    hubs: RwLock<Vec<Option<SocketAddr>>>,
    is_over: AtomicBool,
    /// The number of rounds that each thread has published.
    rounds: Vec<AtomicU32>,
    retries: AtomicU64,
    latencies: Mutex<Latencies>,
}

impl Publishers {
    pub(crate) fn start(plan: &Plan, hubs: Vec<Option<SocketAddr>>) -> Self {
        let count = plan.hubs.clamp(2, 8);
        let shared = Arc::new(Shared {
            hubs: RwLock::new(hubs),
            is_over: AtomicBool::new(false),
            rounds: (0..count).map(|_| AtomicU32::new(0)).collect(),
            retries: AtomicU64::new(0),
            latencies: Mutex::default(),
        });
        let begin = clock::now() + plan.interval;
        let thread = |nth| {
            let publisher = Publisher {
                shared: Arc::clone(&shared),
                nth,
                publishers: count,
                groups: plan.groups(),
                interval: plan.interval,
                payload: plan.payload,
                begin,
                published: Published { all: 0, groups: vec![0; plan.groups() as usize] },
                connection: None,
            };
            thread::spawn(move || publisher.run())
        };
        let threads = (0..count).map(thread).collect();
        Self { shared, threads }
    }

    /// Sets the hubs that take messages from now on.
    pub(crate) fn use_hubs(&self, hubs: Vec<Option<SocketAddr>>) {
        *self.shared.hubs.write().unwrap_or_else(PoisonError::into_inner) = hubs;
    }

    /// Returns the number of rounds that are published.
    pub(crate) fn rounds(&self) -> u32 {
        self.shared.rounds.iter().map(|rounds| rounds.load(Ordering::Relaxed)).min().unwrap_or(0)
    }

    /// Returns how long publishing took, and how often a hub did not take a message, since the last call.
    pub(crate) fn take(&self) -> (Latencies, u64) {
        let mut latencies = self.shared.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut latencies), self.shared.retries.swap(0, Ordering::Relaxed))
    }

    /// Fails if a publisher has given up.
    pub(crate) fn check_running(&self) -> Result<()> {
        ensure!(!self.threads.iter().any(JoinHandle::is_finished), "a publisher has given up");
        Ok(())
    }

    /// Stops after the messages under way. Returns the number of messages of each topic.
    pub(crate) fn stop(self) -> Result<Published> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let mut sum = Published::default();
        for thread in self.threads {
            let Ok(published) = thread.join() else { bail!("a publisher panicked") };
            let published = published?;
            sum.all += published.all;
            sum.groups.resize(published.groups.len(), 0);
            for (sum, one) in sum.groups.iter_mut().zip(published.groups) {
                *sum += one;
            }
        }
        Ok(sum)
    }
}

struct Publisher {
    shared: Arc<Shared>,
    nth: u32,
    publishers: u32,
    groups: u32,
    interval: Duration,
    payload: usize,
    begin: Duration,
    published: Published,
    connection: Option<(SocketAddr, TcpStream)>,
}

impl Publisher {
    fn run(mut self) -> Result<Published> {
        for round in 0.. {
            let begin = self.begin + self.interval * round;
            if round % ALL_EVERY == ALL_EVERY - 1 {
                if self.nth == 0 && self.wait(begin) {
                    self.publish(None, begin)?;
                }
            } else {
                self.publish_to_groups(begin)?;
            }
            if !self.wait(begin) {
                break;
            }
            self.shared.rounds[self.nth as usize].store(round + 1, Ordering::Relaxed);
        }
        Ok(self.published)
    }

    fn publish_to_groups(&mut self, begin: Duration) -> Result<()> {
        for group in (self.nth..self.groups).step_by(self.publishers as usize) {
            let due = begin + self.interval * group / self.groups;
            if self.wait(due) {
                self.publish(Some(group), due)?;
            }
        }
        Ok(())
    }

    /// Waits until a message is due. Returns `false` if no more are to be published.
    fn wait(&self, due: Duration) -> bool {
        loop {
            let left = due.saturating_sub(clock::now());
            if self.shared.is_over.load(Ordering::Relaxed) || left.is_zero() {
                return left.is_zero() && !self.shared.is_over.load(Ordering::Relaxed);
            }
            thread::sleep(left.min(PAUSE));
        }
    }

    /// Publishes by one hub after the other, until one has confirmed it. The key makes sure that it is in the
    /// log once.
    fn publish(&mut self, group: Option<u32>, due: Duration) -> Result<()> {
        let number = match group {
            None => self.published.all,
            Some(group) => self.published.groups[group as usize],
        };
        let topic = group.map_or_else(|| "all".to_owned(), |group| format!("groups:{group}"));
        let data = Message { group, number, due }.data(self.payload);
        let begun = Instant::now();
        while let Err(error) = self.attempt(&topic, number, &data) {
            self.connection = None;
            self.shared.retries.fetch_add(1, Ordering::Relaxed);
            if begun.elapsed() > PATIENCE {
                return Err(error.context(format!("no hub takes message {number} of {topic}")));
            }
            thread::sleep(PAUSE);
        }
        let mut latencies = self.shared.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.add(begun.elapsed());
        match group {
            None => self.published.all += 1,
            Some(group) => self.published.groups[group as usize] += 1,
        }
        Ok(())
    }

    fn attempt(&mut self, topic: &str, number: u32, data: &str) -> Result<()> {
        let hub = self.hub()?;
        let kept = self.connection.take().filter(|(address, _)| *address == hub);
        let connection = kept.map_or_else(|| connect(hub), Ok)?;
        let (_, socket) = self.connection.insert(connection);
        let request = format!(
            "POST /publish?topic={topic} HTTP/1.1\r\nHost: {hub}\r\nContent-Type: text/plain\r\n\
             Idempotency-Key: {topic}-{number}\r\nContent-Length: {}\r\n\r\n{data}",
            data.len()
        );
        socket.write_all(request.as_bytes())?;
        if read_answer(socket)? == Keep::No {
            self.connection = None;
        }
        Ok(())
    }

    /// Returns this thread's hub, or the next that is there.
    fn hub(&self) -> Result<SocketAddr> {
        let hubs = self.shared.hubs.read().unwrap_or_else(PoisonError::into_inner);
        let first = self.nth as usize % hubs.len().max(1);
        let mut hubs = hubs.iter().cycle().skip(first).take(hubs.len()).flatten();
        hubs.next().copied().context("there is no hub")
    }
}

fn connect(hub: SocketAddr) -> Result<(SocketAddr, TcpStream)> {
    let socket = TcpStream::connect_timeout(&hub, ANSWER)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(ANSWER))?;
    Ok((hub, socket))
}

/// The decision of the server on the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Keep {
    Yes,
    No,
}

/// Reads a response to its end; fails unless the message is published.
fn read_answer(socket: &mut impl Read) -> Result<Keep> {
    let (mut answer, mut chunk) = (Vec::new(), [0; 2048]);
    loop {
        let length = socket.read(&mut chunk)?;
        ensure!(length > 0, "the hub closed the connection");
        answer.extend_from_slice(&chunk[..length]);
        if let Some(keep) = parse_answer(&answer)? {
            return Ok(keep);
        }
    }
}

/// Returns `None` if it is not complete.
fn parse_answer(answer: &[u8]) -> Result<Option<Keep>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(answer)? else { return Ok(None) };
    let header = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let length: usize = header("content-length").context("an answer has no length")?.parse()?;
    let Some(body) = answer.get(head..head + length) else { return Ok(None) };
    let text = String::from_utf8_lossy(body);
    ensure!(response.code == Some(200), "the hub did not publish: {text}");
    let closes = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some(if closes { Keep::No } else { Keep::Yes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_to_its_end() -> Result<()> {
        let parse = |text: &str| parse_answer(text.as_bytes());
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n";
        assert_eq!(parse(head)?, None);
        assert_eq!(parse(&format!("{head}\r\n{{"))?, None);
        assert_eq!(parse(&format!("{head}\r\n{{}}"))?, Some(Keep::Yes));
        assert_eq!(parse(&format!("{head}Connection: close\r\n\r\n{{}}"))?, Some(Keep::No));
        assert!(parse(&format!("{head}\r\n{{}}").replace("200", "503")).is_err());
        Ok(())
    }
}
