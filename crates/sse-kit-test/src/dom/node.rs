//! Operations on nodes that the DOM crate lacks.

use dom_query::{NodeData, NodeRef, Tree};

use super::{DomError, matcher};

/// Operations on nodes that the DOM crate lacks.
pub(crate) trait NodeExt<'a>: Sized {
    /// Returns all elements in this one that match, in order, without those in templates.
    fn find_all(&self, selector: &str) -> Result<Vec<NodeRef<'a>>, DomError>;

    /// Returns the value of an attribute, which may also be written `data-…`.
    fn hx(&self, name: &str) -> Option<String>;

    /// Returns the element that has the attribute (also as `data-…`): this one or the nearest around it.
    fn closest_with(&self, name: &str) -> Option<NodeRef<'a>>;

    /// Returns the fragment that a `<template>` holds.
    fn template_content(&self) -> Option<NodeRef<'a>>;

    /// Copies the node, with all that is in it, into a tree.
    fn copy_into<'t>(&self, tree: &'t Tree) -> NodeRef<'t>;

    /// Returns whether the node is in the document.
    fn is_connected(&self) -> bool;

    /// Returns whether two nodes are equal as `Node.isEqualNode` has it.
    fn equals(&self, other: &NodeRef<'_>) -> bool;

    /// Replaces the text of a text node.
    fn set_text_content(&self, text: &str);

    /// Removes the node's content.
    fn clear(&self);
}

impl<'a> NodeExt<'a> for NodeRef<'a> {
    fn find_all(&self, selector: &str) -> Result<Vec<NodeRef<'a>>, DomError> {
        let matcher = matcher(selector)?;
        let tree = self.tree;
        let nodes = tree.descendant_ids_of_it(&self.id).map(|id| NodeRef::new(id, tree));
        Ok(nodes.filter(|node| node.is_match(&matcher)).collect())
    }

    fn hx(&self, name: &str) -> Option<String> {
        let value = self.attr(name).or_else(|| self.attr(&format!("data-{name}")));
        value.map(|value| value.to_string())
    }

    fn closest_with(&self, name: &str) -> Option<NodeRef<'a>> {
        let mut node = Some(*self);
        while let Some(found) = node {
            if found.hx(name).is_some() {
                return Some(found);
            }
            node = found.tree.parent_of(&found.id);
        }
        None
    }

    fn template_content(&self) -> Option<NodeRef<'a>> {
        let id = self.element_ref()?.template_contents?;
        Some(NodeRef::new(id, self.tree))
    }

    fn copy_into<'t>(&self, tree: &'t Tree) -> NodeRef<'t> {
        let data = self.query_or(NodeData::Fragment, |node| node.data.clone());
        let copy = NodeRef::new(tree.create_node(data), tree);
        if let Some(content) = self.template_content() {
            let content = content.copy_into(tree).id;
            copy.update(|node| {
                if let NodeData::Element(element) = &mut node.data {
                    element.template_contents = Some(content);
                }
            });
        }
        for child in self.children() {
            copy.append_child(&child.copy_into(tree));
        }
        copy
    }

    fn is_connected(&self) -> bool {
        let root = self.tree.root().id;
        self.id == root || self.ancestors_it(None).any(|ancestor| ancestor.id == root)
    }

    fn equals(&self, other: &NodeRef<'_>) -> bool {
        let alike = match (self.is_element(), other.is_element()) {
            (true, true) => self.node_name() == other.node_name() && same_attributes(self, other),
            (false, false) => content_of(self) == content_of(other),
            _ => false,
        };
        let (ours, theirs) = (self.children(), other.children());
        alike
            && ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|(one, other)| one.equals(other))
    }

    fn set_text_content(&self, text: &str) {
        self.update(|node| {
            if let NodeData::Text { contents } = &mut node.data {
                *contents = text.into();
            }
        });
    }

    fn clear(&self) {
        for child in self.children() {
            child.remove_from_parent();
        }
    }
}

fn same_attributes(one: &NodeRef<'_>, other: &NodeRef<'_>) -> bool {
    let (ours, theirs) = (one.attrs(), other.attrs());
    ours.len() == theirs.len() && ours.iter().all(|attribute| theirs.contains(attribute))
}

/// Returns the kind of a node that is no element, and its content.
fn content_of(node: &NodeRef<'_>) -> Option<(u8, String)> {
    node.query(|node| match &node.data {
        NodeData::Text { contents } => (0, contents.to_string()),
        NodeData::Comment { contents } => (1, contents.to_string()),
        _ => (2, String::new()),
    })
}
