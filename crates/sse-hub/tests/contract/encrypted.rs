//! TLS, HTTP/2 by ALPN, and certificates that are renewed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use sse_kit_test_support::in_time;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::server::Server;
use crate::signing::{Key, SECRET};

/// Writes a new certificate and its key, and returns the certificate.
fn renew(folder: &Path) -> CertificateDer<'static> {
    let made = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let CertifiedKey { cert, signing_key } = made;
    fs::write(folder.join("chain.pem"), cert.pem()).expect("it is written");
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).expect("it is written");
    cert.der().clone()
}

fn options(folder: &Path) -> String {
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    format!("--tls-cert {} --tls-key {}", chain.display(), key.display())
}

/// Connects with trust in one certificate alone.
async fn connect(
    hub: &Server,
    trusted: &CertificateDer<'static>,
    protocol: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("it is a certificate");
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.into()];
    let stream = TcpStream::connect(&hub.address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn get(path: &str) -> Request<Full<Bytes>> {
    let uri = format!("https://localhost{path}");
    Request::get(uri).header("host", "localhost").body(Full::default()).expect("a request")
}

#[tokio::test]
async fn clients_that_can_speak_http_2_and_others_http_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let trusted = renew(folder.path());
    let hub = Server::start(&options(folder.path())).await;

    let stream = connect(&hub, &trusted, "h2").await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut http2, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let response = http2.send_request(get("/events?topic=a")).await.expect("an answer");
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
    let mut events = response.into_body();
    let hello = events.frame().await.expect("an event").expect("it is open");
    assert!(hello.data_ref().expect("its bytes").starts_with(b"event: sse-kit:hello\n"));
    // Over the same connection.
    let publish = Request::post("https://localhost/publish?topic=a");
    let publish = publish.body(Full::new(Bytes::from("hello"))).expect("a request");
    let published = http2.send_request(publish).await.expect("an answer");
    assert_eq!(published.status(), StatusCode::OK);
    let event = events.frame().await.expect("an event").expect("it is open");
    assert!(event.data_ref().expect("its bytes").starts_with(b"data: hello\n"));

    let stream = connect(&hub, &trusted, "http/1.1").await.expect("a handshake");
    let (mut http1, other) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    let other = tokio::spawn(other);
    let response = http1.send_request(get("/readyz")).await.expect("an answer");
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_11));
    connection.abort();
    other.abort();
}

/// Publishes over TLS with a token.
async fn publish(hub: &Server, trusted: &CertificateDer<'static>, token: &str) -> StatusCode {
    let stream = connect(hub, trusted, "http/1.1").await.expect("a handshake");
    let (mut http1, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    let connection = tokio::spawn(connection);
    let request = Request::post("/publish?topic=a").header("host", "localhost");
    let request = request.header("authorization", format!("Bearer {token}"));
    let request = request.body(Full::new(Bytes::from("x"))).expect("a request");
    let status = http1.send_request(request).await.expect("an answer").status();
    connection.abort();
    status
}

#[tokio::test]
async fn a_hangup_renews_the_certificate_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = renew(folder.path());
    let key = folder.path().join("jwt.key");
    fs::write(&key, "another secret of at least 32 bytes").expect("it is written");
    let options = format!("{} --jwt-key-file {}", options(folder.path()), key.display());
    let hub = Server::start(&options).await;
    assert!(connect(&hub, &first, "h2").await.is_ok());
    let second = renew(folder.path());
    hub.signal("HUP").await;
    // The signal takes a moment.
    let renewed = async { while connect(&hub, &second, "h2").await.is_err() {} };
    in_time("the new certificate", renewed).await;
    assert!(connect(&hub, &first, "h2").await.is_err());

    let token = Key::secret().token(&json!({ "publish": ["a"] }));
    assert_eq!(publish(&hub, &second, &token).await, 401);
    fs::write(folder.path().join("key.pem"), "no key").expect("it is written");
    fs::write(&key, SECRET).expect("it is written");
    hub.signal("HUP").await;
    // The keys are read after the certificate, and although that failed.
    let renewed = async { while publish(&hub, &second, &token).await != 200 {} };
    in_time("the new key", renewed).await;
}
