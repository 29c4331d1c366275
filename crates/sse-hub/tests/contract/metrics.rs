//! The metrics of a hub, for Prometheus. `cargo xtask test` finds or installs promtool and names it, in
//! `SSE_KIT_PROMTOOL`; otherwise it is what the shell finds. These tests fail where it is missing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::server::Server;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/observability")
}

/// Runs promtool, which must find nothing.
async fn promtool(args: &[&str], input: &str) {
    let program = std::env::var_os("SSE_KIT_PROMTOOL").unwrap_or_else(|| "promtool".into());
    let mut command = Command::new(program);
    command.args(args).current_dir(folder()).stdin(Stdio::piped());
    let mut promtool = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect(
        "promtool is needed: install Debian's `prometheus`, or set SSE_KIT_PROMTOOL to its path",
    );
    let mut stdin = promtool.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).await.expect("it reads");
    drop(stdin);
    let output = promtool.wait_with_output().await.expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said));
}

async fn metrics(hub: &Server) -> String {
    metrics_as(hub, "*/*", "text/plain; version=0.0.4").await
}

async fn metrics_as(hub: &Server, accept: &str, content_type: &str) -> String {
    let response = hub.send(Request::get("/metrics").header("accept", accept), b"").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], content_type);
    assert_eq!(response.headers()["vary"], "accept");
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(body.into()).expect("UTF-8")
}

/// Returns the names of our metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("sse_hub_")).collect()
}

#[tokio::test]
async fn metrics_are_well_formed_and_tell_what_happened() {
    let folder = tempfile::tempdir().expect("a folder");
    let hub = Server::start(&format!("--store {}", folder.path().display())).await;
    let mut stream = hub.open("topic=secret:17").await;
    hub.publish("topic=secret:17", "x").await;
    assert_eq!(stream.data().await, "x");
    drop(stream);
    hub.await_stat("closed", |closed| closed == 1).await;
    hub.get("/no/such/path").await;

    let text = metrics(&hub).await;
    promtool(&["check", "metrics"], &text).await;
    for line in [
        "sse_hub_events_published_total 1",
        "sse_hub_streams_closed_total 1",
        "sse_hub_ready 1",
        "sse_hub_log_up{log=\"store\"} 1",
        "sse_hub_log_appended_total{log=\"store\"} 1",
        "sse_hub_requests_total{route=\"publish\",status=\"200\"} 1",
        "sse_hub_requests_total{route=\"other\",status=\"404\"} 1",
        "sse_hub_request_duration_seconds_count{route=\"publish\"} 1",
        "sse_hub_stream_duration_seconds_count 1",
        "sse_hub_publish_to_write_seconds_count 1",
        "sse_hub_queue_depth_events_bucket{le=\"0\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert_eq!(text.matches("# TYPE ").count(), text.matches("# HELP ").count());
    let accept = "application/openmetrics-text; version=1.0.0; q=0.5, text/plain; q=0.3";
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let open_metrics = metrics_as(&hub, accept, media).await;
    assert!(open_metrics.ends_with("\n# EOF\n"), "{open_metrics}");
    for line in [
        "# TYPE sse_hub_events_published counter",
        "sse_hub_events_published_total 1",
        "# TYPE sse_hub_requests counter",
        "sse_hub_publish_to_write_seconds_count 1",
    ] {
        assert!(
            open_metrics.lines().any(|found| found == line),
            "{line} is not in\n{open_metrics}"
        );
    }
    assert!(!text.contains("secret"), "a topic is no label");
}

/// Does everything that a client may choose a name for.
async fn roam(hub: &Server, n: usize) {
    for path in ["/publish", "/events", "/topics/rooms:0/presence", "/no/path/0", "/inspector/0"] {
        let path = path.replace('0', &n.to_string());
        for method in ["GET", "POST", "PUT", &format!("METHOD{n}")] {
            let request = Request::builder().method(method).uri(format!("{path}?topic=bad::{n}"));
            hub.send(request, b"x").await;
        }
    }
    let mut stream = hub.open(&format!("topic=rooms:{n}&topic=*:{n}")).await;
    hub.publish(&format!("topic=rooms:{n}&event=name{n}&key=key{n}"), &n.to_string()).await;
    assert_eq!(stream.data().await, n.to_string());
}

/// Returns the series of a text: names with labels, without values.
fn series(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect()
}

#[tokio::test]
async fn clients_cannot_add_series() {
    let hub = Server::start("").await;
    roam(&hub, 0).await;
    hub.await_stat("closed", |closed| closed == 1).await;
    let first = metrics(&hub).await;
    for n in 1..20 {
        roam(&hub, n).await;
    }
    let last = metrics(&hub).await;
    assert!(series(&first).len() > 50, "{first}");
    assert_eq!(series(&first), series(&last));
}

#[tokio::test]
async fn alerts_and_the_dashboard_are_well_formed_and_ask_for_metrics_that_exist() {
    promtool(&["check", "config", "prometheus.yml"], "").await;
    promtool(&["check", "rules", "alerts.yml"], "").await;
    promtool(&["test", "rules", "alerts-test.yml"], "").await;

    let read = |name| std::fs::read_to_string(folder().join(name)).expect("the file");
    let (alerts, dashboard) = (read("alerts.yml"), read("dashboard.json"));
    let parsed: Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = parsed["panels"].as_array().expect("panels");
    let mut rules = String::from("groups: [{ name: dashboard, rules: [");
    for (number, target) in
        panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets")).enumerate()
    {
        let expression = target["expr"].as_str().expect("an expression");
        let expression = expression.replace("$__rate_interval", "5m");
        write!(rules, "{{ record: 'a:{number}', expr: '{expression}' }},").expect("text");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.yml");
    std::fs::write(&file, rules + "] }]").expect("it is written");
    promtool(&["check", "rules", file.to_str().expect("UTF-8")], "").await;

    // A log in memory has no metrics, and the others not all of them.
    let hub = Server::start("").await;
    hub.publish("topic=a", "x").await;
    let text = metrics(&hub).await;
    let known: BTreeSet<_> = names(&text);
    let absent = ["sse_hub_log_up", "sse_hub_log_lag_events"];
    for name in names(&alerts).into_iter().chain(names(&dashboard)) {
        let base = name.strip_suffix("_bucket").unwrap_or(name);
        assert!(known.contains(base) || absent.contains(&base), "{name} does not exist");
    }
}
