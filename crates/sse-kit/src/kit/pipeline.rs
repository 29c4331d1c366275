//! The way of one event: handlers, updates, message, topic, hub.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use sse_kit_broadcast::{ConnectionId, Hub};
use sse_kit_dispatch::{
    Callback, Dispatched, Dispatcher, DomainEvent, DomainEventError, Ending, IntoDomainEvent,
};
use sse_kit_event::{Audience, Event, IdempotencyKey, Topic};
use sse_kit_htmx::MessageFormat;
use sse_kit_update::{ElementUpdater, UpdateError, message};
use tracing::Instrument;

use super::OnFailure;
use super::emitted::{EmitError, EmitErrorKind, Emitted};
use super::stats::Counters;

/// An event and its audience, before it is emitted.
#[derive(Debug)]
pub(super) struct Outgoing {
    what: What,
    /// `None` is the topic that the kit chooses.
    audience: Option<Audience>,
    options: Options,
}

/// The options of the publish.
#[derive(Debug, Default)]
struct Options {
    except: Vec<ConnectionId>,
    /// The idempotency key of the message.
    once: Option<IdempotencyKey>,
}

#[derive(Debug)]
enum What {
    /// An event of the app, if its data could be written.
    Domain(Result<DomainEvent, DomainEventError>),
    /// An event that is published as it is.
    Plain(Event),
}

impl Outgoing {
    pub(super) fn new(event: impl IntoDomainEvent) -> Self {
        let what = What::Domain(event.into_domain_event());
        Self { what, audience: None, options: Options::default() }
    }

    pub(super) fn plain(audience: impl Into<Audience>, event: Event) -> Self {
        let audience = Some(audience.into());
        Self { what: What::Plain(event), audience, options: Options::default() }
    }

    pub(super) fn to(self, audience: impl Into<Audience>) -> Self {
        Self { audience: Some(audience.into()), ..self }
    }

    pub(super) fn except(mut self, connections: &[ConnectionId]) -> Self {
        self.options.except.extend_from_slice(connections);
        self
    }

    pub(super) fn once(mut self, key: IdempotencyKey) -> Self {
        self.options.once = Some(key);
        self
    }
}

/// The parts of a kit that do not depend on its state.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub(super) hub: Hub,
    pub(super) dispatcher: Dispatcher,
    pub(super) updater: ElementUpdater,
    pub(super) format: MessageFormat,
    /// The function that chooses the topic; `None` for the topic with the name of the full type.
    pub(super) topic: Option<Callback<Arc<DomainEvent>, Topic>>,
    pub(super) on_handler_failure: OnFailure,
    pub(super) on_unhandled: OnFailure,
    pub(super) counters: Counters,
}

impl Pipeline {
    pub(super) fn new(hub: Hub) -> Self {
        Self {
            hub,
            dispatcher: Dispatcher::new(),
            updater: ElementUpdater::new(),
            format: MessageFormat::default(),
            topic: None,
            on_handler_failure: OnFailure::default(),
            on_unhandled: OnFailure::default(),
            counters: Counters::new(),
        }
    }

    /// Sends an event all the way. Every failure is logged, here or by the handlers' registry.
    pub(super) async fn emit(&self, outgoing: Outgoing) -> Result<Emitted, EmitError> {
        let Outgoing { what, audience, options } = outgoing;
        let emitted = match what {
            What::Domain(Ok(event)) => {
                let span = tracing::debug_span!("sse.emit", event_type = %event.full_type());
                self.emit_event(event, audience, &options).instrument(span).await
            }
            What::Domain(Err(error)) => Err(EmitError::new(None, EmitErrorKind::Event(error))),
            What::Plain(event) => self.publish(audience, event, &options).await,
        };
        emitted.inspect_err(EmitError::log)
    }

    async fn publish(
        &self,
        audience: Option<Audience>,
        event: Event,
        options: &Options,
    ) -> Result<Emitted, EmitError> {
        let audience = audience.unwrap_or(Audience::Everyone);
        let hub = self.hub.except(options.except.iter().cloned());
        let published = hub.publish(audience, event).await;
        let receipt =
            published.map_err(|error| EmitError::new(None, EmitErrorKind::Publish(error)))?;
        Ok(Emitted { receipt: Some(receipt), ..Emitted::default() })
    }

