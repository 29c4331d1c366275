//! The parts that the project's tasks and its benchmarks share: other programs, their output, and the workspace.
#![expect(clippy::print_stdout, reason = "command-line tools talk on stdout")]
#![expect(
    clippy::missing_errors_doc,
    reason = "every error is a text for the person at the terminal"
)]

pub mod npm;
pub mod process;
pub mod progress;
pub mod tools;
pub mod workspace;
