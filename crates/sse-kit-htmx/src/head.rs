//! Where scripts stand among the entries of a head.

use crate::dialect::Dialect;
use crate::html::Html;
use crate::script::Script;
use crate::script_url::{Version, version_of};
use crate::tokenizer::{Token, Tokenizer, attributes_of};

/// A place among the entries of a head: behind the script of htmx, and what belongs to it.
pub(crate) struct Head {
    next: usize,
    /// Whether htmx itself is run only when the page has been parsed; a script that needs it must
    /// wait too.
    pub(crate) is_deferred: bool,
}

impl Head {
    pub(crate) fn find_htmx(head: &[Html], dialect: Dialect) -> Result<Self, HeadError> {
        for (at, entry) in head.iter().enumerate() {
            for script in scripts_of(entry) {
                match script.src().and_then(|src| version_of(src, "htmx")) {
                    None => continue,
                    Some(Version::Major(found)) if found.to_string() != dialect.to_string() => {
                        return Err(HeadError::OtherVersion { found, dialect });
                    }
                    Some(Version::Major(_) | Version::Unknown) => {}
                }
                let is_deferred = script.has("defer") || script.get("type") == Some("module");
                return Ok(Self { next: at + 1, is_deferred });
            }
        }
        Err(HeadError::NotFound)
    }

    /// Whether the extension for Server-Sent Events is there, that of either version.
    pub(crate) fn has_extension(head: &[Html]) -> bool {
        let is_extension = |src| {
            ["sse", "hx-sse", "htmx-ext-sse"].iter().any(|name| version_of(src, name).is_some())
        };
        head.iter().flat_map(scripts_of).any(|script| script.src().is_some_and(is_extension))
    }

    /// Whether this script of our own is there, in any version of it.
    pub(crate) fn has_own(head: &[Html], script: &Script) -> bool {
        head.iter().flat_map(scripts_of).any(|tag| tag.get(Script::MARK) == Some(script.name()))
    }

    pub(crate) fn insert(&mut self, head: &mut Vec<Html>, tag: Html) {
        head.insert(self.next, tag);
        self.next += 1;
    }
}

/// The start tag of a `<script>`.
struct ScriptTag<'a>(Vec<(&'a str, &'a str)>);

impl<'a> ScriptTag<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn src(&self) -> Option<&'a str> {
        self.get("src")
    }
}

fn scripts_of(entry: &Html) -> impl Iterator<Item = ScriptTag<'_>> {
    let html = entry.as_str();
    Tokenizer::new(html).filter_map(|token| match token {
        Token::Start { name, name_end, .. } if name.eq_ignore_ascii_case("script") => {
            Some(ScriptTag(attributes_of(html, name_end).collect()))
        }
        _ => None,
    })
}

/// Why nothing can be inserted into a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// There is no script of htmx.
    #[error("the head has no script of htmx; put `htmx.min.js` in it, or use `PageScripts::tags`")]
    NotFound,
    /// There is a script of htmx, by its URL of another version.
    #[error("the head has a script of htmx {found}, but the page is made for htmx {dialect}")]
    OtherVersion {
        /// The version that is there.
        found: char,
        /// The version that the page is for.
        dialect: Dialect,
    },
}
