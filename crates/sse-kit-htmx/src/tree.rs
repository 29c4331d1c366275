//! HTML as a browser reads it, by the parser of Servo.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use html5ever::driver::{ParseOpts, parse_fragment};
use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{Attribute, QualName, local_name, ns};

/// The tree that a browser makes of a piece of HTML in a `<body>`: no more of it than finding out
/// where elements end up needs.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

/// A node, by its index. Nodes are numbered in the order of the source, except for the elements
/// that a parser makes again after a misplaced end tag.
pub(crate) type NodeId = usize;

#[derive(Debug)]
struct Node {
    content: Content,
    parent: Option<NodeId>,
    children: Vec<NodeId>,
}

#[derive(Debug)]
enum Content {
    /// The document, or what stands in a `<template>`.
    Fragment,
    Element {
        name: Rc<QualName>,
        attributes: Vec<Attribute>,
        /// The fragment of a `<template>`.
        template: Option<NodeId>,
        takes_html: bool,
    },
    Text {
        is_blank: bool,
    },
    Comment,
}

/// The running of scripts where the HTML is read. If they run, a `<noscript>` holds only text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scripting {
    On,
    Off,
}

impl Tree {
    pub(crate) fn parse(html: &str, scripting: Scripting) -> Self {
        let tree_builder = TreeBuilderOpts {
            scripting_enabled: scripting == Scripting::On,
            ..TreeBuilderOpts::default()
        };
        let options = ParseOpts { tree_builder, ..ParseOpts::default() };
        let body = QualName::new(None, ns!(html), local_name!("body"));
        let allows_scripting = scripting == Scripting::On;
        parse_fragment(Builder::new(), options, body, Vec::new(), allows_scripting).one(html)
    }

    /// Returns the nodes at the top.
    pub(crate) fn top(&self) -> &[NodeId] {
        // The parser puts an `<html>` around them.
        self.nodes[DOCUMENT].children.first().map_or(&[], |html| &self.nodes[*html].children)
    }

    /// Returns what stands in an element; for a `<template>` that is its fragment.
    pub(crate) fn within(&self, node: NodeId) -> &[NodeId] {
        match self.nodes[node].content {
            Content::Element { template: Some(fragment), .. } => &self.nodes[fragment].children,
            _ => &self.nodes[node].children,
        }
    }

    /// Returns the value of an element's attribute.
    pub(crate) fn attribute(&self, node: NodeId, name: &str) -> Option<&str> {
        match &self.nodes[node].content {
            Content::Element { attributes, .. } => ScriptElement(attributes).get(name),
            _ => None,
        }
    }

    /// Returns an element's name, as HTML writes it: in small letters.
    pub(crate) fn name(&self, node: NodeId) -> Option<&str> {
        match &self.nodes[node].content {
            Content::Element { name, .. } => Some(&name.local),
            _ => None,
        }
    }

    /// Returns `false` for comments and for whitespace.
    pub(crate) fn is_shown(&self, node: NodeId) -> bool {
        !matches!(self.nodes[node].content, Content::Comment | Content::Text { is_blank: true })
    }

    pub(crate) fn is_comment(&self, node: NodeId) -> bool {
        matches!(self.nodes[node].content, Content::Comment)
    }

    pub(crate) fn is_text(&self, node: NodeId) -> bool {
        matches!(self.nodes[node].content, Content::Text { .. })
    }

    pub(crate) fn parent(&self, node: NodeId) -> Option<NodeId> {
        self.nodes[node].parent
    }

    /// Returns all nodes that are in the tree, in the order of the source.
    pub(crate) fn nodes(&self) -> impl DoubleEndedIterator<Item = NodeId> {
        (0..self.nodes.len()).filter(|&node| self.nodes[node].parent.is_some())
    }

    /// Returns the `<script>` elements that a browser runs or loads: those of HTML, and not within
    /// a `<template>`.
    pub(crate) fn scripts(&self) -> impl Iterator<Item = ScriptElement<'_>> {
        self.nodes().filter(|&node| self.is_live(node)).filter_map(|node| {
            match &self.nodes[node].content {
                Content::Element { name, attributes, .. }
                    if name.ns == ns!(html) && name.local == local_name!("script") =>
                {
                    Some(ScriptElement(attributes))
                }
                _ => None,
            }
        })
    }

    fn is_live(&self, mut node: NodeId) -> bool {
        while let Some(parent) = self.nodes[node].parent {
            node = parent;
        }
        node == DOCUMENT
    }
}

/// A `<script>`, by its attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScriptElement<'a>(&'a [Attribute]);

impl<'a> ScriptElement<'a> {
    pub(crate) fn get(self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|known| &*known.name.local == name).map(|found| &*found.value)
    }

    pub(crate) fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

