//! A proxy in a process of its own, configured by a snippet of the documents.

use std::process::Stdio;
use std::time::Duration;

use sse_kit_test_support::Port;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The program that a variable names, or else the shell.
pub(crate) fn program(variable: &str, name: &str) -> Command {
    Command::new(std::env::var_os(variable).unwrap_or_else(|| name.into()))
}

pub(crate) struct Proxy {
    pub(crate) address: String,
    process: Child,
    folder: tempfile::TempDir,
    _port: Port,
}

impl Proxy {
    pub(crate) async fn nginx(guide: &str, hub: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, snippet) = configured(guide, "nginx", "listen 8000", "listen ", hub);
        let at = |name: &str| folder.path().join(name).display().to_string();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", at(kind)))
            .concat();
        let configuration = format!(
            "daemon off; master_process off; pid {}; error_log stderr;\n\
             events {{}}\nhttp {{\naccess_log off;\n{temporary}{snippet}\n}}\n",
            at("pid")
        );
        std::fs::write(at("nginx.conf"), configuration).expect("it can be written");
        let mut command = program("SSE_KIT_NGINX", "nginx");
        command.args(["-p", &at(""), "-c", &at("nginx.conf"), "-e", "stderr"]);
        Self::start(command, port, folder).await
    }

    pub(crate) async fn caddy(guide: &str, hub: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, snippet) = configured(guide, "caddyfile", ":8000", ":", hub);
        let file = folder.path().join("Caddyfile");
        std::fs::write(&file, format!("{{\n\tadmin off\n}}\n{snippet}"))
            .expect("it can be written");
        let mut command = program("SSE_KIT_CADDY", "caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
        command.env("HOME", folder.path()).env("XDG_DATA_HOME", folder.path());
        command.env("XDG_CONFIG_HOME", folder.path());
        Self::start(command, port, folder).await
    }

    async fn start(mut command: Command, port: Port, folder: tempfile::TempDir) -> Self {
        let address = format!("127.0.0.1:{}", port.number());
        let log = std::fs::File::create(folder.path().join("log")).expect("it can be written");
        let process = command.stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn();
        let process = process.unwrap_or_else(|error| {
            let program = command.as_std().get_program().display();
            panic!("{program}: {error}. This test needs it: install Debian's package of that name")
        });
        let mut proxy = Self { address, process, folder, _port: port };
        for _ in 0..6000 {
            if TcpStream::connect(&proxy.address).await.is_ok() {
                return proxy;
            }
            if let Ok(Some(status)) = proxy.process.try_wait() {
                panic!("the proxy ended, {status}: {}", proxy.log());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the proxy does not listen: {}", proxy.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// The snippet of the guide, with the addresses of this run, and the port on which it listens.
fn configured(guide: &str, language: &str, listen: &str, word: &str, hub: &str) -> (Port, String) {
    let (_, snippet) = guide.split_once(&format!("```{language}\n")).expect("a snippet");
    let (snippet, _) = snippet.split_once("```").expect("its end");
    let port = Port::claim().expect("a free port");
    assert!(snippet.contains(listen) && snippet.contains("127.0.0.1:8081"), "{snippet}");
    let snippet = snippet.replace("127.0.0.1:8081", hub);
    let snippet = snippet.replacen(listen, &format!("{word}{}", port.number()), 1);
    (port, snippet)
}
