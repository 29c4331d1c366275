//! Runs other programs: with their output live, read along, or kept for a failure.

use std::io::{self, BufRead, BufReader, PipeReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
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

/// Becomes another program, so that signals sent to us reach it; returns only when that fails.
pub fn become_program(command: &mut Command) -> Result<()> {
    let error = command.exec();
    Err(error).with_context(|| cannot_start(command))
}

/// Runs with stderr passed on, and returns all of stdout; fails when the program does.
pub fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| cannot_start(command))?;
    check(command, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns the first line that a program prints, as for `--version`.
pub fn first_line(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::null()).output().with_context(|| cannot_start(command))?;
    check(command, output.status)?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Runs in silence; an error carries all that the program printed.
pub fn run_quietly(command: &mut Command) -> Result<()> {
    let (status, said) = capture(command)?;
    check(command, status).map_err(|error| anyhow!("{said}{error}"))
}

/// Runs without printing, and returns stdout and stderr. Fails if processes that the program started still hold
/// its output ten seconds after its end.
pub fn capture(command: &mut Command) -> Result<(ExitStatus, String)> {
    capture_until(command, LEFT_OPEN)
}

fn capture_until(command: &mut Command, left_open: Duration) -> Result<(ExitStatus, String)> {
    let (output, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut said = String::new();
    let status = follow(command, output, left_open, |line| {
        said.push_str(&String::from_utf8_lossy(line));
        said.push('\n');
        Ok(())
    });
    match status {
        Ok(status) => Ok((status, said)),
        Err(error) => bail!("{said}{error:#}"),
    }
}

/// Runs with stdout passed on, and each of its lines given to `read`. Fails as [`capture`] does.
pub fn read_along(command: &mut Command, mut read: impl FnMut(&str)) -> Result<ExitStatus> {
    let (output, writer) = io::pipe()?;
    command.stdout(writer);
    follow(command, output, LEFT_OPEN, |line| {
        io::stdout().write_all(&[line, b"\n"].concat())?;
        read(&String::from_utf8_lossy(line));
        Ok(())
    })
}

/// The time that a program's output may stay open after its end.
const LEFT_OPEN: Duration = Duration::from_secs(10);

/// The time between two looks whether a program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Reads the output of a program by lines, however much is still written to it after the program's end.
fn follow(
    command: &mut Command,
    output: PipeReader,
    left_open: Duration,
    mut read: impl FnMut(&[u8]) -> Result<()>,
) -> Result<ExitStatus> {
    let mut child = command.spawn().with_context(|| cannot_start(command))?;
    // The command holds our ends of the pipe, without which reading never ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    // A thread reads, as the other end may never close.
    let (send, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut lines = BufReader::new(output).split(b'\n');
        lines.all(|line| send.send(line).is_ok())
    });
    let mut ended = None;
    loop {
        match lines.recv_timeout(LOOK_EVERY) {
            Ok(line) => read(&line?)?,
            Err(RecvTimeoutError::Disconnected) => return Ok(child.wait()?),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if ended.is_none() && child.try_wait()?.is_some() {
            ended = Some(Instant::now());
        }
        // Once all is read, the rest may take its time: our own output may be slow.
        let is_late = ended.is_some_and(|ended| ended.elapsed() >= left_open);
        ensure!(
            !is_late || reader.is_finished(),
            "`{}` has ended, and a process that it left behind holds its output",
            line_of(command)
        );
    }
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

/// Returns the command as one would type it; programs are shortened to their names.
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
    fn output_is_read_by_lines() {
        let mut lines = Vec::new();
        let status = read_along(&mut shell("printf 'one\n\ntwo'; exit 3"), |line| {
            lines.push(line.to_owned());
        });
        assert_eq!(status.expect("there is a shell").code(), Some(3));
        assert_eq!(lines, ["one", "", "two"]);
    }

    #[test]
    fn what_is_left_behind_does_not_hold_us() {
        for left_behind in ["sleep 60", "while echo on; do sleep 0.02; done"] {
            let mut command = shell(&format!("echo out; ({left_behind}) & echo $!"));
            let error = capture_until(&mut command, Duration::from_millis(500))
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
        let (output, writer) = io::pipe().expect("a pipe");
        let mut command = shell("echo one; echo two");
        command.stdout(writer);
        let mut lines = 0;
        let status = follow(&mut command, output, LOOK_EVERY * 5, |_| {
            lines += 1;
            thread::sleep(LOOK_EVERY * 6);
            Ok(())
        });
        assert!(status.expect("nothing is left behind").success());
        assert_eq!(lines, 2);
    }

    #[test]
    fn a_quiet_failure_carries_both_outputs() {
        let error = run_quietly(&mut shell("echo out; echo err >&2; exit 1"))
            .expect_err("exit 1 is a failure");
        let text = error.to_string();
        assert!(text.starts_with("out\nerr\n`sh -c"), "{text}");
        assert!(run_quietly(&mut shell("echo out")).is_ok());
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(Command::new("no-such-program").arg("now")).expect_err("not installed");
        assert!(error.to_string().contains("cannot start `no-such-program now`"));
    }
}
