//! Topic patterns against `globset`, whose rules they follow, and hostile text against every
//! constructor.

use globset::{GlobBuilder, GlobMatcher};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use sse_kit_event::{
    Epoch, EventId, EventKey, EventName, LastEventId, Topic, TopicPattern, Topics,
};
use sse_kit_test_support::cases;

#[test]
fn patterns_match_what_globset_matches() {
    let mut runner = TestRunner::new(cases(1_000));
    let outcome = runner.run(&(pattern(), vec(topic(), 16)), |(pattern, topics)| {
        let globset = globset(&pattern);
        for topic in topics {
            let fits = pattern.matches(&topic);
            let expected = globset.is_match(swap_separators(topic.as_str()));
            prop_assert_eq!(fits, expected, "{} on {}", pattern, topic);
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_pattern_matches_what_it_is_filled_in_with_and_nothing_that_begins_otherwise() {
    let mut runner = TestRunner::new(cases(1_000));
    let outcome = runner.run(&filled_in(), |(pattern, topic)| {
        let other = TopicPattern::new(&format!("y:{pattern}")).expect("it has a wildcard");
        let topics = [topic.to_string(), format!("y:{topic}"), format!("z:{topic}")];
        let topics = topics.map(|topic| Topic::new(&topic).expect("a topic"));
        for (pattern, topic, fits) in
            [(&pattern, &topics[0], true), (&other, &topics[1], true), (&other, &topics[2], false)]
        {
            prop_assert_eq!(pattern.matches(topic), fits, "{} on {}", pattern, topic);
            prop_assert_eq!(globset(pattern).is_match(swap_separators(topic.as_str())), fits);
        }
        Ok(())
    });
    outcome.unwrap();
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_is_left_out_of_a_subscription_adds_nothing(
        patterns in vec(pattern(), 1..6),
        topics in vec(topic(), 16),
    ) {
        let (own, others) = topics.split_at(4);
        let all = Topics::new(own.to_vec(), patterns.clone()).unwrap();
        for topic in own.iter().chain(others) {
            let covered = own.contains(topic) || patterns.iter().any(|p| p.matches(topic));
            prop_assert_eq!(all.cover(topic), covered, "{:?} of {:?} on {}", all, patterns, topic);
        }
        for pattern in &patterns {
            let matching = topics.iter().filter(|topic| pattern.matches(topic));
            for topic in matching {
                prop_assert!(topic.as_str().starts_with(pattern.literal_prefix()));
            }
        }
    }
}

#[test]
fn the_worst_pattern_on_the_longest_topic_costs_next_to_nothing() {
    let longest = Topic::new(&"a".repeat(Topic::MAX_LEN)).unwrap();
    let deepest = Topic::new(&format!("{}a", "a:".repeat(127))).unwrap();
    // With a star at each end, so that no glance at either end says it all.
    let within = TopicPattern::new(&format!("{}b*", "*a".repeat(7))).unwrap();
    let across = TopicPattern::new(&format!("{}b*", "**:a:".repeat(7))).unwrap();
    // Trying all ways to share out the topic among eight stars would take some 10^13 steps a time.
    for _ in 0..1_000 {
        assert!(!within.matches(&longest));
        assert!(!across.matches(&deepest));
    }
}

#[test]
fn no_text_makes_a_constructor_panic() {
    let mut runner = TestRunner::new(cases(20_000));
    let outcome = runner.run(&hostile_text(), |text| {
        let pattern = TopicPattern::new(&text);
        let topic = Topic::new(&text);
        let name = EventName::new(&text);
        let key = EventKey::new(&text);
        let id = text.parse::<EventId>();
        let sent = LastEventId::parse(text.as_bytes());
        let _ = Topics::parse([&text]);

        // What is taken is taken as it is, and cannot break a line.
        let kept = [
            pattern.as_ref().ok().map(TopicPattern::to_string),
            topic.as_ref().ok().map(Topic::to_string),
            name.as_ref().ok().map(EventName::to_string),
            id.as_ref().ok().map(EventId::to_string),
            key.as_ref().ok().map(EventKey::to_string),
        ];
        for kept in kept.iter().flatten() {
            prop_assert_eq!(kept, &text);
        }
        for kept in kept[..4].iter().flatten() {
            prop_assert!(!kept.contains(char::is_control));
        }
        prop_assert_eq!(sent.is_none(), text.is_empty());
        let known = sent.and_then(|sent| match sent {
            LastEventId::Known(id) => Some(id),
            LastEventId::Unusable(_) => None,
        });
        prop_assert_eq!(known, id.ok());
        if let Ok(pattern) = pattern {
            let _ = pattern.matches(&Topic::new("a:b").unwrap());
        }
        Ok(())
    });
    outcome.unwrap();
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_is_well_formed_is_taken_and_what_breaks_the_line_is_not(
        topic in topic(),
        pattern in pattern(),
        (epoch, offset) in any::<(u64, u64)>(),
    ) {
        let topic = topic.as_str();
        prop_assert!(Topic::new(topic).is_ok() && Topics::parse([topic]).is_ok());
        prop_assert!(EventName::new(topic).is_ok() && EventKey::new(topic).is_ok());
        prop_assert!(TopicPattern::new(pattern.as_str()).is_ok());
        let id = EventId::new(Epoch::new(epoch), offset);
        prop_assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
        for end in ["\n", "\r", "\0"] {
            let [topic, pattern, id] =
                [topic, pattern.as_str(), &id.to_string()].map(|text| text.to_owned() + end);
            prop_assert!(Topic::new(&topic).is_err() && Topics::parse([&topic]).is_err());
            prop_assert!(EventName::new(&topic).is_err());
            prop_assert!(TopicPattern::new(&pattern).is_err());
            prop_assert!(id.parse::<EventId>().is_err());
        }
    }

    #[test]
    fn no_bytes_make_reading_a_last_event_id_panic(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(LastEventId::parse(&bytes).is_none(), bytes.is_empty());
    }
}

/// The pattern for `globset`: `/` separates there, and more characters than `*` have a meaning.
fn globset(pattern: &TopicPattern) -> GlobMatcher {
    let mut glob = String::new();
    for c in swap_separators(pattern.as_str()).chars() {
        if c.is_ascii_punctuation() && c != '*' && c != '/' {
            glob.push('\\');
        }
        glob.push(c);
    }
    let mut builder = GlobBuilder::new(&glob);
    builder.literal_separator(true).backslash_escape(true);
    builder.build().expect("nothing but stars has a meaning in it").compile_matcher()
}

fn swap_separators(text: &str) -> String {
    let swap = |c| match c {
        ':' => '/',
        '/' => ':',
        c => c,
    };
    text.chars().map(swap).collect()
}

/// Literal text, mostly of two letters only, so that patterns and topics often fit each other.
fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[ab]",
        3 => "[ab]{2,3}",
        1 => "[/?\\[\\]{}!,^\\\\.~ä😀-]{1,2}",
    ]
}

fn topic() -> impl Strategy<Value = Topic> {
    vec(literal(), 1..6)
        .prop_map(|segments| Topic::new(&segments.join(":")).expect("literals without `*`"))
}

fn pattern() -> impl Strategy<Value = TopicPattern> {
    let segment = prop_oneof![
        2 => Just("**".to_owned()),
        2 => Just("*".to_owned()),
        2 => (literal(), literal()).prop_map(|(a, b)| format!("{a}*{b}")),
        1 => literal().prop_map(|a| format!("*{a}*")),
        1 => literal().prop_map(|a| format!("{a}*")),
        1 => literal().prop_map(|a| format!("*{a}")),
        2 => literal(),
    ];
    vec(segment, 1..6).prop_filter_map("no wildcard, or too many", |segments| {
        TopicPattern::new(&segments.join(":")).ok()
    })
}

/// A pattern, and a topic that puts something in the place of each wildcard.
fn filled_in() -> impl Strategy<Value = (TopicPattern, Topic)> {
    let segment = prop_oneof![
        vec(literal(), 0..4).prop_map(|filling| ("**".to_owned(), filling)),
        (literal(), prop::option::of(literal()), literal()).prop_map(|(a, filling, b)| {
            let filling = filling.unwrap_or_default();
            (format!("{a}*{b}"), vec![format!("{a}{filling}{b}")])
        }),
        literal().prop_map(|a| ("*".to_owned(), vec![a])),
        literal().prop_map(|a| (a.clone(), vec![a])),
    ];
    vec(segment, 1..8).prop_filter_map("the last `**` is empty", |segments| {
        let (pattern, topic): (Vec<_>, Vec<_>) = segments.into_iter().unzip();
        let suffix_is_empty = pattern.iter().zip(&topic).rev().take_while(|(p, _)| *p == "**");
        if pattern.last()? == "**" && suffix_is_empty.flat_map(|(_, filling)| filling).count() == 0
        {
            return None;
        }
        let pattern = TopicPattern::new(&pattern.join(":")).ok()?;
        Some((pattern, Topic::new(&topic.concat().join(":")).ok()?))
    })
}

fn hostile_text() -> impl Strategy<Value = String> {
    let hostile = &["**", ":**", "**:", "::", "sse-kit", "sse-kit:", "\r\n", "\0"][..];
    let piece = prop_oneof![
        4 => "[a:*]{0,6}",
        1 => select(hostile).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    prop_oneof![
        3 => vec(piece, 0..5).prop_map(|pieces| pieces.concat()),
        2 => "[0-9a-g]{1,17}-[0-9]{1,21}",
        1 => "[-+0-9a-fA-F_ ]{0,12}",
        1 => any::<String>(),
        1 => ("[a*:\n😀]", 1..300_usize).prop_map(|(c, times)| c.repeat(times)),
        1 => ("(a:|\\*:|\\*\\*:|é)", 1..150_usize).prop_map(|(s, times)| s.repeat(times) + "a"),
    ]
}
