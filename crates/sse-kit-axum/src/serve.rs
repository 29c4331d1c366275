//! A server that says goodbye.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use axum::serve::ListenerExt;
use sse_kit_broadcast::Hub;
use sse_kit_shutdown::{Outcome, Shutdown, Signals};
use tokio::net::{TcpListener, ToSocketAddrs};

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
/// When the operating system refuses the address or the signals.
///
/// # Cancel safety
///
/// Not cancel safe. If the future is dropped, the server stops at once, and clients get no goodbye.
pub async fn serve(address: impl ToSocketAddrs, app: Router, hub: &Hub) -> io::Result<ExitCode> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let shutdown = Shutdown::builder().hub(hub.clone()).build();
    let outcome = serve_until(&shutdown, Signals::install()?, listener, app).await;
    let exit_code = outcome.exit_code();
    outcome.served.transpose()?;
    Ok(exit_code)
}

/// Serves an app until `shutdown` is triggered by a signal or by the app, and then runs the whole
/// shutdown: see [`Shutdown::run`].
///
/// Handlers find the client's address in `ConnectInfo<SocketAddr>`. Small events are sent at once
/// (`TCP_NODELAY`). axum's server has no limit on the time that a client may take to send a
/// request: use a proxy in front, or `sse-kit-serve`.
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
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection sends small events late");
        }
    });
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, app).with_graceful_shutdown(shutdown.stopping());
    shutdown.run(signals, serving).await
}
