//! Routing against a naive matcher. (What a pattern matches, and hostile text, are tested where topics
//! and their patterns are.)

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use sse_kit_dispatch::{Dispatcher, DomainEvent, EventType, Namespace, Pattern};
use sse_kit_event::{Topic, TopicPattern};
use sse_kit_test_support::{TestResult, cases};

/// Looked up among others, a pattern finds the same as it does alone, also when others are removed.
#[test]
fn a_dispatcher_calls_the_handlers_whose_patterns_match() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut runner = TestRunner::new(cases(200));
    let outcome =
        runner.run(&(vec(pattern(), 1..40), vec(event_type(), 8)), |(mut patterns, mut types)| {
            types.extend(patterns.iter().map(filled_in));
            let dispatcher = Dispatcher::new();
            for pattern in &patterns {
                dispatcher.on(pattern.clone(), |_| ()).unwrap();
            }
            if let [_, .., last] = &patterns[..] {
                let last = last.clone();
                let registered = patterns.iter().filter(|pattern| **pattern == last).count();
                prop_assert_eq!(dispatcher.clear(&last), registered);
                patterns.retain(|pattern| *pattern != last);
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
fn a_pattern_is_an_event_type_or_a_topic_pattern() {
    let mut runner = TestRunner::new(cases(5_000));
    let outcome = runner.run(&"([a:*]|sse-kit|\\PC){0,12}", |text| {
        match Pattern::new(&text) {
            Ok(Pattern::Exact(event_type)) => {
                prop_assert_eq!(Ok(event_type), Topic::new(&text).map(EventType::from));
            }
            Ok(Pattern::Wild(pattern)) => prop_assert_eq!(TopicPattern::new(&text), Ok(pattern)),
            Err(error) => {
                prop_assert!(Topic::new(&text).is_err());
                let as_topic_pattern = TopicPattern::new(&text).map_err(|error| error.kind());
                prop_assert_eq!(as_topic_pattern, Err(error.kind()));
            }
        }
        prop_assert_eq!(Namespace::new(&text).is_ok(), Topic::new(&text).is_ok());
        Ok(())
    });
    outcome.unwrap();
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

/// Returns an event type that has a letter in the place of each star.
fn filled_in(pattern: &Pattern) -> EventType {
    EventType::new(&pattern.as_str().replace('*', "a")).expect("nothing is left of its stars")
}

#[tokio::test]
async fn wildcards_know_segments_and_nothing_else_is_special() -> TestResult {
    let event = |text| DomainEvent::new(text, &Value::Null).expect("an event type");
    for (pattern, matching, other) in [
        ("job:**", "job:a:b", "job"),
        ("**:completed", "job:x:completed", "job:completed:x"),
        ("*", "job", "job:a"),
        ("a.b:*", "a.b:c", "axb:c"),
        ("a+:*", "a+:c", "aa:c"),
        ("(a|b):*", "(a|b):c", "a:c"),
        ("[ab]?:*", "[ab]?:c", "a:c"),
        ("a/*:x", "a/b:x", "a:b:x"),
    ] {
        let dispatcher = Dispatcher::new();
        dispatcher.on(pattern, |_| ())?;
        assert_eq!(dispatcher.dispatch(event(matching)).await?.results.len(), 1, "{pattern}");
        assert_eq!(dispatcher.dispatch(event(other)).await?.results.len(), 0, "{pattern}");
    }
    Ok(())
}
