//! A hub with keys: the requests that it accepts, and those that it refuses.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::hostile;
use crate::server::{Server, Stream, json as json_of};
use crate::signing::{Key, SECRET, now};

/// A folder with the files of a hub.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("secret"), [SECRET, b"\n"].concat()).expect("it is written");
    folder
}

/// Starts a hub with the secret, and these options more.
async fn hub(folder: &TempDir, options: &str) -> Server {
    let secret = folder.path().join("secret");
    Server::start(&format!("--jwt-key-file {} {options}", secret.display())).await
}

fn bearer(request: http::request::Builder, token: &str) -> http::request::Builder {
    request.header("authorization", format!("Bearer {token}"))
}

async fn status(hub: &Server, request: http::request::Builder) -> StatusCode {
    hub.send(request, b"x").await.status()
}

/// Opens a stream of a topic with a token.
async fn open(hub: &Server, topic: &str, token: &str) -> Stream {
    hub.open_by(bearer(Request::get(format!("/events?topic={topic}")), token)).await
}

#[tokio::test]
async fn hostile_tokens_are_refused_and_not_logged() {
    let folder = folder();
    let log = folder.path().join("log");
    let secret = folder.path().join("secret");
    let mut command = Command::new("sh");
    command.args(["-c", "RUST_LOG=trace exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_hub")]);
    command.stderr(Stdio::from(fs::File::create(&log).expect("a file")));
    let options = "--access-log --jwt-audience hub --jwt-cookie token --jwt-key-file";
    let hub = Server::spawn(&mut command, &format!("{options} {}", secret.display())).await;

    let all = hostile::all();
    assert!(all.len() > 40);
    for hostile in &all {
        for request in [Request::post("/publish?topic=news"), Request::get("/events?topic=news")] {
            let request = hostile
                .headers
                .iter()
                .fold(request, |request, (name, value)| request.header(*name, value));
            let response = hub.send(request, b"x").await;
            assert_eq!(response.status(), hostile.status, "{}", hostile.name);
            let challenge = response.headers()["www-authenticate"].to_str().expect("ASCII");
            assert!(challenge.starts_with("Bearer realm="), "{}: {challenge}", hostile.name);
            let body = response.into_body().collect().await.expect("a body").to_bytes();
            let body = String::from_utf8_lossy(&body).into_owned();
            assert!(body.starts_with("{\"error\":"), "{}: {body}", hostile.name);
        }
    }
    // A token in the query, where it is not allowed.
    let token = Key::secret().token(&json!({ "aud": "hub", "subscribe": ["news"] }));
    let query = format!("/events?topic=news&access_token={token}");
    assert_eq!(status(&hub, Request::get(query)).await, 401);

    let (_, stats) = hub.get("/stats").await;
    assert_eq!((&stats["published"], &stats["opened"]), (&json!(0), &json!(0)), "{stats}");
    let good = bearer(Request::post("/publish?topic=news"), &hostile::good());
    assert_eq!(status(&hub, good).await, 200);
    let log = fs::read_to_string(log).expect("text");
    assert!(log.matches("refused to listen").count() > all.len(), "{log}");
    assert!(log.matches("refused to publish").count() >= all.len(), "{log}");
    let values = all.iter().flat_map(|hostile| &hostile.headers).map(|(_, value)| value.as_str());
    for text in values.chain([token.as_str()]) {
        // Whole words of it: heads, claims and signatures.
        for word in text.split(['.', ' ', '=', ';']).filter(|word| word.len() > 12) {
            assert!(!log.contains(word), "{word} is logged");
        }
    }
    assert!(!log.contains(&String::from_utf8_lossy(SECRET).into_owned()));
}

