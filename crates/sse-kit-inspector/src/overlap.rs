//! Decides whether two patterns may match the same topic.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use sse_kit_event::TopicPattern;

/// The maximum number of steps of a decision. A client chooses its patterns, so it must not choose how
/// long they take; two patterns that take longer count as overlapping.
const MAX_STEPS: usize = 4_096;

/// The maximum number of steps of all decisions of one render, some tens of milliseconds. Patterns beyond
/// count as overlapping.
const MAX_STEPS_OF_RENDER: usize = 500_000;

/// The maximum number of answers that a page remembers.
const MAX_ANSWERS: usize = 1_024;

/// The patterns that overlap with one, for a page. Each is worked out once, as most connections of an app
/// have the same few patterns.
#[derive(Debug)]
pub(crate) struct Overlaps {
    wanted: TopicPattern,
    decided: Mutex<Decided>,
}

#[derive(Debug, Default)]
struct Decided {
    answers: HashMap<TopicPattern, bool>,
    /// The steps of this render so far.
    steps: usize,
}

impl Overlaps {
    pub(crate) fn new(wanted: TopicPattern) -> Self {
        Self { wanted, decided: Mutex::default() }
    }

    /// Returns the pattern that the others may overlap with.
    pub(crate) fn wanted(&self) -> &TopicPattern {
        &self.wanted
    }

    /// Allows the steps of another render.
    pub(crate) fn begin_render(&self) {
        self.decided.lock().steps = 0;
    }

    /// Returns whether some topic may match the pattern and the wanted one.
    pub(crate) fn include(&self, pattern: &TopicPattern) -> bool {
        let mut decided = self.decided.lock();
        if let Some(answer) = decided.answers.get(pattern) {
            return *answer;
        }
        if decided.steps >= MAX_STEPS_OF_RENDER {
            return true;
        }
        let answer = overlap(pattern, &self.wanted, &mut decided.steps);
        if decided.answers.len() == MAX_ANSWERS {
            // Their clients may be gone.
            decided.answers.clear();
        }
        decided.answers.insert(pattern.clone(), answer);
        answer
    }
}

/// Returns whether some topic may match both patterns, and adds the steps that this took.
fn overlap(one: &TopicPattern, other: &TopicPattern, steps: &mut usize) -> bool {
    *steps += 1;
    let prefixes = (one.literal_prefix(), other.literal_prefix());
    if !prefixes.0.starts_with(prefixes.1) && !prefixes.1.starts_with(prefixes.0) {
        return false;
    }
    let (one, other) = (Tokens::of(one), Tokens::of(other));
    let mut waiting = vec![(State::default(), State::default())];
    let mut seen = HashSet::from([waiting[0]]);
    while let Some((here, there)) = waiting.pop() {
        *steps += 1;
        if one.is_end(here) && other.is_end(there) || seen.len() > MAX_STEPS {
            return true;
        }
        let skipped = one.skip(here).map(|next| (next, there)).into_iter();
        let skipped = skipped.chain(other.skip(there).map(|next| (here, next)));
        let both = one.step(here).zip(other.step(there));
        let both = both.filter(|((taken, _), (also, _))| taken.meets(*also));
        let next = skipped.chain(both.map(|((_, next), (_, then))| (next, then)));
        for pair in next.chain(leave(&one, here, &other, there)) {
            if seen.insert(pair) {
                waiting.push(pair);
            }
        }
    }
    false
}

/// Returns the steps by which one or both end a segment that `**` has taken.
fn leave(
    one: &Tokens,
    here: State,
    other: &Tokens,
    there: State,
) -> impl Iterator<Item = (State, State)> + use<> {
    let ends = |tokens: &Tokens, state: State| {
        let by_step = tokens.step(state).filter(|(taken, _)| taken.meets(Taken::Byte(b':')));
        [tokens.end_segment(state), by_step.map(|(_, next)| next)]
    };
    let (here, there) = (ends(one, here), ends(other, there));
    let pairs = here
        .into_iter()
        .flatten()
        .flat_map(move |here| there.into_iter().flatten().map(move |there| (here, there)));
    pairs.collect::<Vec<_>>().into_iter()
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug)]
enum Token {
    Byte(u8),
    /// `*`
    Run,
    /// `**:`
    Segments,
    /// `**` at the end
    Rest,
}

/// The bytes that a step takes.
#[derive(Clone, Copy, Debug)]
enum Taken {
    Byte(u8),
    /// Any byte of a segment.
    Inner,
    Any,
}

impl Taken {
    fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::Byte(one), Self::Byte(other)) => one == other,
            (Self::Byte(byte), Self::Inner) | (Self::Inner, Self::Byte(byte)) => byte != b':',
            _ => true,
        }
    }
}

/// A place in a pattern: a token, and whether it has taken something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    at: usize,
    is_within: bool,
}

#[derive(Debug)]
struct Tokens(Vec<Token>);

