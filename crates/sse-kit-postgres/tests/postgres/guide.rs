//! The guide "Publishing from your transaction", run.

use std::env;

use tokio::process::Command;

use crate::{client, event, node, server, topic};

const GUIDE: &str = include_str!("../../../../docs/src/publishing-in-transactions.md");

/// Returns the first block of this language that contains a text.
fn block(language: &str, text: &str) -> &'static str {
    let fence = format!("```{language}\n");
    let blocks = GUIDE.split(fence.as_str()).skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.contains(text)).expect("the guide has it")
}

const ORDERS: &str = "create table orders (id int primary key, state text not null)";

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_publishes() {
    let (database, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("orders:1")).open().expect("it opens");
    server().psql(&database, ORDERS);
    server().psql(&database, block("sql", "create trigger"));
    let change = "insert into orders values (1, 'new'); update orders set state = 'paid'";
    server().psql(&database, change);
    server().psql(&database, "begin; update orders set state = 'lost'; rollback");
    server().psql(&database, "update orders set state = '<sent>'");
    for expected in ["new", "paid", "&lt;sent>"] {
        let data = event(&mut stream).await.1;
        assert!(data.contains(expected), "{data}");
    }
}

/// Runs a script with the Python that has psycopg.
async fn python(script: &str) -> Result<(), String> {
    let program = env::var("SSE_KIT_PSYCOPG").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(&program).args(["-c", script]).output().await;
    let output =
        output.unwrap_or_else(|error| panic!("{program}: {error}. This test needs Python"));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !error.contains("No module named 'psycopg'"),
        "{program} has no psycopg 3. Install it (`apt-get install python3-psycopg`), or set SSE_KIT_PSYCOPG to \
         a Python that has it"
    );
    if output.status.success() { Ok(()) } else { Err(error) }
}

#[tokio::test(flavor = "multi_thread")]
async fn python_publishes() {
    let (database, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("orders:17")).open().expect("it opens");
    server().psql(&database, &format!("{ORDERS}; insert into orders values (17, 'new')"));
    let script = block("python", "sse.publish").replace("dbname=shop", &url);
    // What fails in the end publishes nothing.
    let failing = format!("{script}    raise SystemExit('rolled back')\n");
    let failed = python(&failing.replace("paid", "lost")).await.expect_err("it fails");
    assert!(failed.contains("rolled back"), "{failed}");
    python(&script).await.expect("it publishes");
    assert_eq!(event(&mut stream).await.1, "paid");
    assert_eq!(server().psql(&database, "select state from orders"), "paid");
}

/// Any driver that prepares its statements, as `sqlx` does.
#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_publishes() {
    let sql = block("sql", "$1").trim();
    let (_, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("orders:17")).open().expect("it opens");
    let mut client = client(&url).await;
    for (data, commits) in [("lost", false), ("paid", true)] {
        let transaction = client.transaction().await.expect("it begins");
        let statement = transaction.prepare(sql).await.expect("it is a statement");
        let arguments: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&"orders:17", &"state", &data];
        transaction.execute(&statement, &arguments).await.expect("it is accepted");
        if commits { transaction.commit().await } else { transaction.rollback().await }
            .expect("it ends");
    }
    assert_eq!(event(&mut stream).await.1, "paid");
}

/// Each failure in the table of the guide to durable logs has a test of that name.
#[test]
fn each_failure_that_is_documented_has_a_test() {
    let guide = include_str!("../../../../docs/src/durable-logs.md");
    let (_, table) = guide.split_once("### Failures in PostgreSQL").expect("there is a table");
    let tests = concat!(
        include_str!("cluster.rs"),
        include_str!("conformance.rs"),
        include_str!("connecting.rs"),
        include_str!("failing.rs"),
        include_str!("publishing.rs"),
    );
    let rows = table.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let mut named = 0;
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().expect("a row has cells");
        for name in cell.split('`').skip(1).step_by(2) {
            assert!(tests.contains(&format!("async fn {name}(")), "{name} is no test");
            named += 1;
        }
        assert!(cell == "the same" || cell.contains('`'), "{row} has no test");
    }
    assert!(named >= 13, "{named}");
}