#[tokio::test]
async fn claims_allow_topics_and_patterns_and_nothing_wider() {
    let folder = folder();
    let hub = hub(&folder, "--anonymous public:* --jwt-cookie token --jwt-query").await;
    let token = Key::secret().token(&json!({
        "publish": ["news", "rooms:**"], "subscribe": ["news", "rooms:*", "jobs:**"],
    }));
    for (topic, expected) in [("news", 200), ("rooms:1:x", 200), ("rooms", 403), ("public:a", 403)]
    {
        let request = bearer(Request::post(format!("/publish?topic={topic}")), &token);
        assert_eq!(status(&hub, request).await, expected, "{topic}");
    }
    for (topics, expected) in [
        ("topic=news&topic=rooms:1", 200),
        ("topic=rooms:*&topic=jobs:*:done", 200),
        ("topic=public:*&topic=news", 200),
        ("topic=rooms:**", 403),
        ("topic=rooms:1:x", 403),
        ("topic=news&topic=sports", 403),
        ("topic=*", 403),
        ("topic=**", 403),
        ("topic=**:done", 403),
        ("topic=public:**", 403),
    ] {
        let request = bearer(Request::get(format!("/events?{topics}")), &token);
        assert_eq!(status(&hub, request).await, expected, "{topics}");
    }
    // Without a token: what is public, and nothing else.
    for (topics, expected) in [("topic=public:*", 200), ("topic=public:a", 200), ("topic=**", 401)]
    {
        assert_eq!(status(&hub, Request::get(format!("/events?{topics}"))).await, expected);
    }
    assert_eq!(status(&hub, Request::post("/publish?topic=public:a")).await, 401);
    // The query and a cookie, which other sites may not use.
    let query = format!("topic=news&access_token={token}");
    assert_eq!(status(&hub, Request::get(format!("/events?{query}"))).await, 200);
    assert_eq!(status(&hub, Request::post(format!("/publish?{query}"))).await, 200);
    let by_cookie = |site: &str| {
        let request =
            Request::post("/publish?topic=news").header("sec-fetch-site", site.to_owned());
        request.header("cookie", format!("x=y; token={token}"))
    };
    assert_eq!(status(&hub, by_cookie("same-origin")).await, 200);
    assert_eq!(status(&hub, by_cookie("cross-site")).await, 403);
    let request = Request::get("/events?topic=news").header("cookie", format!("token={token}"));
    assert_eq!(status(&hub, request).await, 200);
}

#[tokio::test]
async fn a_stream_ends_when_its_token_expires() {
    let folder = folder();
    let hub = hub(&folder, "").await;
    let token = Key::secret().token(&json!({ "subscribe": ["news"], "exp": now() + 2 }));
    let mut stream = open(&hub, "news", &token).await;
    let message = stream.message().await;
    assert_eq!(message.name, "hub:unauthorized");
    assert_eq!(message.data, r#"{"reason":"the token has expired"}"#);
    assert_eq!(stream.message().await.name, "sse-kit:close");
    assert!(stream.next().await.is_none());
    assert_eq!(status(&hub, bearer(Request::get("/events?topic=news"), &token)).await, 401);
}

fn write_keys(file: &Path, keys: &[Value]) {
    fs::write(file, json!({ "keys": keys }).to_string()).expect("it is written");
}

#[tokio::test]
async fn a_set_of_keys_is_read_again_at_a_signal_and_streams_of_lost_keys_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.json");
    let (old, new, shared) = (Key::ed25519(), Key::ecdsa(), Key::secret());
    let encryption = json!({ "kty": "RSA", "use": "enc", "kid": "e", "n": "AQAB", "e": "AQAB" });
    write_keys(&file, &[old.jwk("old"), shared.jwk("shared"), encryption]);
    let hub = Server::start(&format!("--jwks-file {}", file.display())).await;
    let claims = json!({ "subscribe": ["news"], "exp": now() + 600 });
    let (mut ends, mut stays) = (
        open(&hub, "news", &old.token(&claims)).await,
        open(&hub, "news", &shared.token(&claims)).await,
    );
    let try_new = || bearer(Request::get("/events?topic=news"), &new.token(&claims));
    assert_eq!(status(&hub, try_new()).await, 401);

    // Nothing to read: the old keys stay.
    fs::write(&file, "{").expect("it is written");
    hub.signal("HUP").await;
    assert_eq!(
        status(&hub, bearer(Request::get("/events?topic=news"), &old.token(&claims))).await,
        200
    );

    write_keys(&file, &[new.jwk("new"), shared.jwk("shared")]);
    hub.signal("HUP").await;
    assert_eq!(ends.message().await.name, "hub:unauthorized");
    assert_eq!(ends.message().await.name, "sse-kit:close");
    assert_eq!(status(&hub, try_new()).await, 200);
    let publisher = shared.token(&json!({ "publish": ["news"] }));
    assert_eq!(status(&hub, bearer(Request::post("/publish?topic=news"), &publisher)).await, 200);
    assert_eq!(stays.data().await, "x");
}

