//! Publishing in a transaction of the app.

use std::error::Error;

use sse_kit_event::{Audience, Event, IdempotencyKey, TraceContext};

use crate::batch::{MAX_RECORD, key_bytes};

/// Publishes in a transaction: the event exists if and only if the transaction commits.
///
/// It is implemented for transactions of `tokio-postgres`.
///
/// ```no_run
/// use sse_kit_event::{Event, Topic};
/// use sse_kit_postgres::Outbox;
///
/// # async fn example(client: &mut tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let orders: Topic = "orders".parse()?;
/// let mut transaction = client.transaction().await?;
/// transaction.execute("update orders set state = 'paid' where id = 17", &[]).await?;
/// transaction.publish(&orders, Event::new("17 is paid")).await?;
/// transaction.commit().await?;
/// # Ok(()) }
/// ```
///
/// Publish after the change that the event is about: events about one row then have the order of its
/// changes. The hooks of a hub do not see these events.
pub trait Outbox: sealed::Sealed {
    /// Publishes an event to an audience when the transaction commits. Returns `false` if the same
    /// event was published before under its idempotency key; nothing is published then.
    ///
    /// With an idempotency key, the call waits while another open transaction publishes under the same
    /// one. Without a key it waits for nobody.
    ///
    /// # Errors
    ///
    /// [`OutboxError`]. The transaction can go on, except after [`OutboxError::Database`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the event may be a part of the transaction or not; roll it back.
    fn publish(
        &mut self,
        audience: impl Into<Audience> + Send,
        event: Event,
    ) -> impl Future<Output = Result<bool, OutboxError>> + Send;

    /// Sets the trace that the events of this transaction belong to, from now on: those that
    /// [`publish`](Self::publish) sends, and those of triggers and of `sse.publish`. `None` clears it.
    ///
    /// # Errors
    ///
    /// [`OutboxError::Database`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the trace may be set or not.
    fn trace_context(
        &mut self,
        trace: impl Into<Option<TraceContext>> + Send,
    ) -> impl Future<Output = Result<(), OutboxError>> + Send;
}

pub(crate) mod sealed {
    /// Prevents implementations elsewhere, so that the trait can grow.
    pub trait Sealed {}
}

/// The reason why an event was not published in a transaction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The event has a name that begins with `sse-kit:`.
    #[error("the event has a name that begins with `sse-kit:`, which is reserved; choose another")]
    Reserved,
    /// The event already has an id.
    #[error("the event already has an id; publish it without one, as the log assigns ids")]
    HasId,
    /// The event is larger than the limit of the log.
    #[error("the event has {bytes} bytes; the log accepts at most {max}")]
    TooLarge {
        /// The size of the event, in bytes.
        bytes: usize,
        /// The maximum size, in bytes.
        max: usize,
    },
    /// The idempotency key was used for another event for the same audience.
    #[error("the idempotency key `{key}` was already used for another event; choose a new key")]
    KeyReused {
        /// The idempotency key.
        key: IdempotencyKey,
    },
    /// PostgreSQL refused, or failed. The transaction is over.
    #[error("PostgreSQL did not accept the event")]
    Database(#[source] Box<dyn Error + Send + Sync>),
}

/// The call of `sse.enqueue`.
pub(crate) const ENQUEUE: &str = "select sse.enqueue($1, $2, $3, '', $4)";

/// Sets the default of the column `trace` of the outbox, until the transaction ends.
const SET_TRACE: &str = "select set_config('sse.traceparent', $1, true)";

/// The arguments of `sse.enqueue`.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) topics: Vec<String>,
    pub(crate) event: Vec<u8>,
    pub(crate) key: Vec<u8>,
    once: Option<IdempotencyKey>,
}

impl Letter {
    pub(crate) fn new(audience: &Audience, event: &Event) -> Result<Self, OutboxError> {
        if event.name().is_some_and(sse_kit_event::EventName::is_control) {
            return Err(OutboxError::Reserved);
        }
        if event.id().is_some() {
            return Err(OutboxError::HasId);
        }
        let encoded = event.encode();
        if encoded.len() > MAX_RECORD {
            return Err(OutboxError::TooLarge { bytes: encoded.len(), max: MAX_RECORD });
        }
        Ok(Self {
            topics: audience.topics().iter().map(|topic| topic.as_str().to_owned()).collect(),
            event: encoded.as_bytes().to_vec(),
            key: key_bytes(event.key()),
            once: event.idempotency_key().cloned(),
        })
    }

    pub(crate) fn once(&self) -> Option<&str> {
        self.once.as_ref().map(IdempotencyKey::as_str)
    }

    /// Converts the outcome of `sse.enqueue`.
    pub(crate) fn outcome(self, outcome: &str) -> Result<bool, OutboxError> {
        match (outcome, self.once) {
            ("published", _) => Ok(true),
            ("repeated", _) => Ok(false),
            ("reused", Some(key)) => Err(OutboxError::KeyReused { key }),
            _ => Err(OutboxError::Database("`sse.enqueue` gave an unexpected reply".into())),
        }
    }
}

impl sealed::Sealed for tokio_postgres::Transaction<'_> {}

impl Outbox for tokio_postgres::Transaction<'_> {
    async fn publish(
        &mut self,
        audience: impl Into<Audience> + Send,
        event: Event,
    ) -> Result<bool, OutboxError> {
        use tokio_postgres::types::Type;

        let letter = Letter::new(&audience.into(), &event)?;
        let failed = |error: tokio_postgres::Error| OutboxError::Database(error.into());
        let once = letter.once();
        let arguments: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
            (&letter.topics, Type::TEXT_ARRAY),
            (&letter.event, Type::BYTEA),
            (&letter.key, Type::BYTEA),
            (&once, Type::TEXT),
        ];
        // In one round trip: a statement would have to be prepared in each transaction.
        let rows = self.query_typed(ENQUEUE, &arguments).await.map_err(failed)?;
        let outcome = rows.first().map(|row| row.try_get::<_, String>(0));
        let outcome = outcome.transpose().map_err(failed)?.unwrap_or_default();
        letter.outcome(&outcome)
    }

    async fn trace_context(
        &mut self,
        trace: impl Into<Option<TraceContext>> + Send,
    ) -> Result<(), OutboxError> {
        let trace = trace.into().map(|trace| trace.to_string()).unwrap_or_default();
        let set = self.query_typed(SET_TRACE, &[(&trace, tokio_postgres::types::Type::TEXT)]).await;
        set.map(drop).map_err(|error| OutboxError::Database(error.into()))
    }
}