const DOCUMENT: NodeId = 0;

/// Builds a [`Tree`] as the parser says.
struct Builder {
    tree: RefCell<Tree>,
}

/// A node in the hands of the parser. It asks for names all the time, so they are at hand.
#[derive(Clone)]
struct Handle {
    node: NodeId,
    name: Rc<QualName>,
}

impl Builder {
    fn new() -> Self {
        let document = Node { content: Content::Fragment, parent: None, children: Vec::new() };
        Self { tree: RefCell::new(Tree { nodes: vec![document] }) }
    }

    fn add(&self, content: Content) -> NodeId {
        let nodes = &mut self.tree.borrow_mut().nodes;
        nodes.push(Node { content, parent: None, children: Vec::new() });
        nodes.len() - 1
    }

    /// Returns a handle of a node that is no element. The parser asks for no name of these.
    fn nameless(node: NodeId) -> Handle {
        Handle { node, name: Rc::new(QualName::new(None, ns!(), local_name!(""))) }
    }

    fn node_of(&self, child: NodeOrText<Handle>) -> NodeId {
        match child {
            NodeOrText::AppendNode(handle) => {
                self.detach(handle.node);
                handle.node
            }
            NodeOrText::AppendText(text) => {
                let is_blank = text.bytes().all(|byte| byte.is_ascii_whitespace());
                self.add(Content::Text { is_blank })
            }
        }
    }

    fn insert(&self, parent: NodeId, at: Option<usize>, child: NodeId) {
        let nodes = &mut self.tree.borrow_mut().nodes;
        nodes[child].parent = Some(parent);
        let children = &mut nodes[parent].children;
        children.insert(at.unwrap_or(children.len()), child);
    }

    fn detach(&self, node: NodeId) {
        let nodes = &mut self.tree.borrow_mut().nodes;
        if let Some(parent) = nodes[node].parent.take() {
            nodes[parent].children.retain(|&child| child != node);
        }
    }

    fn has_parent(&self, node: NodeId) -> bool {
        self.tree.borrow().nodes[node].parent.is_some()
    }
}

impl TreeSink for Builder {
    type Handle = Handle;
    type Output = Tree;
    type ElemName<'a> = &'a QualName;

    fn finish(self) -> Tree {
        self.tree.into_inner()
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        Self::nameless(DOCUMENT)
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> &'a QualName {
        &target.name
    }

    fn create_element(
        &self,
        name: QualName,
        attributes: Vec<Attribute>,
        flags: ElementFlags,
    ) -> Handle {
        let name = Rc::new(name);
        let template = flags.template.then(|| self.add(Content::Fragment));
        let takes_html = flags.mathml_annotation_xml_integration_point;
        let content = Content::Element { name: Rc::clone(&name), attributes, template, takes_html };
        Handle { node: self.add(content), name }
    }

    fn create_comment(&self, _: StrTendril) -> Handle {
        Self::nameless(self.add(Content::Comment))
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Handle {
        Self::nameless(self.add(Content::Comment))
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        let child = self.node_of(child);
        self.insert(parent.node, None, child);
    }

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        let child = self.node_of(child);
        let place = {
            let nodes = &self.tree.borrow().nodes;
            nodes[sibling.node].parent.and_then(|parent| {
                let at = nodes[parent].children.iter().position(|&node| node == sibling.node)?;
                Some((parent, at))
            })
        };
        if let Some((parent, at)) = place {
            self.insert(parent, Some(at), child);
        }
    }

    fn append_based_on_parent_node(
        &self,
        element: &Handle,
        previous: &Handle,
        child: NodeOrText<Handle>,
    ) {
        if self.has_parent(element.node) {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn get_template_contents(&self, target: &Handle) -> Handle {
        let contents = match self.tree.borrow().nodes[target.node].content {
            Content::Element { template, .. } => template,
            _ => None,
        };
        // The parser asks for those of templates only, and all of these have some.
        contents.map_or_else(|| target.clone(), Self::nameless)
    }

    fn same_node(&self, x: &Handle, y: &Handle) -> bool {
        x.node == y.node
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn add_attrs_if_missing(&self, _: &Handle, _: Vec<Attribute>) {}

    fn remove_from_parent(&self, target: &Handle) {
        self.detach(target.node);
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        let nodes = &mut self.tree.borrow_mut().nodes;
        let children = std::mem::take(&mut nodes[node.node].children);
        for &child in &children {
            nodes[child].parent = Some(new_parent.node);
        }
        nodes[new_parent.node].children.extend(children);
    }

    fn is_mathml_annotation_xml_integration_point(&self, handle: &Handle) -> bool {
        let nodes = &self.tree.borrow().nodes;
        matches!(nodes[handle.node].content, Content::Element { takes_html: true, .. })
    }
}
