//! The body of a request, with a timeout for its sender.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

/// The body of a request.
///
/// Reading fails if the client sends nothing for the [body timeout](crate::Server::body_timeout).
/// The timer runs only while the app waits for bytes.
pub struct RequestBody {
    source: Source,
    timeout: Option<Duration>,
    waiting: Option<Pin<Box<Sleep>>>,
    progress: BodyProgress,
}

/// The origin of a body's bytes.
enum Source {
    /// hyper reads them from the client.
    Incoming(Incoming),
    /// They arrived together with the head, and are empty once they were read.
    Whole(Bytes),
}

/// A flag that is set once a request's body was read to its end.
#[derive(Clone, Debug)]
pub(crate) struct BodyProgress(Option<Arc<AtomicBool>>);

impl BodyProgress {
    /// Creates the flag; without an allocation for the usual request, which has no body.
    fn new(source: &Source) -> Self {
        Self((!source.is_end_stream()).then(Arc::default))
    }

    fn note_end(&self) {
        if let Self(Some(ended)) = self {
            ended.store(true, Ordering::Relaxed);
        }
    }

    /// Returns `true` if the whole body was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.as_ref().is_none_or(|ended| ended.load(Ordering::Relaxed))
    }
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, timeout: Option<Duration>) -> Self {
        Self::of(Source::Incoming(incoming), timeout)
    }

    /// Creates a body of bytes that are all here.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::of(Source::Whole(bytes), None)
    }

    fn of(source: Source, timeout: Option<Duration>) -> Self {
        let progress = BodyProgress::new(&source);
        Self { source, timeout, waiting: None, progress }
    }

    /// Takes the whole body if it has arrived together with the head of its request, as a short one often
    /// has; else returns `None`, and the body has to be read. The body is empty after that, and what a middleware
    /// has read before is not returned again.
    ///
    /// An app that takes most bodies this way needs no room for the state of reading them.
    pub fn take_arrived(&mut self) -> Option<Bytes> {
        let Source::Whole(bytes) = &mut self.source else { return None };
        self.progress.note_end();
        Some(std::mem::take(bytes))
    }

    pub(crate) fn progress(&self) -> BodyProgress {
        self.progress.clone()
    }
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        match self {
            Self::Incoming(incoming) => Pin::new(incoming).poll_frame(cx),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Incoming(incoming) => incoming.is_end_stream(),
            Self::Whole(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Incoming(incoming) => incoming.size_hint(),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let frame = self.source.poll_frame(cx);
        if let Poll::Ready(frame) = frame {
            self.waiting = None;
            if self.source.is_end_stream() || frame.is_none() {
                self.progress.note_end();
            }
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|error| RequestBodyError::Http(error.into()))),
            );
        }
        let Some(timeout) = self.timeout else { return Poll::Pending };
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        waiting.as_mut().poll(cx).map(|()| Some(Err(RequestBodyError::TimedOut)))
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("length", &self.source.size_hint())
            .finish_non_exhaustive()
    }
}

/// The reason why the body of a request could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestBodyError {
    /// The client sent nothing for the [body timeout](crate::Server::body_timeout).
    #[error("the client sent nothing of the request's body within the body timeout")]
    TimedOut,
    /// The client disconnected, or sent invalid HTTP.
    #[error("the request's body could not be read")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
}
