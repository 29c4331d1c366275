//! Publishers in other languages.

use std::cell::Cell;

use tokio::process::Command;

use crate::server::Server;
use crate::{event, node, publish, topic};

async fn publishes(program: &str, script: &str) {
    let redis = Server::start(&[]).await;
    let port = redis.port.to_string();
    let script = format!("{}/publishers/{script}", env!("CARGO_MANIFEST_DIR"));
    let run = async |arguments: &[&str]| {
        let run = Command::new(program).arg(&script).arg(&port).args(arguments).output().await;
        let output = run
            .unwrap_or_else(|error| panic!("{program}: {error}. This test needs it; install it"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
    };
    // The first makes the log; the node then goes on from there.
    let first = run(&["a", "before"]).await;
    let node = node(&redis.url()).await;
    assert_eq!(node.hub.cursor().to_string(), first);
    let mut stream = node.hub.subscribe(topic("a")).open().expect("it is open");
    let id = run(&["a", "é\r\ntwo", "named"]).await;
    assert_eq!(event(&mut stream).await, (id, "é\ntwo".into()));
    let entry = node.hub.history(&topic("a"), 1).remove(0);
    assert!(entry.frame().starts_with(b"event: named\ndata: "));
    assert_eq!(publish(&node, "a", "ours").await.offset(), 3);
    assert_eq!(event(&mut stream).await.1, "ours");
    assert_eq!(node.redis.stats().malformed, 0);
    // Another server answers than before, it seems, until a node has looked; and again until a
    // publisher was refused for it.
    let refused = Cell::new(false);
    while !refused.get() {
        let refusing = async {
            while !refused.get() {
                let _: u64 = redis.command(&["HSET", "{sse-kit}:meta", "server", "another"]).await;
                let errors: String = redis.command(&["INFO", "errorstats"]).await;
                refused.set(errors.contains("errorstat_REFUSED"));
            }
            std::future::pending::<()>().await;
        };
        let id = tokio::select! {
            id = run(&["a", "in a moment"]) => id,
            () = refusing => continue,
        };
        assert_eq!(event(&mut stream).await, (id, "in a moment".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn python_publishes() {
    publishes("python3", "publish.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn javascript_publishes() {
    publishes("node", "publish.mjs").await;
}
