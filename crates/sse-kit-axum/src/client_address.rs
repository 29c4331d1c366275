//! The address of the client, behind proxies too.

use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use axum::Extension;
use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};
use axum::http::header::FORWARDED;
use axum::http::request::Parts;
use sse_kit_http::TrustedProxies;

/// Returns the layer that lets [`LiveRequest::client`](crate::LiveRequest::client) find the client's
/// address behind these proxies.
///
/// Without this layer all clients behind a proxy have the proxy's address: they are one client for a
/// [`Quota`](sse_kit_http::Quota) by address, and share the few
/// [turns](sse_kit_broadcast::SubscriptionBuilder::backfill) for reading the log. Where users sign in,
/// [`Live::for_client`](crate::Live::for_client) with the user's name is better still.
///
/// ```
/// use axum::Router;
/// use sse_kit_axum::trust;
/// use sse_kit_http::TrustedProxies;
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8".parse()?, "127.0.0.1".parse()?]);
/// let app: Router = Router::new().layer(trust(proxies));
/// # Ok::<(), sse_kit_event::TextError>(())
/// ```
pub fn trust(proxies: TrustedProxies) -> Extension<TrustedProxies> {
    Extension(proxies)
}

/// Returns the client's address, if the server provides addresses.
pub(crate) fn client_address(parts: &Parts) -> Option<IpAddr> {
    let peer = peer(parts)?.ip();
    let Some(proxies) = parts.extensions.get::<TrustedProxies>() else {
        warn_of_proxy(parts);
        return Some(peer);
    };
    Some(proxies.client(peer, &parts.headers))
}

/// Returns the other end of the connection, as the extractor `ConnectInfo` finds it: in tests too.
fn peer(parts: &Parts) -> Option<SocketAddr> {
    let extensions = &parts.extensions;
    let served = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    served.or_else(|| extensions.get::<MockConnectInfo<SocketAddr>>().map(|mock| mock.0))
}

/// Logs a warning, once in the life of the process, if a request seems to have come by a proxy.
fn warn_of_proxy(parts: &Parts) {
    static WARNED: Once = Once::new();
    let is_forwarded =
        parts.headers.contains_key(FORWARDED) || parts.headers.contains_key("x-forwarded-for");
    if is_forwarded {
        WARNED.call_once(|| {
            tracing::warn!(
                "a request names its client's address in a header, and no proxy is trusted: all \
                 clients of a proxy count as one; add the layer `trust`"
            );
        });
    }
}