impl Tokens {
    fn of(pattern: &TopicPattern) -> Self {
        let (mut rest, mut tokens) = (pattern.as_str().as_bytes(), Vec::new());
        while let [first, after @ ..] = rest {
            let (token, after) = match rest {
                b"**" => (Token::Rest, &rest[2..]),
                [b'*', b'*', b':', after @ ..] => (Token::Segments, after),
                [b'*', ..] => (Token::Run, after),
                _ => (Token::Byte(*first), after),
            };
            tokens.push(token);
            rest = after;
        }
        Self(tokens)
    }

    fn get(&self, state: State) -> Option<Token> {
        self.0.get(state.at).copied()
    }

    fn is_end(&self, state: State) -> bool {
        match self.get(state) {
            None => true,
            Some(Token::Rest) => state.is_within,
            Some(_) => false,
        }
    }

    /// Returns the state after a token that takes nothing, or nothing more.
    fn skip(&self, state: State) -> Option<State> {
        let may_skip = match self.get(state)? {
            Token::Run => true,
            Token::Segments => !state.is_within,
            Token::Byte(_) | Token::Rest => false,
        };
        may_skip.then_some(State { at: state.at + 1, is_within: false })
    }

    /// Returns the state after one more byte, and which bytes those are.
    fn step(&self, state: State) -> Option<(Taken, State)> {
        let within = State { is_within: true, ..state };
        Some(match self.get(state)? {
            Token::Byte(byte) => (Taken::Byte(byte), State { at: state.at + 1, is_within: false }),
            Token::Run => (Taken::Inner, state),
            Token::Segments => (Taken::Inner, within),
            Token::Rest => (Taken::Any, within),
        })
    }

    /// Returns the state after the `:` behind a segment that `**:` has taken.
    fn end_segment(&self, state: State) -> Option<State> {
        let ends = matches!(self.get(state)?, Token::Segments) && state.is_within;
        ends.then_some(State { is_within: false, ..state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(one: &str, other: &str) -> bool {
        let pattern = |text: &str| text.parse().unwrap();
        let found = super::overlap(&pattern(one), &pattern(other), &mut 0);
        let turned = super::overlap(&pattern(other), &pattern(one), &mut 0);
        assert_eq!(found, turned, "{one} {other}");
        found
    }

    #[test]
    fn two_patterns_overlap_if_one_topic_matches_both() {
        for (one, other) in [
            ("a:*", "a:*"),
            ("a:*", "**"),
            ("a:*", "*:b"),
            ("a:**", "a:b:*"),
            ("**:c", "a:b:*"),
            ("**:c", "*"),
            ("a*c", "*b*"),
            ("**:b:**", "a:*:c"),
            ("**:b:**", "b:*"),
            ("a:**:z", "a:*"),
            ("**:x:*", "a:**:y"),
        ] {
            assert!(overlap(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("a:*", "b:*"),
            ("a:*", "a:*:*"),
            ("*:a", "*:b"),
            ("a*", "*:b"),
            ("a:**", "*"),
            ("**:c", "a:b:*d"),
            ("a*b", "a*c"),
            ("**:b:*", "*"),
        ] {
            assert!(!overlap(one, other), "{one} {other}");
        }
    }

    #[test]
    fn patterns_that_take_long_count_as_overlapping() {
        let stars = |end: &str| format!("{}{end}", "*aaaaaaaaaaaaaaaaaaaa".repeat(8));
        assert!(overlap(&stars("b"), &stars("c")));
    }

    fn stars(end: &str) -> TopicPattern {
        format!("{}{end}", "*aaaaaaaaaaaaaaaaaaaa".repeat(8)).parse().unwrap()
    }

    #[test]
    fn a_pattern_is_worked_out_once() {
        let overlaps = Overlaps::new(stars("b"));
        let hostile = stars("c");
        for render in 0..100 {
            overlaps.begin_render();
            for _ in 0..100 {
                assert!(overlaps.include(&hostile));
            }
            let steps = overlaps.decided.lock().steps;
            assert_eq!(steps > 0, render == 0, "{steps}");
            assert!(steps <= MAX_STEPS + 2, "{steps}");
        }
    }

    /// For any patterns that clients choose, a render takes no longer than the limit and one decision.
    #[test]
    fn many_patterns_take_a_bounded_number_of_steps_and_memory() {
        let overlaps = Overlaps::new(stars("b"));
        for _render in 0..2 {
            overlaps.begin_render();
            for client in 0..20_000 {
                overlaps.include(&stars(&format!("{client}c")));
            }
            let decided = overlaps.decided.lock();
            assert!(decided.steps > MAX_STEPS_OF_RENDER, "or the test shows nothing");
            assert!(decided.steps <= MAX_STEPS_OF_RENDER + MAX_STEPS + 2, "{}", decided.steps);
            assert!(decided.answers.len() <= MAX_ANSWERS);
        }
        overlaps.begin_render();
        let plain: TopicPattern = "b:*".parse().unwrap();
        assert!(!overlaps.include(&plain), "the next render works out patterns again");
    }
}
