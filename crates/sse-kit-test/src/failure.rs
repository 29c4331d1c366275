//! How a test is told that it has failed.

use std::fmt;
use std::panic::Location;

/// Where in the test something is asked for, so that the failure can say it: an `async fn` cannot.
pub(crate) type At = &'static Location<'static>;

/// Ends the test with a text that says where it stands and what came instead.
///
/// This is the one place of the crate that panics. A test that goes on after a wrong message would fail
/// later, of something else; and a `Result` would lose the line of the test.
#[track_caller]
pub(crate) fn fail(at: At, what: impl fmt::Display) -> ! {
    panic!("{at}: {what}")
}

/// A text of several lines, each indented, for the middle of a failure; or a word for none.
pub(crate) fn listed<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let lines: Vec<_> = items.into_iter().map(|item| format!("\n  {item}")).collect();
    if lines.is_empty() { " nothing".to_owned() } else { lines.concat() }
}

/// At most so many characters of a text, on one line.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 300;
    let line = text.replace('\n', "⏎");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
