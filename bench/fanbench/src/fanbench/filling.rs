//! The filling of payloads: a table's rows, as pages have them. They compress as HTML does.

use std::fmt::Write as _;
use std::sync::LazyLock;

use fastrand::Rng;

/// The longest payload, and a different beginning for each of many.
const LENGTH: usize = (1 << 20) + BEGINNINGS;
const BEGINNINGS: usize = 1 << 16;

const WORDS: [&str; 16] = [
    "annual", "report", "invoice", "harbour", "transfer", "north", "sensor", "pump", "valve",
    "customer", "review", "draft", "parcel", "station", "meeting", "garden",
];
const STATES: [&str; 4] = ["queued", "running", "done", "failed"];

/// The same for every server.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut random = Rng::with_seed(1);
    let mut text = String::with_capacity(LENGTH + 256);
    while text.len() < LENGTH {
        let id = random.u32(..100_000);
        let [first, second] = [(); 2].map(|()| WORDS[random.usize(..WORDS.len())]);
        let (state, value) = (STATES[random.usize(..STATES.len())], random.u32(..10_000));
        write!(
            text,
            "<tr id=\"row-{id}\"><td>{first} {second}</td><td class=\"{state}\">{state}</td>\
             <td class=\"number\">{value}</td></tr>"
        )
        .expect("a string takes all");
    }
    text
});

/// Returns so many bytes for the message of this number, in one line and without a `~`.
pub(crate) fn filling(number: u32, length: usize) -> &'static str {
    let begin = (number as usize).wrapping_mul(149) % BEGINNINGS;
    &TEXT[begin..][..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fillings_differ_and_are_plain() {
        assert_eq!(filling(0, 1 << 20).len(), 1 << 20);
        assert_eq!(filling(u32::MAX, 7).len(), 7);
        assert_ne!(filling(1, 100), filling(2, 100));
        assert!(TEXT.bytes().all(|byte| (b' '..b'~').contains(&byte)));
    }
}
