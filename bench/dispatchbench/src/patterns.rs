//! The patterns that are registered. `cargo xtask bench --dispatch` gives the same to every
//! contestant.

/// The event that is dispatched, and the patterns that match it.
pub(crate) const EVENT_TYPE: &str = "job:progress";
const MATCHING: [&str; 3] = ["job:progress", "job:*", "job:**"];

/// Returns the matching patterns, and others of all kinds beside them.
pub(crate) fn all(others: usize) -> Vec<String> {
    let other = |n: usize| match n % 5 {
        0 => format!("shop{n}:order"),
        1 => format!("shop{n}:*"),
        2 => format!("shop{n}:**"),
        3 => format!("**:done{n}"),
        _ => format!("job:*-{n}"),
    };
    MATCHING.into_iter().map(str::to_owned).chain((0..others).map(other)).collect()
}
