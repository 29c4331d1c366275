//! The source of the random inputs of tests: the one seed of `tests/support`.

use super::Offence;
use super::sources::Source;

/// The package that knows the seed.
const SUPPORT: &str = "tests/support/";

// This file would offend against itself: its words are put together from halves.

/// The beginning of a property test whose settings follow.
const BLOCK: &str = concat!("prop", "test! {");

/// Generators and settings with a seed of their own.
const UNSEEDED: &[&str] = &[
    concat!("ProptestConfig", "::"),
    concat!("TestRunner", "::default()"),
    concat!("TestRunner", "::deterministic()"),
    concat!("TestRng", "::"),
    concat!("fastrand", "::Rng::"),
];

/// Finds random inputs of tests that another run cannot have again.
pub(super) fn offences(source: &Source) -> Vec<Offence> {
    let is_test = source.path.contains("/tests/") || source.path.contains("/src/");
    let ours = ["crates/", "examples/"].iter().any(|folder| source.path.starts_with(folder));
    if !(ours && is_test && source.extension() == "rs") || source.path.starts_with(SUPPORT) {
        return Vec::new();
    }
    let mut offences = Vec::new();
    let mut lines = source.text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let mut offend = |what: String| {
            offences.push(Offence::at_line(&source.path, index + 1, what));
        };
        for word in UNSEEDED.iter().filter(|word| line.contains(**word)) {
            offend(format!("has {word}, not the seed of sse-kit-test-support (`cases`, `rng`)"));
        }
        if line.trim_end().ends_with(BLOCK)
            && !lines.peek().is_some_and(|(_, next)| next.contains("proptest_config("))
        {
            offend("does not begin with `#![proptest_config(cases(...))]`".to_owned());
        }
    }
    offences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<String> {
        offences(&Source::new(path, text)).into_iter().map(|offence| offence.what).collect()
    }

    #[test]
    fn property_tests_say_how_many_cases_and_from_which_seed() {
        let path = "crates/a/tests/b.rs";
        let text = format!("{BLOCK}\n    #![proptest_config(cases(256))]\n");
        assert!(whats(path, &text).is_empty());
        let expected = ["does not begin with `#![proptest_config(cases(...))]`"];
        assert_eq!(whats(path, &format!("proptest::{BLOCK}\n    #[test]\n")), expected);
        assert_eq!(whats(path, BLOCK), expected);
    }

    #[test]
    fn seeds_of_ones_own_are_offences() {
        for word in UNSEEDED {
            assert_eq!(whats("crates/a/src/b.rs", &format!("    let it = {word}")).len(), 1);
            assert!(whats("tests/support/src/random.rs", word).is_empty());
            assert!(whats("bench/fanbench/src/main.rs", word).is_empty());
        }
    }
}
