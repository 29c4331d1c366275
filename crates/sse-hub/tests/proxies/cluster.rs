//! The page "A cluster behind nginx": its files and its commands, as they stand there, at free ports.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::Request;
use sse_kit_test_support::Port;
use tokio::process::{Child, Command};

use crate::proxy;
use crate::server::{self, Server};

const GUIDE: &str = include_str!("../../../../docs/src/hub-cluster.md");

/// The ports of the guide: Redis, three hubs, nginx.
const PORTS: [&str; 5] = ["6390", "8091", "8092", "8093", "8000"];

/// Before the commands: programs by the variables of `cargo xtask test`, in the foreground of a shell of their own. The
/// guide starts each hub in the background. `exec` finds programs only, and not these functions.
const PROGRAMS: &str = r#"
set -eu
hub() { exec "$HUB" "$@"; }
redis-server() { (exec "${SSE_KIT_REDIS_SERVER:-redis-server}" "$@") & }
nginx() { (exec "${SSE_KIT_NGINX:-nginx}" -e stderr -g 'daemon off;' "$@") & }
"#;

struct Cluster {
    /// The address of nginx.
    address: String,
    guide: String,
    folder: tempfile::TempDir,
    shells: Vec<Child>,
    ports: [Port; PORTS.len()],
}

impl Cluster {
    fn start() -> Self {
        for (variable, program, option) in [
            ("SSE_KIT_REDIS_SERVER", "redis-server", "--version"),
            ("SSE_KIT_NGINX", "nginx", "-v"),
            ("", "openssl", "version"),
            ("", "pgrep", "--version"),
        ] {
            let mut command = proxy::program(variable, program);
            let found = command.as_std_mut().arg(option).output();
            found.unwrap_or_else(|error| panic!("{program}: {error}. This test needs it"));
        }
        let ports = PORTS.map(|port| (port, Port::claim().expect("a free port")));
        let mut guide = GUIDE.replace(" --daemonize yes", "");
        // In two steps, as a claimed port may contain the digits of one of the guide's.
        for (nth, (port, _)) in ports.iter().enumerate() {
            guide = guide.replace(port, &format!("<{nth}>"));
        }
        for (nth, (_, claimed)) in ports.iter().enumerate() {
            guide = guide.replace(&format!("<{nth}>"), &claimed.number().to_string());
        }
        let folder = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| fs::write(folder.path().join(file), text);
        write("hub.toml", block(&guide, "toml", "")).expect("there is room");
        write("nginx.conf", block(&guide, "nginx", "")).expect("there is room");
        let steps: Vec<&str> = ["redis-server --port", "for port", "nginx -p", "b64()"]
            .map(|text| block(&guide, "sh", text))
            .into();
        let key = "openssl rand -hex 32 > jwt.key";
        assert!(GUIDE.contains(key));
        let keep = "echo \"$PUBLISHER\" > publisher; echo \"$READER\" > reader\nwait";
        write("steps.sh", &format!("{PROGRAMS}{key}\n{}\n{keep}\n", steps.join("\n")))
            .expect("there is room");
        let shell = run(folder.path(), "steps.sh").spawn().expect("bash is there");
        let ports = ports.map(|(_, claimed)| claimed);
        let address = format!("127.0.0.1:{}", ports[4].number());
        Self { address, guide, folder, shells: vec![shell], ports }
    }

