//! What happens when PostgreSQL fails, is restored, or is touched by others.

use std::time::Duration;

use sse_kit_broadcast::{AppendError, Hub, LogHealth, PublishError, Start};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Event, LastEventId};
use sse_kit_postgres::{ConnectError, PostgresConfig, PostgresLog};
use sse_kit_test_support::postgres::Server;
use sse_kit_test_support::until;
use tokio_postgres::error::SqlState;

use crate::proxy::Proxy;
use crate::{client, config, event, gap, node, node_with, publish, server, topic};

/// A standby that was behind is promoted: its end of the log is not that of the pages.
#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_is_told_and_never_silent() {
    let mut primary = Server::start(&[]);
    let proxy = Proxy::start(primary.port()).await;
    let nodes = [node(&proxy.url()).await, node(&proxy.url()).await];
    let before = publish(&nodes[0], "t", "before").await;
    let standby = primary.standby(&[]);
    let kept = publish(&nodes[0], "t", "kept").await;
    let count = || standby.psql("postgres", "select count(*) from sse.log");
    until("the standby has it", || count() == "2").await;
    // Nothing reaches the standby any more.
    standby.psql("postgres", "alter system set primary_conninfo = ''");
    standby.psql("postgres", "select pg_reload_conf()");
    let receiving = "select count(*) from pg_stat_wal_receiver";
    until("it is cut off", || standby.psql("postgres", receiving) == "0").await;
    let mut streams = Vec::new();
    for node in &nodes {
        // One page has seen what will be lost, and another one nothing of it.
        streams.push(node.hub.subscribe(topic("t")).open().expect("it opens"));
    }
    let lost = publish(&nodes[0], "t", "lost").await;
    for stream in &mut streams {
        assert_eq!(event(stream).await, (lost, "lost".into()));
    }
    primary.kill();
    standby.promote();
    proxy.lead_to(standby.port());
    for stream in &mut streams {
        assert_eq!(gap(stream).await.reason, GapReason::UnknownEpoch);
    }
    let new = publish(&nodes[1], "t", "new").await;
    assert_eq!((new.offset(), new.epoch() == lost.epoch()), (lost.offset(), false));
    for stream in &mut streams {
        assert_eq!(event(stream).await, (new, "new".into()));
    }
    for (node, seen) in nodes.iter().zip([before, kept]) {
        let resume = Some(LastEventId::Known(seen));
        let stream = node.hub.subscribe(topic("t")).resume(resume).open();
        let mut stream = stream.expect("it opens");
        if seen == before {
            let (id, data) = event(&mut stream).await;
            assert_eq!((id.offset(), &*data), (kept.offset(), "kept"));
        }
        assert_eq!(event(&mut stream).await.1, "new", "no gap for what was kept");
    }
    let resume = Some(LastEventId::Known(lost));
    let mut stream = nodes[0].hub.subscribe(topic("t")).resume(resume).open().expect("it opens");
    assert_eq!(gap(&mut stream).await.reason, GapReason::UnknownEpoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_put_back_is_told_to_those_who_saw_more() {
    let mut postgres = Server::start(&[]);
    let node = node(&postgres.url()).await;
    let kept = publish(&node, "t", "kept").await;
    let saved = postgres.save();
    publish(&node, "t", "lost").await;
    let begin = node.hub.subscribe(topic("t")).start(Start::All).open();
    let mut stream = begin.expect("it opens");
    assert_eq!(event(&mut stream).await.1, "kept");
    assert_eq!(event(&mut stream).await.1, "lost");
    postgres.restore(&saved);
    assert_eq!(gap(&mut stream).await.reason, GapReason::UnknownEpoch);
    let resume = Some(LastEventId::Known(kept));
    let mut stream = node.hub.subscribe(topic("t")).resume(resume).open().expect("it opens");
    publish(&node, "t", "new").await;
    assert_eq!(event(&mut stream).await.1, "new", "no gap for those who saw nothing of it");
}

/// A dump that is loaded into the running server, or somebody who deletes the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_set_back_under_running_nodes_is_told_to_everybody() {
    let (database, url) = server().create_database();
    let nodes = [node(&url).await, node(&url).await];
    for n in 0..5 {
        publish(&nodes[n % 2], "t", n.to_string()).await;
    }
    let changes = [
        // Its end is gone; its end has become another one; the state alone was set back; all is gone.
        "begin; delete from sse.log where o > 2; update sse.meta set last = 2; commit",
        "update sse.log set tag = tag + 1 where o = (select last from sse.meta)",
        "update sse.meta set last = last - 1",
        "truncate sse.meta, sse.log, sse.outbox, sse.once, sse.nodes",
        "drop schema sse cascade",
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let newest = || nodes[0].hub.cursor() == nodes[1].hub.cursor();
        until("both nodes have read all", || {
            newest() && nodes.iter().all(|node| node.postgres.stats().lag == 0)
        })
        .await;
        let streams = nodes.iter().map(|node| node.hub.subscribe(topic("t")).open());
        let mut streams = streams.collect::<Result<Vec<_>, _>>().expect("they open");
        let before = publish(&nodes[n % 2], "t", "before").await;
        for stream in &mut streams {
            assert_eq!(event(stream).await.0, before, "{change}");
        }
        server().psql(&database, change);
        for stream in &mut streams {
            assert_eq!(gap(stream).await.reason, GapReason::UnknownEpoch, "{change}");
        }
        let new = publish(&nodes[(n + 1) % 2], "t", "new").await;
        assert_ne!(new.epoch(), before.epoch(), "{change}");
        for stream in &mut streams {
            assert_eq!(event(stream).await, (new, "new".into()), "{change}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_no_records_are_skipped_and_counted() {
    let (database, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let rows = [
        ("{a*}", r"data: x\n"),
        ("{NULL}", r"data: x\n"),
        ("{{a},{b}}", r"data: x\n"),
        ("{t}", "data: x"),
        ("{t}", r"id: 7\ndata: x\n"),
        ("{t}", r"\xff"),
        ("{t}", r"event: sse-kit:close\ndata: x\n"),
    ];
    for (topics, event) in rows {
        let event = event.replace(r"\n", r"\012").replace(r"\xff", r"\377");
        let sql = "insert into sse.outbox (topics, event)";
        server().psql(&database, &format!("{sql} values ('{topics}', '{event}')"));
    }
    let wrong = "insert into sse.outbox (topics, event, key, left_out) values \
        ('{t}', 'data: x', '\\xff', ''), ('{t}', 'data: x', '', 'a/b')";
    server().psql(&database, wrong);
    let id = publish(&node, "t", "good").await;
    assert_eq!(event(&mut stream).await, (id, "good".into()));
    assert_eq!(node.postgres.stats().malformed, 9);
    assert_eq!(id.offset(), 10, "each keeps its offset");
    // The tables refuse what could fill a node's memory.
    let client = client(&url).await;
    for sql in [
        "insert into sse.outbox (topics, event) values ('{t}', convert_to(repeat('x', 8388609), 'UTF8'))",
        "insert into sse.log (o, topics, event) select 99, array_agg(n::text), 'x' from generate_series(1, 33) n",
        "update sse.meta set epoch = 'x'",
        "update sse.meta set last = -1",
    ] {
        let refused = client.batch_execute(sql).await.expect_err(sql);
        assert_eq!(refused.code().map(SqlState::code), Some("23514"), "{sql}");
    }
    // A node that starts skips them too, and so does a backfill.
    let second = crate::node(&url).await;
    let resume = format!("{}-1", id.epoch()).parse().map(LastEventId::Known);
    let resume = Some(resume.expect("an id"));
    let mut stream = second.hub.subscribe(topic("t")).resume(resume).open().expect("it opens");
    assert_eq!(event(&mut stream).await, (id, "good".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_are_deleted_by_number_and_by_age() {
    let (database, url) = server().create_database();
    let count = || server().psql(&database, "select min(o), count(*) from sse.log");
    let first = node_with(config(&url).keep_events(10), Hub::builder().history(5)).await;
    let mut ids = Vec::new();
    for n in 0..30 {
        ids.push(publish(&first, "t", n.to_string()).await);
    }
    until("ten are left", || count() == "21|10").await;
    let open = async |seen| {
        let resume = Some(LastEventId::Known(seen));
        first.hub.subscribe(topic("t")).resume(resume).backfill().await.expect("it opens")
    };
    assert_eq!(gap(&mut open(ids[10]).await).await.reason, GapReason::Trimmed);
    // Beyond the history of the node, and still in the log.
    assert_eq!(event(&mut open(ids[19]).await).await, (ids[20], "20".into()));
    drop(first);
    let keep_for = Duration::from_millis(1);
    let second = node_with(config(&url).keep_for(keep_for), Hub::builder()).await;
    until("none is left", || count() == "|0").await;
    let next = publish(&second, "t", "next").await;
    assert_eq!(next.offset(), 31, "offsets continue");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_told_and_found_again() {
    let mut postgres = Server::start(&[]);
    let config = config(&postgres.url()).append_deadline(Duration::from_millis(500));
    let config = config.attempt_timeout(Duration::from_millis(300));
    let node = node_with(config.clone(), Hub::builder()).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    postgres.stop();
    until("it is told", || matches!(node.postgres.health(), LogHealth::Down { .. })).await;
    let refused = node.hub.publish(&topic("t"), Event::new("x")).await;
    let error = refused.expect_err("nobody is there");
    assert!(matches!(error, PublishError::Log(AppendError::Unavailable(_))), "{error:?}");
    let start = PostgresLog::connect(config.start_deadline(Duration::from_millis(300))).await;
    let error = start.expect_err("nobody is there");
    assert!(matches!(error, ConnectError::Postgres(_)), "{error:?}");
    postgres.restart();
    until("it is found", || node.postgres.health() == LogHealth::Up).await;
    let client = client(&postgres.url()).await;
    client.batch_execute("select sse.publish('t', null, 'again')").await.expect("it is accepted");
    assert_eq!(event(&mut stream).await.1, "again", "and no gap");
    assert!(node.postgres.stats().reconnects > 0);
}

/// A publisher whose node has not yet seen that the server was restarted.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_event_of_an_earlier_epoch_is_the_newest_still() {
    let (database, url) = server().create_database();
    let node = node(&url).await;
    let seen = publish(&node, "t", "seen").await;
    let psql = |sql: &str| server().psql(&database, sql);
    psql("select sse.begin_epoch(m, m.last) from sse.meta m");
    let newer = |epoch: &str, offset| {
        let topics = "array['t']";
        psql(&format!("select sse.newer(m, {topics}, '{epoch}', {offset}) from sse.meta m"))
    };
    let epoch = seen.epoch().to_string();
    assert_eq!(newer(&epoch, 1), "", "there is none");
    assert_eq!(newer(&epoch, 0), "1");
    assert_eq!(newer("beef", 1), "1", "of an unknown epoch nobody knows");
    assert_eq!(newer(&epoch, 2), "1", "that one was lost");
    let hub = node.hub.if_newest(seen).publish(&topic("t"), Event::new("x")).await;
    assert_eq!(hub.expect("it is the newest").id.offset(), 2);
}

/// A connection that is cut between the nodes and PostgreSQL loses nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_made_anew() {
    let postgres = Server::start(&[]);
    let proxy = Proxy::start(postgres.port()).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_at_the_start() {
    let (database, url) = server().create_database();
    let missing = PostgresLog::connect(config(&url).migrate(false)).await;
    assert!(matches!(missing, Err(ConnectError::NoSchema)), "{missing:?}");
    drop(node(&url).await);
    let other =
        "create or replace function sse.version() returns integer language sql as 'select 99'";
    server().psql(&database, other);
    let refused = PostgresLog::connect(config(&url)).await;
    assert!(matches!(refused, Err(ConnectError::OtherVersion { found: 99, .. })), "{refused:?}");
    let nowhere = PostgresLog::connect(config(&format!("{url}_not"))).await;
    assert!(matches!(nowhere, Err(ConnectError::Postgres(_))), "{nowhere:?}");
    server().psql("postgres", "create database latin encoding latin1 template template0");
    let latin = PostgresLog::connect(config(&server().url_of("latin"))).await;
    assert!(matches!(latin, Err(ConnectError::Postgres(_))), "{latin:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_together_create_one_schema() {
    let (_, url) = server().create_database();
    let nodes = (0..5).map(|_| tokio::spawn(PostgresLog::connect(config(&url))));
    for node in nodes.collect::<Vec<_>>() {
        node.await.expect("it ends").expect("it connects");
    }
}

/// Every setting takes the largest value of its type.
#[tokio::test(flavor = "multi_thread")]
async fn settings_may_be_as_large_as_they_can_be() {
    let (_, url) = server().create_database();
    let most = Duration::MAX;
    let config = PostgresConfig::new(&url).expect("an address").keep_events(u64::MAX);
    let config = config.keep_for(most).warm_up(u64::MAX).append_deadline(most);
    let node = node_with(config.attempt_timeout(most).start_deadline(most), Hub::builder()).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let id = publish(&node, "t", "x").await;
    assert_eq!(event(&mut stream).await.0, id);
    tokio::time::sleep(Duration::from_millis(1500)).await; // it has looked for old events since
    assert_eq!(node.postgres.health(), LogHealth::Up);
}
