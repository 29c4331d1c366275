//! The suite of the broadcast core, run on Redis.

use sse_kit_broadcast::BoxFuture;
use sse_kit_broadcast::conformance::{self, Subject};
use sse_kit_redis::RedisLog;
use sse_kit_test_support::in_time;
use sse_kit_test_support::proxy::{Protocol, Proxy};

use crate::config;
use crate::server::Server;

struct Redis {
    server: Server,
    proxy: Proxy,
}

impl Subject for Redis {
    type Log = RedisLog;

    fn node(&mut self) -> BoxFuture<'_, RedisLog> {
        let config = config(&self.proxy.url());
        Box::pin(async { RedisLog::connect(config).await.expect("Redis is there") })
    }

    /// The log is not in the node, so another one is the same.
    fn reopen(&mut self) -> BoxFuture<'_, Option<RedisLog>> {
        let node = self.node();
        Box::pin(async { Some(node.await) })
    }

    fn wipe(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            let () = self.server.command(&["FLUSHALL"]).await;
            true
        })
    }

    fn trim(&mut self, through: u64) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let first = (through + 1).to_string();
            let command = ["XTRIM", "{sse-kit}:log", "MINID", &first];
            self.server.command::<u64>(&command).await > 0
        })
    }

    fn lose_reply(&mut self) -> BoxFuture<'_, bool> {
        self.proxy.lose_replies(1);
        Box::pin(async { true })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_every_promise_of_a_log() {
    let server = Server::start(&[]).await;
    let proxy = Proxy::start(Protocol::Redis, server.port).await;
    let mut redis = Redis { server, proxy };
    let suite = conformance::check(&mut redis);
    let report = in_time("it ends", suite).await;
    let report = report.unwrap_or_else(|broken| panic!("{broken}"));
    let untried = [
        // What a crash of Redis costs is a matter of its settings; see the tests of failovers.
        "a crash loses nothing that was acknowledged",
        // Of a log that was set back while no node is there, nobody knows.
        "a log that was set back gives no offset twice in one epoch",
    ];
    assert_eq!(report.untried, untried);
    assert!(report.kept.len() >= 15, "{:?}", report.kept);
}
