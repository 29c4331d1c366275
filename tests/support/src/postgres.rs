//! A PostgreSQL server of a test's own, in a temporary folder.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use port::Port;
use tempfile::TempDir;

use crate::PATIENCE;

/// The user `nobody`: PostgreSQL does not run as root.
const NOBODY: u32 = 65_534;

/// A shell that runs a server in a folder, and ends it by the signal that it reads. When the test ends, it
/// reads none, and removes the folder too.
const KEEPER: &str = r#"
folder=$1; shift
{ "$@"; touch "$folder/ended"; } &
read -r signal
[ -e "$folder/ended" ] || kill -"${signal:-QUIT}" "$(head -n 1 "$folder/data/postmaster.pid")"
wait
[ -n "$signal" ] || rm -rf "$folder"
"#;

/// A PostgreSQL server, with the database and the user `postgres` and no password.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    keeper: Option<Child>,
    options: Vec<String>,
    port: Port,
}

impl Server {
    /// Starts a server that does not wait for the disk, with further options as on its command line.
    ///
    /// # Panics
    ///
    /// If there is no PostgreSQL, or it does not start.
    pub fn start(options: &[&str]) -> Self {
        let server = folder();
        copy(template(), &server.path().join("data"));
        Self::start_in(server, options)
    }

    /// Starts a standby of this server, which copies it and follows it.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn standby(&self, options: &[&str]) -> Self {
        let standby = folder();
        let port = self.port().to_string();
        run(command("pg_basebackup").args(["--checkpoint=fast", "--write-recovery-conf"]).args([
            "--no-sync",
            "--wal-method=stream",
            "--host=127.0.0.1",
            "--username=postgres",
            "--port",
            &port,
            "--pgdata",
            text(&standby.path().join("data")),
        ]));
        Self::start_in(standby, options)
    }

    fn start_in(folder: TempDir, options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let port = Port::claim().expect("a free port");
        let mut server = Self { folder, keeper: None, options, port };
        for _ in 0..10 {
            if server.spawn() {
                return server;
            }
            // Somebody who claims no ports has taken this one.
            server.port = Port::claim().expect("a free port");
        }
        panic!("PostgreSQL does not start: {}", server.log());
    }

    /// Returns the address of the database `postgres`.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Returns the address of another database.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port())
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Runs SQL with `psql`, and returns what it prints: one line for each row.
    ///
    /// # Panics
    ///
    /// If PostgreSQL refuses it.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        run(command("psql").args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]).args([
            "--set=ON_ERROR_STOP=1",
            "--command",
            sql,
            &self.url_of(database),
        ]))
    }

    /// Creates a database and returns its address.
    pub fn create_database(&self) -> (String, String) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("create database {name}"));
        let url = self.url_of(&name);
        (name, url)
    }

    /// Kills the server, as `kill -9` does. Its processes for connections end when they notice.
    pub fn kill(&mut self) {
        self.end("KILL");
    }

    /// Stops the server as an administrator does.
    pub fn stop(&mut self) {
        self.end("INT");
    }

    /// Starts the server again, on the same port.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self) {
        let end = Instant::now() + PATIENCE;
        // Children of a killed server may still hold its memory.
        while !self.spawn() {
            assert!(Instant::now() < end, "PostgreSQL does not start again: {}", self.log());
            sleep(Duration::from_millis(50));
        }
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        self.psql("postgres", "select pg_promote(true, 60)");
    }

    /// Copies the files of the server, which is stopped meanwhile as a crash would.
    pub fn save(&mut self) -> TempDir {
        self.kill();
        let saved = folder();
        copy(&self.data(), &saved.path().join("data"));
        self.restart();
        saved
    }

    /// Puts a copy in the place of the files of the server, which is killed and started again.
    ///
    /// # Panics
    ///
    /// If the files cannot be replaced.
    pub fn restore(&mut self, saved: &TempDir) {
        self.kill();
        fs::remove_dir_all(self.data()).expect("it is ours");
        copy(&saved.path().join("data"), &self.data());
        self.restart();
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Returns `false` if it has ended instead, as it does where somebody else has the port.
    fn spawn(&mut self) -> bool {
        let folder = self.folder.path();
        let ended = folder.join("ended");
        drop(fs::remove_file(&ended)); // it is there after an earlier run
        let earlier = self.state();
        let log = fs::File::create(folder.join("log")).expect("a file");
        let in_haste = ["-c", "fsync=off", "-c", "full_page_writes=off"];
        let options = self.options.iter().map(String::as_str);
        let keeper = as_nobody(&mut Command::new("sh"))
            .args(["-c", KEEPER, "keeper", text(folder)])
            .args([text(&program("postgres")), "-D", text(&self.data())])
            .args(["-p", &self.port().to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "max_connections=200"])
            .args(["-c", "shared_buffers=16MB"])
            .args(in_haste)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("there is a shell");
        self.keeper = Some(keeper);
        let end = Instant::now() + PATIENCE;
        while !self.is_ready(&earlier) {
            if ended.exists() {
                self.end("KILL");
                return false;
            }
            assert!(Instant::now() < end, "PostgreSQL is never ready: {}", self.log());
            sleep(Duration::from_millis(10));
        }
        true
    }

    /// Returns the file in which a server tells its state. One that was killed leaves it behind.
    fn state(&self) -> String {
        fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default()
    }

    /// Returns `true` if the server accepts connections: the eighth line of its file says so, which is not
    /// that of an earlier server.
    fn is_ready(&self, earlier: &str) -> bool {
        let state = self.state();
        let mut lines = state.lines().skip(3);
        let is_ours = state != earlier && lines.next() == Some(&self.port().to_string());
        is_ours && lines.nth(3).is_some_and(|state| matches!(state.trim(), "ready" | "standby"))
    }

    fn end(&mut self, signal: &str) {
        let Some(mut keeper) = self.keeper.take() else { return };
        if let Some(mut stdin) = keeper.stdin.take() {
            // It has ended if it does not listen.
            drop(stdin.write_all(format!("{signal}\n").as_bytes()));
        }
        keeper.wait().expect("it is our child");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end("QUIT");
    }
}

