//! Morphing as htmx 4 does it: the content's elements take over those of the target that are like them.
//!
//! A port of `#morph` and what it calls. What concerns the focus and listeners is left out, as a test
//! page has neither.

use std::collections::{HashMap, HashSet};

use dom_query::{NodeId, NodeRef};
use sse_kit_htmx::Swap;

use super::{Dom, DomError, NodeExt};

/// The number of siblings that are looked at: htmx's `morphScanLimit`.
const SCAN_LIMIT: usize = 10;

/// Makes the target, or its content, into the new content.
pub(super) fn morph(
    dom: &Dom,
    target: NodeRef<'_>,
    fragment: NodeRef<'_>,
    style: Swap,
) -> Result<(), DomError> {
    let (target, fragment) = (dom.node(target.id), dom.node(fragment.id));
    let mut morph = Morph::new(dom, target, fragment);
    if style == Swap::InnerMorph {
        morph.children(target, fragment, None, None);
    } else {
        let parent = target.parent().ok_or_else(|| DomError::Detached(id_of(&target)))?;
        morph.children(parent, fragment, Some(target), target.next_sibling());
    }
    morph.failure.map_or(Ok(()), Err)
}

/// Gives an element the attributes of another one, and no others.
pub(super) fn copy_attributes(to: NodeRef<'_>, from: NodeRef<'_>) {
    for attribute in from.attrs() {
        let name = &*attribute.name.local;
        if is_same_stream(&to, name, &attribute.value) {
            continue;
        }
        to.set_attr(name, &attribute.value);
    }
    for attribute in to.attrs() {
        let name = &*attribute.name.local;
        if !from.has_attr(name) {
            to.remove_attr(name);
        }
    }
}

/// Returns whether the attribute holds a connection to the stream that the element is connected to already: our
/// script keeps it then, with the cursor that it began at.
fn is_same_stream(element: &NodeRef<'_>, name: &str, url: &str) -> bool {
    let is_connection = matches!(name, "hx-sse:connect" | "data-hx-sse:connect");
    is_connection
        && element.attr(name).is_some_and(|own| without_cursor(&own) == without_cursor(url))
}

/// Returns the URL of a stream without the position at which it begins.
fn without_cursor(url: &str) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
    let kept: Vec<_> =
        query.split('&').filter(|pair| !pair.starts_with("last_event_id=")).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

struct Morph<'a> {
    dom: &'a Dom,
    target: NodeRef<'a>,
    /// The ids that stay, in each element that has some in it.
    ids_in: HashMap<NodeId, HashSet<String>>,
    /// The ids that both the target and the content have, once each.
    staying: HashSet<String>,
    /// Holds elements that may be needed further down.
    pantry: NodeRef<'a>,
    awaited: HashSet<NodeId>,
    failure: Option<DomError>,
}

impl<'a> Morph<'a> {
    fn new(dom: &'a Dom, target: NodeRef<'a>, fragment: NodeRef<'a>) -> Self {
        let with_id = |node: &NodeRef<'a>| node.is_element() && node.has_attr("id");
        let old: Vec<_> =
            std::iter::once(target).chain(target.descendants_it()).filter(with_id).collect();
        let new: Vec<_> = fragment.descendants_it().filter(with_id).collect();
        let mut morph = Self {
            dom,
            target,
            ids_in: HashMap::new(),
            staying: staying(&old, &new),
            pantry: dom.new_element("div"),
            awaited: HashSet::new(),
            failure: None,
        };
        let around = target.parent().map(|parent| parent.id);
        morph.note_ids(&old, around);
        morph.note_ids(&new, Some(fragment.id));
        morph
    }

