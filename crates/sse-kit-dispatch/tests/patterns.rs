//! Patterns and routing against a naive matcher and against the topic patterns of sse-kit, and
//! hostile text against every constructor.

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use sse_kit_dispatch::{Dispatcher, DomainEvent, EventType, Namespace, Pattern};
use sse_kit_event::{Topic, TopicPattern, TopicPatternError};

#[test]
fn a_pattern_matches_what_is_written_down_in_its_docs() {
    let (matched, missed) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(3_000));
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
            let count = if fits { &matched } else { &missed };
            count.set(count.get() + 1);
        }
        Ok(())
    });
    outcome.unwrap();
    let (matched, missed) = (matched.get(), missed.get());
    assert!(matched > 3_000 && missed > 3_000, "{matched} matched, {missed} missed");
}

/// Looked up or compiled together with others, a pattern finds the same as it does alone.
#[test]
fn a_dispatcher_calls_the_handlers_whose_patterns_match() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let called = Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(500));
    let outcome =
        runner.run(&(vec(pattern(), 1..40), vec(event_type(), 8)), |(patterns, types)| {
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
                called.set(called.get() + dispatched.results.len());
            }
            Ok(())
        });
    outcome.unwrap();
    assert!(called.get() > 5_000, "{} called", called.get());
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
    let accepted = Cell::new([0; 2]);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(100_000));
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
        let [patterns, event_types] = accepted.get();
        let more = [pattern.is_ok(), event_type.is_ok()].map(usize::from);
        accepted.set([patterns + more[0], event_types + more[1]]);
        Ok(())
    });
    outcome.unwrap();
    let accepted = accepted.get();
    assert!(accepted.iter().all(|&count| (1_000..99_000).contains(&count)), "{accepted:?}");
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
