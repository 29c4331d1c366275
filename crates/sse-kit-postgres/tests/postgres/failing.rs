//! Failures: PostgreSQL ends, is restored, or is touched by others.

use std::time::Duration;

use sse_kit_broadcast::{Hub, LogHealth, Start};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Event, LastEventId};
use sse_kit_postgres::{PostgresConfig, PostgresConnectError, PostgresLog};
use sse_kit_test_support::postgres::Server;
use sse_kit_test_support::proxy::{Protocol, Proxy};
use sse_kit_test_support::until;
use tokio_postgres::error::SqlState;

use crate::{client, config, event, gap, node, node_with, publish, server, topic};

/// A standby that was behind is promoted: its end of the log is not that of the pages.
#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_is_told_and_never_silent() {
    let mut primary = Server::start(&[]);
    let proxy = Proxy::start(Protocol::Postgres, primary.port()).await;
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

/// A failover in which nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_standby_has_all_and_no_page_gets_a_gap() {
    let mut primary = Server::start(&[]);
    let proxy = Proxy::start(Protocol::Postgres, primary.port()).await;
    let node = node(&proxy.url()).await;
    let standby = primary.standby(&[]);
    primary.psql("postgres", "alter system set synchronous_standby_names = '*'");
    primary.psql("postgres", "select pg_reload_conf()");
    let is_sync = "select count(*) from pg_stat_replication where sync_state = 'sync'";
    until("it is synchronous", || primary.psql("postgres", is_sync) == "1").await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    for n in 0..20 {
        let id = publish(&node, "t", n.to_string()).await;
        assert_eq!(event(&mut stream).await, (id, n.to_string()));
    }
    primary.kill();
    standby.promote();
    standby.psql("postgres", "alter system set synchronous_standby_names = ''");
    standby.psql("postgres", "select pg_reload_conf()");
    proxy.lead_to(standby.port());
    let new = publish(&node, "t", "new").await;
    assert_eq!(new.offset(), 21);
    assert_eq!(event(&mut stream).await, (new, "new".into()), "no gap");
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
        // Its end is gone; its end has become another one; all is gone.
        "begin; delete from sse.log where o > 2; update sse.meta set last = 2; commit",
        "update sse.log set tag = tag + 1 where o = (select max(o) from sse.log)",
        "truncate sse.meta, sse.log, sse.outbox, sse.commits, sse.once, sse.nodes",
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
    until("it has read all", || first.postgres.stats().lag == 0).await;
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
async fn old_keys_and_nodes_are_deleted_and_a_key_serves_again() {
    let (database, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let psql = |sql: &str| server().psql(&database, sql);
    let once = "select sse.publish('t', null, 'x', null, 'k')";
    assert_eq!((psql(once), psql(once)), ("t".into(), "f".into()));
    assert_eq!(event(&mut stream).await.1, "x");
    publish(&node, "t", "by a node").await;
    assert_eq!(event(&mut stream).await.1, "by a node");
    psql("update sse.nodes set at = at - interval '25 hours'");
    psql("update sse.once set at = at - interval '121 s'");
    let left = "select (select count(*) from sse.once) + (select count(*) from sse.nodes)";
    until("they are deleted", || psql(left) == "0").await;
    assert_eq!(psql(once), "t", "the key is free");
    // Before it is deleted, too.
    assert_eq!(event(&mut stream).await.1, "x");
    let lock = client(&url).await;
    lock.batch_execute("begin; lock table sse.nodes in exclusive mode").await.expect("it is free");
    psql("update sse.once set at = at - interval '121 s'");
    assert_eq!(psql(once), "t", "the key is too old");
}

/// A trim that fails, or finds the log locked.
#[tokio::test(flavor = "multi_thread")]
async fn reading_goes_on_where_trimming_cannot() {
    let (database, url) = server().create_database();
    let node = node_with(config(&url).keep_events(1), Hub::builder()).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let psql = |sql: &str| server().psql(&database, sql);
    // A number that was drawn stays drawn when the transaction fails.
    psql("create sequence tried");
    psql(
        "create function fails() returns trigger language plpgsql as $$ begin \
         perform nextval('public.tried'); raise 'no'; end $$",
    );
    psql("create trigger fails before delete on sse.log execute function fails()");
    for n in 0..2 {
        let id = publish(&node, "t", n.to_string()).await;
        assert_eq!(event(&mut stream).await, (id, n.to_string()));
    }
    until("it has tried to trim", || psql("select is_called from tried") == "t").await;
    let id = publish(&node, "t", "next").await;
    assert_eq!(event(&mut stream).await, (id, "next".into()));
    assert_eq!(node.postgres.stats().reconnects, 0);
    psql("drop trigger fails on sse.log");
    until("it is trimmed", || psql("select count(*) from sse.log") == "1").await;
    let lock = client(&url).await;
    lock.batch_execute("begin; select from sse.meta for update").await.expect("it is locked");
    assert_eq!(psql("select sse.trim(1, null)"), "-1", "it is tried again soon");
}

/// The keys of an hour with thousands of them a second, in a log that is not full.
#[tokio::test(flavor = "multi_thread")]
async fn a_trim_that_leaves_old_keys_is_followed_soon() {
    let (database, url) = server().create_database();
    drop(node(&url).await);
    let psql = |sql: &str| server().psql(&database, sql);
    let others = "select count(*) from pg_stat_activity \
        where datname = current_database() and pid <> pg_backend_pid()";
    until("no node is there", || psql(others) == "0").await;
    psql(
        "insert into sse.once (scope, key, digest, o, at) \
         select 's', n::text, 'd', n, now() - interval '1 hour' from generate_series(1, 5001) n",
    );
    let trim = || psql("select sse.trim(100000, null)");
    assert_eq!((trim(), trim(), trim()), ("5000".into(), "1".into(), "0".into()));
}

/// A copy of the database, as `createdb --template` makes it, while no node runs. A dump that is loaded is
/// the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_database_is_a_new_epoch_that_continues() {
    let (database, url) = server().create_database();
    let first = node(&url).await;
    let kept = publish(&first, "t", "kept").await;
    drop(first);
    until("nobody is connected", || {
        let count = format!("select count(*) from pg_stat_activity where datname = '{database}'");
        server().psql("postgres", &count) == "0"
    })
    .await;
    server().psql("postgres", &format!("create database {database}_copy template {database}"));
    let lost = publish(&node(&url).await, "t", "lost").await;
    let copy = node(&server().url_of(&format!("{database}_copy"))).await;
    let new = publish(&copy, "t", "new").await;
    assert_ne!((new.epoch(), new.offset()), (lost.epoch(), lost.offset()));
    let resume = |id| copy.hub.subscribe(topic("t")).resume(Some(LastEventId::Known(id))).open();
    let mut stream = resume(kept).expect("it opens");
    assert_eq!(event(&mut stream).await, (new, "new".into()), "no gap for what was kept");
    let mut stream = resume(lost).expect("it opens");
    assert_eq!(gap(&mut stream).await.reason, GapReason::UnknownEpoch);
}

