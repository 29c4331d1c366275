//! The length of a file beyond which it is about two things.

use super::Offence;
use super::sources::Source;

const MAX_LINES: usize = 500;

pub(super) fn offences(source: &Source) -> Option<Offence> {
    let lines = lines_that_count(source)?;
    (lines > MAX_LINES).then(|| {
        let what = format!("has {lines} lines; {MAX_LINES} is the end (a Rust file's tests aside)");
        Offence::in_file(&source.path, what)
    })
}

/// Lines of code; none for files that are not code. The tests at a Rust file's foot begin
/// with its first `#[cfg(test)]` that is not indented.
fn lines_that_count(source: &Source) -> Option<usize> {
    let lines = source.text.lines();
    match source.extension() {
        "rs" => Some(lines.take_while(|line| !line.starts_with("#[cfg(test)]")).count()),
        "js" => Some(lines.count()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_lines(path: &str, lines: usize) -> Source {
        Source::new(path, "let it = 1;\n".repeat(lines))
    }

    #[test]
    fn a_long_file_is_an_offence() {
        for path in ["src/long.rs", "src/long.js"] {
            assert_eq!(offences(&with_lines(path, MAX_LINES)), None);
            let offence = offences(&with_lines(path, MAX_LINES + 1)).expect("one line too many");
            assert!(offence.what.starts_with("has 501 lines"), "{offence}");
        }
        assert_eq!(offences(&with_lines("package-lock.json", 9000)), None);
    }

    #[test]
    fn tests_at_the_foot_do_not_count() {
        let mut source = with_lines("src/lib.rs", 400);
        source.text += "#[cfg(test)]\nmod tests {\n";
        source.text += &"\n".repeat(400);
        assert_eq!(offences(&source), None);
        let mut inner = with_lines("src/lib.rs", 400);
        inner.text += "    #[cfg(test)]\n";
        inner.text += &"\n".repeat(400);
        assert!(offences(&inner).is_some());
    }
}
