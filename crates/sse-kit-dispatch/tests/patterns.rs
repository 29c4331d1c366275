//! Patterns and routing against a naive matcher and against the topic patterns of sse-kit, and
//! hostile text against every constructor.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use sse_kit_dispatch::{Dispatcher, DomainEvent, EventType, Namespace, Pattern};
use sse_kit_event::{Topic, TopicPattern, TopicPatternError};
use sse_kit_test_support::cases;

#[test]
fn a_pattern_matches_what_is_written_down_in_its_docs() {
    let mut runner = TestRunner::new(cases(1_000));
    let outcome = runner.run(&(pattern(), vec(event_type(), 16)), |(pattern, event_types)| {
        let topics = TopicPattern::new(pattern.as_str());
        for event_type in event_types {
            let fits = naive(pattern.as_str(), event_type.as_str());
            prop_assert_eq!(pattern.matches(&event_type), fits, "{} on {}", pattern, event_type);
            let topic = Topic::new(event_type.as_str()).expect("every type is a topic");
            match &topics {
                Ok(topics) => prop_assert_eq!(topics.matches(&topic), fits),
                Err(error) => prop_assert_eq!(error, &TopicPatternError::NoWildcard),
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_pattern_matches_what_it_is_filled_in_with_and_nothing_that_begins_otherwise() {
    let mut runner = TestRunner::new(cases(1_000));
    let outcome = runner.run(&pattern(), |pattern| {
        let filled = filled_in(&pattern);
        prop_assert!(pattern.matches(&filled), "{} on {}", pattern, filled);
        let other = Pattern::new(&format!("y:{pattern}")).expect("it is one with its beginning");
        for (begin, fits) in [("y", true), ("z", false)] {
            let event_type = EventType::new(&format!("{begin}:{filled}")).expect("a type");
            prop_assert_eq!(other.matches(&event_type), fits, "{} on {}", other, event_type);
        }
        Ok(())
    });
    outcome.unwrap();
}

/// Looked up or compiled together with others, a pattern finds the same as it does alone.
#[test]
fn a_dispatcher_calls_the_handlers_whose_patterns_match() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut runner = TestRunner::new(cases(200));
    let outcome =
        runner.run(&(vec(pattern(), 1..40), vec(event_type(), 8)), |(patterns, mut types)| {
            // One that is surely handled.
            types.push(filled_in(&patterns[0]));
            let dispatcher = Dispatcher::new();
            for pattern in &patterns {
                dispatcher.on(pattern.clone(), |_| ()).unwrap();
            }
            for event_type in types {
                let event = DomainEvent::new(event_type.clone(), &Value::Null).unwrap();
                let dispatched = runtime.block_on(dispatcher.dispatch(event)).unwrap();
                let found = dispatched.results.iter().map(|it| it.pattern.as_str());
                let expected = patterns.iter().map(Pattern::as_str);
                let expected = expected.filter(|pattern| naive(pattern, event_type.as_str()));
                prop_assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            }
            Ok(())
        });
    outcome.unwrap();
}

#[test]
fn patterns_too_many_for_one_set_are_found_all_the_same() {
    let dispatcher = Dispatcher::new();
    let filler = "x".repeat(240);
    for n in 0..1_500 {
        dispatcher.on(format!("*:{filler}:{n}"), |_| ()).unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for n in [0, 749, 750, 1_499] {
        let event = DomainEvent::new(format!("a:{filler}:{n}"), &Value::Null).unwrap();
        let dispatched = runtime.block_on(dispatcher.dispatch(event)).unwrap();
        assert_eq!(dispatched.results.len(), 1, "{n}");
    }
}

#[test]
fn no_text_makes_a_constructor_panic() {
    let mut runner = TestRunner::new(cases(20_000));
    let outcome = runner.run(&hostile_text(), |text| {
        let pattern = Pattern::new(&text);
        let event_type = EventType::new(&text);
        prop_assert_eq!(event_type.is_ok(), Topic::new(&text).is_ok(), "a topic just as well");
        prop_assert_eq!(event_type.is_ok(), Namespace::new(&text).is_ok());
        let topics = TopicPattern::new(&text);
        // Those of topics come from clients, so how deep they go is bounded.
        let is_topics = match topics {
            Ok(_)
            | Err(TopicPatternError::NoWildcard | TopicPatternError::TooManySegments { .. }) => {
                true
            }
            Err(_) => false,
        };
        prop_assert!(is_topics || pattern.is_err(), "a pattern of topics just as well");
        prop_assert!(
            pattern.is_ok() || TopicPattern::new(&text).is_err(),
            "and the other way round"
        );
        if let Ok(pattern) = &pattern {
            prop_assert_eq!(pattern.as_str(), &text);
            let _ = pattern.matches(&EventType::new("a:b").unwrap());
        }
        if let Ok(event_type) = &event_type {
            prop_assert!(Pattern::new(&text).unwrap().matches(event_type));
        }
        Ok(())
    });
    outcome.unwrap();
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_is_well_formed_is_taken_and_what_breaks_the_line_is_not(
        event_type in event_type(),
        pattern in pattern(),
    ) {
        let (event_type, pattern) = (event_type.as_str(), pattern.as_str());
        prop_assert!(EventType::new(event_type).is_ok() && Namespace::new(event_type).is_ok());
        prop_assert!(Pattern::new(event_type).is_ok() && Pattern::new(pattern).is_ok());
        for end in ["\n", "\r", "\0"] {
            let [event_type, pattern] = [event_type, pattern].map(|text| text.to_owned() + end);
            prop_assert!(EventType::new(&event_type).is_err());
            prop_assert!(Namespace::new(&event_type).is_err());
            prop_assert!(Pattern::new(&pattern).is_err());
        }
    }
}

/// The rules word for word: slow for the worst pattern, and easy to believe.
fn naive(pattern: &str, event_type: &str) -> bool {
    let pattern: Vec<&str> = pattern.split(':').collect();
    let event_type: Vec<&str> = event_type.split(':').collect();
    segments(&pattern, &event_type)
}

fn segments(pattern: &[&str], text: &[&str]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ["**"] => !text.is_empty(),
        ["**", rest @ ..] => (0..=text.len()).any(|taken| segments(rest, &text[taken..])),
        [first, rest @ ..] => {
            let bytes = |text: &&str| characters(first.as_bytes(), text.as_bytes());
            text.first().is_some_and(bytes) && segments(rest, &text[1..])
        }
    }
}

fn characters(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|taken| characters(rest, &text[taken..])),
        [first, rest @ ..] => text.first() == Some(first) && characters(rest, &text[1..]),
    }
}

/// Literal text, mostly of two letters only, so that patterns and types often fit each other.
fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[ab]",
        3 => "[ab]{2,3}",
        1 => "[/?\\[\\]{}!,^\\\\.~ä😀-]{1,2}",
        1 => select(&["/", "\\", ".", "..", "a/b"][..]).prop_map(str::to_owned),
    ]
}