#[tokio::test]
async fn a_token_is_not_accepted_within_the_second_after_its_end_either() {
    let folder = folder();
    let hub = hub(&folder, "").await;
    // The library for tokens knows whole seconds only.
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("later");
    let claims = json!({ "publish": ["news"], "exp": at.as_secs_f64() + 0.1 });
    let token = Key::secret().token(&claims);
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    assert_eq!(status(&hub, bearer(Request::post("/publish?topic=news"), &token)).await, 401);
}

#[tokio::test]
async fn a_reload_ends_the_streams_that_it_would_not_let_in() {
    let folder = folder();
    let file = folder.path().join("hub.toml");
    let write = |rules: &str| fs::write(&file, rules).expect("it is written");
    let key = format!("jwt-key-file = '{}'\n", folder.path().join("secret").display());
    write("");
    let hub = Server::start(&format!("--config {}", file.display())).await;
    let mut without_key = hub.open("topic=news").await;

    write(&format!("{key}jwt-audience = ['hub', 'other']"));
    hub.signal("HUP").await;
    assert_eq!(without_key.message().await.name, "hub:unauthorized");
    // It may come back, with a token.
    assert_eq!(without_key.message().await.name, "sse-kit:shutdown");
    assert_eq!(status(&hub, Request::get("/events?topic=news")).await, 401);
    let claims = |audience: &str| json!({ "subscribe": ["news"], "aud": audience });
    let mut ends = open(&hub, "news", &Key::secret().token(&claims("other"))).await;
    let mut stays = open(&hub, "news", &Key::secret().token(&claims("hub"))).await;

    write(&format!("{key}jwt-audience = ['hub']"));
    hub.signal("HUP").await;
    assert_eq!(ends.message().await.name, "hub:unauthorized");
    assert_eq!(ends.message().await.name, "sse-kit:close");
    let publisher = Key::secret().token(&json!({ "publish": ["news"], "aud": "hub" }));
    assert_eq!(status(&hub, bearer(Request::post("/publish?topic=news"), &publisher)).await, 200);
    assert_eq!(stays.data().await, "x");
}

#[tokio::test]
async fn a_publisher_is_refused_before_its_events_are_looked_at() {
    let folder = folder();
    let hub = hub(&folder, "--jwt-cookie token").await;
    let batch = || Request::post("/publish").header("content-type", "application/x-ndjson");
    let token = Key::secret().token(&json!({ "publish": ["a"] }));
    let send = async |request, body: &str| json_of(hub.send(request, body.as_bytes()).await).await;
    for body in ["", "{"] {
        assert_eq!(send(batch(), body).await.0, 401, "{body:?}");
        let cookie = format!("token={token}");
        let elsewhere = batch().header("cookie", cookie).header("sec-fetch-site", "cross-site");
        assert_eq!(send(elsewhere, body).await.0, 403, "{body:?}");
    }
    let large = "x".repeat(2 << 20);
    assert_eq!(send(Request::post("/publish?topic=a"), &large).await.0, 401);
    let lines = "{\"topic\":\"a\",\"data\":\"1\"}\n{\"topic\":\"b\",\"data\":\"2\"}";
    let (status, answer) = send(bearer(batch(), &token), lines).await;
    assert_eq!((status.as_u16(), &answer["line"]), (403, &json!(2)), "{answer}");
}

