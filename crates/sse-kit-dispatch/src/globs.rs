//! Many patterns, matched in one pass.

use globset::{Candidate, Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use sse_kit_event::TopicPattern;

/// Patterns, compiled together.
#[derive(Debug)]
pub(crate) struct Globs {
    sets: Vec<(GlobSet, Vec<TopicPattern>)>,
}

impl Globs {
    pub(crate) fn new(patterns: Vec<TopicPattern>) -> Self {
        let mut globs = Self { sets: Vec::new() };
        globs.compile(patterns);
        globs
    }

    /// Returns the patterns that match, each once.
    pub(crate) fn matching(&self, full_type: &str) -> Vec<&TopicPattern> {
        if self.sets.is_empty() {
            return Vec::new();
        }
        let text = in_glob_alphabet(full_type);
        let candidate = Candidate::new(&text);
        let mut matching = Vec::new();
        for (set, patterns) in &self.sets {
            matching.extend(set.matches_candidate(&candidate).into_iter().map(|at| &patterns[at]));
        }
        matching
    }

    /// Compiles the patterns as one set, or as several where that would be larger than globset allows (10 MiB).
    fn compile(&mut self, mut patterns: Vec<TopicPattern>) {
        if patterns.is_empty() {
            return;
        }
        let mut builder = GlobSetBuilder::new();
        for pattern in &patterns {
            builder.add(glob(pattern));
        }
        match builder.build() {
            Ok(set) => self.sets.push((set, patterns)),
            Err(_) if patterns.len() > 1 => {
                let rest = patterns.split_off(patterns.len() / 2);
                self.compile(patterns);
                self.compile(rest);
            }
            // Cannot happen: a pattern of 256 bytes takes a thousandth of the limit.
            Err(error) => {
                tracing::error!(pattern = %patterns[0], %error, "a pattern cannot be compiled");
            }
        }
    }
}

fn glob(pattern: &TopicPattern) -> Glob {
    let mut glob = String::with_capacity(2 * pattern.as_str().len());
    for c in in_glob_alphabet(pattern.as_str()).chars() {
        if c.is_ascii_punctuation() && c != '*' && c != '/' {
            glob.push('\\');
        }
        glob.push(c);
    }
    GlobBuilder::new(&glob)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .expect("stars alone have a meaning in it, and `**` is a segment of its own")
}

/// Returns the text as globset needs it: with `/` for `:`, as globset matches paths, and without the characters
/// that make a path special (`/`; `\`, which separates on Windows; `.`, as a last segment `..` has no name).
/// Control characters stand for those; topics cannot have any.
fn in_glob_alphabet(text: &str) -> String {
    let swap = |c| match c {
        ':' => '/',
        '/' => '\u{1}',
        '\\' => '\u{2}',
        '.' => '\u{3}',
        c => c,
    };
    text.chars().map(swap).collect()
}