fn event_type() -> impl Strategy<Value = EventType> {
    vec(literal(), 1..6)
        .prop_map(|segments| EventType::new(&segments.join(":")).expect("literals without `*`"))
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let segment = prop_oneof![
        2 => Just("**".to_owned()),
        2 => Just("*".to_owned()),
        2 => (literal(), literal()).prop_map(|(a, b)| format!("{a}*{b}")),
        1 => literal().prop_map(|a| format!("*{a}*")),
        1 => literal().prop_map(|a| format!("{a}*")),
        1 => literal().prop_map(|a| format!("*{a}")),
        2 => literal(),
    ];
    vec(segment, 1..6)
        .prop_filter_map("too many wildcards", |segments| Pattern::new(&segments.join(":")).ok())
}

/// What has a letter in the place of each star.
fn filled_in(pattern: &Pattern) -> EventType {
    EventType::new(&pattern.as_str().replace('*', "a")).expect("nothing is left of its stars")
}

fn hostile_text() -> impl Strategy<Value = String> {
    let hostile = &["**", ":**", "**:", "::", "sse-kit", "sse-kit:", "\r\n", "\0", "\u{1}"][..];
    let piece = prop_oneof![
        4 => "[a:*]{0,6}",
        2 => "[]?{}!,^\\\\./\\[-]{0,6}",
        1 => select(hostile).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    prop_oneof![
        4 => vec(piece, 0..5).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
        1 => ("[a*:\n😀\\[{\\\\]", 1..300_usize).prop_map(|(c, times)| c.repeat(times)),
        1 => ("(a:|\\*:|\\*\\*:|é)", 1..150_usize).prop_map(|(s, times)| s.repeat(times) + "a"),
    ]
}
