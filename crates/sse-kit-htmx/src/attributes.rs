//! The attributes of an element.

use std::fmt;

use sse_kit_event::TextError;

use crate::attribute_name::AttributeName;
use crate::escape::write_escaped;
use crate::style;

/// The attributes of an element, in order, each name once.
///
/// Displayed as they stand in a tag, each with a space before it, with their values escaped. With the
/// feature of a template engine they are not escaped again in its templates: `<div{{ attributes }}>`.
///
/// Where a name is set again the newer value holds, but `class` and `hx-ext` are lists, and `style`
/// is declarations: there the values are joined.
///
/// ```
/// use sse_kit_htmx::Attributes;
///
/// let attributes = Attributes::new()
///     .with("class", "wide")?
///     .with("title", "a \"b\"")?
///     .with("class", "live wide")?;
///
/// assert_eq!(attributes.to_string(), " class=\"wide live\" title=\"a &quot;b&quot;\"");
/// assert!(Attributes::new().with("href", "javascript:alert(1)").is_err());
/// # Ok::<(), sse_kit_htmx::TextError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(AttributeName, Option<String>)>);

impl Attributes {
    /// Makes a list of no attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one.
    ///
    /// # Errors
    ///
    /// [`TextError`] when the name is none, or name or value would run script: see [`AttributeName`].
    pub fn with(
        mut self,
        name: impl TryInto<AttributeName, Error: Into<TextError>>,
        value: impl Into<String>,
    ) -> Result<Self, TextError> {
        let (name, value) = (name.try_into().map_err(Into::into)?, value.into());
        name.check_value(&value)?;
        self.set(name, Some(value));
        Ok(self)
    }

    /// Sets one that has no value, such as `hidden`.
    ///
    /// # Errors
    ///
    /// [`TextError`] when the name is none.
    pub fn with_flag(
        mut self,
        name: impl TryInto<AttributeName, Error: Into<TextError>>,
    ) -> Result<Self, TextError> {
        self.set(name.try_into().map_err(Into::into)?, None);
        Ok(self)
    }

    /// Sets all that `others` has.
    pub fn merge(mut self, others: Self) -> Self {
        others.0.into_iter().for_each(|(name, value)| self.set(name, value));
        self
    }

    /// Returns the value of one; empty, if it has none.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known.is(name))?;
        Some(value.as_deref().unwrap_or_default())
    }

    /// Returns names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&AttributeName, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name, value.as_deref()))
    }

    /// Sets one of our own.
    pub(crate) fn known(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.set(AttributeName::known(name), Some(value.into()));
        self
    }

    fn set(&mut self, name: AttributeName, value: Option<String>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((known, old)) => *old = joined(known, old.as_deref(), value),
            None => self.0.push((name, value)),
        }
    }
}

/// The names whose values are joined rather than replaced.
pub(crate) const JOINED: [&str; 3] = ["class", "hx-ext", "style"];

fn joined(name: &AttributeName, old: Option<&str>, new: Option<String>) -> Option<String> {
    let (Some(old), Some(new)) = (old, &new) else { return new };
    if name.is("class") {
        Some(union(old, new, " "))
    } else if name.is("hx-ext") {
        Some(union(old, new, ","))
    } else if name.is("style") {
        Some(style::joined(old, new))
    } else {
        Some(new.clone())
    }
}

/// The words of both, each once.
fn union(old: &str, new: &str, separator: &str) -> String {
    let is_between = |c: char| c.is_whitespace() || separator.contains(c);
    let mut words: Vec<&str> = Vec::new();
    for word in old.split(is_between).chain(new.split(is_between)) {
        if !word.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(separator)
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tag = String::new();
        for (name, value) in &self.0 {
            tag.push(' ');
            tag.push_str(name.as_str());
            if let Some(value) = value {
                tag.push_str("=\"");
                write_escaped(&mut tag, value);
                tag.push('"');
            }
        }
        f.write_str(&tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_twice(name: &'static str, old: &str, new: &str) -> String {
        Attributes::new().known(name, old).known(name, new).get(name).unwrap().to_owned()
    }

    #[test]
    fn lists_and_styles_are_joined() {
        assert_eq!(set_twice("hx-ext", "morph", "sse"), "morph,sse");
        assert_eq!(set_twice("hx-ext", "morph, sse", "sse"), "morph,sse");
        assert_eq!(set_twice("HX-EXT", "ws", "sse"), "ws,sse");
        assert_eq!(set_twice("class", " a  b ", "b c"), "a b c");
        assert_eq!(
            set_twice("style", "color: red", "display: none;"),
            "color: red; display: none;"
        );
        assert_eq!(set_twice("style", "color: red ; ", "margin: 0"), "color: red; margin: 0");
        assert_eq!(set_twice("style", "", "margin: 0"), "margin: 0");
    }

    #[test]
    fn the_newer_value_holds_elsewhere() {
        assert_eq!(set_twice("title", "old", "new"), "new");
        let flag = Attributes::new().with_flag("Hidden").expect("a name");
        assert_eq!(flag.to_string(), " Hidden");
        assert_eq!(flag.known("hidden", "until-found").to_string(), " Hidden=\"until-found\"");
    }
}
