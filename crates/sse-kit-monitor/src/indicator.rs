//! Indicators: the content of the status element.

use std::collections::BTreeMap;

use sse_kit_htmx::Html;

use crate::state::State;

/// The content of the status element in a state.
///
/// ```
/// use sse_kit_htmx::Html;
/// use sse_kit_monitor::Indicator;
///
/// assert_eq!(Indicator::from("a < b"), Indicator::Text("a < b".to_owned()));
/// let html = Html::trusted("<b>live</b>");
/// assert_eq!(Indicator::from(html.clone()), Indicator::Html(html));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Indicator {
    /// Plain text, which is escaped.
    Text(String),
    /// Markup, which is inserted as it is.
    Html(Html),
}

impl Indicator {
    pub(crate) fn to_html(&self) -> Html {
        match self {
            Self::Text(text) => Html::text(text),
            Self::Html(html) => html.clone(),
        }
    }
}

impl From<&str> for Indicator {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Indicator {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Html> for Indicator {
    fn from(html: Html) -> Self {
        Self::Html(html)
    }
}

/// The indicators of all states.
#[derive(Clone, Debug)]
pub(crate) struct Indicators(BTreeMap<State, Indicator>);

impl Indicators {
    pub(crate) fn set(&mut self, state: State, indicator: Indicator) {
        self.0.insert(state, indicator);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (State, &Indicator)> {
        self.0.iter().map(|(state, indicator)| (*state, indicator))
    }

    pub(crate) fn html(&self, state: State) -> Html {
        self.0.get(&state).map_or_else(|| Html::text(state.label()), Indicator::to_html)
    }
}

impl Default for Indicators {
    fn default() -> Self {
        Self(State::ALL.into_iter().map(|state| (state, state.label().into())).collect())
    }
}
