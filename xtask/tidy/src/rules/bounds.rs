//! Bounds on time in tests: a busy machine breaks them, and a test that hangs needs but one.

use super::Offence;
use super::sources::Source;
use super::words::stands_alone;

/// The forms of such a bound in Rust.
const BOUNDS: &[&str] =
    &["timeout(Duration::from_", "elapsed() < Duration", "elapsed() <= Duration"];

/// The forms of such a bound in JavaScript, before a number.
const SCRIPT_BOUND: &str = "{ timeout: ";

/// Finds times that a test must not take.
pub(super) fn offences(source: &Source) -> Vec<Offence> {
    let is_test = |folder| source.path.starts_with(folder);
    let is_bound: fn(&str) -> bool = match source.extension() {
        "rs" if ["crates/", "examples/"].into_iter().any(is_test) && is_rust_test(source) => bounds,
        "js" if is_test("tests/browser/") => bounds_in_script,
        _ => return Vec::new(),
    };
    let what = "bounds the time of a test; wait with `in_time` or `until`, or compare times of a paused \
                clock with `==`; the test runner ends what hangs";
    let lines = source.text.lines().enumerate();
    lines
        .filter(|(_, line)| is_bound(line))
        .map(|(index, _)| Offence::at_line(&source.path, index + 1, what))
        .collect()
}

fn is_rust_test(source: &Source) -> bool {
    source.path.contains("/tests/") || source.path.ends_with("/tests.rs")
}

fn bounds(line: &str) -> bool {
    BOUNDS.iter().any(|bound| stands_alone(line, bound))
}

fn bounds_in_script(line: &str) -> bool {
    let Some((_, value)) = line.split_once(SCRIPT_BOUND) else { return false };
    value.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_on_time_is_an_offence_in_tests_alone() {
        for line in [
            "let it = tokio::time::timeout(Duration::from_secs(1), it).await;",
            "assert!(begun.elapsed() < Duration::from_secs(5));",
        ] {
            for path in
                ["crates/a/tests/b.rs", "examples/a/tests/b/c.rs", "examples/a/src/b/tests.rs"]
            {
                assert_eq!(offences(&Source::new(path, line)).len(), 1, "{path}: {line}");
            }
            assert!(offences(&Source::new("crates/a/src/b.rs", line)).is_empty());
        }
        for line in [
            "assert_eq!(begun.elapsed(), Duration::from_secs(5));",
            "let server = server.write_timeout(Duration::from_millis(100));",
        ] {
            assert!(offences(&Source::new("crates/a/tests/b.rs", line)).is_empty());
        }
    }

    #[test]
    fn so_it_is_in_scripts() {
        let line = "describe('a page', { timeout: 60_000 }, () => {";
        assert_eq!(offences(&Source::new("tests/browser/a.test.js", line)).len(), 1);
        for line in ["{ timeout: PATIENCE_MS }", "{ heartbeat: 1, timeout: 2500 },"] {
            assert!(offences(&Source::new("tests/browser/a.test.js", line)).is_empty());
        }
    }
}
