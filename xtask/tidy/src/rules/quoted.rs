//! Rust on the pages is compiled: as an example of the facade, or as a quotation of a file that is. Other languages
//! may be quoted too.

use super::Offence;
use super::links::resolve;
use super::markdown::{Block, blocks};
use super::sources::{Source, find};

/// The facade, which compiles pages as examples.
const FACADE: &str = "crates/sse-kit/src/lib.rs";

/// The beginning of the line before a quotation.
const FROM: &str = "<!-- from ";

/// The folder of the programs that pages show whole, so that they can be copied.
const GUIDES: &str = "examples/guides/src/";

/// Finds Rust that nothing compiles, and quotations that differ from their files.
pub(super) fn offences(sources: &[Source]) -> Vec<Offence> {
    let facade = find(sources, FACADE).map_or("", |file| &file.text);
    let is_page = |source: &&Source| {
        (source.path == "README.md" || source.path.starts_with("docs/src/"))
            && source.extension() == "md"
    };
    let mut offences = Vec::new();
    for page in sources.iter().filter(is_page) {
        let include = format!("#[doc = include_str!(\"../../../{}\")]", page.path);
        let is_compiled = facade.lines().any(|line| line == include);
        for block in blocks(&page.text) {
            let what = match block.from() {
                Some(path) => misquoted(sources, path, &block),
                None => match block.included() {
                    Some(path) => not_included(sources, page, path),
                    None if block.is_rust() => not_compiled(&block, is_compiled),
                    None => None,
                },
            };
            offences.extend(what.map(|what| Offence::at_line(&page.path, block.line, what)));
        }
    }
    let guides = sources.iter().filter(|source| source.path.starts_with(GUIDES));
    offences.extend(guides.filter_map(|guide| not_whole(guide, sources.iter().filter(is_page))));
    offences
}

/// Finds a program of a guide that no page shows whole: in blocks that, joined by an empty line, are the file.
fn not_whole<'a>(guide: &Source, mut pages: impl Iterator<Item = &'a Source>) -> Option<Offence> {
    let is_whole = |page: &Source| {
        let blocks = blocks(&page.text);
        let shown = blocks.iter().filter(|block| block.from() == Some(guide.path.as_str()));
        let shown: Vec<_> = shown.map(|block| block.text.trim_end()).collect();
        shown.join("\n\n") == guide.text.trim_end()
    };
    (!pages.any(is_whole)).then(|| {
        Offence::at_line(&guide.path, 1, "a program of a guide that no page shows whole".to_owned())
    })
}

impl Block {
    /// Returns the file that the block quotes.
    fn from(&self) -> Option<&str> {
        self.before.strip_prefix(FROM).and_then(|rest| rest.strip_suffix(" -->"))
    }

    /// Returns the path of the file that mdBook puts in.
    fn included(&self) -> Option<&str> {
        let target = self.text.trim().strip_prefix("{{#include ")?.strip_suffix("}}")?;
        target.split(':').next()
    }

    /// Returns the language, and what rustdoc is to do with the block.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.info.split([',', ' '])
    }

    fn is_rust(&self) -> bool {
        self.words().any(|word| ["rust", "rs"].contains(&word.to_lowercase().as_str()))
    }
}

fn not_compiled(block: &Block, is_compiled: bool) -> Option<String> {
    if block.words().any(|word| word == "ignore") || !block.words().any(|word| word == "rust") {
        return Some(format!(
            "Rust that is not compiled; quote a file by a line `{FROM}PATH -->` before it"
        ));
    }
    (!is_compiled).then(|| format!("Rust that is not compiled; name the page in {FACADE}"))
}

fn not_included(sources: &[Source], page: &Source, path: &str) -> Option<String> {
    let exists = resolve(&page.path, path).is_some_and(|path| find(sources, &path).is_some());
    (!exists).then(|| format!("includes {path}, which is missing"))
}

/// Returns the first fault of a quotation. Comments, marks of parts that are left out (`…`), and the frame of a module
/// of tests need not be in the file.
fn misquoted(sources: &[Source], path: &str, block: &Block) -> Option<String> {
    let Some(file) = find(sources, path) else {
        return Some(format!("quotes {path}, which is missing"));
    };
    let mut lines = file.text.lines().map(str::trim);
    let shown = block.text.lines().map(str::trim).filter(|line| {
        !line.is_empty()
            && !line.starts_with("//")
            && !["…", "#[cfg(test)]", "mod tests {", "}"].contains(line)
    });
    let mut shown = shown.peekable();
    if shown.peek().is_none() {
        return Some(format!("quotes nothing of {path}"));
    }
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
        assert!(
            whats("```js\nx\n```\n```rust,ignore\n{{#include ../../x.rs:2:}}\n```\n").is_empty()
        );
        assert_eq!(
            whats("```rust,ignore\n{{#include x.rs}}\n```\n"),
            ["includes x.rs, which is missing"]
        );
    }

    #[test]
    fn no_way_to_write_a_fence_hides_rust() {
        for (begin, end) in [
            ("```rust,should_panic", "```"),
            ("```rust, no_run", "```"),
            ("```Rust", "```"),
            ("``` rs", "```"),
            ("```ignore,rust", "```"),
            ("~~~rust", "~~~"),
            ("````rust", "````"),
            ("1. A step:\n\n   ```rust", "   ```"),
            ("```text\n~~~\n```\n```rust", "```"),
        ] {
            assert_eq!(whats(&format!("{begin}\nx\n{end}\n")).len(), 1, "{begin}");
        }
        assert!(whats("````text\n```rust\nx\n```\n````\n").is_empty());
    }

    #[test]
    fn a_page_shows_the_whole_program_of_a_guide() {
        let path = "examples/guides/src/bin/a.rs";
        let program = "fn f() {\n    one();\n}\n\nfn g() {}\n";
        let whats = |page: &str| {
            let page =
                Source::new("docs/src/a.md", page.replace("FROM", &format!("{FROM}{path} -->")));
            let offences = offences(&[page, Source::new(path, program)]).into_iter();
            offences.map(|offence| offence.what).collect::<Vec<_>>()
        };
        let (first, second) =
            ("FROM\n```rs\nfn f() {\n    one();\n}\n```\n", "FROM\n```rs\nfn g() {}\n```\n");
        assert!(whats(&format!("{first}\nThen:\n\n{second}")).is_empty());
        assert_eq!(whats(first), ["a program of a guide that no page shows whole"]);
    }

    #[test]
    fn a_page_is_compiled_only_if_the_facade_says_so_in_code() {
        let page = Source::new("docs/src/a.md", "```rust\nlet x = 1;\n```\n");
        let commented = "// #[doc = include_str!(\"../../../docs/src/a.md\")]";
        assert_eq!(offences(&[page, Source::new(FACADE, commented)]).len(), 1);
    }

    #[test]
    fn a_quotation_has_the_lines_of_its_file_in_their_order() {
        let quote = |text: &str| whats(&format!("<!-- from x.rs -->\n```rust,ignore\n{text}```\n"));
        assert!(quote("one();\n// A remark.\n…\ntwo();\n").is_empty());
        assert_eq!(quote("// A remark.\n"), ["quotes nothing of x.rs"]);
        assert_eq!(whats("<!-- from x.rs -->\n```css\nthree\n```\n").len(), 1);
        assert_eq!(
            quote("two();\none();\n"),
            ["x.rs has no such line, or not in this order: one();"]
        );
    }
}
