//! Two job boards on one Redis, as processes: what one does shows on the other.

#[expect(dead_code, reason = "the tests of the log need more of it")]
#[path = "../../../crates/sse-kit-redis/tests/log/server.rs"]
mod redis_server;

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use redis_server::{PATIENCE, Server as Redis};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

struct Board {
    process: Child,
    address: String,
}

impl Board {
    async fn start(redis: &Redis) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_jobs"))
            .args(["--listen", "127.0.0.1:0", "--redis", &redis.url()])
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let stdout = process.stdout.take().expect("it is piped");
        let first = BufReader::new(stdout).lines().next_line().await;
        let first = first.expect("it can be read").expect("there is a first line");
        let address = first.strip_prefix("listening on http://").expect("the contract");
        Self { process, address: address.to_owned() }
    }

    /// The whole answer, as text.
    async fn send(&self, method: &str, path: &str, body: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).await.expect("it listens");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\
             content-type: application/x-www-form-urlencoded\r\n\r\n{body}",
            self.address,
            body.len()
        );
        socket.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.expect("it answers");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Starts a job, and returns its number.
    async fn start_job(&self, folder: &std::path::Path) -> String {
        let folder = folder.to_str().expect("UTF-8").replace('/', "%2F");
        let answer = self.send("POST", "/jobs", &format!("path={folder}")).await;
        let (_, id) = answer.split_once("#job-").expect("it leads to the job");
        id.chars().take_while(char::is_ascii_digit).collect()
    }

    /// The page, once the job is in this state on it.
    async fn until(&self, id: &str, state: &str) -> String {
        let job = format!(r#"<article id="job-{id}" class="job" data-state="{state}""#);
        let wait = async {
            loop {
                let page = self.send("GET", "/", "").await;
                if page.contains(&job) {
                    return page;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let page = tokio::time::timeout(PATIENCE, wait).await;
        page.unwrap_or_else(|_| panic!("job {id} is never {state} on this board"))
    }
}

fn digest(page: &str) -> &str {
    let (_, rest) = page.split_once(r#"<code class="digest">"#).expect("a digest");
    rest.split('<').next().expect("its text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_one_board_shows_on_all_and_can_be_cancelled_from_any() {
    let redis = Redis::start(&[]).await;
    let (mut here, there) = (Board::start(&redis).await, Board::start(&redis).await);
    let files = tempfile::tempdir().expect("a folder");
    fs::write(files.path().join("file"), "abc").expect("a file");
    let id = here.start_job(files.path()).await;
    let pages = [here.until(&id, "done").await, there.until(&id, "done").await];
    assert_eq!(digest(&pages[0]), digest(&pages[1]));
    let late = Board::start(&redis).await;
    late.until(&id, "done").await;

    // An endless job is cancelled from another board, and a second one ends with its board.
    fs::File::create(files.path().join("endless"))
        .expect("a file")
        .set_len(1 << 40)
        .expect("holes");
    let first = here.start_job(files.path()).await;
    there.until(&first, "running").await;
    there.send("POST", &format!("/jobs/{first}/cancel"), "").await;
    here.until(&first, "cancelled").await;
    late.until(&first, "cancelled").await;
    let second = here.start_job(files.path()).await;
    there.until(&second, "running").await;
    here.process.kill().await.expect("it was running");
    let page = there.until(&second, "failed").await;
    assert!(page.contains("the node that ran it is gone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_boards_take_at_once_have_ids_of_their_own_and_show_everywhere() {
    let redis = Redis::start(&[]).await;
    let boards = [Board::start(&redis).await, Board::start(&redis).await];
    let files = tempfile::tempdir().expect("a folder");
    fs::write(files.path().join("file"), "abc").expect("a file");
    let mut ids = Vec::new();
    for _ in 0..5 {
        let (a, b) =
            tokio::join!(boards[0].start_job(files.path()), boards[1].start_job(files.path()));
        ids.extend([a, b]);
    }
    for board in &boards {
        for id in &ids {
            board.until(id, "done").await;
        }
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 10);
}
