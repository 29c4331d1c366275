//! Every framework: headers, resume, a client that leaves, and a shutdown.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use integrations::news;
use sse_kit::shutdown::{Ended, Outcome, Shutdown};
use sse_kit::{Event, Hub};
use sse_kit_test_support::{Port, TestResult, in_time, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Client {
    socket: TcpStream,
    read: String,
}

impl Client {
    async fn get(address: SocketAddr, headers: &str) -> Self {
        let connect = async {
            loop {
                match TcpStream::connect(address).await {
                    Ok(socket) => return socket,
                    // Rocket binds late.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        let mut socket = in_time("the server", connect).await;
        let request = format!("GET /events HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.expect("it is sent");
        Self { socket, read: String::new() }
    }

    async fn wait_for(&mut self, text: &str) {
        while !self.read.contains(text) {
            let mut buffer = [0; 4096];
            let count = in_time(text, self.socket.read(&mut buffer)).await.expect("it is open");
            assert!(count > 0, "{text} has not come, but {}", self.read);
            self.read.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }
}

/// The way in which a framework notices that a client has left.
#[derive(Clone, Copy, PartialEq)]
enum Notices {
    AtOnce,
    /// It does not read while it answers, so it notices when it writes.
    AtHeartbeats,
}

/// The promises that every framework has to keep.
async fn check<S>(
    notices: Notices,
    serve: impl FnOnce(TcpListener, Hub, Shutdown) -> S,
) -> TestResult
where
    S: Future<Output = io::Result<()>>,
{
    check_at(TcpListener::bind("127.0.0.1:0")?, notices, serve).await
}

async fn check_at<S>(
    listener: TcpListener,
    notices: Notices,
    serve: impl FnOnce(TcpListener, Hub, Shutdown) -> S,
) -> TestResult
where
    S: Future<Output = io::Result<()>>,
{
    let every = (notices == Notices::AtHeartbeats).then_some(Duration::from_millis(100));
    let hub = Hub::builder().heartbeat(every).build()?;
    let shutdown = Shutdown::builder().hub(hub.clone()).build();
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let serving = serve(listener, hub.clone(), shutdown.clone());
    let browsing = async {
        let first = hub.publish(&news(), Event::new("one")).await.expect("it is published").id;
        hub.publish(&news(), Event::new("two")).await.expect("it is published");

        let mut resuming = Client::get(address, &format!("last-event-id: {first}\r\n")).await;
        resuming.wait_for("data: two").await;
        assert!(!resuming.read.contains("data: one"), "{}", resuming.read);
        let head = resuming.read.to_ascii_lowercase();
        for header in [
            "content-type: text/event-stream",
            "cache-control: no-store, no-transform",
            "x-accel-buffering: no",
            "x-content-type-options: nosniff",
        ] {
            assert!(head.contains(header), "{header} is missing: {head}");
        }

        let mut leaving = Client::get(address, "").await;
        leaving.wait_for("sse-kit:hello").await;
        assert_eq!(hub.connection_count(), 2);
        drop(leaving);
        until("the client to be gone", || hub.connection_count() == 1).await;

        shutdown.trigger();
        resuming.wait_for("event: sse-kit:shutdown").await;
    };
    let running = shutdown.run(None, serving);
    let (outcome, ()): (Outcome<io::Result<()>>, ()) = tokio::join!(running, browsing);
    assert_eq!((outcome.ended, outcome.streams, outcome.streams_cut), (Ended::Drained, 1, 0));
    Ok(outcome.served.expect("it has ended")?)
}

#[test]
fn actix_web() -> TestResult {
    actix_web::rt::System::new().block_on(check(Notices::AtOnce, integrations::actix::serve))
}

#[tokio::test]
async fn poem() -> TestResult {
    check(Notices::AtHeartbeats, integrations::poem::serve).await
}

#[tokio::test]
async fn salvo() -> TestResult {
    check(Notices::AtOnce, integrations::salvo::serve).await
}

#[tokio::test]
async fn warp() -> TestResult {
    check(Notices::AtOnce, integrations::warp::serve).await
}

#[tokio::test]
async fn rocket() -> TestResult {
    // Rocket binds by itself, and does not say which port it was given.
    let port = Port::claim()?;
    let listener = TcpListener::bind(("127.0.0.1", port.number()))?;
    check_at(listener, Notices::AtHeartbeats, async |listener: TcpListener, hub, shutdown| {
        drop(listener);
        integrations::rocket::serve(port.number(), hub, shutdown).await
    })
    .await
}
