//! The suite of the broadcast core, run on PostgreSQL.

use std::time::Duration;

use sse_kit_broadcast::BoxFuture;
use sse_kit_broadcast::conformance::{self, Subject};
use sse_kit_postgres::PostgresLog;
use sse_kit_test_support::in_time;
use sse_kit_test_support::postgres::Server;
use sse_kit_test_support::proxy::{Protocol, Proxy};

use crate::config;

struct Postgres<S> {
    server: Server,
    proxy: Proxy,
    /// The replies that earlier proxies lost.
    lost_replies: usize,
    saved: Option<S>,
}

impl<S> Postgres<S> {
    fn psql(&self, sql: &str) -> String {
        self.server.psql("postgres", sql)
    }
}

impl<S: Send> Postgres<S> {
    fn open(&self) -> BoxFuture<'static, PostgresLog> {
        // A node that has crashed gives up soon.
        let config = config(&self.proxy.url()).append_deadline(Duration::from_secs(5));
        Box::pin(async { PostgresLog::connect(config).await.expect("PostgreSQL is there") })
    }
}

impl Subject for Postgres<tempfile::TempDir> {
    type Log = PostgresLog;

    fn node(&mut self) -> BoxFuture<'_, PostgresLog> {
        self.open()
    }

    /// The log is not in the node, so another one is the same.
    fn reopen(&mut self) -> BoxFuture<'_, Option<PostgresLog>> {
        let node = self.open();
        Box::pin(async { Some(node.await) })
    }

    /// Kills the server, and cuts the node off for ever.
    fn crash(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            self.server.kill();
            self.lost_replies += self.proxy.lost_replies();
            self.proxy = Proxy::start(Protocol::Postgres, self.server.port()).await;
            self.server.restart();
            true
        })
    }

    fn save(&mut self) -> BoxFuture<'_, bool> {
        self.saved = Some(self.server.save());
        Box::pin(async { true })
    }

    fn restore(&mut self) -> BoxFuture<'_, bool> {
        if let Some(saved) = self.saved.take() {
            self.server.restore(&saved);
        }
        Box::pin(async { true })
    }

    fn wipe(&mut self) -> BoxFuture<'_, bool> {
        self.psql("truncate sse.meta, sse.log, sse.outbox, sse.commits, sse.once, sse.nodes");
        Box::pin(async { true })
    }

    fn trim(&mut self, through: u64) -> BoxFuture<'_, bool> {
        self.psql(&format!("delete from sse.log where o <= {through}"));
        Box::pin(async { true })
    }

    fn lose_reply(&mut self) -> BoxFuture<'_, bool> {
        self.proxy.lose_replies(1);
        Box::pin(async { true })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_every_promise_of_a_log() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(Protocol::Postgres, server.port()).await;
    let mut postgres = Postgres { server, proxy, lost_replies: 0, saved: None };
    let suite = conformance::check(&mut postgres);
    let report = in_time("it ends", suite).await;
    let report = report.unwrap_or_else(|broken| panic!("{broken}"));
    assert!(report.untried.is_empty(), "{:?}", report.untried);
    assert!(report.kept.len() >= 25, "{:?}", report.kept);
    assert_eq!(postgres.lost_replies + postgres.proxy.lost_replies(), 1);
}
