//! The limits on what may be published, by topic.

use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use sse_kit::broadcast::ClientKey;
use sse_kit::event::Audience;

use super::failure::Failure;
use super::rate_limit::RateLimit;
use crate::limit_options::{ByTopic, DataSize, LimitOptions};

/// The limits of a hub. A reload replaces them.
#[derive(Debug)]
pub(crate) struct PublishLimits(Mutex<Arc<CurrentLimits>>);

/// The limits at one time.
#[derive(Clone, Debug)]
pub(crate) struct CurrentLimits {
    max_data: ByTopic<DataSize>,
    rate: Arc<RateLimit>,
}

impl PublishLimits {
    pub(crate) fn new(options: &LimitOptions) -> Self {
        let max_data = options.max_data();
        let rate = RateLimit::new(options.publish_rate()).into();
        Self(Mutex::new(Arc::new(CurrentLimits { max_data, rate })))
    }

    /// Replaces the limits. What publishers have published before counts on if the rates stay as they are.
    pub(crate) fn reload(&self, options: &LimitOptions) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = if *current.rate.limits() == options.publish_rate() {
            Arc::clone(&current.rate)
        } else {
            RateLimit::new(options.publish_rate()).into()
        };
        *current = Arc::new(CurrentLimits { max_data: options.max_data(), rate });
    }

    pub(crate) fn current(&self) -> Arc<CurrentLimits> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CurrentLimits {
    /// Checks that the data of an event is not too large for one of its topics.
    pub(super) fn ensure_fits(&self, audience: &Audience, data: &str) -> Result<(), Failure> {
        for topic in audience.topics() {
            let DataSize(max) = *self.max_data.of(topic);
            let bytes = data.len();
            if bytes > max {
                let message =
                    format!("the data has {bytes} bytes; topic `{topic}` takes at most {max}");
                return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, &message));
            }
        }
        Ok(())
    }

    /// Counts events of a publisher: all of them, or none if some come too fast.
    pub(super) fn admit<'a>(
        &self,
        publisher: impl FnOnce() -> ClientKey,
        events: impl Iterator<Item = &'a Audience>,
    ) -> Result<(), Failure> {
        if self.rate.is_unlimited() {
            return Ok(());
        }
        self.rate.admit(&publisher(), events).map_err(Failure::TooFast)
    }
}
