//! Runs other programs: with their output live, read along, or kept for a failure.

use std::io::{self, Read, Write};
use std::iter;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

/// Runs to the end with our own stdin, stdout and stderr; fails when the program does.
pub fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    check(command, status)
}

/// Runs like [`run`], for callers who read the exit status themselves.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| cannot_start(command))
}

/// The time that a program's output may stay open after its end.
const LEFT_OPEN: Duration = Duration::from_secs(10);

/// The time between two looks whether a program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs with stdout passed on as it comes, and each of its lines given to `read`. Fails if processes that the
/// program started still hold its output ten seconds after its end.
pub fn read_along(command: &mut Command, read: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| cannot_start(command))?;
    let output = child.stdout.take().context("stdout was piped")?;
    pass_on(pieces_until_ended(&mut child, Reader::start(output), LEFT_OPEN), io::stdout(), read)
        .with_context(|| format!("cannot follow `{}`", line_of(command)))?;
    Ok(child.wait()?)
}

/// Returns the pieces of a program's output. The last is an error if the program has ended and its output has not,
/// however much is still written to it.
fn pieces_until_ended(
    child: &mut Child,
    reader: Reader,
    left_open: Duration,
) -> impl Iterator<Item = Result<Vec<u8>>> {
    let Reader { pieces, thread } = reader;
    let mut deadline = None;
    let mut check = move || {
        if deadline.is_none() && child.try_wait()?.is_some() {
            deadline = Some(Instant::now() + left_open);
        }
        // Once all is read, the rest may take its time: our own output may be slow.
        let is_late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        ensure!(
            !is_late || thread.is_finished(),
            "it has ended, and a process that it left behind holds its output"
        );
        Ok(())
    };
    iter::from_fn(move || {
        let piece = match pieces.recv_timeout(LOOK_EVERY.min(left_open)) {
            Ok(piece) => piece.map_err(Into::into),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => Ok(Vec::new()),
        };
        Some(piece.and_then(|piece| check().map(|()| piece)))
    })
}

/// A thread that reads, as the other end may stay open for ever.
struct Reader {
    pieces: Receiver<io::Result<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn start(mut from: impl Read + Send + 'static) -> Self {
        let (send, pieces) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut chunk = [0; 8192];
            loop {
                let piece = match from.read(&mut chunk) {
                    Ok(0) => break,
                    read => read.map(|length| chunk[..length].to_vec()),
                };
                let has_failed = piece.is_err();
                if send.send(piece).is_err() || has_failed {
                    break;
                }
            }
        });
        Self { pieces, thread }
    }
}

/// Passes on each piece before its line is complete: a test's name shows while it runs.
fn pass_on(
    pieces: impl Iterator<Item = Result<Vec<u8>>>,
    mut to: impl Write,
    mut read: impl FnMut(&str),
) -> Result<()> {
    let mut line = Vec::new();
    for piece in pieces {
        let piece = piece?;
        to.write_all(&piece)?;
        to.flush()?;
        for byte in piece {
            if byte == b'\n' {
                read(&String::from_utf8_lossy(&line));
                line.clear();
            } else {
                line.push(byte);
            }
        }
    }
    if !line.is_empty() {
        read(&String::from_utf8_lossy(&line));
    }
    Ok(())
}

/// Runs in silence, with each line of stdout and stderr given to `read`; an error
/// carries all that was said.
pub fn run_quietly(command: &mut Command, read: impl FnMut(&str)) -> Result<()> {
    let (status, said) = listen(command, read, LEFT_OPEN)?;
    check(command, status).map_err(|error| anyhow!("{said}{error}"))
}

/// Runs without printing, and returns stdout and stderr. Fails as [`read_along`] does.
pub fn capture(command: &mut Command) -> Result<(ExitStatus, String)> {
    listen(command, |_| {}, LEFT_OPEN)
}