/// An offset that was delivered must not be lost with the server.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_waits_for_the_disk_where_others_do_not() {
    let (database, url) = server().create_database();
    let psql = |sql: &str| server().psql(&database, sql);
    psql(&format!("alter database {database} set synchronous_commit = off"));
    let node = node(&url).await;
    psql("create table found (setting text)");
    psql(
        "create function looks() returns trigger language plpgsql as $$ begin \
         insert into public.found values (current_setting('synchronous_commit')); return null; end $$",
    );
    psql("create trigger looks after insert on sse.log execute function looks()");
    publish(&node, "t", "by the node").await;
    psql("select sse.publish('t', null, 'moved')");
    until("both are there", || psql("select count(*) from sse.log") == "2").await;
    assert_eq!(psql("select distinct setting from found"), "local");
}

/// A publisher whose node has not yet seen that the server was restarted.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_event_of_an_earlier_epoch_is_the_newest_still() {
    let (database, url) = server().create_database();
    let node = node(&url).await;
    let seen = publish(&node, "t", "seen").await;
    let psql = |sql: &str| server().psql(&database, sql);
    psql("select sse.begin_epoch(m, m.last) from sse.state() m");
    let newer = |epoch: &str, offset| {
        let topics = "array['t']";
        psql(&format!("select sse.newer(m, {topics}, '{epoch}', {offset}) from sse.state() m"))
    };
    let epoch = seen.epoch().to_string();
    assert_eq!(newer(&epoch, 1), "", "there is none");
    assert_eq!(newer(&epoch, 0), "1");
    assert_eq!(newer("beef", 1), "1", "of an unknown epoch nobody knows");
    assert_eq!(newer(&epoch, 2), "1", "that one was lost");
    let hub = node.hub.if_newest(seen).publish(&topic("t"), Event::new("x")).await;
    assert_eq!(hub.expect("it is the newest").id.offset(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_at_the_start() {
    let (database, url) = server().create_database();
    let missing = PostgresLog::connect(config(&url).without_migration()).await;
    assert!(matches!(missing, Err(PostgresConnectError::NoSchema)), "{missing:?}");
    drop(node(&url).await);
    let other =
        "create or replace function sse.version() returns integer language sql as 'select 99'";
    server().psql(&database, other);
    let refused = PostgresLog::connect(config(&url)).await;
    assert!(
        matches!(refused, Err(PostgresConnectError::OtherVersion { found: 99, .. })),
        "{refused:?}"
    );
    let nowhere = PostgresLog::connect(config(&format!("{url}_not"))).await;
    assert!(matches!(nowhere, Err(PostgresConnectError::Postgres(_))), "{nowhere:?}");
    server().psql("postgres", "create database latin encoding latin1 template template0");
    let latin = PostgresLog::connect(config(&server().url_of("latin"))).await;
    assert!(matches!(latin, Err(PostgresConnectError::Postgres(_))), "{latin:?}");
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
    let (database, url) = server().create_database();
    let most = Duration::MAX;
    let config = PostgresConfig::new(&url).expect("an address").keep_events(u64::MAX);
    let config = config.keep_for(most).warm_up(u64::MAX).append_deadline(most);
    let node = node_with(config.attempt_timeout(most).start_deadline(most), Hub::builder()).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let id = publish(&node, "t", "x").await;
    assert_eq!(event(&mut stream).await.0, id);
    let psql = |sql: &str| server().psql(&database, sql);
    psql("create table looked (at int)");
    psql(
        "create function looks() returns trigger language plpgsql as $$ begin \
         insert into public.looked values (1); return null; end $$",
    );
    // A look for old events begins with old keys. A row is seen if the whole of it went well.
    psql("create trigger looks before delete on sse.once execute function looks()");
    until("it has looked for old events", || psql("select count(*) from looked") != "0").await;
    assert_eq!(node.postgres.health(), LogHealth::Up);
}
