//! The files of `packaging`, and the publishers of the guide.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use crate::server::Server;
use crate::signing::{Key, SECRET};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("the file")
}

#[tokio::test]
async fn a_hub_starts_with_the_file_and_the_options_of_the_service() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("jwt.key");
    fs::write(&key, SECRET).expect("it is written");
    let unit = read("packaging/systemd/sse-hub.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/hub "));
    let options = start.expect("a command").replace("/etc/sse-hub", "packaging");
    let options = options.replace("${CREDENTIALS_DIRECTORY}/jwt.key", &key.to_string_lossy());
    let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
    command.current_dir(root());
    let hub = Server::spawn(&mut command, &options).await;
    assert_eq!(hub.get("/readyz").await.0, 200);
    assert_eq!(hub.post("/publish?topic=a", b"x").await.0, 401);
}

/// systemd checks its own files, where it is installed, better than we could.
#[tokio::test]
async fn systemd_understands_the_units() {
    let folder = tempfile::tempdir().expect("a folder");
    let unit = read("packaging/systemd/sse-hub.service");
    assert!(unit.contains("\nNoNewPrivileges=yes\n") && unit.contains("\nDynamicUser=yes\n"));
    let path = |name: &str| folder.path().join(name);
    let program = env!("CARGO_BIN_EXE_hub");
    fs::write(path("sse-hub.service"), unit.replace("/usr/bin/hub", program)).expect("written");
    fs::copy(root().join("packaging/systemd/sse-hub.socket"), path("sse-hub.socket"))
        .expect("copied");
    let mut command = Command::new("systemd-analyze");
    command.arg("verify").args([path("sse-hub.service"), path("sse-hub.socket")]);
    let output = command.output().await.unwrap_or_else(|error| {
        panic!("systemd-analyze: {error}. This test needs it: install Debian's `systemd`")
    });
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("sse-hub"), "{said}");
}

#[tokio::test]
async fn variables_of_the_manifests_are_options() {
    let help = Command::new(env!("CARGO_BIN_EXE_hub")).arg("--help").output().await;
    let help = String::from_utf8(help.expect("it runs").stdout).expect("UTF-8");
    let manifests = read("packaging/kubernetes.yaml") + &read("packaging/Containerfile");
    let words = manifests.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    let variables: Vec<_> = words.filter_map(|word| word.strip_prefix("SSE_HUB_")).collect();
    assert!(variables.len() > 8);
    for variable in variables.into_iter().filter(|variable| *variable != "PORT") {
        let option = format!("--{}", variable.replace('_', "-").to_lowercase());
        assert!(help.contains(&format!("{option} <")), "there is no {option}");
    }
}

#[tokio::test]
async fn the_description_has_the_routes_that_exist() {
    let hub = Server::start("--inspector").await;
    let description = read("packaging/openapi.yaml");
    let mut paths = Vec::new();
    for path in description.lines().filter_map(|line| line.strip_prefix("  /")?.strip_suffix(':')) {
        let path = format!("/{}", path.replace("{topic}", "a").replace("{number}", "none"));
        let status = hub.send(http::Request::get(&path), b"").await.status();
        assert_ne!(status, 404, "{path}");
        paths.push(path);
    }
    for path in ["/publish", "/events", "/topics/a/presence", "/healthz", "/readyz", "/metrics"] {
        assert!(paths.iter().any(|known| known == path), "{path} is not described");
    }
}

/// Returns the code of the guide in a language.
fn code(language: &str) -> String {
    let guide = read("docs/src/publishers.md");
    let (_, code) = guide.split_once(&format!("```{language}\n")).expect("a block");
    code.split_once("```").expect("its end").0.to_owned()
}

#[tokio::test]
async fn the_publishers_of_the_guide_publish() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    fs::write(&key, SECRET).expect("it is written");
    let hub = Server::start(&format!("--jwt-key-file {} --anonymous news", key.display())).await;
    let mut stream = hub.open("topic=news").await;
    let token = Key::secret().token(&json!({ "publish": ["news"] }));
    for (program, file, language, data) in [
        ("python3", "publish.py", "python", "hello from Python"),
        ("node", "publish.mjs", "js", "hello from JavaScript"),
    ] {
        let file = folder.path().join(file);
        fs::write(&file, code(language)).expect("it is written");
        let run = async |token: &str| {
            let mut command = Command::new(program);
            command.arg(&file).env("HUB", format!("http://{}", hub.address)).env("TOKEN", token);
            let output = command.stdin(Stdio::null()).output().await;
            output.unwrap_or_else(|error| panic!("{program} is needed: {error}"))
        };
        let output = run(&token).await;
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(stream.data().await, data);
        assert!(!run("no-token").await.status.success(), "{program} hides that it was refused");
    }
}
