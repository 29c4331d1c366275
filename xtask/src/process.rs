//! Runs other programs: with their output live, read along, or kept for a failure.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;
use std::{iter, thread};

use anyhow::{Context, Result, anyhow, bail};

/// Runs to the end with our own stdin, stdout and stderr; fails when the program does.
pub fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    check(command, status)
}

/// Runs like [`run`], for callers who read the exit status themselves.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| cannot_start(command))
}

/// Runs with stdout passed on as it comes, and each of its lines given to `read`. Fails if processes that the
/// program started still hold its output when it has ended.
pub fn read_along(command: &mut Command, read: impl FnMut(&str)) -> Result<ExitStatus> {
    read_until_ended(command, read, Duration::from_secs(10))
}

fn read_until_ended(
    command: &mut Command,
    read: impl FnMut(&str),
    silence: Duration,
) -> Result<ExitStatus> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| cannot_start(command))?;
    let output = child.stdout.take().context("stdout was piped")?;
    let pieces = pieces_of(output);
    let next = || match pieces.recv_timeout(silence) {
        Ok(piece) => Some(piece.map_err(Into::into)),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => match child.try_wait() {
            Ok(None) => Some(Ok(Vec::new())),
            Ok(Some(_)) => Some(Err(anyhow!("a process that it left behind holds its output"))),
            Err(error) => Some(Err(error.into())),
        },
    };
    pass_on(iter::from_fn(next), io::stdout(), read)
        .with_context(|| format!("`{command:?}` has ended"))?;
    Ok(child.wait()?)
}

/// Reads in a thread of its own, as the other end may stay open for ever.
fn pieces_of(mut from: impl Read + Send + 'static) -> Receiver<io::Result<Vec<u8>>> {
    let (send, pieces) = mpsc::channel();
    thread::spawn(move || {
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
    pieces
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
    let (status, said) = listen(command, read)?;
    check(command, status).map_err(|error| anyhow!("{said}{error}"))
}

/// Runs without printing, and returns stdout and stderr.
pub fn capture(command: &mut Command) -> Result<(ExitStatus, String)> {
    listen(command, |_| {})
}

fn listen(command: &mut Command, mut read: impl FnMut(&str)) -> Result<(ExitStatus, String)> {
    let (output, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| cannot_start(command))?;
    // The command holds our ends of the pipe, without which reading never ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut kept = String::new();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        read(&line);
        writeln!(kept, "{line}")?;
    }
    Ok((child.wait()?, kept))
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
        let read =
            |script: &str| read_until_ended(&mut shell(script), |_| {}, Duration::from_millis(100));
        let error = read("sleep 2 & echo out").expect_err("it is left behind");
        assert!(format!("{error:#}").contains("left behind"), "{error:#}");
        assert!(read("sleep 0.3; exit 0").expect("it is awaited").success());
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
