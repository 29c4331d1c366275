//! The clients that came and went, by the model and by the hooks.

use proptest::prelude::*;
use sse_kit_broadcast::CloseReason;

use crate::client::Checked;

/// The connections in the order in which they came, and went for this reason.
pub(crate) type Comings = Vec<(u64, Option<CloseReason>)>;

/// Each connection came once and went once, for the right reason and in the right order;
/// except that who was evicted when is for the fan-out to say.
pub(crate) fn hooks_heard_it_all(heard: &Comings, expected: &Comings) -> Checked {
    prop_assert_eq!(but_the_evicted(heard), but_the_evicted(expected));
    let evicted = evicted(heard);
    prop_assert_eq!(&evicted, &self::evicted(expected));
    for serial in evicted {
        let first = heard.iter().find(|(of, _)| *of == serial);
        let came = (serial, None);
        prop_assert_eq!(first, Some(&came), "{} went before it came", serial);
    }
    Ok(())
}

fn but_the_evicted(all: &Comings) -> Comings {
    all.iter().filter(|(_, why)| *why != Some(CloseReason::TooSlow)).copied().collect()
}

/// In the order of their serials.
fn evicted(all: &Comings) -> Vec<u64> {
    let evicted = all.iter().filter(|(_, why)| *why == Some(CloseReason::TooSlow));
    let mut serials: Vec<_> = evicted.map(|(serial, _)| *serial).collect();
    serials.sort_unstable();
    serials
}
