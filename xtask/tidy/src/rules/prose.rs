//! Plain English in doc comments and messages: first words, and turns of phrase that hide the
//! subject. CONTRIBUTING.md has the rules; this file checks what can be checked by words alone.

use std::collections::BTreeSet;

use super::Offence;
use super::items::{Documented, Kind};
use super::sources::{self, Source};

/// This file, which quotes the turns of phrase.
const QUOTES: &str = "xtask/tidy/src/rules/prose.rs";

/// The folder of a library whose docs say for all its functions what dropping their futures means.
const CANCEL_SAFETY_AS_A_WHOLE: &str = "crates/sse-kit-test/";

/// The share of functions that must begin with a verb.
const MIN_VERBS: f64 = 0.70;

/// Words with which no doc comment begins: the first line is to make sense alone.
const WH_WORDS: &[&str] = &[
    "how", "those", "what", "whatever", "when", "where", "whether", "which", "who", "whoever",
    "whom", "whose", "why",
];

/// Words that end like a verb's third person and are none.
const NOT_VERBS: &[&str] = &[
    "always",
    "as",
    "bytes",
    "does",
    "events",
    "hours",
    "is",
    "its",
    "less",
    "lines",
    "milliseconds",
    "minus",
    "perhaps",
    "plus",
    "seconds",
    "this",
    "thus",
    "topics",
    "unless",
];

/// Turns of phrase, in lower case, and a plain way to write each.
const PHRASES: &[(&str, &str)] = &[
    ("whoever", "name the actor: the client, the caller, the app"),
    ("those who", "name the actors: clients, callers, nodes"),
    ("whom", "name the actor and begin the clause with it"),
    ("that which", "use a noun"),
    ("what is", "use a noun: `the events published`, not `what is published`"),
    ("and so", "begin a new sentence, or write `so`"),
    ("anew", "write `again` or `new`"),
    ("for ever", "write `without a limit` or `never ends`"),
    ("as ever", "write `as usual`, or leave it out"),
    ("may be had", "write `is available`"),
    ("is told", "name the sender: `the hub sends the client …`"),
    ("are told", "name the sender: `the hub sends the clients …`"),
    ("hears", "write `receives`"),
    ("hear of", "write `receive`"),
    ("begin alike", "write `share a prefix`"),
    ("beginning alike", "write `that share a prefix`"),
    ("as long again", "write the factor: `waits 1.5 times as long`"),
    ("off the books", "write `subtracts … from the counts`"),
    ("said of", "write `about`"),
    ("in their way", "name the state"),
    ("wants nothing", "name the state"),
    ("is called like", "write `has the same name as`"),
    ("has it that", "name the source"),
];

/// Finds offences in the crates and pages that are held to the rules.
pub(super) fn offences(sources: &[Source]) -> Vec<Offence> {
    let crates = packages(sources)
        .flat_map(|folder| offences_of(&package_sources(sources, folder)))
        .filter(|offence| offence.file != QUOTES);
    let pages = sources.iter().filter(|source| source.extension() == "md");
    let rust = sources.iter().filter(|it| it.extension() == "rs" && it.path != QUOTES);
    crates.chain(pages.flat_map(page_offences)).chain(rust.flat_map(questions)).collect()
}

/// Finds doc comments that begin with a wh-word, by their lines: those of files, of tests and within functions too.
fn questions(source: &Source) -> Vec<Offence> {
    let mut offences = Vec::new();
    let mut is_open = false;
    for (index, line) in source.text.lines().enumerate() {
        let line = line.trim_start();
        let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        let (first, _) = first_words(doc.unwrap_or_default());
        if !is_open && is_wh(&first) {
            let what =
                format!("begins with `{first}`; begin with a verb, or an article and a noun");
            offences.push(Offence::at_line(&source.path, index + 1, what));
        }
        is_open = doc.is_some();
    }
    offences
}

fn is_wh(word: &str) -> bool {
    WH_WORDS.contains(&&*word.to_lowercase())
}

/// Returns the folders that have a manifest.
fn packages(sources: &[Source]) -> impl Iterator<Item = &str> {
    sources.iter().filter_map(|source| source.path.strip_suffix("/Cargo.toml"))
}

/// Returns the names of the folders in `crates`.
pub(super) fn crate_names(sources: &[Source]) -> BTreeSet<&str> {
    let names = sources.iter().filter_map(|source| source.path.strip_prefix("crates/"));
    names.filter_map(|path| path.split('/').next()).collect()
}

fn page_offences(page: &Source) -> Vec<Offence> {
    blocks(page.text.lines().map(Some))
        .into_iter()
        .flat_map(|(line, text)| phrases(page, line, &text))
        .collect()
}

/// Returns the Rust files under `src` of a crate, without files of tests.
pub(super) fn crate_sources<'a>(sources: &'a [Source], name: &str) -> Vec<&'a Source> {
    package_sources(sources, &format!("crates/{name}"))
}

fn package_sources<'a>(sources: &'a [Source], folder: &str) -> Vec<&'a Source> {
    let folder = format!("{folder}/src/");
    sources
        .iter()
        .filter(|source| source.path.starts_with(&folder) && source.is_library())
        .collect()
}

