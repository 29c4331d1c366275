//! The document of a page, and how htmx changes it.

mod morph;
mod node;
mod shown;
mod spec;
mod swap;
mod update;
mod v2;
mod v4;

use dom_query::{Document, Matcher, NodeData, NodeId, NodeRef};
use sse_kit_htmx::{Dialect, Swap};

pub(crate) use self::node::NodeExt;
pub(crate) use self::shown::{Shown, difference};
pub use self::update::DomChange;
pub(crate) use self::update::{changes_in, dialect_of};

/// A document that htmx changes.
///
/// Nodes that are removed stay in its arena, so a node's id is never given again.
pub(crate) struct Dom {
    document: Document,
}

impl Dom {
    pub(crate) fn parse(html: &str) -> Self {
        Self { document: Document::from(html) }
    }

    pub(crate) fn root(&self) -> NodeRef<'_> {
        self.document.root()
    }

    pub(crate) fn body(&self) -> Option<NodeRef<'_>> {
        self.document.body()
    }

    pub(crate) fn node(&self, id: NodeId) -> NodeRef<'_> {
        NodeRef::new(id, &self.document.tree)
    }

    /// Returns all elements of the document that match, in its order.
    pub(crate) fn select(&self, selector: &str) -> Result<Vec<NodeRef<'_>>, DomError> {
        self.root().find_all(selector)
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<NodeRef<'_>> {
        self.root()
            .descendants_it()
            .find(|node| node.is_element() && node.id_attr().is_some_and(|found| *found == *id))
    }

    /// Parses HTML as htmx does, in a `<template>`, so that parts of tables survive; returns a fragment
    /// of this document.
    pub(crate) fn fragment(&self, html: &str) -> NodeRef<'_> {
        let html = with_templates(html);
        let parsed = Document::from(format!("<body><template>{html}</template></body>"));
        let template = parsed.root().descendants_it().find(|node| node.has_name("template"));
        let content = template.and_then(|template| template.template_content());
        let fragment = self.new_fragment();
        for child in content.iter().flat_map(NodeRef::children) {
            fragment.append_child(&child.copy_into(&self.document.tree));
        }
        fragment
    }

    /// Makes a fragment of this document that has nothing in it.
    pub(crate) fn new_fragment(&self) -> NodeRef<'_> {
        self.node(self.document.tree.create_node(NodeData::Fragment))
    }

    /// Makes a copy of a node, with all that is in it, which is nowhere in the document yet.
    pub(crate) fn copy<'a>(&'a self, node: &NodeRef<'_>) -> NodeRef<'a> {
        node.copy_into(&self.document.tree)
    }

    pub(crate) fn new_element(&self, name: &str) -> NodeRef<'_> {
        self.document.tree.new_element(name)
    }

    pub(crate) fn new_text(&self, text: &str) -> NodeRef<'_> {
        self.document.tree.new_text(text)
    }

    /// Swaps an answer or a message as the htmx of this version does: elements out of band go to their
    /// targets, and the rest to `target`.
    pub(crate) fn swap(
        &self,
        dialect: Dialect,
        element: NodeRef<'_>,
        html: &str,
        how: MainSwap<'_>,
    ) -> Result<(), DomError> {
        match dialect {
            Dialect::V2 => v2::swap(self, element, html, how),
            _ => v4::swap(self, element, html, how),
        }
    }
}

/// The place for the part of a message that is not out of band.
#[derive(Clone, Copy)]
pub(crate) struct MainSwap<'a> {
    /// `hx-swap`, with modifiers; htmx's default when there is none.
    pub(crate) style: Option<&'a str>,
    /// The element that it goes into.
    pub(crate) target: NodeId,
}

/// The reason why the document cannot be changed so, or looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DomError {
    /// A text that is no selector, or one of htmx's own that is not known here.
    Selector(String),
    /// A swap style that is not known here.
    Style(String),
    /// A target that its own content asks to preserve, with htmx 4.
    PreservedTarget(String),
    /// A morph of an element that an earlier update of the same message has removed.
    Detached(String),
    /// Content without an element, where one is to come in place of another.
    NoElement(Swap),
    /// A morph whose content has the id of the target, or of an element around it, further in.
    IntoItself(String),
}

impl std::fmt::Display for DomError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Selector(text) => write!(f, "`{text}` is no CSS selector that a test page knows"),
            Self::PreservedTarget(id) => write!(
                f,
                "the content asks to preserve `#{id}`, which is its own target or around that; htmx 4 \
                 throws at it, or loses the content"
            ),
            Self::Detached(id) => write!(
                f,
                "`#{id}` is to be morphed, but an earlier update of the same message has removed it, at \
                 which htmx throws"
            ),
            Self::NoElement(style) => {
                write!(f, "`{style}` has no element to swap, at which htmx throws")
            }
            Self::IntoItself(id) => write!(
                f,
                "a morph would put `#{id}` into itself, at which htmx throws: its id is further in"
            ),
            Self::Style(text) => write!(f, "`{text}` is no swap style that a test page knows"),
        }
    }
}

pub(crate) fn matcher(selector: &str) -> Result<Matcher, DomError> {
    Matcher::new(selector).map_err(|_| DomError::Selector(selector.to_owned()))
}

/// Makes `<template>`s of `<hx-partial>`s, as both versions of htmx do before they parse a message.
fn with_templates(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let is_end = tag.starts_with("</");
        let name_at = if is_end { 2 } else { 1 };
        let name = tag.get(name_at..name_at + 3).filter(|name| name.eq_ignore_ascii_case("hx-"));
        let kind: String = match name {
            Some(_) => tag[name_at + 3..].chars().take_while(char::is_ascii_alphabetic).collect(),
            None => String::new(),
        };
        let after =
            &tag[(name_at + if name.is_some() { 3 } else { 0 } + kind.len()).min(tag.len())..];
        if !kind.is_empty() && is_end && after.starts_with('>') {
            out.push_str("</template>");
            rest = &after[1..];
        } else if !kind.is_empty() && after.starts_with(|c: char| c == '>' || c.is_whitespace()) {
            out.push_str("<template hx type=\"");
            out.push_str(&kind);
            out.push('"');
            rest = after;
        } else {
            out.push('<');
            rest = &tag[1..];
        }
    }
    out.push_str(rest);
    out
}
