//! The events that a decoder reads from bytes.

use super::*;

/// All that a decoder makes of these pieces.
fn decoded(chunks: &[&[u8]]) -> Vec<Decoded> {
    let mut decoder = Decoder::new();
    for chunk in chunks {
        decoder.push(chunk).unwrap();
    }
    std::iter::from_fn(|| decoder.pop()).collect()
}

/// The data of the messages in it, and nothing else.
fn data(stream: impl AsRef<[u8]>) -> Vec<String> {
    let data = |decoded| match decoded {
        Decoded::Message(message) => Some(message.data),
        _ => None,
    };
    decoded(&[stream.as_ref()]).into_iter().filter_map(data).collect()
}

fn message(name: &str, data: &str, last_event_id: &str) -> Decoded {
    let [name, data, last_event_id] = [name, data, last_event_id].map(str::to_owned);
    Decoded::Message(Message { name, data, last_event_id })
}

fn comment(text: &str) -> Decoded {
    Decoded::Comment(text.to_owned())
}

#[test]
fn the_examples_of_the_standard() {
    assert_eq!(data("data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
    assert_eq!(
        decoded(&[b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n\
            data:  third event\n\n"]),
        [
            comment("test stream"),
            message("message", "first event", "1"),
            message("message", "second event", ""),
            message("message", " third event", ""),
        ]
    );
    assert_eq!(data("data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
    assert_eq!(data("data:test\n\ndata: test\n\n"), ["test", "test"]);
}

#[test]
fn lines_end_in_lf_cr_or_crlf() {
    for end in ["\n", "\r", "\r\n"] {
        assert_eq!(data(format!("data: a{end}data: b{end}{end}data: c{end}{end}")), ["a\nb", "c"]);
    }
    assert_eq!(data("data: a\r\ndata: b\ndata: c\r\r\ndata: d\n\r"), ["a\nb\nc", "d"]);
    assert_eq!(data("data: a\n\r\ndata: b\r\n\r"), ["a", "b"]);
}

#[test]
fn a_line_end_may_be_cut_in_two() {
    let whole = [message("message", "a\nb", ""), message("message", "c", "")];
    let stream = b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n";
    for at in 0..=stream.len() {
        let (head, tail) = stream.split_at(at);
        assert_eq!(decoded(&[head, tail]), whole, "cut at {at}");
        assert_eq!(decoded(&[head, b"", tail]), whole, "cut at {at}, nothing between");
    }
    assert_eq!(decoded(&stream.chunks(1).collect::<Vec<_>>()), whole);
}

#[test]
fn a_cr_ends_the_line_before_it_is_known_what_follows() {
    let mut decoder = Decoder::new();
    decoder.push(b"data: a\r\n\r").unwrap();
    assert_eq!(decoder.pop(), Some(message("message", "a", "")));
    decoder.push(b"\n").unwrap();
    assert_eq!(decoder.pop(), None);
    decoder.push(b"data: b\n\n").unwrap();
    assert_eq!(decoder.pop(), Some(message("message", "b", "")));
}

#[test]
fn one_byte_order_mark_is_stripped_at_the_very_beginning() {
    assert_eq!(data("\u{feff}data: a\n\n"), ["a"]);
    assert_eq!(data("\u{feff}\u{feff}data: a\n\ndata: b\n\n"), ["b"]);
    assert_eq!(data("data: a\n\n\u{feff}data: b\n\n"), ["a"]);
    assert_eq!(data("\n\u{feff}data: a\n\n"), Vec::<String>::new());
    assert_eq!(data("data: \u{feff}a\n\n"), ["\u{feff}a"]);
    assert_eq!(decoded(&["\u{feff}: c\n".as_bytes()]), [comment("c")]);
    let split: &[&[u8]] = &[b"\xef", b"", b"\xbb", b"\xbfdata: a\n\n"];
    assert_eq!(decoded(split), [message("message", "a", "")]);
}

#[test]
fn broken_utf_8_becomes_replacement_characters() {
    assert_eq!(data(b"data: a\xffb\n\n"), ["a\u{fffd}b"]);
    // Cut off by the end of the line, which stays one.
    assert_eq!(data(b"data: \xf0\x9f\x98\ndata: b\n\n"), ["\u{fffd}\nb"]);
    assert_eq!(data(b"data: \xe2\r\n\r\n"), ["\u{fffd}"]);
    // One for every maximal part; a surrogate and an overlong form are three and two of them.
    assert_eq!(data(b"data: \xed\xa0\x80\n\n"), ["\u{fffd}\u{fffd}\u{fffd}"]);
    assert_eq!(data(b"data: \xc0\xaf\n\n"), ["\u{fffd}\u{fffd}"]);
    // In names of fields, which are then no field's name.
    assert_eq!(data(b"data\xff: a\ndata: b\n\n"), ["b"]);
    assert_eq!(
        decoded(&[b":\xff\nevent: \xff\nid: \xff\ndata\n\n"]),
        [comment("\u{fffd}"), message("\u{fffd}", "", "\u{fffd}")]
    );
}

#[test]
fn characters_whole_or_broken_may_be_cut_anywhere() {
    let stream = b"\xef\xbb\xbfdata: \xf0\x9f\x98\x80\xf0\x9f\xe2\x82\xac\xed\xa0\x80\xe2\n\n";
    let whole = decoded(&[stream]);
    assert_eq!(whole.len(), 1);
    for at in 0..=stream.len() {
        let (head, tail) = stream.split_at(at);
        assert_eq!(decoded(&[head, tail]), whole, "cut at {at}");
    }
    assert_eq!(decoded(&stream.chunks(1).collect::<Vec<_>>()), whole);
}

#[test]
fn one_blank_behind_the_colon_does_not_count() {
    assert_eq!(data("data:a\ndata: a\ndata:  a\ndata:\ta\ndata: \n\n"), ["a\na\n a\n\ta\n"]);
    assert_eq!(data("data: a:b: c\ndata::d\n\n"), ["a:b: c\n:d"]);
}

#[test]
fn unknown_fields_are_ignored() {
    for field in ["dat", "Data", "DATA", " data", "data ", "data\0", "datas", "x"] {
        assert_eq!(data(format!("{field}: a\ndata: b\n{field}\n\n")), ["b"], "{field:?}");
    }
}

#[test]
fn comments_are_given_and_end_no_event() {
    assert_eq!(
        decoded(&[b"data: a\n:\n: b\n:  c\n::d: e\ndata: f\n\n"]),
        [
            comment(""),
            comment("b"),
            comment(" c"),
            comment(":d: e"),
            message("message", "a\nf", "")
        ]
    );
}

#[test]
fn the_last_name_counts_and_for_one_event_only() {
    assert_eq!(
        decoded(&[b"event: a\nevent: b\ndata: 1\n\ndata: 2\n\nevent: c\nevent\ndata: 3\n\n"]),
        [message("b", "1", ""), message("message", "2", ""), message("message", "3", "")]
    );
}

#[test]
fn without_data_nothing_is_dispatched_and_the_name_is_forgotten() {
    let stream: &[u8] = b"event: a\n\n\n\ndata: 1\n\nevent: b\ndata\n\n";
    assert_eq!(decoded(&[stream]), [message("message", "1", ""), message("b", "", "")]);
}

#[test]
fn an_unfinished_event_is_discarded() {
    let stream: &[u8] = b"data: 1\nid: 1\n\ndata: 2\nid: 2\n";
    for rest in [&b""[..], b"data: 3", b": c", b"data: 3\r\n"] {
        let mut decoder = Decoder::new();
        decoder.push(stream).unwrap();
        decoder.push(rest).unwrap();
        assert_eq!(decoder.pop(), Some(message("message", "1", "1")));
        assert_eq!(decoder.pop(), None);
        assert_eq!(decoder.last_event_id(), "1");
    }
}

#[test]
fn the_id_outlives_its_event_until_another_comes() {
    assert_eq!(
        decoded(&[b"id: 1\ndata: a\n\ndata: b\n\nid: 2\nid: 3\ndata: c\n\nid\ndata: d\n\n"]),
        [
            message("message", "a", "1"),
            message("message", "b", "1"),
            message("message", "c", "3"),
            message("message", "d", ""),
        ]
    );
}

#[test]
fn an_id_counts_even_without_data() {
    let mut decoder = Decoder::new();
    decoder.push(b"id: 1\n\n").unwrap();
    assert_eq!(decoder.pop(), None);
    assert_eq!(decoder.last_event_id(), "1");
    decoder.push(b"data: a\n\n").unwrap();
    assert_eq!(decoder.pop(), Some(message("message", "a", "1")));
}

#[test]
fn an_id_with_nul_is_ignored_and_nul_is_fine_elsewhere() {
    assert_eq!(
        decoded(&[b"id: 1\nid: 2\0\nid: \0\nevent: \0\ndata: \0\n\n"]),
        [message("\0", "\0", "1")]
    );
}

#[test]
fn the_last_event_id_is_that_of_what_has_been_popped() {
    let mut decoder = Decoder::new();
    decoder.push(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n").unwrap();
    assert_eq!(decoder.last_event_id(), "");
    decoder.pop();
    assert_eq!(decoder.last_event_id(), "1");
    decoder.pop();
    assert_eq!(decoder.last_event_id(), "2");
}

#[test]
fn retry_takes_ascii_digits_only() {
    let retry = |value: &str| decoded(&[format!("retry{value}\n").as_bytes()]);
    for (value, millis) in [
        (":0", 0),
        (": 1500", 1500),
        (":007", 7),
        (": 18446744073709551615", u64::MAX),
        (": 18446744073709551616", u64::MAX),
        (": 99999999999999999999999999", u64::MAX),
    ] {
        assert_eq!(retry(value), [Decoded::Retry(Duration::from_millis(millis))], "{value}");
    }
    for value in
        ["", ":", ": ", ":  1", ": 1 ", ": +1", ": -1", ": 1.5", ": 1e3", ": 0x1", ": 1000x", ": ١"]
    {
        assert_eq!(retry(value), [], "{value}");
    }
}

#[test]
fn retry_counts_at_once_and_without_an_event() {
    assert_eq!(
        decoded(&[b"data: a\nretry: 1\n: c\n\nretry: 2\n"]),
        [
            Decoded::Retry(Duration::from_millis(1)),
            comment("c"),
            message("message", "a", ""),
            Decoded::Retry(Duration::from_millis(2)),
        ]
    );
}

#[test]
fn a_line_has_a_limit_finished_or_not() {
    for rest in ["", "\n"] {
        let mut decoder = Decoder::with_limit(10);
        assert_eq!(decoder.push(format!("data: 6789{rest}").as_bytes()), Ok(()));
        let mut decoder = Decoder::with_limit(10);
        let too_large = Err(DecodeError::TooLarge { limit: 10 });
        assert_eq!(decoder.push(format!("data: 67890{rest}").as_bytes()), too_large);
        let mut decoder = Decoder::with_limit(10);
        decoder.push(b": 34567890").unwrap();
        assert_eq!(decoder.push(format!("1{rest}").as_bytes()), too_large);
    }
}

#[test]
fn the_data_of_an_event_has_a_limit_as_it_is_dispatched() {
    let mut decoder = Decoder::with_limit(10);
    // 4 + 1 + 5 = 10 bytes, however many such events come one after another.
    for _ in 0..3 {
        decoder.push(b"data:1234\ndata:67890\n\n").unwrap();
        assert_eq!(decoder.pop(), Some(message("message", "1234\n67890", "")));
    }
    let too_large = Err(DecodeError::TooLarge { limit: 10 });
    assert_eq!(decoder.push(b"data:1234\ndata:67890\ndata\n"), too_large);
    // Replacement characters are longer than what they replace.
    assert_eq!(Decoder::with_limit(10).push(b"data: \xff\xff\xff\n"), Ok(()));
    assert_eq!(Decoder::with_limit(10).push(b"data: \xff\xff\xff\xff\n"), too_large);
}

#[test]
fn a_failed_decoder_stays_failed_and_gives_what_came_before() {
    let mut decoder = Decoder::with_limit(10);
    let too_large = Err(DecodeError::TooLarge { limit: 10 });
    assert_eq!(decoder.push(b"data: a\n\ndata: 678901\n\ndata: b\n\n"), too_large);
    assert_eq!(decoder.push(b"data: c\n\n"), too_large);
    assert_eq!(decoder.push(b""), too_large);
    assert_eq!(decoder.pop(), Some(message("message", "a", "")));
    assert_eq!(decoder.pop(), None);
}

#[test]
fn what_waits_takes_memory_in_proportion_to_what_was_pushed() {
    let mut stream = format!("id: {}\n", "i".repeat(100_000)).into_bytes();
    stream.extend(b"data\n\n".repeat(10_000));
    let mut decoder = Decoder::new();
    let pushing = allocation_counter::measure(|| decoder.push(&stream).unwrap());
    assert!(pushing.bytes_max < 50 * stream.len() as u64, "{} bytes", pushing.bytes_max);
    assert_eq!(std::iter::from_fn(|| decoder.pop()).count(), 10_000);
}