fn offences_of(sources: &[&Source]) -> Vec<Offence> {
    let mut offences = Vec::new();
    let mut words = FirstWords::default();
    for source in sources {
        match super::items::read(source) {
            Ok(items) => {
                let strings = items.strings.into_iter().filter(|(_, text)| text.contains(' '));
                let comments = comments(sources::without_tests(&source.text));
                let texts = comments.into_iter().chain(strings);
                offences.extend(texts.flat_map(|(line, text)| phrases(source, line, &text)));
                // The functions of examples and tests are for no user to drop.
                if source.path.starts_with("crates/")
                    && !source.path.starts_with(CANCEL_SAFETY_AS_A_WHOLE)
                {
                    offences.extend(items.without_cancel_safety.into_iter().map(|(line, name)| {
                        let what = format!("`{name}` has no section `# Cancel safety`");
                        Offence::at_line(&source.path, line, what)
                    }));
                }
                words.add(&source.path, &items.documented);
            }
            Err(error) => offences.push(Offence::in_file(&source.path, error.to_string())),
        }
    }
    offences.extend(words.offences());
    offences
}

/// First words of doc comments, counted by what they document.
#[derive(Debug, Default)]
pub(super) struct FirstWords {
    pub(super) functions: usize,
    pub(super) others: usize,
    pub(super) types: usize,
    /// Types that begin with `A`, `An` or `The`.
    pub(super) articles: usize,
    /// Functions that begin with something else than a verb.
    no_verb: Vec<Offence>,
    wh_functions: usize,
    wh_others: usize,
}

impl FirstWords {
    pub(super) fn add(&mut self, file: &str, items: &[Documented]) {
        for item in items {
            let (first, second) = first_words(&item.text);
            let is_wh = usize::from(is_wh(&first));
            if item.kind == Kind::Function {
                self.functions += 1;
                self.wh_functions += is_wh;
                if !is_verb(&first, &second) {
                    let what = format!(
                        "`{}` begins with `{first}`; begin with a verb in the third person: \
                         `Returns …`, `Publishes …`",
                        item.name
                    );
                    self.no_verb.push(Offence::at_line(file, item.line, what));
                }
                continue;
            }
            self.others += 1;
            self.wh_others += is_wh;
            if item.kind == Kind::Type {
                self.types += 1;
                self.articles += usize::from(["A", "An", "The"].contains(&&*first));
            }
        }
    }

    /// Returns the share of functions that begin with a verb, from 0 to 1.
    pub(super) fn verbs(&self) -> f64 {
        1.0 - share(self.no_verb.len(), self.functions)
    }

    /// Returns the share of functions that begin with a wh-word, from 0 to 1.
    pub(super) fn wh_functions(&self) -> f64 {
        share(self.wh_functions, self.functions)
    }

    /// Returns the share of types, fields, variants and constants that do so, from 0 to 1.
    pub(super) fn wh_others(&self) -> f64 {
        share(self.wh_others, self.others)
    }

    fn offences(self) -> Vec<Offence> {
        if self.verbs() < MIN_VERBS { self.no_verb } else { Vec::new() }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a crate has fewer than 2^52 items")]
pub(super) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn first_words(text: &str) -> (String, String) {
    let mut words = text
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '`').to_owned());
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

/// Guesses whether a sentence begins with a verb in the third person: `Returns`, `Tries`.
fn is_verb(first: &str, second: &str) -> bool {
    first.ends_with('s')
        && first.chars().all(|c| c.is_alphabetic() || c == '-')
        && !NOT_VERBS.contains(&&*first.to_lowercase())
        && !["of", "which"].contains(&second)
}

/// Joins the lines of each comment.
fn comments(text: &str) -> Vec<(usize, String)> {
    blocks(text.lines().map(|line| {
        let comment = line.trim_start().strip_prefix("//")?;
        Some(comment.trim_start_matches(['/', '!']))
    }))
}

/// Joins lines to paragraphs, so that a phrase is found across lines, and leaves code out. `None`
/// ends a paragraph.
fn blocks<'a>(lines: impl Iterator<Item = Option<&'a str>>) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    let mut is_code = false;
    for (index, line) in lines.enumerate() {
        let Some(line) = line.map(str::trim) else {
            (open, is_code) = (false, false);
            continue;
        };
        if line.starts_with("```") {
            (open, is_code) = (false, !is_code);
        } else if line.is_empty() || is_code {
            open = false;
        } else if let (true, Some((_, block))) = (open && !line.starts_with('|'), blocks.last_mut())
        {
            block.push(' ');
            block.push_str(line);
        } else {
            blocks.push((index + 1, line.to_owned()));
            open = true;
        }
    }
    blocks
}