    fn note_ids(&mut self, elements: &[NodeRef<'a>], around: Option<NodeId>) {
        for element in elements {
            let id = id_of(element);
            if !self.staying.contains(&id) {
                continue;
            }
            let mut node = Some(*element);
            while let Some(found) = node.filter(|found| Some(found.id) != around) {
                self.ids_in.entry(found.id).or_default().insert(id.clone());
                node = found.parent();
            }
        }
    }

    /// Makes the children of `old`, from `place` up to `end`, into those of `new`.
    fn children(
        &mut self,
        old: NodeRef<'a>,
        new: NodeRef<'a>,
        place: Option<NodeRef<'a>>,
        end: Option<NodeRef<'a>>,
    ) {
        let (old, new) = match (old.template_content(), new.template_content()) {
            (Some(old), Some(new)) => (old, new),
            _ => (old, new),
        };
        let end_id = end.map(|end| end.id);
        let mut place = place.or_else(|| old.first_child());
        let mut next = new.first_child();
        while let Some(child) = next {
            next = child.next_sibling();
            let mut matched = None;
            if let Some(start) = place.filter(|place| Some(place.id) != end_id) {
                matched = self.best_match(child, start, end_id);
                if let Some(matched) = matched {
                    self.clear_the_way(old, start, matched, child, end);
                }
            }
            if matched.is_none() && child.is_element() && self.staying.contains(&id_of(&child)) {
                matched = self.fetch(child, old, place);
            }
            if let Some(matched) = matched {
                self.node(matched, child);
                place = matched.next_sibling();
            } else if self.ids_in.contains_key(&child.id) {
                let name = child.node_name().unwrap_or_default();
                let fresh = self.dom.new_element(&name);
                self.put(old, fresh, place);
                self.node(fresh, child);
                place = fresh.next_sibling();
            } else {
                self.put(old, child, place);
                place = child.next_sibling();
            }
        }
        while let Some(left) = place.filter(|place| Some(place.id) != end_id) {
            place = left.next_sibling();
            self.remove(left);
        }
    }

    /// Removes the nodes before the match, or moves those that are needed later to the end.
    fn clear_the_way(
        &mut self,
        old: NodeRef<'a>,
        start: NodeRef<'a>,
        matched: NodeRef<'a>,
        child: NodeRef<'a>,
        end: Option<NodeRef<'a>>,
    ) {
        let mut cursor = Some(start);
        while let Some(node) = cursor.filter(|node| node.id != matched.id) {
            cursor = node.next_sibling();
            let is_needed = self.ids_in.contains_key(&node.id) || self.is_awaited(node, child);
            if node.is_element() && is_needed {
                self.put(old, node, end);
            } else {
                self.remove(node);
            }
        }
    }

    /// Moves the element with the id of `child` to here, from wherever it is in the target.
    fn fetch(
        &mut self,
        child: NodeRef<'a>,
        old: NodeRef<'a>,
        place: Option<NodeRef<'a>>,
    ) -> Option<NodeRef<'a>> {
        let id = id_of(&child);
        let has_id = |node: &NodeRef<'a>| node.is_element() && id_of(node) == id;
        let within = std::iter::once(self.target).chain(self.target.descendants_it());
        let found = within.chain(self.pantry.descendants_it()).find(has_id)?;
        let mut around = found.parent();
        while let Some(node) = around {
            if let Some(ids) = self.ids_in.get_mut(&node.id) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.ids_in.remove(&node.id);
                }
            }
            around = node.parent();
        }
        self.put(old, found, place);
        Some(found)
    }

    fn best_match(
        &mut self,
        node: NodeRef<'a>,
        start: NodeRef<'a>,
        end: Option<NodeId>,
    ) -> Option<NodeRef<'a>> {
        if node.is_text() {
            return start.is_text().then_some(start);
        }
        if !node.is_element() {
            return None;
        }
        let wanted = self.ids_in.get(&node.id).cloned();
        if !id_of(&node).is_empty() && wanted.is_none() {
            return None;
        }
        let wanted = wanted.unwrap_or_default();
        let (mut soft, mut displaced, mut limit) = (None, 0, SCAN_LIMIT);
        let mut cursor = Some(start);
        while let Some(found) = cursor.filter(|found| Some(found.id) != end) {
            let ids = self.ids_in.get(&found.id);
            if is_soft_match(&found, &node) {
                match ids {
                    Some(ids) if !ids.is_disjoint(&wanted) => return Some(found),
                    Some(_) => {}
                    None if limit > 0 && found.equals(&node) => return Some(found),
                    None => soft = soft.or(Some(found)),
                }
            }
            displaced += ids.map_or(0, HashSet::len);
            limit = limit.saturating_sub(1);
            if displaced > wanted.len() || (limit < 1 && wanted.is_empty()) {
                break;
            }
            cursor = found.next_sibling();
        }
        soft.filter(|soft| !self.is_awaited(*soft, node))
    }

    /// Returns whether an element is equal to one that comes soon after `start`.
    fn is_awaited(&mut self, element: NodeRef<'a>, start: NodeRef<'a>) -> bool {
        if self.awaited.contains(&element.id) {
            return true;
        }
        let mut sibling = start.next_sibling();
        for _ in 0..SCAN_LIMIT {
            let Some(found) = sibling else { break };
            if found.is_element() && element.equals(&found) {
                self.awaited.insert(element.id);
                return true;
            }
            sibling = found.next_sibling();
        }
        false
    }

    /// Puts a node before another one, or at the end.
    fn put(&mut self, parent: NodeRef<'a>, node: NodeRef<'a>, before: Option<NodeRef<'a>>) {
        if parent.id == node.id || parent.ancestors_it(None).any(|around| around.id == node.id) {
            self.failure = Some(DomError::IntoItself(id_of(&node)));
            return;
        }
        match before {
            Some(before) if before.id == node.id => {}
            Some(before) => before.insert_before(&node),
            None => parent.append_child(&node),
        }
    }

    fn remove(&self, node: NodeRef<'a>) {
        if self.ids_in.contains_key(&node.id) {
            self.pantry.append_child(&node);
        } else {
            node.remove_from_parent();
        }
    }

    /// Makes one node into another.
    fn node(&mut self, old: NodeRef<'a>, new: NodeRef<'a>) {
        if self.failure.is_some() {
            return;
        }
        if old.is_text() {
            old.set_text_content(&new.text());
            return;
        }
        if old.hx("hx-morph-skip").is_some() {
            return;
        }
        copy_attributes(old, new);
        if old.hx("hx-morph-skip-children").is_none() {
            self.children(old, new, None, None);
        }
    }
}

/// Returns the ids that both have, on elements of the same kind, and none of them twice.
fn staying(old: &[NodeRef<'_>], new: &[NodeRef<'_>]) -> HashSet<String> {
    let mut names = HashMap::new();
    let mut twice = HashSet::new();
    for element in old {
        let id = id_of(element);
        if names.insert(id.clone(), element.node_name()).is_some() {
            twice.insert(id);
        }
    }
    let mut staying = HashSet::new();
    for element in new {
        let id = id_of(element);
        if staying.contains(&id) {
            twice.insert(id);
        } else if names.get(&id).is_some_and(|name| *name == element.node_name()) {
            staying.insert(id);
        }
    }
    staying.retain(|id| !id.is_empty() && !twice.contains(id));
    staying
}

fn is_soft_match(old: &NodeRef<'_>, new: &NodeRef<'_>) -> bool {
    if !old.is_element() || old.node_name() != new.node_name() {
        return false;
    }
    if old.has_name("script") && !old.equals(new) {
        return false;
    }
    let id = id_of(old);
    id.is_empty() || id == id_of(new)
}

fn id_of(element: &NodeRef<'_>) -> String {
    element.id_attr().unwrap_or_default().to_string()
}
