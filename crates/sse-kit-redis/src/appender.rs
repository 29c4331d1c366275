//! Appends records to the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{ErrorKind, RedisError, Script};
use sse_kit_broadcast::{Append, AppendError, Appended, Once};
use sse_kit_event::{EventId, RandomError, TraceContext, random_bytes};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::config::RedisConfig;
use crate::entry::{Fields, written};
use crate::link::Link;
use crate::outage::Outage;
use crate::refusal::Refusal;
use crate::status::Shared;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Appends records over one connection that all publishers of a node share.
#[derive(Debug)]
pub(crate) struct Appender {
    config: RedisConfig,
    script: Script,
    shared: Arc<Shared>,
    link: Link,
    outage: Outage,
}

/// An append, as each attempt sends it.
#[derive(Debug)]
struct Request {
    record: Fields,
    follow_ups: Vec<Fields>,
    once: Option<Once>,
    expected: Option<EventId>,
    trace: Option<Box<TraceContext>>,
    /// The key under which Redis remembers the append.
    key: String,
    /// A random text, the same for all attempts.
    attempt: String,
}

/// The reply of the script: epoch, offset, outcome, and the server that answered.
type Reply = (String, String, String, String);

/// The reason why one attempt failed.
enum Failure {
    /// The record was certainly not written; a retry may write it.
    NotWritten(RedisError),
    /// The record may have been written.
    Unknown(RedisError),
    /// The record was certainly not written, and a retry would not write it.
    Final(AppendError),
}

impl Appender {
    pub(crate) fn new(config: RedisConfig, shared: Arc<Shared>) -> Self {
        Self {
            link: Link::new(config.clone()),
            config,
            script: Script::new(crate::APPEND_SCRIPT),
            shared,
            outage: Outage::default(),
        }
    }

    /// Appends records and retries until the deadline, with the idempotency key of the app or a
    /// random one.
    pub(crate) async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let request = self.request(append)?;
        let appended = self.append_by_deadline(&request).await;
        self.shared.monitor.count(&appended);
        match &appended {
            Ok(appended) => {
                self.outage.end();
                self.shared.see(request.last(appended));
            }
            Err(AppendError::KeyReused { .. } | AppendError::Conflict { .. }) => self.outage.end(),
            Err(error) => self.outage.failed(error),
        }
        appended
    }

    fn request(&self, append: Append) -> Result<Request, AppendError> {
        let Append { record, follow_ups, once, expected, .. } = append;
        // Its follow-ups have the same.
        let trace = record.trace.clone();
        let (record, max) = (Fields::from_record(&record), self.config.max_record_bytes);
        let follow_ups: Vec<_> = follow_ups.iter().map(Fields::from_record).collect();
        let bytes = record.len() + follow_ups.iter().map(Fields::len).sum::<usize>();
        if bytes > max {
            return Err(AppendError::TooLarge { bytes, max });
        }
        let attempt = random().map_err(|error| AppendError::Unavailable(error.into()))?;
        let key = match &once {
            // No random key looks like this, and no idempotency key contains a line feed.
            Some(once) => format!("app:{}\n{}", once.key, written(&once.scope)),
            None => attempt.clone(),
        };
        let key = self.config.once_key(&key);
        Ok(Request { record, follow_ups, once, expected, trace, key, attempt })
    }

    async fn append_by_deadline(&self, request: &Request) -> Result<Appended, AppendError> {
        let deadline = Instant::now() + self.config.append_deadline;
        let sent = AtomicBool::new(false);
        let mut unknown = false;
        let error = loop {
            sent.store(false, Ordering::Relaxed);
            let attempt = self.attempt(request, &sent);
            let error = match timeout_at(deadline, attempt).await {
                Ok(Ok(reply)) => return request.outcome(reply),
                Ok(Err(Failure::Final(error))) if !unknown => return Err(error),
                Ok(Err(Failure::Final(error))) => return Err(AppendError::Ambiguous(error.into())),
                Ok(Err(Failure::NotWritten(error))) => error,
                Ok(Err(Failure::Unknown(error))) => {
                    unknown = true;
                    error
                }
                Err(_elapsed) => {
                    unknown |= sent.load(Ordering::Relaxed);
                    break std::io::Error::from(std::io::ErrorKind::TimedOut).into();
                }
            };
            let next = Instant::now() + PAUSE;
            if self.note_failure() || next >= deadline {
                break error;
            }
            self.shared.retried.add(1);
            sleep_until(next).await;
        };
        self.note_failure();
        let error = error.into();
        Err(if unknown { AppendError::Ambiguous(error) } else { AppendError::Unavailable(error) })
    }

    /// Records a failed attempt. Returns `true` if attempts have failed for longer than an append
    /// may take; publishers then fail without another retry.
    fn note_failure(&self) -> bool {
        self.outage.goes_on(self.config.append_deadline, self.shared.read_at())
    }

    async fn attempt(&self, request: &Request, sent: &AtomicBool) -> Result<Reply, Failure> {
        let (number, mut connection) = self.link.connection().await.map_err(Failure::NotWritten)?;
        let seen = self.shared.seen();
        sent.store(true, Ordering::Relaxed);
        let expected = request.expected;
        let mut call = self.script.key(self.config.stream_key());
        call.key(self.config.meta_key()).key(&request.key);
        request.record.add_to(&mut call);
        call.arg(&request.attempt)
            .arg(self.config.keep_events)
            .arg(millis(self.config.idempotency))
            .arg(seen.epoch().to_string())
            .arg(seen.offset())
            .arg(request.once.as_ref().map(|once| format!("{:x}", once.digest)).unwrap_or_default())
            .arg(expected.map(|id| id.epoch().to_string()).unwrap_or_default())
            .arg(expected.map(|id| id.offset().to_string()).unwrap_or_default());
        for follow_up in &request.follow_ups {
            follow_up.add_to(&mut call);
        }
        if let Some(trace) = &request.trace {
            call.arg(trace.to_string());
        }
        match call.invoke_async::<Reply>(&mut connection).await {
            // The address has led to two servers, and one of them no longer has the log. Both
            // connections are replaced. If this server was the right one, the next attempt finds
            // the record.
            Ok((_, _, _, server)) if !self.shared.appends_to(&server) => {
                self.link.discard(number).await;
                let error = "the record was written to another server than the one that the node reads from";
                Err(Failure::Unknown((ErrorKind::Client, error).into()))
            }
            Ok(reply) => Ok(reply),
            Err(error) => {
                if let Some(server) = unproven(&error) {
                    self.shared.appends_to(server);
                }
                let refusal = Refusal::from_error(&error);
                // For any other error, another server may have taken over.
                if refusal != Some(Refusal::Full) {
                    self.link.discard(number).await;
                }
                Err(Failure::new(error, refusal))
            }
        }
    }
}

