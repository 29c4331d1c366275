//! The values that a form sends.

use dom_query::{NodeId, NodeRef};

use super::TestPage;
use crate::dom::NodeExt;

/// Names and values, in the order of the document.
pub(super) type Values = Vec<(String, String)>;

impl TestPage {
    /// Returns the values of the fields in an element, or of the element itself if it is a field.
    pub(super) fn values_in(&self, element: NodeId) -> Values {
        let root = self.dom.node(element);
        let fields = std::iter::once(root).chain(root.descendants_it());
        fields.filter_map(|field| self.value_of(field)).collect()
    }

    fn value_of(&self, field: NodeRef<'_>) -> Option<(String, String)> {
        let name = field.hx("name").filter(|name| !name.is_empty())?;
        if field.has_attr("disabled") {
            return None;
        }
        let typed = self.values.get(&field.id).cloned();
        let value = match &*field.node_name()? {
            "textarea" => typed.unwrap_or_else(|| field.text().to_string()),
            "select" => typed.or_else(|| selected(field))?,
            "input" => match &*field.hx("type").unwrap_or_default().to_ascii_lowercase() {
                "submit" | "button" | "reset" | "image" | "file" => return None,
                "checkbox" | "radio" => {
                    let ticked = self.ticks.get(&field.id).copied();
                    if !ticked.unwrap_or_else(|| field.has_attr("checked")) {
                        return None;
                    }
                    field.hx("value").unwrap_or_else(|| "on".to_owned())
                }
                _ => typed.or_else(|| field.hx("value")).unwrap_or_default(),
            },
            _ => return None,
        };
        Some((name, value))
    }
}

/// Returns the value of the option that is selected, or else of the first.
fn selected(select: NodeRef<'_>) -> Option<String> {
    let options = select.find_all("option").unwrap_or_default();
    let chosen = options.iter().find(|option| option.has_attr("selected")).or(options.first())?;
    Some(chosen.hx("value").unwrap_or_else(|| chosen.text().trim().to_owned()))
}
