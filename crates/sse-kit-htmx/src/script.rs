//! A script of our own.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use sha2::{Digest, Sha384};

use crate::attributes::Attributes;
use crate::html::Html;
use crate::nonce::Nonce;
use crate::script_folder::ScriptFolder;

/// A script of our own: served as a file that can be cached without a limit, or inline.
///
/// ```
/// use sse_kit_htmx::Script;
///
/// let script = Script::connection();
/// assert!(script.file_name().starts_with("sse-kit-connection."));
/// assert!(script.integrity().starts_with("sha384-"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    name: &'static str,
    source: Cow<'static, str>,
    hash: [u8; 48],
    settings: Option<Html>,
}

impl Script {
    /// The attribute by which our own script tags are known again.
    pub(crate) const MARK: &'static str = "data-sse-kit";

    /// Makes a script of its name, which is part of its file's name, and its source.
    pub fn new(name: &'static str, source: impl Into<Cow<'static, str>>) -> Self {
        let source = source.into();
        let hash = Sha384::digest(source.as_bytes()).into();
        Self { name, source, hash, settings: None }
    }

    /// Sets what the script reads from the page, such as a block of JSON. It stands before each of its tags,
    /// so a page has both or neither.
    pub fn settings(self, settings: Html) -> Self {
        Self { settings: Some(settings), ..self }
    }

    /// Swaps named events into elements with `sse-kit-swap`, for htmx 4.
    pub fn swap() -> Self {
        Self::new("sse-kit-swap", include_str!("../dist/sse-kit-swap.js"))
    }

    /// Closes connections when a page is left, and opens them when it comes back out of the browser's
    /// back/forward cache; and keeps those closed that are not to reconnect.
    pub fn connection() -> Self {
        Self::new("sse-kit-connection", include_str!("../dist/sse-kit-connection.js"))
    }

    /// Returns its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the name of its file, with a hash of the content: `<name>.<hash>.js`.
    pub fn file_name(&self) -> String {
        format!("{}.{}.js", self.name, BASE64_URL_SAFE_NO_PAD.encode(&self.hash[..9]))
    }

    /// Returns the content of its file. Serve it as `text/javascript; charset=utf-8`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the value of the attribute `integrity`.
    pub fn integrity(&self) -> String {
        format!("sha384-{}", BASE64_STANDARD.encode(self.hash))
    }

    /// Returns a tag that loads its file from this folder.
    pub fn tag(&self, folder: &ScriptFolder, nonce: Option<&Nonce>) -> Html {
        let src = folder.file(&self.file_name());
        let mut attributes =
            self.marked(nonce).known("src", src).known("integrity", self.integrity());
        if folder.is_cross_origin() {
            // Of another host the hash is looked at only so.
            attributes = attributes.known("crossorigin", "anonymous");
        }
        self.with_settings(&format!("<script{attributes}></script>"))
    }

    /// Returns a tag that has the source in it.
    pub fn inline(&self, nonce: Option<&Nonce>) -> Html {
        let (attributes, source) = (self.marked(nonce), inlined(&self.source));
        self.with_settings(&format!("<script{attributes}>{source}</script>"))
    }

    fn with_settings(&self, tag: &str) -> Html {
        Html::trusted(match &self.settings {
            Some(settings) => format!("{settings}\n{tag}"),
            None => tag.to_owned(),
        })
    }

    fn marked(&self, nonce: Option<&Nonce>) -> Attributes {
        let attributes = Attributes::new().known(Self::MARK, self.name);
        match nonce {
            Some(nonce) => attributes.known("nonce", nonce.as_str()),
            None => attributes,
        }
    }
}

/// Keeps a source from ending its own tag, and from opening what changes where the tag ends. In
/// strings, which is where these can stand, a backslash before these characters means nothing.
fn inlined(source: &str) -> String {
    let mut safe = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at + 1);
        safe.push_str(before);
        let begins = |text: &str| {
            from.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text))
        };
        rest = from;
        if begins("/script") || begins("!--") {
            safe.push('\\');
        }
    }
    safe.push_str(rest);
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_stays_within_its_tag() {
        let source = "a = '</script>' + '</SCRIPT' + '<!--' + (b < c)";
        assert_eq!(inlined(source), "a = '<\\/script>' + '<\\/SCRIPT' + '<\\!--' + (b < c)");
    }

    #[test]
    fn our_scripts_can_stand_inline_as_they_are() {
        for script in [Script::swap(), Script::connection()] {
            assert_eq!(inlined(script.source()), script.source());
            assert!(!script.source().contains('\r'));
        }
    }

    #[test]
    fn a_file_has_the_hash_of_its_source() {
        let script = Script::new("a", "1");
        assert_ne!(script.file_name(), Script::new("a", "2").file_name());
        assert_eq!(
            script.integrity(),
            "sha384-R/BdNnsMMuQ4+2Pmz0pfNcKqL5DcdUP4pBoPlc6KQKMTq1zzYTSiBoxMlpy1Dbd2"
        );
    }
}