    /// Waits until nginx and all hubs answer.
    async fn ready(&self) {
        let mut well = 0;
        for _ in 0..6000 {
            // nginx takes them in turn, as each has no stream.
            let is_ready =
                self.folder.path().join("reader").exists() && is_ready(&self.address).await;
            well = if is_ready { well + 1 } else { 0 };
            if well == 6 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the cluster does not start: {}", self.logs());
    }

    /// Kills the first hub, as the guide says.
    async fn kill_a_hub(&self) {
        let kill = block(&self.guide, "sh", "kill -9");
        fs::write(self.folder.path().join("kill.sh"), kill).expect("there is room");
        assert!(run(self.folder.path(), "kill.sh").status().await.expect("bash").success());
    }

    /// Starts the hub again that was killed, as the guide says, and waits until it answers.
    async fn start_it_again(&mut self) {
        let start = block(&self.guide, "sh", ">> hub-");
        let script = format!("{PROGRAMS}{start}\nwait");
        fs::write(self.folder.path().join("again.sh"), script).expect("there is room");
        self.shells.push(run(self.folder.path(), "again.sh").spawn().expect("bash is there"));
        let hub = format!("127.0.0.1:{}", self.ports[1].number());
        for _ in 0..6000 {
            if is_ready(&hub).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the hub does not start again: {}", self.logs());
    }

    fn logs(&self) -> String {
        let read = |entry: fs::DirEntry| fs::read_to_string(entry.path()).unwrap_or_default();
        let files = fs::read_dir(self.folder.path()).expect("a folder").flatten();
        let is_log = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().contains("log");
        files.filter(is_log).map(read).collect()
    }

    fn token(&self, of: &str) -> String {
        let token = fs::read_to_string(self.folder.path().join(of)).expect("it was written");
        format!("Bearer {}", token.trim())
    }

    async fn publish(&self, data: &str) {
        let request = Request::post("/publish?topic=news")
            .header("authorization", self.token("publisher"))
            .header("idempotency-key", data);
        let response = server::send_to(&self.address, request, data.as_bytes()).await;
        let (status, answer) = server::json(response.expect("an answer")).await;
        assert_eq!(status, 200, "{answer}");
    }

    fn events(&self) -> http::request::Builder {
        Request::get("/events?topic=news").header("authorization", self.token("reader"))
    }
}

/// Ends the shells and all that they started, at once: Redis would not end without its folder.
impl Drop for Cluster {
    fn drop(&mut self) {
        for group in self.shells.iter().filter_map(Child::id) {
            let mut kill = std::process::Command::new("kill");
            let _ = kill.args(["-KILL", "--", &format!("-{group}")]).status();
        }
    }
}

/// Returns `true` if a hub, or nginx before it, answers that it is ready.
async fn is_ready(address: &str) -> bool {
    tokio::net::TcpStream::connect(address).await.is_ok()
        && server::send_to(address, Request::get("/readyz"), b"")
            .await
            .is_ok_and(|response| response.status() == 200)
}

fn run(folder: &Path, file: &str) -> Command {
    let mut command = Command::new("bash");
    command.arg(file).current_dir(folder).env("HUB", env!("CARGO_BIN_EXE_hub"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    command
}

/// The first block of a language that contains a text.
fn block<'a>(guide: &'a str, language: &str, text: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let mut blocks = guide.split(fence.as_str()).skip(1);
    let block =
        blocks.find_map(|rest| rest.split("```").next().filter(|block| block.contains(text)));
    block.expect("the guide has it")
}

#[tokio::test]
async fn a_cluster_behind_nginx_survives_a_hub() {
    let mut cluster = Cluster::start();
    cluster.ready().await;
    let refused = server::send_to(&cluster.address, Request::get("/events?topic=news"), b"").await;
    assert_eq!(refused.expect("an answer").status(), 401);
    for path in ["/", "/status/events", "/metrics", "/stats", "/inspector"] {
        let hidden = server::send_to(&cluster.address, Request::get(path), b"").await;
        assert_eq!(hidden.expect("an answer").status(), 404, "{path}");
    }

    let mut stream = Server::open_at(&cluster.address, cluster.events()).await;
    cluster.publish("hello").await;
    let hello = stream.message().await;
    assert_eq!(hello.data, "hello");

    cluster.kill_a_hub().await;
    for data in ["one", "two", "three"] {
        cluster.publish(data).await;
    }
    // It may have been the hub of this stream.
    drop(stream);
    let id = hello.last_event_id.as_str();
    let mut stream =
        Server::open_at(&cluster.address, cluster.events().header("last-event-id", id)).await;
    for data in ["one", "two", "three"] {
        assert_eq!(stream.data().await, data);
    }
    cluster.start_it_again().await;
}
