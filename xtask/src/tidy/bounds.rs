//! Bounds on time in tests: a busy machine breaks them, and a test that hangs needs but one.

use super::Offence;
use super::sources::Source;
use super::words::stands_alone;

/// How such a bound is written.
const BOUNDS: &[&str] =
    &["timeout(Duration::from_", "elapsed() < Duration", "elapsed() <= Duration"];

/// Finds times that a test must not take.
pub(super) fn offences(source: &Source) -> Vec<Offence> {
    let ours = ["crates/", "examples/"].iter().any(|folder| source.path.starts_with(folder));
    let is_test = source.path.contains("/tests/") || source.path.ends_with("/tests.rs");
    if !(ours && is_test && source.extension() == "rs") {
        return Vec::new();
    }
    let mut offences = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        if BOUNDS.iter().any(|bound| stands_alone(line, bound)) {
            let what = "bounds the time of a test; wait with `in_time` or `until` of \
                        sse-kit-test-support, or compare times of a paused clock with `==`";
            offences.push(Offence::at_line(&source.path, index + 1, what));
        }
    }
    offences
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
}
