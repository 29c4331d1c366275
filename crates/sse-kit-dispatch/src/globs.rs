//! Many patterns, matched in one pass.

use globset::{Candidate, Glob, GlobSet, GlobSetBuilder};

use crate::pattern::{Pattern, in_glob_alphabet};

/// Patterns with wildcards, compiled together.
#[derive(Debug)]
pub(crate) struct Globs {
    sets: Vec<(GlobSet, Vec<Pattern>)>,
}

impl Globs {
    pub(crate) fn new(patterns: Vec<Pattern>) -> Self {
        let mut globs = Self { sets: Vec::new() };
        globs.compile(patterns);
        globs
    }

    /// The patterns that match, each once.
    pub(crate) fn matching(&self, full_type: &str) -> Vec<&Pattern> {
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

    /// As one set, or as several where that would be larger than globset allows (10 MiB).
    fn compile(&mut self, mut patterns: Vec<Pattern>) {
        if patterns.is_empty() {
            return;
        }
        let mut builder = GlobSetBuilder::new();
        for glob in patterns.iter().filter_map(Pattern::glob) {
            builder.add(Glob::clone(glob));
        }
        match builder.build() {
            Ok(set) => self.sets.push((set, patterns)),
            Err(_) if patterns.len() > 1 => {
                let rest = patterns.split_off(patterns.len() / 2);
                self.compile(patterns);
                self.compile(rest);
            }
            // 256 bytes are a thousandth of what is allowed.
            Err(error) => tracing::error!(pattern = %patterns[0], %error, "cannot be compiled"),
        }
    }
}
