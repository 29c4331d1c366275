//! The starting point of a new subscription.

use std::str::FromStr;

/// The point in history at which a subscription starts if the client sends no last event id.
///
/// Pass it to [`SubscriptionBuilder::start`](crate::SubscriptionBuilder::start). Its text form is
/// `now`, `last:20`, `per-key` or `all`:
///
/// ```
/// use sse_kit_broadcast::Start;
///
/// assert_eq!("last:20".parse::<Start>()?, Start::Last(20));
/// # Ok::<(), sse_kit_broadcast::StartError>(())
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
    type Err = StartError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "now" => Ok(Self::Now),
            "per-key" => Ok(Self::PerKey),
            "all" => Ok(Self::All),
            _ => {
                let count = text.strip_prefix("last:").and_then(|count| count.parse().ok());
                count.map(Self::Last).ok_or_else(|| StartError { text: text.to_owned() })
            }
        }
    }
}

/// The error for a text that is not a [`Start`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a starting point; write `now`, `last:` and a number, `per-key` or `all`")]
#[non_exhaustive]
pub struct StartError {
    /// The text that was parsed.
    pub text: String,
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
            assert_eq!(text.parse::<Start>(), Err(StartError { text: text.to_owned() }));
        }
    }
}
