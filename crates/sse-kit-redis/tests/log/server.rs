//! A Redis server of our own: a free port, a folder of its own, and no end but ours.

use std::process::Stdio;
use std::time::Duration;

use sse_kit_test_support::Port;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A time for machines that are busy with something else: nothing here takes more than milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Server {
    process: Child,
    folder: TempDir,
    options: Vec<String>,
    /// The folder of the file that it began with.
    settings: Option<TempDir>,
    pub(crate) port: u16,
    /// Keeps the port for this server, also while it is being restarted.
    _claim: Port,
}

impl Server {
    /// With options as on the command line of `redis-server`.
    pub(crate) async fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        for _ in 0..10 {
            // Somebody else may take the port before Redis does; then another is tried.
            let claim = Port::claim().expect("a free port");
            let port = claim.number();
            let mut process = spawn(port, &folder, &options);
            if is_up(&mut process, port).await {
                return Self { process, folder, options, settings: None, port, _claim: claim };
            }
        }
        panic!("redis-server does not start");
    }

    /// A server that begins with a file of settings, as sentinels do.
    pub(crate) async fn start_with(settings: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("settings.conf");
        std::fs::write(&file, settings).expect("it can be written");
        let mut all = vec![file.to_str().expect("UTF-8")];
        all.extend(options);
        let mut server = Self::start(&all).await;
        server.settings = Some(folder);
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// As `redis-cli` would.
    pub(crate) async fn command<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let reply = self.try_command(command).await.expect("an answer");
        redis::from_redis_value(reply).expect("the answer is of the kind that was expected")
    }

    /// The same, and what the server says against it.
    pub(crate) async fn try_command(&self, command: &[&str]) -> redis::RedisResult<redis::Value> {
        let client = redis::Client::open(self.url()).expect("an address");
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let mut connection = client.get_multiplexed_async_connection_with_config(&patient).await?;
        let mut cmd = redis::cmd(command[0]);
        cmd.arg(&command[1..]);
        cmd.query_async(&mut connection).await
    }

    /// Makes it a replica of another, and waits until it has all that the other has.
    pub(crate) async fn replicate(&self, primary: &Self) {
        self.replicate_from(primary.port).await;
    }

    /// The same, by the port of a proxy.
    pub(crate) async fn replicate_from(&self, port: u16) {
        let _: String = self.command(&["REPLICAOF", "127.0.0.1", &port.to_string()]).await;
        let in_step = async {
            loop {
                let info: String = self.command(&["INFO", "replication"]).await;
                if info.contains("master_link_status:up") && !info.contains("sync_in_progress:1") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, in_step).await.expect("it becomes a replica");
    }

    /// Makes a replica the primary.
    pub(crate) async fn promote(&self) {
        let _: String = self.command(&["REPLICAOF", "NO", "ONE"]).await;
    }

    /// SIGKILL: nothing is written any more.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.expect("it was running");
    }

    /// On the same port and in the same folder.
    pub(crate) async fn restart(&mut self) {
        let restarted = async {
            loop {
                self.process = spawn(self.port, &self.folder, &self.options);
                if is_up(&mut self.process, self.port).await {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, restarted).await.expect("redis-server starts again");
    }

    /// `STOP` and `CONT`, among others.
    pub(crate) async fn signal(&self, signal: &str) {
        let process = self.process.id().expect("it is running").to_string();
        let status = Command::new("kill").args(["-s", signal, &process]).status().await;
        assert!(status.expect("kill is there").success());
    }
}

fn spawn(port: u16, folder: &TempDir, options: &[String]) -> Child {
    let program = std::env::var_os("SSE_KIT_REDIS_SERVER");
    let program = program.unwrap_or_else(|| "redis-server".into());
    let (file, options) = match options {
        // A file of settings comes first.
        [file, options @ ..] if !file.starts_with("--") => (Some(file), options),
        options => (None, options),
    };
    let command = Command::new(&program)
        .args(file)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"])
        .args(options)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    command.unwrap_or_else(|error| {
        panic!(
            "{}: {error}. These tests need Redis 6.2 or newer: `apt-get install redis-server`, or \
             set SSE_KIT_REDIS_SERVER to its path",
            program.display()
        )
    })
}

/// False when it has ended instead, as it does where somebody else has the port.
async fn is_up(process: &mut Child, port: u16) -> bool {
    let client = redis::Client::open(("127.0.0.1", port)).expect("an address");
    let up = async {
        loop {
            let Some(id) = process.id() else { return false };
            if process.try_wait().expect("it is our child").is_some() {
                return false;
            }
            if let Ok(mut connection) = client.get_multiplexed_async_connection().await
                && let Ok(info) = redis::cmd("INFO").query_async::<String>(&mut connection).await
                && info.contains(&format!("process_id:{id}\r\n"))
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, up).await.expect("redis-server answers")
}
