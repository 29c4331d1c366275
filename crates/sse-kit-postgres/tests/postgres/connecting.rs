//! Connections that are slow, cut, silent, or impossible to make.

use std::time::Duration;

use sse_kit_broadcast::{AppendError, Hub, LogHealth, PublishError};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Event, LastEventId};
use sse_kit_postgres::{PostgresConnectError, PostgresLog};
use sse_kit_test_support::postgres::Server;
use sse_kit_test_support::proxy::{Protocol, Proxy};
use sse_kit_test_support::{in_time, until};

use crate::{client, config, event, gap, node, node_with, publish, server, topic};

/// The connection for backfills has ended since the last one.
#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_after_a_cut_connection_has_no_gap() {
    let postgres = Server::start(&[]);
    let proxy = Proxy::start(Protocol::Postgres, postgres.port()).await;
    let node = node_with(config(&proxy.url()), Hub::builder().history(5)).await;
    let first = publish(&node, "t", "0").await;
    for n in 1..40 {
        publish(&node, "t", n.to_string()).await;
    }
    until("it has read all", || node.postgres.stats().lag == 0).await;
    for _ in 0..2 {
        let resume = Some(LastEventId::Known(first));
        let subscribe = node.hub.subscribe(topic("t")).resume(resume);
        let mut stream = subscribe.backfill().await.expect("it opens");
        for n in 1..40 {
            assert_eq!(event(&mut stream).await.1, n.to_string());
        }
        proxy.cut();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_told_and_found_again() {
    let mut postgres = Server::start(&[]);
    let config = config(&postgres.url()).append_deadline(Duration::from_millis(500));
    let config = config.attempt_timeout(Duration::from_millis(300));
    let node = node_with(config.clone(), Hub::builder()).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    // The connection of the appender is open, and ends with the server.
    let first = Event::new("first").with_idempotency_key("first".parse().expect("a key"));
    let opening = async { while node.hub.publish(&topic("t"), first.clone()).await.is_err() {} };
    in_time("it is appended, in however many attempts", opening).await;
    assert_eq!(event(&mut stream).await.1, "first");
    postgres.stop();
    until("it is told", || matches!(node.postgres.health(), LogHealth::Down { .. })).await;
    let refused = node.hub.publish(&topic("t"), Event::new("x")).await;
    let error = refused.expect_err("nobody is there");
    assert!(matches!(error, PublishError::Log(AppendError::Unavailable(_))), "{error:?}");
    let start = PostgresLog::connect(config.start_deadline(Duration::from_millis(300))).await;
    let error = start.expect_err("nobody is there");
    assert!(matches!(error, PostgresConnectError::Postgres(_)), "{error:?}");
    postgres.restart();
    until("it is found", || node.postgres.health() == LogHealth::Up).await;
    let client = client(&postgres.url()).await;
    client.batch_execute("select sse.publish('t', null, 'again')").await.expect("it is accepted");
    assert_eq!(event(&mut stream).await.1, "again", "and no gap");
    assert!(node.postgres.stats().reconnects > 0);
}

/// A connection that is cut between the nodes and PostgreSQL loses nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_made_anew() {
    let postgres = Server::start(&[]);
    let proxy = Proxy::start(Protocol::Postgres, postgres.port()).await;
    let node = node(&proxy.url()).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    for n in 0..10 {
        let publishing = publish(&node, "t", n.to_string());
        let (id, ()) = tokio::join!(publishing, async {
            if n % 3 == 0 {
                proxy.lose_replies(1);
            } else {
                proxy.cut();
            }
        });
        assert_eq!(event(&mut stream).await, (id, n.to_string()));
    }
    assert!(proxy.lost_replies() > 0);
}

/// A connection takes several replies, and may take longer than one append.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_far_away_is_connected_to() {
    let postgres = Server::start(&[]);
    let proxy = Proxy::start(Protocol::Postgres, postgres.port()).await;
    let far = config(&proxy.url()).attempt_timeout(Duration::from_secs(2));
    let node = node_with(far, Hub::builder()).await;
    publish(&node, "t", "near").await;
    proxy.delay(600);
    proxy.cut();
    publish(&node, "t", "far").await;
}

/// A host whose machine is there and whose server hangs.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_never_answers_keeps_nobody_from_the_next_one() {
    // The system accepts connections for it.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let first = silent.local_addr().expect("it is bound").port();
    let (database, _) = server().create_database();
    let second = server().port();
    let url = format!("postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/{database}");
    let config = config(&url).attempt_timeout(Duration::from_secs(2));
    let node = node_with(config, Hub::builder()).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let id = publish(&node, "t", "x").await;
    assert_eq!(event(&mut stream).await, (id, "x".into()));
}

/// A connection that goes dead while it is made ready.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_is_given_up() {
    let postgres = Server::start(&[]);
    let proxy = Proxy::start(Protocol::Postgres, postgres.port()).await;
    let config = config(&proxy.url()).attempt_timeout(Duration::from_secs(1));
    let node = node_with(config, Hub::builder().history(5)).await;
    proxy.silence_from(Some("sse.append("));
    let (first, ()) = tokio::join!(publish(&node, "t", "0"), async {
        until("nothing is answered", || proxy.silenced() == 1).await;
        proxy.silence_from(None);
    });
    for n in 1..40 {
        publish(&node, "t", n.to_string()).await;
    }
    // Its history is that of what it has read.
    until("it has read all", || node.postgres.stats().lag == 0).await;
    proxy.silence_from(Some("as is_dense"));
    let backfill = || {
        let resume = Some(LastEventId::Known(first));
        node.hub.subscribe(topic("t")).resume(resume).backfill()
    };
    let mut stream = in_time("it is given up", backfill()).await.expect("it opens");
    assert_eq!(proxy.silenced(), 2);
    assert_eq!(gap(&mut stream).await.reason, GapReason::Trimmed);
    proxy.silence_from(None);
    let mut stream = in_time("it is made anew", backfill()).await.expect("it opens");
    assert_eq!(event(&mut stream).await.1, "1");
}
