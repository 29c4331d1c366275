//! A process of its own for signals: this test program, started again to play a part.

use std::io::{BufRead, BufReader, Lines, Write, stdout};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_default;
use sse_kit_shutdown::{Shutdown, Signals};
use sse_kit_test_support::PATIENCE;

const PART: &str = "SSE_KIT_SHUTDOWN_PART";

/// The test that plays the part first, in the child.
const PLAYED_BY: &str = "a_signal_shuts_down_and_a_second_one_cuts_off";

pub(crate) struct Child {
    process: std::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    pub(crate) fn start(part: &str) -> Self {
        Self::spawn(&mut Self::command(part))
    }

    /// As a shell that ignores a signal does.
    pub(crate) fn start_ignoring(signal: &str, part: &str) -> Self {
        let program = Self::command(part);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("trap '' {signal}; exec \"$@\""), "sh"]);
        shell.arg(program.get_program()).args(program.get_args()).env(PART, part);
        Self::spawn(&mut shell)
    }

    fn command(part: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("it runs"));
        command.args(["--exact", PLAYED_BY, "--nocapture"]).env(PART, part);
        command
    }

    fn spawn(command: &mut Command) -> Self {
        handle_signals();
        let mut process = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = process.stdout.take().expect("it is piped");
        let mut child = Self { process, lines: BufReader::new(stdout).lines() };
        child.await_line("ready");
        child
    }

    pub(crate) fn await_line(&mut self, awaited: &str) {
        for line in &mut self.lines {
            // The test harness may have begun the line.
            if line.expect("UTF-8").ends_with(awaited) {
                return;
            }
        }
        panic!("the child ended without saying `{awaited}`: {:?}", self.process.wait());
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let kill = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(kill.expect("kill runs").success());
    }

    pub(crate) fn exit(&mut self) -> ExitStatus {
        // Only a child that has not heard its signal takes long.
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.process.try_wait().expect("it can be waited for") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the child does not end");
    }
}

/// Makes this process handle the signals, with their default effect.
///
/// A child inherits what is ignored, and `INT` is where a script runs tests in the background. What is
/// handled is reset to the default in a child.
fn handle_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [SIGINT, SIGTERM] {
            register_conditional_default(signal, Arc::new(AtomicBool::new(true)))
                .expect("it can be handled");
        }
    });
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
    }
}

/// Plays the part that the parent asks for, to the end of the process; in any other run there is none.
pub(crate) fn play_if_asked() {
    if let Ok(part) = std::env::var(PART) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(play(&part));
        panic!("the part {part} has an end");
    }
}

async fn play(part: &str) {
    let signals = Signals::install().expect("signals");
    match part {
        "stuck" => {
            let delay = Duration::from_secs(1000);
            let shutdown = Shutdown::builder().shutdown_delay(delay).deadline(delay).build();
            let said = shutdown.clone();
            let serving = async move {
                said.stopping().await;
                say("draining");
                std::future::pending::<()>().await;
            };
            say("ready");
            end(&shutdown.run(signals, serving).await);
        }
        "installed-again" => {
            signals.uninstall();
            let signals = Signals::install().expect("signals");
            let shutdown = Shutdown::builder().build();
            say("ready");
            end(&shutdown.run(signals, shutdown.stopping()).await);
        }
        "uninstalled" => {
            signals.uninstall();
            say("ready");
            std::future::pending::<()>().await;
        }
        other => panic!("no such part: {other}"),
    }
}

fn say(line: &str) {
    writeln!(stdout(), "{line}").expect("the parent reads it");
}

/// `ExitCode` cannot be exited with but from `main`.
fn end<T>(outcome: &sse_kit_shutdown::Outcome<T>) -> ! {
    use sse_kit_shutdown::Ended;
    std::process::exit(match outcome.ended {
        Ended::SecondSignal(signal) => signal.exit_code().into(),
        Ended::Drained => 0,
        _ => 1,
    })
}
