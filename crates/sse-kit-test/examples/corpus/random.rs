//! Random pages that get random updates, from the seed of all tests.

use fastrand::Rng;
use sse_kit_event::Event;
use sse_kit_htmx::{Connect, Dialect, ElementId, Html, Swap, Update, Updates};

use crate::{Case, Result};

/// The number of pages for each version of htmx.
const CASES: u32 = 150;

const IDS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
/// The ids of elements that may be preserved. They are no targets and have no elements in them, as htmx 4
/// throws where a target is to be preserved.
const PRESERVED: [&str; 2] = ["f", "g"];
const TAGS: [&str; 4] = ["div", "span", "b", "section"];
const STYLES: [Swap; 10] = [
    Swap::InnerHtml,
    Swap::OuterHtml,
    Swap::BeforeBegin,
    Swap::AfterBegin,
    Swap::BeforeEnd,
    Swap::AfterEnd,
    Swap::Delete,
    Swap::InnerMorph,
    Swap::OuterMorph,
    Swap::OuterSync,
];

pub(super) fn cases(dialect: Dialect) -> Result<Vec<Case>> {
    let mut rng = sse_kit_test_support::rng();
    let mut cases = Vec::new();
    for number in 0..sse_kit_test_support::scaled(CASES) {
        let mut ids = IDS.to_vec();
        rng.shuffle(&mut ids);
        let stage = (0..3).map(|_| element(&mut rng, &mut ids, 3)).collect();
        let events =
            (0..rng.usize(1..4)).map(|_| message(&mut rng, dialect)).collect::<Result<_>>()?;
        let connect = Connect::new("/events".parse()?).out_of_band();
        cases.push(Case { name: format!("random page {number}"), connect, stage, events });
    }
    Ok(cases)
}

fn message(rng: &mut Rng, dialect: Dialect) -> Result<Event> {
    let mut updates = Updates::new();
    while updates.is_empty() {
        for _ in 0..rng.usize(1..4) {
            let style = STYLES[rng.usize(..STYLES.len())];
            // htmx throws when what it is to morph is gone, which an update before may have seen to.
            let is_first = updates.is_empty() || style != Swap::OuterMorph;
            if style.as_str(dialect).is_err() || !is_first {
                continue;
            }
            // Ids are there once each in one content, and may be anywhere else on the page.
            let mut ids = IDS.to_vec();
            rng.shuffle(&mut ids);
            let target = IDS[rng.usize(..IDS.len() - PRESERVED.len())];
            // htmx throws when what it morphs is to come into itself.
            ids.retain(|id| style != Swap::InnerMorph || *id != target);
            let content = element(rng, &mut ids, 3);
            let target = ElementId::new(target)?;
            updates.push(Update::new(target, style, &Html::trusted(content))?);
        }
    }
    Ok(Event::new(updates.render(dialect)?.as_str()))
}

/// A random element with some of the ids.
fn element(rng: &mut Rng, ids: &mut Vec<&str>, depth: usize) -> String {
    let tag = TAGS[rng.usize(..TAGS.len())];
    let id = if rng.u8(..3) > 0 { ids.pop() } else { None };
    let may_be_preserved = id.is_some_and(|id| PRESERVED.contains(&id));
    let depth = if may_be_preserved { 0 } else { depth };
    let id = id.map(|id| format!(" id=\"{id}\"")).unwrap_or_default();
    let class = if rng.u8(..4) == 0 { " class=\"x\"" } else { "" };
    let preserve = if may_be_preserved && rng.u8(..3) == 0 { " hx-preserve" } else { "" };
    let mut inside = String::new();
    for _ in 0..rng.usize(..4) {
        if depth == 0 || rng.bool() {
            inside.push_str(["one", " two ", "3", "<!--no-->"][rng.usize(..4)]);
        } else {
            inside.push_str(&element(rng, ids, depth - 1));
        }
    }
    format!("<{tag}{id}{class}{preserve}>{inside}</{tag}>")
}
