//! The starting point of a new subscription.

use std::str::FromStr;

use sse_kit_event::{TextError, TextErrorKind};

/// The point in history at which a subscription starts if the client sends no last event id.
///
/// Pass it to [`SubscriptionBuilder::start`](crate::SubscriptionBuilder::start). Its text form is
/// `now`, `last:20`, `per-key` or `all`:
///
/// ```
/// use sse_kit_broadcast::Start;
///
/// assert_eq!("last:20".parse::<Start>()?, Start::Last(20));
/// # Ok::<(), sse_kit_event::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// The current position: only events published from now on.
    #[default]
    Now,
    /// This many of the newest events, over all topics of the subscription together; fewer if they
    /// exceed [the size limit of its queue](crate::HubBuilder::queue_bytes).
    Last(usize),
    /// The newest event of each audience and [key](sse_kit_event::EventKey), such as each progress
    /// bar's. If these exceed [the size limit of its queue](crate::HubBuilder::queue_bytes), the
    /// newest are sent. Events without a key are left out.
    PerKey,
    /// The beginning of history: everything that it holds.
    All,
}

impl FromStr for Start {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "now" => Ok(Self::Now),
            "per-key" => Ok(Self::PerKey),
            "all" => Ok(Self::All),
            _ => {
                let count = text.strip_prefix("last:").filter(|count| !count.starts_with('+'));
                let count = count.and_then(|count| count.parse().ok());
                count.map(Self::Last).ok_or_else(|| {
                    let rule = "write `now`, `last:` and a number, `per-key` or `all`";
                    TextError::new(text, "a starting point", TextErrorKind::Unknown, rule)
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_start() {
        let starts = ["now", "last:0", "last:20", "per-key", "all"].map(str::parse);
        let expected = [Start::Now, Start::Last(0), Start::Last(20), Start::PerKey, Start::All];
        assert_eq!(starts, expected.map(Ok));
        for text in ["", "last", "last:", "last:-1", "last:99999999999999999999", "All", "now "] {
            let error = text.parse::<Start>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("{text:?} is not a start")), "{error}");
        }
    }
}