fn listen(
    command: &mut Command,
    read: impl FnMut(&str),
    left_open: Duration,
) -> Result<(ExitStatus, String)> {
    let (output, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| cannot_start(command))?;
    // The command holds our ends of the pipe, without which reading never ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut kept = Vec::new();
    let heard =
        pass_on(pieces_until_ended(&mut child, Reader::start(output), left_open), &mut kept, read);
    let mut said = String::from_utf8_lossy(&kept).into_owned();
    if !said.is_empty() && !said.ends_with('\n') {
        said.push('\n');
    }
    heard.map_err(|error| anyhow!("{said}cannot follow `{}`: {error:#}", line_of(command)))?;
    Ok((child.wait()?, said))
}

/// Becomes another program, so that signals sent to us reach it; returns only when that fails.
#[cfg(unix)]
pub fn become_program(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(error).with_context(|| cannot_start(command))
}

/// Runs another program to its end: the nearest thing where none can take our place.
#[cfg(not(unix))]
pub fn become_program(command: &mut Command) -> Result<()> {
    run(command)
}

/// Runs with stderr passed on, and returns all of stdout; fails when the program does.
pub fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| cannot_start(command))?;
    check(command, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first line a program prints, as for `--version`.
pub fn first_line(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::null()).output().with_context(|| cannot_start(command))?;
    check(command, output.status)?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    bail!("`{}` failed: {status}", line_of(command))
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", line_of(command))
}

/// The command as one would type it; programs are shortened to their names.
fn line_of(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut line = program.file_name().unwrap_or(program.as_os_str()).display().to_string();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_is_passed_on_is_read_by_lines() {
        let mut lines = Vec::new();
        let mut copy = Vec::new();
        let pieces = ["on", "e\ntwo"].map(|piece| Ok(piece.into()));
        pass_on(pieces.into_iter(), &mut copy, |line| lines.push(line.to_owned()))
            .expect("in memory");
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(copy, b"one\ntwo");
    }

    #[test]
    fn what_is_left_behind_does_not_hold_us() {
        for left_behind in ["sleep 60", "while echo on; do sleep 0.02; done"] {
            let mut command = shell(&format!("echo out; ({left_behind}) & echo $!"));
            let error = listen(&mut command, |_| {}, Duration::from_millis(500))
                .expect_err("it stays")
                .to_string();
            assert!(error.starts_with("out\n") && error.contains("left behind"), "{error}");
            let process = error.lines().nth(1).expect("a number");
            // The loop may have ended, as nobody reads it any more.
            capture(&mut shell(&format!("kill {process}"))).expect("there is a shell");
        }
        let (status, said) = capture(&mut shell("sleep 0.3; printf late")).expect("it is awaited");
        assert!(status.success());
        assert_eq!(said, "late\n");
    }

    #[test]
    fn output_that_is_read_may_be_passed_on_late() {
        let mut command = shell("echo out");
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a shell");
        let reader = Reader::start(child.stdout.take().expect("stdout was piped"));
        child.wait().expect("it ends");
        while !reader.thread.is_finished() {
            thread::yield_now();
        }
        let pieces: Vec<_> = pieces_until_ended(&mut child, reader, Duration::ZERO)
            .collect::<Result<_>>()
            .expect("nothing is left behind");
        assert_eq!(pieces.concat(), b"out\n");
    }

    #[test]
    fn a_quiet_failure_carries_both_outputs() {
        let error = run_quietly(&mut shell("echo out; echo err >&2; exit 1"), |_| {})
            .expect_err("exit 1 is a failure");
        let text = error.to_string();
        assert!(text.starts_with("out\nerr\n`sh -c"), "{text}");
        assert!(run_quietly(&mut shell("echo out"), |_| {}).is_ok());
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(Command::new("no-such-program").arg("now")).expect_err("not installed");
        assert!(error.to_string().contains("cannot start `no-such-program now`"));
    }
}
