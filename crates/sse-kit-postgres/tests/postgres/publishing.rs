//! Publishing in transactions.

use sse_kit_broadcast::PublishError;
use sse_kit_event::{Audience, Event, IdempotencyKey};
use sse_kit_postgres::{Outbox, OutboxError};
use sse_kit_test_support::until;
use tokio_postgres::IsolationLevel;
use tokio_postgres::error::SqlState;

use crate::{client, config, event, node, node_with, publish, server, topic};

fn key(text: &str) -> IdempotencyKey {
    text.parse().expect("a key")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_exists_if_and_only_if_its_transaction_commits() {
    let (_, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("orders")).open().expect("it opens");
    let mut client = client(&url).await;
    for commits in [false, true, false, true] {
        let mut transaction = client.transaction().await.expect("it begins");
        let text = if commits { "committed" } else { "rolled back" };
        let sent = transaction.publish(&topic("orders"), Event::new(text)).await;
        assert!(sent.expect("it is accepted"));
        let mut part = transaction.savepoint("part").await.expect("it begins");
        part.publish(&topic("orders"), Event::new("a part")).await.expect("it is accepted");
        part.rollback().await.expect("it ends");
        if commits {
            transaction.commit().await.expect("it commits");
        } else {
            transaction.rollback().await.expect("it ends");
        }
    }
    let first = event(&mut stream).await;
    let second = event(&mut stream).await;
    assert_eq!((&*first.1, &*second.1), ("committed", "committed"));
    assert_eq!(second.0.offset(), first.0.offset() + 1, "what was rolled back has no offset");
    let last = publish(&node, "orders", "the end").await;
    assert_eq!(event(&mut stream).await, (last, "the end".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_delivered_as_it_was_published() {
    let (_, url) = server().create_database();
    let node = node(&url).await;
    let mut all = node.hub.tap();
    let mut client = client(&url).await;
    let several = Audience::several([topic("b"), topic("a")]).expect("two topics");
    let sent = Event::new("two\r\nlines, \u{1f980} and \0")
        .with_name("name".parse().expect("a name"))
        .with_key("k\0".parse().expect("a key"));
    let mut transaction = client.transaction().await.expect("it begins");
    transaction.publish(&several, sent.clone()).await.expect("it is accepted");
    transaction.publish(Audience::Everyone, Event::new("everyone")).await.expect("it is accepted");
    transaction.commit().await.expect("it commits");
    let entry = all.recv().await.expect("it comes");
    assert_eq!(*entry.frame(), sent.encode().finish(Some(entry.id())));
    assert_eq!((entry.audience(), entry.key()), (&several, sent.key()));
    assert!(all.recv().await.expect("it comes").audience().is_everyone());

    let sql = "select sse.publish('a:b', 'name', E'x\\r\\ny\\n', 'k')";
    client.batch_execute(sql).await.expect("it is accepted");
    let entry = all.recv().await.expect("it comes");
    let expected = Event::new("x\ny\n").with_name("name".parse().expect("a name"));
    assert_eq!(*entry.frame(), expected.encode().finish(Some(entry.id())));
    assert_eq!((entry.topic(), entry.key().expect("a key").as_str()), (Some(&topic("a:b")), "k"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_page_may_get_is_refused_and_the_transaction_goes_on() {
    let (_, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let mut client = client(&url).await;
    let mut transaction = client.transaction().await.expect("it begins");
    let large = transaction.publish(&topic("t"), Event::new("x".repeat(8 << 20))).await;
    assert!(matches!(large, Err(OutboxError::TooLarge { .. })), "{large:?}");
    let control = sse_kit_event::control::ControlName::Hello;
    let reserved = Event::new("x").with_name(sse_kit_event::EventName::control(control));
    let reserved = transaction.publish(&topic("t"), reserved).await;
    assert!(matches!(reserved, Err(OutboxError::Reserved)), "{reserved:?}");
    let keyed = |text: &str| Event::new(text).with_idempotency_key(key("k"));
    assert!(transaction.publish(&topic("t"), keyed("once")).await.expect("it is new"));
    assert!(!transaction.publish(&topic("t"), keyed("once")).await.expect("it is known"));
    let reused = transaction.publish(&topic("t"), keyed("other")).await;
    assert!(matches!(reused, Err(OutboxError::KeyReused { .. })), "{reused:?}");
    transaction.commit().await.expect("it commits");
    assert_eq!(event(&mut stream).await.1, "once");

    // The key is known everywhere from now on.
    let again = client.query_one("select sse.publish('t', null, 'once', null, 'k')", &[]).await;
    assert!(!again.expect("it is accepted").get::<_, bool>(0));
    let reused = client.batch_execute("select sse.publish('t', null, 'x', null, 'k')").await;
    let code = reused.expect_err("it is another event").code().map(|code| code.code().to_owned());
    assert_eq!(code.as_deref(), Some("SSE01"));
    let reused = node.hub.publish(&topic("t"), keyed("other")).await;
    assert!(matches!(reused, Err(PublishError::KeyReused { .. })), "{reused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_about_a_locked_row_are_in_the_order_of_its_changes() {
    let (_, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let (mut one, mut two) = (client(&url).await, client(&url).await);
    one.batch_execute("create table item (state int); insert into item values (0)").await.unwrap();
    // The first to publish is the second to change the row.
    let mut late = one.transaction().await.unwrap();
    late.publish(&topic("t"), Event::new("second")).await.expect("it is accepted");
    let mut early = two.transaction().await.unwrap();
    early.execute("update item set state = 1", &[]).await.unwrap();
    early.publish(&topic("t"), Event::new("first")).await.expect("it is accepted");
    let (changed, ()) = tokio::join!(late.execute("update item set state = 2", &[]), async {
        early.commit().await.expect("it commits");
    });
    assert_eq!(changed.expect("it is changed"), 1);
    late.commit().await.expect("it commits");
    assert_eq!(event(&mut stream).await.1, "first");
    assert_eq!(event(&mut stream).await.1, "second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_stays_open_stalls_nobody() {
    let (_, url) = server().create_database();
    let nodes = [node(&url).await, node(&url).await];
    let mut stream = nodes[1].hub.subscribe(topic("t")).open().expect("it opens");
    let (mut one, mut two) = (client(&url).await, client(&url).await);
    let mut open = one.transaction().await.unwrap();
    let keyed = Event::new("open").with_idempotency_key(key("k"));
    open.publish(&topic("t"), keyed.clone()).await.expect("it is accepted");
    // Others commit, append, and are delivered.
    for n in 0..20 {
        let mut transaction = two.transaction().await.unwrap();
        transaction.publish(&topic("t"), Event::new(n.to_string())).await.expect("it is accepted");
        transaction.commit().await.expect("it commits");
        assert_eq!(event(&mut stream).await.1, n.to_string());
        let id = publish(&nodes[0], "t", "ours").await;
        assert_eq!(event(&mut stream).await, (id, "ours".into()));
    }
    // Even while a publisher waits for the key that the open transaction holds.
    let hub = nodes[0].hub.clone();
    let waiting = tokio::spawn(async move { hub.publish(&topic("t"), keyed).await });
    let id = publish(&nodes[0], "t", "meanwhile").await;
    assert_eq!(event(&mut stream).await, (id, "meanwhile".into()));
    open.rollback().await.expect("it ends");
    let receipt = waiting.await.expect("it ends").expect("the key is free");
    assert_eq!(event(&mut stream).await, (receipt.id, "open".into()));
}

/// A key that is published again before its event has an offset, by a transaction that stays open.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_key_in_an_open_transaction_stalls_nobody() {
    let (_, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let (one, mut two, lock) = (client(&url).await, client(&url).await, client(&url).await);
    publish(&node, "t", "first").await;
    assert_eq!(event(&mut stream).await.1, "first");
    // Nothing is moved meanwhile.
    lock.batch_execute("begin; select from sse.meta for update").await.expect("it is locked");
    let once = "select sse.publish('t', null, 'x', null, 'k')";
    one.batch_execute(once).await.expect("it is accepted");
    let transaction = two.transaction().await.expect("it begins");
    let again = transaction.query_one(once, &[]).await.expect("it is accepted");
    assert!(!again.get::<_, bool>(0));
    lock.batch_execute("commit").await.expect("it is free");
    assert_eq!(event(&mut stream).await.1, "x");
    transaction.commit().await.expect("it commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_of_the_hub_follows_all_that_was_committed_before() {
    let (_, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let client = client(&url).await;
    for n in 0..20 {
        client.batch_execute(&format!("select sse.publish('t', null, '{n}')")).await.unwrap();
        let id = publish(&node, "t", "ours").await;
        assert_eq!(event(&mut stream).await.1, n.to_string());
        assert_eq!(event(&mut stream).await, (id, "ours".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_were_committed_while_no_node_ran_are_delivered() {
    let (_, url) = server().create_database();
    let first = node(&url).await;
    let id = publish(&first, "t", "before").await;
    drop(first);
    let client = client(&url).await;
    client
        .batch_execute("select sse.publish('t', null, n::text) from generate_series(1, 1234) n")
        .await
        .expect("it is accepted");
    let node = node(&url).await;
    let resume = Some(sse_kit_event::LastEventId::Known(id));
    let subscribe = node.hub.subscribe(topic("t")).resume(resume).queue(10_000);
    let mut stream = subscribe.open().expect("it opens");
    for n in 1..=1234 {
        assert_eq!(event(&mut stream).await.1, n.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_isolation_level_publishes() {
    let (_, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let (mut one, mut two) = (client(&url).await, client(&url).await);
    for level in [IsolationLevel::RepeatableRead, IsolationLevel::Serializable] {
        let mut transaction = one.build_transaction().isolation_level(level).start().await.unwrap();
        transaction.publish(&topic("t"), Event::new("late")).await.expect("it is accepted");
        // Others publish and nodes append meanwhile.
        let mut other = two.build_transaction().isolation_level(level).start().await.unwrap();
        other.publish(&topic("t"), Event::new("early")).await.expect("it is accepted");
        other.commit().await.expect("it commits");
        publish(&node, "t", "ours").await;
        transaction.commit().await.expect("it commits");
        for expected in ["early", "ours", "late"] {
            assert_eq!(event(&mut stream).await.1, expected);
        }
    }
}

/// Many publishers at the strictest level: none fails for the others' events.
#[tokio::test(flavor = "multi_thread")]
async fn serializable_transactions_have_no_conflict_over_events() {
    let (database, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("t")).queue(10_000).open().expect("it opens");
    let publishing = (0..8).map(|_| {
        let url = url.clone();
        tokio::spawn(async move {
            let mut client = client(&url).await;
            for _ in 0..40 {
                let level = IsolationLevel::Serializable;
                let transaction = client.build_transaction().isolation_level(level).start();
                let mut transaction = transaction.await.expect("it begins");
                let sent = transaction.publish(&topic("t"), Event::new("x")).await;
                assert!(sent.expect("it is accepted"));
                transaction.commit().await.expect("it commits");
            }
        })
    });
    let publishing: Vec<_> = publishing.collect();
    // The planner reads whole tables that it knows as empty.
    server().psql(&database, "vacuum analyze sse.outbox, sse.commits, sse.meta");
    for publisher in publishing {
        publisher.await.expect("it ends well");
    }
    for _ in 0..8 * 40 {
        assert_eq!(event(&mut stream).await.1, "x");
    }
}

/// The commit of many events reads none of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_cost_of_a_commit_is_that_of_its_events() {
    let (_, url) = server().create_database();
    let _node = node(&url).await;
    let mut client = client(&url).await;
    let publish = client.prepare("select sse.publish('t', null, 'x')").await.unwrap();
    // The session keeps its plans after these.
    for _ in 0..10 {
        client.execute(&publish, &[]).await.expect("it is accepted");
    }
    let transaction = client.transaction().await.expect("it begins");
    for _ in 0..100 {
        transaction.execute(&publish, &[]).await.expect("it is accepted");
    }
    transaction.batch_execute("set constraints all immediate").await.expect("they hold");
    let read = "select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint \
        from pg_stat_xact_all_tables where schemaname = 'sse' and relname in ('outbox', 'commits')";
    let read: i64 = transaction.query_one(read, &[]).await.expect("it is counted").get(0);
    assert_eq!(read, 0);
}

/// A transaction that stays open keeps all old versions of rows, which a node must not search.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_costs_the_same_while_an_old_transaction_is_open() {
    let (database, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("t")).queue(10_000).open().expect("it opens");
    let old = client(&url).await;
    old.batch_execute("create table other (n int)").await.unwrap();
    old.batch_execute("begin; insert into other values (1)").await.unwrap();
    let writing = client(&url).await;
    let write = writing.prepare("select sse.publish('t', null, 'x')").await.unwrap();
    for _ in 0..500 {
        writing.execute(&write, &[]).await.expect("it is accepted");
    }
    for _ in 0..500 {
        assert_eq!(event(&mut stream).await.1, "x");
    }
    let awake = "select awake <> '' from sse.meta";
    until("the node sleeps", || server().psql(&database, awake) == "f").await;
    // A session as that of a node. The first look searches everything.
    let mut looking = client(&url).await;
    let mut entries = Vec::new();
    for _ in 0..3 {
        let look = looking.transaction().await.expect("it begins");
        let read = async || {
            let read = "select coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0)::bigint \
                from pg_index where indrelid in ('sse.outbox'::regclass, 'sse.commits'::regclass)";
            look.query_one(read, &[]).await.expect("it is counted").get::<_, i64>(0)
        };
        let before = read().await;
        let sequence = "select sse.sequence('test', '1 s', 500, '', 0, 0, 0)";
        look.batch_execute(sequence).await.expect("it looks");
        entries.push(read().await - before);
        look.commit().await.expect("it commits");
    }
    assert!(entries[0] >= 500, "{entries:?}: the old transaction keeps nothing");
    assert!(entries[1] < 50 && entries[2] < 50, "{entries:?}");
    // Events are found all the same.
    publish(&node, "t", "by the node").await;
    writing.execute(&write, &[]).await.expect("it is accepted");
    assert_eq!(event(&mut stream).await.1, "by the node");
    assert_eq!(event(&mut stream).await.1, "x");
    old.batch_execute("commit").await.unwrap();
}

/// Two-phase commit, and whoever must not notify: nodes look by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_transaction_publishes_without_a_notification() {
    let (_, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let client = client(&url).await;
    for sql in [
        "begin; set local sse.notify = off; select sse.publish('t', null, 'x'); \
         prepare transaction 'p'",
        "commit prepared 'p'",
    ] {
        client.batch_execute(sql).await.expect("it is accepted");
    }
    assert_eq!(event(&mut stream).await.1, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_publishes_can_do_nothing_else() {
    let (database, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let role = format!("app_{database}");
    let psql = |sql: &str| server().psql(&database, sql);
    psql(&format!("create role {role} login; grant usage on schema sse to {role}"));
    let client = client(&url.replace("postgres@", &format!("{role}@"))).await;
    client.batch_execute("select sse.publish('t', null, 'x')").await.expect("it may publish");
    assert_eq!(event(&mut stream).await.1, "x");
    for sql in [
        "select * from sse.log",
        "delete from sse.outbox",
        "update sse.meta set last = 0",
        "select sse.trim(0, null)",
        "select sse.sequence('x', '1 s', 1, '', 0, 0, 0)",
        "select sse.begin_epoch(null, null)",
    ] {
        let refused = client.batch_execute(sql).await.expect_err(sql);
        assert_eq!(refused.code().map(SqlState::code), Some("42501"), "{sql}");
    }
    // Neither may it publish what no node would deliver.
    for call in [
        r"array['a*'], 'data: x\012'",
        r"array['sse-kit'], 'data: x\012'",
        "array['a'], 'junk'",
        r"array['a'], 'event: sse-kit:close\012data: x\012'",
        r"array['a'], 'event: open\012data: x\012'",
        r"array['a'], 'event: error\012data: x\012'",
    ] {
        let sql = format!("select sse.enqueue({call}, '', '')");
        let refused = client.batch_execute(&sql).await.expect_err(&sql);
        assert_eq!(refused.code().map(SqlState::code), Some("22023"), "{sql}");
    }
    // Nor run its own code as the owner of the functions, by types of its own.
    for name in ["text", "boolean", "bigint", "bytea"] {
        let attack = format!(
            "create function pg_temp.evil(t pg_catalog.{name}) returns pg_catalog.bool language plpgsql as \
             $$ begin execute 'alter role {role} superuser'; return true; end $$; \
             create domain pg_temp.{name} as pg_catalog.{name} check (pg_temp.evil(value))"
        );
        let attack = attack.replace("pg_catalog.boolean", "pg_catalog.bool");
        let attack = attack.replace("pg_catalog.bigint", "pg_catalog.int8");
        client.batch_execute(&attack).await.expect("it may have types of its own");
    }
    for sql in [
        "select sse.publish('t'::pg_catalog.text, null, 'x'::pg_catalog.text)",
        r"select sse.enqueue('{t}'::pg_catalog._text, 'data: x\012', '', '')",
        "select sse.publish('t', null, 'y', null, 'k')",
    ] {
        client.batch_execute(sql).await.expect("it may publish");
        event(&mut stream).await;
    }
    let is_superuser = format!("select rolsuper from pg_roles where rolname = '{role}'");
    assert_eq!(psql(&is_superuser), "f");
    client.batch_execute("discard temp").await.expect("they are its own");
    // Nor has a node with such a role.
    let log = sse_kit_postgres::PostgresLog::connect(config(
        &url.replace("postgres@", &format!("{role}@")),
    ));
    assert!(log.await.is_err());
    let grants = "grant execute on all functions in schema sse to {role}; \
        grant select on all tables in schema sse to {role}";
    psql(&grants.replace("{role}", &role));
    let url = url.replace("postgres@", &format!("{role}@"));
    let second =
        node_with(config(&url).without_migration(), sse_kit_broadcast::Hub::builder()).await;
    let id = publish(&second, "t", "by the other node").await;
    assert_eq!(event(&mut stream).await, (id, "by the other node".into()));
}