fn phrases(source: &Source, line: usize, text: &str) -> Vec<Offence> {
    let lower = text.to_lowercase();
    let stands = |phrase: &str| {
        lower.match_indices(phrase).any(|(at, _)| {
            let (before, after) = (&lower[..at], &lower[at + phrase.len()..]);
            let is_part = before.ends_with(is_word) || after.starts_with(is_word);
            let goes_on = phrase == "and so" && after.starts_with(" on");
            !is_part && !goes_on
        })
    };
    let found = PHRASES.iter().filter(|(phrase, _)| stands(phrase));
    found
        .map(|(phrase, advice)| {
            Offence::at_line(&source.path, line, format!("says `{phrase}`; {advice}"))
        })
        .collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(text: &str) -> Vec<String> {
        let source = Source::new("crates/a/src/b.rs", text);
        offences_of(&[&source]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn functions_begin_with_a_verb() {
        assert!(whats("/// Returns it.\nfn it() {}\n/// A thing.\nstruct Thing;\n").is_empty());
        assert_eq!(
            whats("/// It.\nfn it() {}\n"),
            ["crates/a/src/b.rs:1: `it` begins with `It`; begin with a verb in the third \
                 person: `Returns …`, `Publishes …`",]
        );
    }

    #[test]
    fn no_doc_comment_begins_with_a_wh_word() {
        let text = "//! Whether it is.\n\n/// A thing.\n/// What it is.\nstruct Thing {\n    \
                    /// Those of it.\n    it: u8,\n}\n\n// How so.\n#[cfg(test)]\nmod tests {\n    \
                    fn outer() {\n        /// What it returns.\n        fn inner() {}\n    }\n}\n";
        let found = offences(&[Source::new("crates/a/tests/b.rs", text)]);
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        let advice = "begin with a verb, or an article and a noun";
        let at = |line: usize, word: &str| {
            format!("crates/a/tests/b.rs:{line}: begins with `{word}`; {advice}")
        };
        assert_eq!(found, [at(1, "Whether"), at(6, "Those"), at(14, "What")]);
    }

    #[test]
    fn every_package_is_held_to_the_rules() {
        let package = |folder: &str| {
            let file = |path: &str, text: &str| Source::new(format!("{folder}/{path}"), text);
            [file("Cargo.toml", ""), file("src/main.rs", "/// It.\npub async fn it() {}\n")]
        };
        assert_eq!(offences(&package("examples/a")).len(), 1);
        assert_eq!(offences(&package("crates/a")).len(), 2, "no `# Cancel safety` either");
    }

    #[test]
    fn a_few_may_begin_otherwise() {
        let verbs = "/// Ends it.\nfn it() {}\n".repeat(7);
        assert!(
            whats(&format!("{verbs}{}", "/// Same as that.\nfn it() {}\n".repeat(3))).is_empty()
        );
        let other = "/// Same as that.\nfn it() {}\n".repeat(4);
        assert_eq!(whats(&format!("{verbs}{other}")).len(), 4);
    }

    #[test]
    fn plural_nouns_and_adverbs_are_no_verbs() {
        for text in ["Bytes in it", "Always true", "Kinds of things", "This ends", "`s` ends"] {
            let (first, second) = first_words(text);
            assert!(!is_verb(&first, &second), "{text}");
        }
        for text in ["Returns it.", "Tries", "Re-reads it"] {
            let (first, second) = first_words(text);
            assert!(is_verb(&first, &second), "{text}");
        }
    }

    #[test]
    fn public_async_functions_say_how_they_bear_being_dropped() {
        let safe = "/// Waits.\n///\n/// # Cancel safety\n///\n/// Cancel safe.\n";
        assert!(whats(&format!("{safe}pub async fn wait() {{}}\n")).is_empty());
        assert!(whats("/// Waits.\nasync fn wait() {}\n").is_empty());
        let returned = "/// Waits.\npub fn wait() -> impl Future<Output = ()> + Send { ready() }\n";
        assert_eq!(whats(returned).len(), 1);
        assert_eq!(
            whats("/// Waits.\npub fn wait() -> BoxFuture<'static, ()> { ready() }\n").len(),
            1
        );
        assert_eq!(
            whats("/// Waits.\npub async fn wait() {}\n"),
            ["crates/a/src/b.rs:2: `wait` has no section `# Cancel safety`"]
        );
    }

    #[test]
    fn pages_are_read_without_their_code() {
        let page = Source::new("docs/src/a.md", "# A\n\nIt goes on for\never.\n\n```\nanew\n```\n");
        let found: Vec<_> = page_offences(&page).into_iter().map(|it| it.line).collect();
        assert_eq!(found, [Some(3)]);
    }

    #[test]
    fn banned_phrases_are_found_across_lines_and_in_messages() {
        let text = "/// A client that is\n/// told so.\nstruct A;\n";
        assert_eq!(
            whats(text),
            ["crates/a/src/b.rs:1: says `is told`; name the sender: `the hub sends the client …`"]
        );
        assert_eq!(whats("fn a() { b(\"goes on for ever\") }").len(), 1);
        let error = "#[derive(Error)]\nenum E {\n    #[error(\"goes on for ever\")]\n    A,\n}\n";
        assert_eq!(whats(error).len(), 1);
        assert!(whats("// Reads, writes and so on; unheard-of.\nfn a() {}\n").is_empty());
        assert!(whats("/// A\n/// ```\n/// let what is = 1;\n/// ```\nstruct A;\n").is_empty());
    }
}
