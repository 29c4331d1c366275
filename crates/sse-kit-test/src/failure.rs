//! The failure of a test.

use std::fmt;
use std::panic::Location;

/// A place in the test. Each method takes its caller's, as an `async fn` cannot know it later.
pub(crate) type At = &'static Location<'static>;

/// Ends the test with a text that says where it stands and what came instead.
///
/// This is the one place of the crate that panics. A test that goes on after a wrong message would fail
/// later, of something else; and a `Result` would lose the line of the test.
#[track_caller]
pub(crate) fn fail(at: At, what: impl fmt::Display) -> ! {
    panic!("{at}: {what}")
}

/// Returns the items as indented lines for the middle of a failure, or a word for none.
pub(crate) fn listed<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let lines: Vec<_> = items.into_iter().map(|item| format!("\n  {item}")).collect();
    if lines.is_empty() { " nothing".to_owned() } else { lines.concat() }
}

/// Returns the beginning of a text, on one line.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 300;
    let line = text.replace('\n', "⏎");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
