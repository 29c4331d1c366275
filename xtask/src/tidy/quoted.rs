//! Rust on the pages is compiled: as an example of the facade, or as a quotation of a file that is.

use super::Offence;
use super::sources::{Source, find};

/// The facade, which compiles pages as examples.
const FACADE: &str = "crates/sse-kit/src/lib.rs";

/// Pages whose Rust is looked after by tests of their own, or stands in the middle of a function.
const ELSEWHERE: &[&str] = &[
    "docs/src/dashboards.md",
    "docs/src/durable-logs.md",
    "docs/src/publishing-in-transactions.md",
];

/// What a quotation begins with, on the line before it.
const FROM: &str = "<!-- from ";

/// Finds Rust that nothing compiles.
pub(super) fn offences(sources: &[Source]) -> Vec<Offence> {
    let facade = find(sources, FACADE).map_or("", |file| &file.text);
    let is_page = |source: &&Source| {
        (source.path == "README.md" || source.path.starts_with("docs/src/"))
            && source.extension() == "md"
            && !ELSEWHERE.contains(&source.path.as_str())
    };
    let mut offences = Vec::new();
    for page in sources.iter().filter(is_page) {
        let is_compiled = facade.contains(&format!("../../../{}\")", page.path));
        for block in blocks(&page.text) {
            let what = match block.language {
                "rust" | "rust,no_run" if is_compiled && block.from().is_none() => continue,
                "rust" | "rust,no_run" if block.from().is_none() => {
                    format!("Rust that is not compiled; name the page in {FACADE}")
                }
                "rust" | "rust,no_run" | "rust,ignore" | "rs" => match unquoted(sources, &block) {
                    Some(what) => what,
                    None => continue,
                },
                _ => continue,
            };
            offences.push(Offence::at_line(&page.path, block.line, what));
        }
    }
    offences
}

/// A fenced block of code.
struct Block<'a> {
    /// Of its first fence, from 1.
    line: usize,
    language: &'a str,
    before: &'a str,
    text: Vec<&'a str>,
}

impl<'a> Block<'a> {
    /// Returns the file that the block quotes.
    fn from(&self) -> Option<&'a str> {
        self.before.strip_prefix(FROM).and_then(|rest| rest.strip_suffix(" -->"))
    }
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let (mut is_open, mut before) = (false, "");
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), is_open) {
            (Some(language), false) => {
                blocks.push(Block { line: index + 1, language, before, text: Vec::new() });
                is_open = true;
            }
            (Some(_), true) => is_open = false,
            (None, true) => blocks.last_mut().into_iter().for_each(|block| block.text.push(line)),
            (None, false) => {}
        }
        before = line;
    }
    blocks
}

/// Returns what is wrong with a quotation. Comments, and the frame of a module of tests, need not be there.
fn unquoted(sources: &[Source], block: &Block<'_>) -> Option<String> {
    if block.text.first().is_some_and(|line| line.starts_with("{{#include ")) {
        return None;
    }
    let Some(path) = block.from() else {
        return Some(format!(
            "Rust that is not compiled; quote a file by a line `{FROM}PATH -->` before it"
        ));
    };
    let Some(file) = find(sources, path) else {
        return Some(format!("quotes {path}, which is missing"));
    };
    let mut lines = file.text.lines().map(str::trim);
    let shown = block.text.iter().map(|line| line.trim());
    let mut shown = shown.filter(|line| {
        !line.is_empty()
            && !line.starts_with("//")
            && !["#[cfg(test)]", "mod tests {", "}"].contains(line)
    });
    let missing = shown.find(|line| !lines.any(|found| found == *line));
    missing.map(|line| format!("{path} has no such line, or not in this order: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(page: &str) -> Vec<String> {
        let facade = "#[doc = include_str!(\"../../../docs/src/a.md\")]";
        let sources = [
            Source::new("docs/src/a.md", "```rust\nlet x = 1;\n```\n"),
            Source::new("docs/src/b.md", page),
            Source::new("x.rs", "fn f() {\n    one();\n    two();\n}\n"),
            Source::new(FACADE, facade),
        ];
        offences(&sources).into_iter().map(|offence| offence.what).collect()
    }

    #[test]
    fn what_nothing_compiles_is_an_offence() {
        assert_eq!(whats("```rust,no_run\nx\n```\n").len(), 1);
        assert_eq!(whats("```rust,ignore\none();\n```\n").len(), 1);
        assert_eq!(
            whats("<!-- from y.rs -->\n```rs\none();\n```\n"),
            ["quotes y.rs, which is missing"]
        );
        assert!(whats("```js\nx\n```\n```rust,ignore\n{{#include x.rs}}\n```\n").is_empty());
    }

    #[test]
    fn a_quotation_has_the_lines_of_its_file_in_their_order() {
        let quote = |text: &str| whats(&format!("<!-- from x.rs -->\n```rust,ignore\n{text}```\n"));
        assert!(quote("one();\n// A remark.\ntwo();\n").is_empty());
        assert_eq!(
            quote("two();\none();\n"),
            ["x.rs has no such line, or not in this order: one();"]
        );
    }
}
