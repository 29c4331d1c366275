//! The name of an attribute.

use crate::script_attributes::{self, Runs};
use sse_kit_event::{TextError, TextErrorKind, text_type};

use crate::text::Text;

/// The name of an attribute of an element.
///
/// At most [`AttributeName::MAX_LEN`] bytes, and nothing in it that ends a name in HTML. Attributes
/// that can run script have to be asked for by [`AttributeName::scripting`]:
///
/// | who runs it | names | values |
/// |---|---|---|
/// | the browser | `on…`, `srcdoc` | `javascript:`, `vbscript:` and `data:` (but for bitmaps) in `href`, `src`, `action`, `formaction`, `data`, `poster`, `ping`, `xlink:href`, and what animations set |
/// | htmx 2 and 4 | `hx-on…`, `hx-vars`, `hx-live…`, `hx-config…` | `js:` and `javascript:` in `hx-get` and the other requests, `hx-vals`, `hx-headers`, `hx-request`, `hx-confirm`, `hx-sse:connect`, `sse-connect`; `[` in `hx-trigger` |
/// | Alpine, Vue, Angular 1, Unpoly | `x-…`, `@…`, `:…`, `v-…`, `ng-…`, `up-on…` | |
/// | hyperscript | `_`, `script`, `data-script` | |
/// | Datastar | `data-on…`, `data-attr…`, `data-bind…`, `data-class…`, `data-computed…`, `data-effect…`, `data-init…`, `data-show…`, `data-signals…`, `data-style…`, `data-text…` | |
///
/// These hold with the prefix `data-` and with suffixes of htmx, such as `hx-get:inherited`. A name of
/// the middle column is refused by [`AttributeName::new`], a value of the right one by
/// [`Attributes::with`](crate::Attributes::with).
///
/// ```
/// use sse_kit_htmx::{AttributeName, TextErrorKind};
///
/// let name: AttributeName = "data-job".parse()?;
/// let error = AttributeName::new("onclick").expect_err("its value would be script");
/// assert_eq!(error.kind(), TextErrorKind::Unsafe);
/// # Ok::<(), sse_kit_htmx::TextError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AttributeName {
    name: Text,
    /// `true` if the value may run script.
    is_trusted: bool,
}

const WHAT: &str = "the name of an attribute";

impl AttributeName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks `name`.
    ///
    /// # Errors
    ///
    /// [`TextError`] when it is no name, or that of an attribute whose value is always script.
    pub fn new(name: &str) -> Result<Self, TextError> {
        let name = Self { is_trusted: false, ..Self::scripting(name)? };
        if let Runs::Always = script_attributes::of(&name.name) {
            let rule = "its value is script; ask for it by `AttributeName::scripting`";
            return Err(TextError::new(&name.name, WHAT, TextErrorKind::Unsafe, rule));
        }
        Ok(name)
    }

    /// Checks a name whose value may run script. Nothing of that value may come from users.
    ///
    /// # Errors
    ///
    /// [`TextError`] when it is no name.
    pub fn scripting(name: &str) -> Result<Self, TextError> {
        if name.is_empty() {
            return Err(TextError::empty(WHAT));
        }
        if name.len() > Self::MAX_LEN {
            return Err(TextError::too_long(name, WHAT, Self::MAX_LEN));
        }
        let ends_name = |c: char| c.is_whitespace() || c.is_control() || "\"'<>/=`&".contains(c);
        match name.chars().find(|&c| ends_name(c)) {
            Some(found) => Err(TextError::character(name, WHAT, found)),
            None => Ok(Self { name: name.into(), is_trusted: true }),
        }
    }

    /// Takes one of our own.
    pub(crate) const fn known(name: &'static str) -> Self {
        Self { name: Text::Static(name), is_trusted: true }
    }

    /// Checks that a value runs no script, unless the name was asked for by
    /// [`AttributeName::scripting`].
    pub(crate) fn check_value(&self, value: &str) -> Result<(), TextError> {
        match script_attributes::of(&self.name) {
            Runs::If(is_script) if !self.is_trusted && is_script(value) => {
                let rule = format!(
                    "`{}` would run it as script; ask for the name by `AttributeName::scripting`",
                    &*self.name
                );
                Err(TextError::new(value, "a safe value", TextErrorKind::Unsafe, rule))
            }
            _ => Ok(()),
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Returns `true` if HTML takes it for the same name: case makes no difference.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

text_type!(AttributeName);

impl PartialEq for AttributeName {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.name)
    }
}

impl Eq for AttributeName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_name_is_refused() {
        let kind = |name: &str| AttributeName::new(name).map_err(|error| error.kind()).err();
        assert_eq!(kind(""), Some(TextErrorKind::Empty));
        assert_eq!(kind(&"x".repeat(129)), Some(TextErrorKind::TooLong));
        for found in [' ', '\n', '\0', '"', '\'', '<', '>', '/', '=', '\u{a0}'] {
            assert_eq!(kind(&format!("a{found}b")), Some(TextErrorKind::Character));
        }
        for name in ["hx-sse:connect", "aria-label", "data-ü"] {
            assert_eq!(AttributeName::new(name).unwrap().as_str(), name);
        }
    }
}
