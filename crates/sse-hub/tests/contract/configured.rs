//! The environment of a hub: options, and a socket.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::server::Server;

#[tokio::test]
async fn options_come_from_the_environment_and_from_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("hub.toml");
    fs::write(&file, "history = 2\nheartbeat = 9").expect("it is written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
    command.env("SSE_HUB_CONFIG", &file).env("SSE_HUB_HISTORY", "1");
    let hub = Server::spawn(&mut command, "").await;
    for data in ["1", "2", "3"] {
        hub.publish("topic=a", data).await;
    }
    let mut stream = hub.open("topic=a&start=all").await;
    assert_eq!(stream.hello["heartbeat_ms"], 9000);
    assert_eq!(stream.data().await, "3");
    let (_, stats) = hub.get("/stats").await;
    assert_eq!(stats["history"], 1);
}

#[tokio::test]
async fn options_that_do_not_exist_end_the_hub() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("hub.toml");
    fs::write(&file, "histroy = 2").expect("it is written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
    let output = command.arg("--config").arg(&file).output().await.expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("there is no option `histroy`"), "{message}");
}

/// Returns what a hub says that does not start.
async fn refused(options: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
    command.args(["--listen", "127.0.0.1:0"]).args(options).kill_on_drop(true);
    let output = command.output().await.expect("it runs");
    assert!(!output.status.success(), "it runs with {options:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_key_of_the_wrong_kind_or_none_where_tokens_are_wanted_ends_the_hub() {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/keys");
    let key = |name: &str| format!("--jwt-key-file={}", keys.join(name).display());
    let public = refused(&[&key("rsa-public.pem")]).await;
    assert!(public.contains("say which key it is by `--jwt-algorithm`"), "{public}");
    let private = refused(&["--jwt-algorithm=RS256", &key("rsa-private.pem")]).await;
    assert!(private.contains("it is a private key"), "{private}");
    for option in [
        "--jwt-cookie=c",
        "--jwt-query",
        "--jwt-leeway=1",
        "--jwt-audience=a",
        "--jwt-issuer=a",
        "--jwt-algorithm=RS256",
        "--anonymous=a",
    ] {
        let message = refused(&[option]).await;
        assert!(message.contains("need a key"), "{option}: {message}");
    }
}

/// As systemd passes one, but as the first file: there it needs no unsafe code.
#[tokio::test]
async fn a_socket_that_is_passed_is_listened_on() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("its address").to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
    command.env("LISTEN_FDS", "1").env("LISTEN_FDS_FIRST_FD", "0");
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    let hub = Server::spawn(&mut command, "").await;
    assert_eq!(hub.address, address);
    assert_eq!(hub.get("/healthz").await.0, 200);
}
