//! `--inspector`: who may see it.

use std::fs;
use std::process::Stdio;

use http::Request;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::process::Command;

use crate::server::Server;
use crate::signing::{Key, SECRET, now};

/// Returns the status of the page, and its text, for a request with these headers.
async fn look(hub: &Server, headers: &[(&str, &str)]) -> (u16, String) {
    let request = headers
        .iter()
        .fold(Request::get("/inspector"), |request, (name, value)| request.header(*name, *value));
    let response = hub.send(request, b"").await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn without_a_key_only_this_machine_may_look_and_only_if_it_is_asked_for() {
    let hub = Server::start("").await;
    assert_eq!(look(&hub, &[]).await.0, 404);
    let hub = Server::start("--inspector").await;
    let mut stream = hub.open("topic=news").await;
    let (status, page) = look(&hub, &[]).await;
    assert_eq!(status, 200);
    assert!(page.contains("<title>Inspector</title>") && page.contains("127.0.0.1"));
    assert_eq!(look(&hub, &[("x-forwarded-for", "192.0.2.7")]).await.0, 403, "by a proxy");
    let public = [("origin", "https://public.example"), ("sec-fetch-site", "same-origin")];
    assert_eq!(look(&hub, &public).await.0, 403, "by a proxy that says nothing");
    let form = b"topic=news&data=by+hand";
    let post = Request::post("/inspector/publish").header("sec-fetch-site", "same-origin");
    assert_eq!(hub.send(post, form).await.status(), 303);
    assert_eq!(stream.message().await.data, "by hand");
    let cross = Request::post("/inspector/publish").header("sec-fetch-site", "cross-site");
    assert_eq!(hub.send(cross, form).await.status(), 403);
}

#[tokio::test]
async fn with_a_key_it_takes_a_token_that_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    fs::write(&secret, SECRET).expect("it is written");
    let options = format!("--inspector --jwt-cookie token --jwt-key-file {}", secret.display());
    let hub = Server::start(&options).await;
    let token = |claims: serde_json::Value| format!("Bearer {}", Key::secret().token(&claims));
    assert_eq!(look(&hub, &[]).await.0, 401);
    let all = token(json!({ "publish": ["**"], "subscribe": ["**"] }));
    assert_eq!(look(&hub, &[("authorization", &all)]).await.0, 403);
    let expired = token(json!({ "inspect": true, "exp": now() - 3_600 }));
    assert_eq!(look(&hub, &[("authorization", &expired)]).await.0, 401);
    let wrong = token(json!({ "inspect": "yes" }));
    assert_eq!(look(&hub, &[("authorization", &wrong)]).await.0, 401);
    let good = Key::secret().token(&json!({ "inspect": true }));
    let bearer = format!("Bearer {good}");
    let forwarded = ("x-forwarded-for", "192.0.2.7");
    assert_eq!(look(&hub, &[("authorization", &bearer), forwarded]).await.0, 200);
    let cookie = format!("token={good}");
    assert_eq!(look(&hub, &[("cookie", &cookie)]).await.0, 200);
    let post = Request::post("/inspector/publish").header("cookie", &cookie);
    let cross = post.header("origin", "http://evil.example");
    assert_eq!(hub.send(cross, b"topic=a&data=x").await.status(), 403);
}

#[tokio::test]
async fn it_is_never_open_to_strangers() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = format!("--listen unix:{}", folder.path().join("hub.sock").display());
    let trusted = "--listen 127.0.0.1:0 --trust-proxy 10.0.0.0/8";
    for options in ["--listen 0.0.0.0:0", &socket, trusted] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
        command.arg("--inspector").args(options.split_whitespace()).stdin(Stdio::null());
        let output = sse_kit_test_support::in_time("its end", command.output()).await;
        let output = output.expect("it starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains("`--inspector`"), "{options}: {error}");
    }
}

#[tokio::test]
async fn a_key_that_a_reload_adds_is_needed_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, secret) = (folder.path().join("hub.toml"), folder.path().join("secret"));
    fs::write(&secret, SECRET).expect("it is written");
    fs::write(&config, "inspector = true\n").expect("it is written");
    let hub = Server::start(&format!("--config {}", config.display())).await;
    assert_eq!(look(&hub, &[]).await.0, 200);
    let mut client = hub.open("topic=news").await;
    let mut page = hub.open_by(Request::get("/inspector/live")).await;
    page.message().await;

    let key = format!("inspector = true\njwt-key-file = '{}'\n", secret.display());
    fs::write(&config, key).expect("it is written");
    hub.signal("HUP").await;
    assert_eq!(client.message().await.name, "hub:unauthorized");
    while page.message().await.name != "sse-kit:close" {}
    assert_eq!(look(&hub, &[]).await.0, 401);
    let post = || Request::post("/inspector/publish").header("sec-fetch-site", "same-origin");
    assert_eq!(hub.send(post(), b"topic=news&data=by+hand").await.status(), 401);
    let bearer = format!("Bearer {}", Key::secret().token(&json!({ "inspect": true })));
    assert_eq!(look(&hub, &[("authorization", &bearer)]).await.0, 200);
}

#[tokio::test]
async fn an_action_and_a_refusal_are_logged_with_the_viewer() {
    let folder = tempfile::tempdir().expect("a folder");
    let (log, secret) = (folder.path().join("log"), folder.path().join("secret"));
    fs::write(&secret, SECRET).expect("it is written");
    let mut command = Command::new("sh");
    command.args(["-c", "RUST_LOG=info exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_hub")]);
    command.stderr(Stdio::from(fs::File::create(&log).expect("a file")));
    let options = format!("--inspector --jwt-key-file {}", secret.display());
    let hub = Server::spawn(&mut command, &options).await;
    let token = Key::secret().token(&json!({ "inspect": true, "sub": "alice" }));
    let post = |from: &str| {
        let post = Request::post("/inspector/publish").header("sec-fetch-site", from);
        post.header("authorization", format!("Bearer {token}"))
    };
    assert_eq!(hub.send(post("same-origin"), b"topic=a&data=x").await.status(), 303);
    assert_eq!(hub.send(post("cross-site"), b"topic=a&data=x").await.status(), 403);
    let log = fs::read_to_string(&log).expect("the log");
    for message in ["an event was published in the inspector", "refused"] {
        let line = log.lines().find(|line| line.contains(message)).unwrap_or_default();
        assert!(line.contains("alice") && line.contains("127.0.0.1"), "{message}: {log}");
    }
    assert!(!log.contains(&token), "{log}");
}
