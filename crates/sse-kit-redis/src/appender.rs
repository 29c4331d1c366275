//! The way into the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{ErrorKind, RedisError, Script};
use sse_kit_broadcast::AppendError;
use sse_kit_event::{EventId, IdempotencyKey};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::config::RedisConfig;
use crate::entry::Fields;
use crate::link::Link;
use crate::monitor::Shared;
use crate::outage::Outage;
use crate::refusal::Refusal;

/// How long to wait before an attempt is made again.
const PAUSE: Duration = Duration::from_millis(50);

/// Appends over one connection that all publishers of a node share.
#[derive(Debug)]
pub(crate) struct Appender {
    config: RedisConfig,
    script: Script,
    shared: Arc<Shared>,
    link: Link,
    outage: Outage,
}

/// Why one attempt has failed.
enum Failure {
    /// It was surely not written, and may be if it is tried again.
    NotWritten(RedisError),
    /// It may have been written.
    Unknown(RedisError),
    /// It was surely not written, nor would it be.
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

    /// Appends a record, and tries again under the same idempotency key until the deadline: under that of
    /// the app, or one of its own.
    pub(crate) async fn append(
        &self,
        fields: &Fields,
        once: Option<&IdempotencyKey>,
    ) -> Result<EventId, AppendError> {
        if fields.len() > self.config.max_record_bytes {
            let (bytes, max) = (fields.len(), self.config.max_record_bytes);
            return Err(AppendError::TooLarge { bytes, max });
        }
        let text = random().map_err(|error| AppendError::Unavailable(error.into()))?;
        let key = match once {
            // No random one looks like this.
            Some(key) => self.config.once_key(&format!("app:{key}")),
            None => self.config.once_key(&text),
        };
        let appended = self.append_by_deadline(fields, &key, &text).await;
        match &appended {
            Ok(id) => {
                self.outage.end();
                self.shared.see(*id);
                self.shared.appended.add(1);
            }
            Err(error) => {
                self.outage.failed(error);
                self.shared.failed.add(1);
                self.shared.ambiguous.add(u64::from(matches!(error, AppendError::Ambiguous(_))));
            }
        }
        appended
    }

    async fn append_by_deadline(
        &self,
        fields: &Fields,
        key: &str,
        text: &str,
    ) -> Result<EventId, AppendError> {
        let deadline = Instant::now() + self.config.append_deadline;
        let sent = AtomicBool::new(false);
        let mut unknown = false;
        let error = loop {
            sent.store(false, Ordering::Relaxed);
            let attempt = self.attempt(fields, key, text, &sent);
            let error = match timeout_at(deadline, attempt).await {
                Ok(Ok(id)) => return Ok(id),
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
            if self.is_hopeless() || next >= deadline {
                break error;
            }
            self.shared.retried.add(1);
            sleep_until(next).await;
        };
        self.is_hopeless();
        let error = error.into();
        Err(if unknown { AppendError::Ambiguous(error) } else { AppendError::Unavailable(error) })
    }

    /// Notes a failed attempt; true when attempts have failed for longer than any append may take.
    /// Then publishers are not made to wait once more.
    fn is_hopeless(&self) -> bool {
        self.outage.goes_on(self.config.append_deadline, self.shared.read_at())
    }

    async fn attempt(
        &self,
        fields: &Fields,
        key: &str,
        text: &str,
        sent: &AtomicBool,
    ) -> Result<EventId, Failure> {
        let (number, mut connection) = self.link.connection().await.map_err(Failure::NotWritten)?;
        let seen = self.shared.seen();
        sent.store(true, Ordering::Relaxed);
        let reply = self
            .script
            .key(self.config.stream_key())
            .key(self.config.meta_key())
            .key(key)
            .arg(&fields.topic)
            .arg(&fields.event)
            .arg(&fields.key)
            .arg(&fields.except)
            .arg(text)
            .arg(self.config.keep_events)
            .arg(millis(self.config.idempotency))
            .arg(seen.epoch().to_string())
            .arg(seen.offset())
            .invoke_async::<(String, String, String)>(&mut connection)
            .await;
        match reply {
            // The address has led to two servers, and one of them does not have the log any more. Both
            // connections are made again; where it was the right one, the next attempt finds the record.
            Ok((_, _, server)) if !self.shared.appends_to(&server) => {
                self.link.discard(number).await;
                let error = "the record stands on another server than the one that is read";
                Err(Failure::Unknown((ErrorKind::Client, error).into()))
            }
            Ok((epoch, offset, _)) => format!("{epoch}-{offset}").parse().map_err(|_| {
                let error = (ErrorKind::UnexpectedReturnType, "the log gave no id");
                Failure::Unknown(error.into())
            }),
            Err(error) => {
                if let Some(server) = unproven(&error) {
                    self.shared.appends_to(server);
                }
                let refusal = Refusal::of(&error);
                // Whatever else the server says, another one may have taken its place.
                if refusal != Some(Refusal::Full) {
                    self.link.discard(number).await;
                }
                Err(Failure::of(error, refusal))
            }
        }
    }
}

impl Failure {
    fn of(error: RedisError, refusal: Option<Refusal>) -> Self {
        match refusal {
            Some(Refusal::Full) => Self::Final(AppendError::Full),
            Some(Refusal::Later) => Self::NotWritten(error),
            Some(Refusal::Never) => Self::Final(AppendError::Unavailable(error.into())),
            Some(Refusal::Unknown) | None => Self::Unknown(error),
        }
    }
}

/// The server that is not proven to have the end of the log, where an append was refused for that.
fn unproven(error: &RedisError) -> Option<&str> {
    let (_, after) = error.detail()?.split_once("UNPROVEN ")?;
    after.split_whitespace().next()
}

/// 128 random bits.
pub(crate) fn random() -> Result<String, getrandom::Error> {
    Ok(format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?))
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
