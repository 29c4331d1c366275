//! The places where a server listens: names of hosts, and Unix sockets and their files.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::time::Duration;

use http::{Request, Response};
use sse_kit_http::{Quota, TrustedProxies};
use sse_kit_serve::{ListenAddress, ListenError, Listener, RequestBody, Server};
use sse_kit_test_support::{in_time, scaled};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running server; `true` from its task says that all connections have ended by themselves.
struct Serving {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<usize>,
}

impl Serving {
    /// Serves answers that say whom they are for; `/stuck` is more than a client takes that does not read.
    fn start(server: Server) -> Self {
        let service = |request: Request<RequestBody>, client: SocketAddr| async move {
            let body = match request.uri().path() {
                "/stuck" => "x".repeat(64 << 20),
                _ => client.to_string(),
            };
            Ok::<_, Infallible>(Response::new(body))
        };
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.serve(service, stopped, Duration::from_secs(600)));
        Self { stop, ended }
    }

    async fn stop(self) {
        drop(self.stop);
        assert_eq!(in_time("the end", self.ended).await.expect("no panic"), 0);
    }
}

async fn listen(address: &str) -> Result<Listener, ListenError> {
    Listener::bind(&address.parse().expect("an address to listen on")).await
}

/// The path of a socket, as it is written.
fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

async fn ask(socket: &mut (impl AsyncRead + AsyncWrite + Unpin), header: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n");
    socket.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    in_time("an answer", socket.read_to_string(&mut answer)).await.expect("a proper end");
    answer
}

async fn ask_at(path: &Path, header: &str) -> String {
    ask(&mut UnixStream::connect(path).await.expect("it listens"), header).await
}

#[tokio::test]
async fn a_unix_socket_is_served_and_its_file_removed_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hub.sock");
    let server = Server::new(listen(&unix(&path)).await.expect("a free path"));
    assert_eq!(server.address().expect("an address").to_string(), unix(&path));
    assert!(server.local_addr().is_err(), "it has no address of TCP");
    let serving = Serving::start(server);
    for _ in 0..3 {
        let answer = ask_at(&path, "").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1:0"), "{answer}");
    }
    assert!(path.exists());
    serving.stop().await;
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing is left");
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_replaced_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hub.sock");
    drop(StdUnixListener::bind(&path).expect("a free path"));
    assert!(path.exists(), "it was left behind");
    let first = listen(&unix(&path)).await.expect("it is stale");

    let second = listen(&unix(&path)).await.expect_err("somebody listens");
    assert!(matches!(&second, ListenError::InUse { path: at } if *at == path), "{second:?}");
    let serving = Serving::start(Server::new(first));
    assert!(ask_at(&path, "").await.ends_with("127.0.0.1:0"), "and goes on");
    serving.stop().await;

    fs::write(&path, "mine").expect("it can be written");
    let refused = listen(&unix(&path)).await.expect_err("it is a file");
    assert!(matches!(refused, ListenError::NotASocket { .. }), "{refused:?}");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "mine");
}

#[tokio::test]
async fn the_file_of_another_server_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hub.sock");
    let serving = Serving::start(Server::new(listen(&unix(&path)).await.expect("a free path")));
    fs::remove_file(&path).expect("somebody removes it");
    let others = Serving::start(Server::new(listen(&unix(&path)).await.expect("a free path")));
    serving.stop().await;
    assert!(ask_at(&path, "").await.starts_with("HTTP/1.1 200"));
    others.stop().await;
    assert!(!path.exists());

    // What the app has bound is the app's.
    let listener = UnixListener::bind(&path).expect("a free path");
    Serving::start(Server::new(listener)).stop().await;
    assert!(path.exists());
}

/// Each looks at the stale file before any has replaced it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_servers_that_start_together_one_has_the_socket() {
    for round in 0..scaled(100) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hub.sock");
        drop(StdUnixListener::bind(&path).expect("a free path"));
        let starting = (0..4).map(|_| {
            let address = unix(&path);
            tokio::spawn(async move { listen(&address).await })
        });
        let mut listeners = Vec::new();
        for starting in starting.collect::<Vec<_>>() {
            match starting.await.expect("no panic") {
                Ok(listener) => listeners.push(listener),
                Err(ListenError::InUse { .. }) => {}
                Err(other) => panic!("round {round}: {other:?}"),
            }
        }
        assert_eq!(listeners.len(), 1, "round {round}");
        UnixStream::connect(&path).await.expect("it is the one that listens");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "round {round}");
    }
}

#[tokio::test]
async fn clients_of_a_unix_socket_count_together_and_those_of_a_proxy_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hub.sock");
    let server = Server::new(listen(&unix(&path)).await.expect("a free path"));
    let serving = Serving::start(server.limits(Quota::new().total(10).per_client(1)));
    let kept = UnixStream::connect(&path).await.expect("it listens");
    let header = "X-Forwarded-For: 192.0.2.1\r\n";
    assert!(ask_at(&path, header).await.starts_with("HTTP/1.1 503"), "one is there");
    drop(kept);
    serving.stop().await;

    let server = Server::new(listen(&unix(&path)).await.expect("a free path"));
    let trusted = TrustedProxies::new(["127.0.0.1".parse().expect("a network")]);
    let serving =
        Serving::start(server.limits(Quota::new().total(10).per_client(1)).trust(trusted));
    let _kept = UnixStream::connect(&path).await.expect("it listens");
    assert!(ask_at(&path, header).await.ends_with("192.0.2.1:0"));
    serving.stop().await;
}

#[tokio::test]
async fn a_client_of_a_unix_socket_that_does_not_read_is_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hub.sock");
    let server = Server::new(listen(&unix(&path)).await.expect("a free path"));
    let server = server.write_timeout(Duration::from_millis(300));
    let monitor = server.monitor();
    let serving = Serving::start(server);
    let mut socket = UnixStream::connect(&path).await.expect("it listens");
    socket.write_all(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
    sse_kit_test_support::until("it is cut off", || monitor.stats().write_timeouts == 1).await;
    serving.stop().await;
}

#[tokio::test]
async fn a_name_and_all_addresses_are_listened_on() {
    for (address, host) in [("localhost:0", "localhost"), ("[::]:0", "::1")] {
        let server = Server::new(listen(address).await.expect("a free port"));
        let ListenAddress::Tcp(bound) = server.address().expect("an address") else {
            panic!("{address} is of TCP");
        };
        assert_eq!(server.local_addr().expect("an address"), bound);
        let serving = Serving::start(server);
        let mut socket = TcpStream::connect((host, bound.port())).await.expect("it listens");
        assert!(ask(&mut socket, "").await.starts_with("HTTP/1.1 200"), "{address}");
        serving.stop().await;
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_had_is_named() {
    let bound = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = bound.local_addr().expect("an address");
    let error = listen(&taken.to_string()).await.expect_err("it is taken");
    assert_eq!(error.to_string(), format!("cannot listen on {taken}"));
    drop(bound);
    let error = listen("nowhere.invalid:80").await.expect_err("there is no such host");
    assert_eq!(
        error.to_string(),
        "the host `nowhere.invalid` has no address; check the name, or write an IP address"
    );
    let error = listen("unix:/nowhere/hub.sock").await.expect_err("there is no such folder");
    assert_eq!(error.to_string(), "cannot listen on unix:/nowhere/hub.sock");
    let long = format!("unix:/tmp/{}", "x".repeat(200));
    assert!(matches!(listen(&long).await, Err(ListenError::Refused { .. })), "longer than may be");
}