impl Request {
    /// Converts the reply of the script.
    fn outcome(&self, (epoch, offset, outcome, _): Reply) -> Result<Appended, AppendError> {
        let id: EventId = format!("{epoch}-{offset}").parse().map_err(|_| no_answer())?;
        match (outcome.as_str(), &self.once, self.expected) {
            ("appended", ..) => Ok(Appended::new(id)),
            ("repeated", ..) => Ok(Appended::repeated(id)),
            ("reused", Some(once), _) => Err(AppendError::KeyReused { key: once.key.clone() }),
            ("conflict", _, Some(expected)) => Err(AppendError::Conflict { expected, newest: id }),
            _ => Err(no_answer()),
        }
    }

    /// Returns the id of the last record that was appended, or existed already.
    fn last(&self, appended: &Appended) -> EventId {
        let follow_ups = if appended.repeated { 0 } else { self.follow_ups.len() as u64 };
        EventId::new(appended.id.epoch(), appended.id.offset() + follow_ups)
    }
}

/// Returns the error for a reply that the script never gives.
fn no_answer() -> AppendError {
    AppendError::Ambiguous("the log gave an unexpected reply".into())
}

impl Failure {
    fn new(error: RedisError, refusal: Option<Refusal>) -> Self {
        match refusal {
            Some(Refusal::Full) => Self::Final(AppendError::Full),
            Some(Refusal::Later) => Self::NotWritten(error),
            Some(Refusal::Never) => Self::Final(AppendError::Unavailable(error.into())),
            Some(Refusal::Unknown) | None => Self::Unknown(error),
        }
    }
}

/// Returns the server if it refused an append because it is not proven to have the end of the log.
fn unproven(error: &RedisError) -> Option<&str> {
    let (_, after) = error.detail()?.split_once("UNPROVEN ")?;
    after.split_whitespace().next()
}

/// Returns 128 random bits as text.
pub(crate) fn random() -> Result<String, RandomError> {
    Ok(format!("{:032x}", u128::from_ne_bytes(random_bytes()?)))
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
