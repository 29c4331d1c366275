//! The properties that the targets of cargo-fuzz look after, on a bounded number of inputs.

#[path = "../../../fuzz/properties.rs"]
mod properties;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use sse_kit_test_support::cases;

/// Bytes made of pieces, most of which mean something to what is tested.
fn soup(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
        1 => ".{0,3}".prop_map(String::into_bytes),
    ];
    vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

fn run(count: u32, inputs: &impl Strategy<Value = Vec<u8>>, property: fn(&[u8])) {
    let mut runner = TestRunner::new(cases(count));
    let outcome = runner.run(inputs, |bytes| {
        property(&bytes);
        Ok(())
    });
    outcome.expect("the property holds");
}

#[test]
fn any_bytes_are_decoded_alike_however_they_are_cut() {
    let pieces =
        &["data", "event", "id", "retry", ":", ": ", "\n", "\r", "\r\n", "\n\n", "1", "\u{feff}"];
    run(5_000, &soup(pieces), properties::decoder);
}

#[test]
fn any_text_is_encoded_so_that_it_is_read_back() {
    let pieces =
        &["data: a", "event: b", "id: 1", "\n", "\r", "\r\n", "\n\n", ":", "|", " ", "é", "\0"];
    run(5_000, &soup(pieces), properties::encoder);
}

#[test]
fn any_bytes_are_an_id_or_none() {
    let pieces =
        &["-", "0", "1", "f", "ffffffffffffffff", "18446744073709551615", " ", "+", "F", "x"];
    run(5_000, &soup(pieces), properties::id);
}

#[test]
fn any_text_is_a_pattern_that_matches_as_patterns_do_or_none() {
    let words = |pieces: &'static [&'static str]| {
        vec(select(pieces), 1..7).prop_map(|pieces| pieces.concat())
    };
    let pattern = words(&["*", "*", "**:", "*:", ":**", ":*", "a", "b", "a", "b", ":a"]);
    let topic = words(&["a", "b", ":a", ":b"]);
    let likely = (pattern, topic).prop_map(|(pattern, topic)| format!("{pattern}|{topic}").into());
    let unlikely = soup(&["*", "**", "*", ":", ":", ":**:", "a", "ab", "b", "|", "|a:b", "é"]);
    run(10_000, &prop_oneof![3 => likely, 1 => unlikely], properties::pattern);
}
