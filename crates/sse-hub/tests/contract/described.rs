//! The routes as `packaging/openapi.yaml` describes them. `cargo xtask test` installs schemathesis and
//! names it, in `SSE_KIT_SCHEMATHESIS`; otherwise it is the `st` of `PATH`.

use sse_kit_test_support::{scaled, seed};
use tokio::process::Command;

use crate::server::Server;

/// A hub that accepts no stream: it answers each with the event `busy` and ends it, so that nobody waits
/// for the end of a stream.
#[tokio::test]
async fn schemathesis_finds_nothing() {
    let hub = Server::start("--max-connections 0 --inspector").await;
    let program = std::env::var_os("SSE_KIT_SCHEMATHESIS").unwrap_or_else(|| "st".into());
    let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contract");
    let mut command = Command::new(program);
    command.args(["--config-file", &format!("{contract}/schemathesis.toml"), "run"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/openapi.yaml"));
    command.args(["--url", &format!("http://{}", hub.address)]);
    // The inspector's own stream has no limit that could be 0.
    command.args(["--exclude-operation-id", "inspectLive"]);
    // So many requests of each route, and no limit of time: a slow machine tries the same ones.
    command.args(["--max-examples", &scaled(100).to_string(), "--continue-on-failure"]);
    command.args(["--seed", &seed().to_string()]);
    let folder = tempfile::tempdir().expect("a folder");
    let output = command.current_dir(folder.path()).kill_on_drop(true).output().await.expect(
        "schemathesis is needed: `pip install schemathesis`, or set SSE_KIT_SCHEMATHESIS to its path",
    );
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains("11 selected / 12 total"), "{said}");
}