    async fn emit_event(
        &self,
        event: DomainEvent,
        audience: Option<Audience>,
        options: &Options,
    ) -> Result<Emitted, EmitError> {
        let event_type = event.full_type().clone();
        // A part of the dispatch: if it fails, the event has not come, and `Deduplicate` lets the next
        // attempt pass.
        let pages = |dispatched| self.emit_dispatched(dispatched, audience, options);
        match self.dispatcher.dispatch_then(event, pages).await {
            Ok(Ok(emitted)) => self.check_handlers(emitted),
            Ok(Err(error)) => Err(error),
            Err(error) => Err(EmitError::new(Some(event_type), EmitErrorKind::Dispatch(error))),
        }
    }

    /// Brings an event that was dispatched to the pages, unless it was stopped.
    async fn emit_dispatched(
        &self,
        dispatched: Dispatched,
        audience: Option<Audience>,
        options: &Options,
    ) -> Result<Emitted, EmitError> {
        let (event, is_handled) =
            (Arc::clone(&dispatched.event), dispatched.ending == Ending::Handled);
        let mut emitted = Emitted { dispatched: Some(dispatched), ..Emitted::default() };
        if is_handled
            && let Err(kind) = self.update_pages(&event, audience, options, &mut emitted).await
        {
            let error = EmitError::new(Some(event.full_type().clone()), kind);
            return Err(error.with_emitted(emitted));
        }
        Ok(emitted)
    }

    /// Returns an error if handlers failed, where that is one. The pages have what the others made, so
    /// the event has come all the same.
    fn check_handlers(&self, emitted: Emitted) -> Result<Emitted, EmitError> {
        let is_ok = self.on_handler_failure != OnFailure::Fail || emitted.errors().next().is_none();
        if is_ok {
            return Ok(emitted);
        }
        let dispatched = emitted.dispatched.as_ref();
        let event_type = dispatched.map(|dispatched| dispatched.event.full_type().clone());
        Err(EmitError::new(event_type, EmitErrorKind::Handlers).with_emitted(emitted))
    }

    async fn update_pages(
        &self,
        event: &Arc<DomainEvent>,
        audience: Option<Audience>,
        options: &Options,
        emitted: &mut Emitted,
    ) -> Result<(), EmitErrorKind> {
        let began = Instant::now();
        let updated = self.updater.update(Arc::clone(event)).await;
        self.counters.render.observe(began.elapsed());
        emitted.updated = match updated {
            Ok(updated) => updated,
            Err(mut error) => {
                if let UpdateError::Postprocess { updated, .. } = &mut error {
                    emitted.updated = mem::take(updated);
                }
                return Err(EmitErrorKind::Update(error));
            }
        };
        if emitted.handlers() == 0 {
            return self.unhandled(event);
        }
        let message = message(&emitted.updated.updates, self.format);
        let Some(message) = message.map_err(EmitErrorKind::Message)? else { return Ok(()) };
        let audience = match (audience, &self.topic) {
            (Some(audience), _) => audience,
            (None, None) => event.full_type().as_topic().into(),
            (None, Some(topic)) => {
                topic.call(Arc::clone(event)).await.map_err(EmitErrorKind::Topic)?.into()
            }
        };
        let message = match &options.once {
            Some(key) => message.with_idempotency_key(key.clone()),
            None => message,
        };
        let hub = self.hub.except(options.except.iter().cloned());
        let receipt = hub.publish(audience, message).await.map_err(EmitErrorKind::Publish)?;
        emitted.receipt = Some(receipt);
        Ok(())
    }

    fn unhandled(&self, event: &DomainEvent) -> Result<(), EmitErrorKind> {
        match self.on_unhandled {
            OnFailure::Fail => Err(EmitErrorKind::Unhandled),
            OnFailure::Log => {
                tracing::warn!(event_type = %event.full_type(), "an event has no handler");
                Ok(())
            }
        }
    }
}
