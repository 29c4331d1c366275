//! The types that may be moved between threads, and shared by them.

use std::convert::Infallible;

use sse_kit_http::{
    Access, Authorizer, Cors, CrossSiteError, DeniedError, Gate, GateOpenError, Grant, HostName,
    HostRules, Network, Origin, Permit, QueryError, Quota, QuotaError, Resource, SharedProgress,
    SharedStream, SseBody, SseByteStream, SseRequest, SseResponse, TrustedProxies,
};

fn send_and_sync<T: Send + Sync>() {}
fn body<T: http_body::Body<Data = bytes::Bytes, Error = Infallible> + Unpin>() {}
fn stream<T: futures_util::Stream<Item = Result<bytes::Bytes, Infallible>> + Unpin>() {}

struct Nobody;

impl Authorizer for Nobody {
    type Principal = ();

    async fn authorize(&self, (): &(), _: Resource<'_>, _: Access) -> Result<Grant, DeniedError> {
        Err(DeniedError)
    }
}

struct Counted(u64);

impl SharedProgress for Counted {
    type Item = ();

    fn event(&self, (): &()) -> sse_kit_event::Event {
        sse_kit_event::Event::new(self.0.to_string())
    }

    fn apply(&mut self, (): ()) {
        self.0 += 1;
    }
}

#[test]
fn public_types_are_send_and_sync() {
    send_and_sync::<SseBody>();
    send_and_sync::<SseByteStream>();
    send_and_sync::<SseResponse>();
    send_and_sync::<SseRequest<'static>>();
    send_and_sync::<SharedStream<Counted>>();
    send_and_sync::<Gate<Nobody>>();
    send_and_sync::<(Quota, Permit, Cors, HostRules, TrustedProxies)>();
    send_and_sync::<(CrossSiteError, HostName, Network, Origin, QuotaError)>();
    send_and_sync::<(GateOpenError, QueryError)>();
    body::<SseBody>();
    stream::<SseByteStream>();
}

#[cfg(feature = "gzip")]
#[test]
fn choices_of_compression_are_send_and_sync() {
    send_and_sync::<sse_kit_http::GzipWindow>();
}

#[cfg(feature = "tower")]
#[test]
fn layers_are_send_and_sync() {
    send_and_sync::<(
        sse_kit_http::SameSiteLayer,
        sse_kit_http::Checked<()>,
        sse_kit_http::WithCors<()>,
    )>();
}
