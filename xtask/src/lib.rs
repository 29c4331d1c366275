//! The parts that the project's tasks, its benchmarks and its rules share: other programs and the workspace.
#![expect(clippy::print_stdout, reason = "command-line tools talk on stdout")]
#![expect(
    clippy::missing_errors_doc,
    reason = "every error is a text for the person at the terminal"
)]

pub mod digits;
pub mod npm;
pub mod process;
pub mod progress;
pub mod tools;
pub mod workspace;

/// Prints an error, unless that was done, and returns the exit code of a verb.
pub fn exit_code(outcome: anyhow::Result<()>) -> std::process::ExitCode {
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            if !error.is::<progress::Reported>() {
                eprintln!("error: {error:#}");
            }
            std::process::ExitCode::FAILURE
        }
    }
}