/// Returns a new folder that belongs to the user who runs the server.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    if is_root() {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("we are root");
    }
    folder
}

/// Returns the files of a new server, which are made once for all tests of a program: a copy takes a tenth of
/// the time.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<(PathBuf, Child)> = OnceLock::new();
    let (data, _) = TEMPLATE.get_or_init(|| {
        let folder = folder().keep();
        // Removes it when the program has ended, which closes the pipe.
        let remover = Command::new("sh")
            .args(["-c", r#"read -r _; rm -rf "$1""#, "remover", text(&folder)])
            .stdin(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let data = folder.join("data");
        run(command("initdb").args(["--no-sync", "--no-instructions", "--auth=trust"]).args([
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--wal-segsize=1",
            "--pgdata",
            text(&data),
        ]));
        (data, remover)
    });
    data
}

fn is_root() -> bool {
    static IS_ROOT: OnceLock<bool> = OnceLock::new();
    *IS_ROOT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        fs::metadata(folder.path()).expect("it is there").uid() == 0
    })
}

fn as_nobody(command: &mut Command) -> &mut Command {
    if is_root() { command.uid(NOBODY).gid(NOBODY).current_dir("/") } else { command }
}

fn copy(from: &Path, to: &Path) {
    run(as_nobody(Command::new("cp").arg("-a")).arg(from).arg(to));
    let pid = to.join("postmaster.pid");
    if pid.exists() {
        fs::remove_file(pid).expect("it is ours");
    }
}

fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    as_nobody(&mut command);
    command
}

/// Returns the path of a program of PostgreSQL: in the folder that `SSE_KIT_POSTGRES` names, or where
/// Debian has the newest one, or in `PATH`.
fn program(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("SSE_KIT_POSTGRES") {
        return PathBuf::from(folder).join(name);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|version| version.path()).max_by_key(number);
    newest
        .map(|path| path.join("bin").join(name))
        .filter(|path| path.is_file())
        .unwrap_or(name.into())
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!(
            "{command:?}: {error}. These tests need PostgreSQL 14 or newer: `apt-get install \
             postgresql`, or set SSE_KIT_POSTGRES to the folder of its programs"
        )
    });
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} has failed: {error}");
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The processes of a killed server may outlive it, with its memory, so the next one cannot start yet.
    #[test]
    fn a_killed_server_that_restarts_accepts_connections() {
        let mut server = Server::start(&[]);
        let query = "select 'busy', count(*) from generate_series(1, 30000000)";
        let mut busy = command("psql");
        let busy = busy.args(["--command", query, &server.url()]).stderr(Stdio::null());
        let mut busy = busy.stdout(Stdio::null()).spawn().expect("there is a psql");
        let count = "select count(*) from pg_stat_activity where query like 'select ''busy''%'";
        while server.psql("postgres", count) == "0" {
            sleep(Duration::from_millis(5));
        }
        server.kill();
        server.restart();
        assert_eq!(server.psql("postgres", "select 1"), "1");
        busy.wait().expect("it is our child");
    }
}
