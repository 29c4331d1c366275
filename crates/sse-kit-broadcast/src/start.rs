//! Where a new subscriber begins.

use std::str::FromStr;

/// The point in history at which a subscription begins whose client brings no last event id.
///
/// It is what [`SubscriptionBuilder::start`](crate::SubscriptionBuilder::start) takes. As text it is `now`, `last:20`,
/// `per-key` or `all`:
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
    /// Only what is published from now on.
    #[default]
    Now,
    /// The newest events, as many as this, of all topics of the subscription together; fewer, where
    /// these are more bytes than [may wait](crate::HubBuilder::queue_bytes) for a connection.
    Last(usize),
    /// The newest event of each topic and [key](sse_kit_event::EventKey), such as that of each
    /// progress bar; up to as many bytes as [may wait](crate::HubBuilder::queue_bytes) for a connection,
    /// the newest first. Events without a key are left out.
    PerKey,
    /// Everything that history has.
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

/// The text is no [`Start`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stream starts at `now`, `last:` and a number, `per-key` or `all`, not at {text:?}")]
pub struct StartError {
    /// The text.
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