#[tokio::test]
async fn status_pages_take_no_stream_of_those_with_a_token() {
    let folder = folder();
    let hub = hub(&folder, "--max-connections 1").await;
    let (_first, _second) = (
        hub.open_by(Request::get("/status/events")).await,
        hub.open_by(Request::get("/status/events")).await,
    );
    open(&hub, "news", &Key::secret().token(&json!({ "subscribe": ["news"] }))).await;
}

#[tokio::test]
async fn the_access_log_has_every_request_with_its_client_and_user() {
    let folder = folder();
    let (log, secret) = (folder.path().join("log"), folder.path().join("secret"));
    let mut command = Command::new("sh");
    command.args(["-c", "RUST_LOG=info exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_hub")]);
    command.stderr(Stdio::from(fs::File::create(&log).expect("a file")));
    let options = format!("--access-log --jwt-key-file {}", secret.display());
    let hub = Server::spawn(&mut command, &options).await;
    let token = Key::secret().token(&json!({
        "sub": "alice", "publish": ["a"], "subscribe": ["a"], "presence": ["a"],
    }));
    for path in ["/publish?topic=a", "/events?topic=a", "/topics/a/presence"] {
        let request = || match path {
            "/publish?topic=a" => Request::post(path),
            _ => Request::get(path),
        };
        assert_eq!(status(&hub, request()).await, 401, "{path}");
        assert_eq!(status(&hub, bearer(request(), &token)).await, 200, "{path}");
    }
    let log = fs::read_to_string(&log).expect("the log");
    for path in ["/publish", "/events", "/topics/a/presence"] {
        let path = format!("path=\"{path}\"");
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&path)).collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines.iter().all(|line| line.contains("client=127.0.0.1")), "{log}");
        assert!(lines[0].contains("status=401") && !lines[0].contains("alice"), "{log}");
        assert!(lines[1].contains("status=200") && lines[1].contains("alice"), "{log}");
    }
}

#[tokio::test]
async fn the_public_key_of_rs256_is_no_secret_of_hs256() {
    let public = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/keys/rsa-public.pem");
    let options = format!("--jwt-algorithm RS256 --jwt-key-file {}", public.display());
    let hub = Server::start(&options).await;
    let claims = json!({ "publish": ["news"] });
    let publish = |token: String| bearer(Request::post("/publish?topic=news"), &token);
    assert_eq!(status(&hub, publish(Key::rsa().token(&claims))).await, 200);
    let pem = fs::read(&public).expect("the key");
    for secret in [pem.trim_ascii_end().to_vec(), pem] {
        assert_eq!(status(&hub, publish(Key::Secret(secret).token(&claims))).await, 401);
    }
}

#[tokio::test]
async fn who_listens_is_shown_to_those_whose_token_allows_it() {
    let folder = folder();
    let hub = hub(&folder, "--anonymous rooms:*").await;
    let alice = Key::secret().token(&json!({ "sub": "alice", "subscribe": ["rooms:*"] }));
    let _streams = [
        open(&hub, "rooms:1", &alice).await,
        open(&hub, "rooms:*", &alice).await,
        hub.open("topic=rooms:1").await,
    ];
    let path = "/topics/rooms%3A1/presence";
    assert_eq!(status(&hub, Request::get(path)).await, 401);
    assert_eq!(status(&hub, bearer(Request::get(path), &alice)).await, 403);
    let admin = Key::secret().token(&json!({ "presence": ["rooms:**"] }));
    let response = hub.send(bearer(Request::get(path), &admin), b"").await;
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body, json!({ "topic": "rooms:1", "connections": 3, "users": { "alice": 2 } }));
}
