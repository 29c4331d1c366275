//! A server that says goodbye.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use socket2::{SockRef, TcpKeepalive};
use sse_kit_broadcast::Hub;
use sse_kit_shutdown::{Outcome, Shutdown, Signals};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs, lookup_host};

/// The silence after which the kernel begins to probe a client.
const PROBE_AFTER: Duration = Duration::from_secs(30);
/// The interval between its probes.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// The number of unanswered probes after which the kernel ends the connection.
const PROBES: u32 = 3;
/// The time without an acknowledgement after which the kernel ends the connection.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves an app until Ctrl-C (SIGINT) or SIGTERM, says goodbye to every stream of the hub, and returns
/// the exit code of the process.
///
/// Pages reconnect by themselves when the next process listens. After the deadline of
/// [`Shutdown::builder`] the remaining connections are cut off; a second signal does so at once. [`serve_until`] has
/// settings for all of that.
///
/// ```no_run
/// use axum::Router;
/// use sse_kit_broadcast::Hub;
///
/// #[tokio::main]
/// async fn main() -> std::io::Result<std::process::ExitCode> {
///     let hub = Hub::new();
///     let app = Router::new().with_state(hub.clone());
///     sse_kit_axum::serve("127.0.0.1:8080", app, &hub).await
/// }
/// ```
///
/// # Errors
///
/// When the address cannot be looked up or is refused by the operating system, and then the error names it, or
/// when the signals are refused.
///
/// # Cancel safety
///
/// Not cancel safe. If the future is dropped, the server stops at once, and clients get no goodbye.
pub async fn serve(
    address: impl ToSocketAddrs + Debug,
    app: Router,
    hub: &Hub,
) -> io::Result<ExitCode> {
    let listener = bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let shutdown = Shutdown::builder().hub(hub.clone()).build();
    let outcome = serve_until(&shutdown, Signals::install()?, listener, app).await;
    let exit_code = outcome.exit_code();
    outcome.served.transpose()?;
    Ok(exit_code)
}

/// Listens on the first of the addresses that is free; an error names them.
async fn bind(address: impl ToSocketAddrs + Debug) -> io::Result<TcpListener> {
    let name = format!("{address:?}");
    let cannot = |name: &str, error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen on {name}: {error}"))
    };
    let addresses: Vec<SocketAddr> =
        lookup_host(address).await.map_err(|error| cannot(&name, error))?.collect();
    TcpListener::bind(&*addresses).await.map_err(|error| {
        let names: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        cannot(&names.join(", "), error)
    })
}

/// Serves an app until `shutdown` is triggered by a signal or by the app, and then runs the whole
/// shutdown: see [`Shutdown::run`].
///
/// Handlers find the client's address in `ConnectInfo<SocketAddr>`. Small events are sent at once
/// (`TCP_NODELAY`). A client that lost its network is gone after 60 s without traffic, by the kernel's
/// probes, and on Linux after 30 s without an acknowledgement.
///
/// # Limits
///
/// axum's server has no limit on:
///
/// - the time that a client may take to send a request;
/// - the time that a client may take to read: one that keeps its connection and reads nothing costs its
///   queue, and keeps its place in a [`Quota`](sse_kit_http::Quota);
/// - the number of connections.
///
/// Use a proxy in front that has them, or `sse-kit-serve`.
///
/// # Cancel safety
///
/// Not cancel safe. If the future is dropped, the server stops at once, and clients get no goodbye.
pub async fn serve_until(
    shutdown: &Shutdown,
    signals: impl Into<Option<Signals>>,
    listener: TcpListener,
    app: Router,
) -> Outcome<io::Result<()>> {
    let listener = listener.tap_io(|socket| {
        if let Err(error) = set_options(socket) {
            tracing::debug!(%error, "a connection keeps the kernel's default options");
        }
    });
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, app).with_graceful_shutdown(shutdown.stopping());
    shutdown.run(signals, serving).await
}

/// Sets the options of a connection.
fn set_options(socket: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER);
    socket.set_tcp_keepalive(&probes.with_interval(PROBE_EVERY).with_retries(PROBES))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_in_use_is_named() -> io::Result<()> {
        let taken = TcpListener::bind("127.0.0.1:0").await?.into_std()?;
        let address = taken.local_addr()?;
        let error = bind(address).await.expect_err("it is in use");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let message = error.to_string();
        assert!(message.starts_with(&format!("cannot listen on {address}: ")), "{message}");
        Ok(())
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_named() {
        let error = bind("localhost").await.expect_err("it has no port");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with("cannot listen on \"localhost\": "), "{error}");
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_noticed_by_the_kernel() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let socket = TcpStream::connect(listener.local_addr()?).await?;
        set_options(&socket)?;
        let socket = SockRef::from(&socket);
        assert!(socket.tcp_nodelay()? && socket.keepalive()?);
        assert_eq!(socket.tcp_keepalive_time()?, PROBE_AFTER);
        assert_eq!(socket.tcp_keepalive_interval()?, PROBE_EVERY);
        assert_eq!(socket.tcp_keepalive_retries()?, PROBES);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout()?, Some(USER_TIMEOUT));
        Ok(())
    }
}
