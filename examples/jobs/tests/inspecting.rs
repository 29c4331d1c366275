//! `--inspector`: the addresses at which it is not shown.

use std::process::Stdio;

use sse_kit_test_support::in_time;
use tokio::process::Command;

#[tokio::test]
async fn the_inspector_is_not_shown_through_a_socket_where_everybody_looks_local() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("unix:{}", folder.path().join("jobs.sock").display());
    let output = Command::new(env!("CARGO_BIN_EXE_jobs"))
        .args(["--inspector", "--listen", &address])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = in_time("its end", output).await.expect("it starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("`--inspector`"), "{error}");
}
