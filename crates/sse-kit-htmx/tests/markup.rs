//! What the browser tests put on their pages is what this crate writes: it stands in
//! `tests/browser/markup.json`, and this test says when it no longer does.
//!
//! `SSE_KIT_BLESS=1 cargo test -p sse-kit-htmx --test markup` writes it anew.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sse_kit_htmx::{
    Attributes, Connect, Dialect, Element, ElementId, EventTrigger, Html, NamedSwap, PageScripts,
    Reconnect, Selector, Swap, Tag, Update, Updates,
};

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

#[test]
fn the_browser_tests_have_what_is_written_today() -> TestResult {
    let mut all = serde_json::Map::new();
    for dialect in Dialect::ALL {
        all.insert(dialect.to_string(), markup(dialect)?);
    }
    let today = serde_json::to_string_pretty(&Value::Object(all))? + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/browser/markup.json");
    if std::env::var_os("SSE_KIT_BLESS").is_some() {
        fs::write(&file, &today)?;
    }
    assert_eq!(fs::read_to_string(file)?, today);
    Ok(())
}

fn markup(dialect: Dialect) -> TestResult<Value> {
    let mut messages = serde_json::Map::new();
    for (name, updates) in updates(dialect)? {
        messages.insert(name.to_owned(), updates.render(dialect)?.as_str().into());
    }
    Ok(json!({
        "head": PageScripts::hosted(dialect, "/assets".parse()?).to_string(),
        "updates": connection(&Connect::new("/events".parse()?).out_of_band(), dialect)?.to_string(),
        "unnamed": connection(&Connect::new("/events".parse()?), dialect)?.child("old").to_string(),
        "named": named(dialect)?.to_string(),
        "own": connection(
            &Connect::new("/events".parse()?)
                .events(["a".parse()?, "größer b".parse()?])
                .swap(Swap::BeforeEnd),
            dialect,
        )?
        .to_string(),
        "once": connection(
            &Connect::new("/events".parse()?).reconnect(Reconnect::Off).close("done".parse()?),
            dialect,
        )?
        .to_string(),
        "messages": messages,
    }))
}

fn connection(connect: &Connect, dialect: Dialect) -> TestResult<Element> {
    Ok(Element::new(Tag::DIV).id(&"stream".parse()?).sse(connect, dialect)?)
}

/// Elements within a connection that take in events by their names.
fn named(dialect: Dialect) -> TestResult<Element> {
    let element = |id: &str, attributes: Attributes| -> TestResult<Element> {
        Ok(Element::new(Tag::DIV).id(&id.parse()?).attributes(attributes))
    };
    let a = NamedSwap::new(["a".parse()?, "größer b".parse()?]).swap(Swap::BeforeEnd);
    let b = NamedSwap::new(["b:1".parse()?]);
    let unnamed = NamedSwap::new(["message".parse()?]);
    let trigger = EventTrigger::new("job:done".parse()?, "stream".parse()?);
    let fetches = Attributes::new().with("hx-get".parse()?, "/answer");
    Ok(connection(&Connect::new("/events".parse()?).without_swap(), dialect)?
        .child(element("one", a.attributes(dialect)?)?)
        .child(element("two", b.attributes(dialect)?)?.child("old"))
        .child(element("three", unnamed.attributes(dialect)?)?)
        .child(element("four", trigger.attributes(dialect)?)?.attributes(fetches)))
}

fn updates(dialect: Dialect) -> TestResult<Vec<(&'static str, Updates)>> {
    let id = |id: &str| ElementId::new(id);
    let p = Html::trusted("<p id=\"a\">new <b>a</b></p>");
    let row = |n: u8| Html::trusted(format!("<tr id=\"r{n}\"><td>{n}!</td></tr>"));
    let cell = Html::trusted("<td id=\"c1\">new</td>");
    let body = Html::trusted("<tbody id=\"rows\"><tr><td>new</td></tr></tbody>");
    let item = |n: u8| Html::trusted(format!("<li>{n}!</li>"));
    let option = Html::trusted("<option>2</option>");
    let strange = "7:a.b,\"c'd";
    let mut all = vec![
        ("replace", Update::replace(id("a")?, &p)?),
        ("morph or replace", Update::morph_or_replace(id("a")?, &p)?),
        ("fill", Update::fill(id("a")?, &Html::text("<i>&amp;"))?),
        ("fill with nothing", Update::fill(id("a")?, &Html::default())?),
        ("append", Update::append(id("list")?, &item(2))?),
        ("prepend", Update::prepend(id("list")?, &item(0))?),
        ("before", Update::before(id("l1")?, &item(0))?),
        ("after", Update::after(id("l1")?, &item(2))?),
        ("delete", Update::delete(id("a")?)),
        ("nothing", Update::to(id("a")?, Swap::None, &p)?),
        ("replace a row", Update::replace(id("r1")?, &row(1))?),
        ("append a row", Update::append(id("rows")?, &row(2))?),
        ("a row after", Update::after(id("r1")?, &row(2))?),
        ("fill a row", Update::fill(id("r1")?, &cell)?),
        ("replace a cell", Update::replace(id("c1")?, &cell)?),
        ("replace a table's body", Update::replace(id("rows")?, &body)?),
        ("fill a table", Update::fill(id("table")?, &body)?),
        ("append an option", Update::append(id("select")?, &option)?),
        ("a strange id", Update::fill(id(strange)?, &Html::text("new"))?),
        (
            "a selector",
            Update::to("#list > li, #a".parse::<Selector>()?, Swap::InnerHtml, &Html::text("x"))?,
        ),
    ];
    if dialect == Dialect::V4 {
        all.push(("morph", Update::morph(id("a")?, &p)?));
        all.push(("morph what is in it", Update::to(id("rows")?, Swap::InnerMorph, &row(1))?));
        all.push(("text", Update::to(id("a")?, Swap::TextContent, &p)?));
        all.push(("sync", Update::to(id("a")?, Swap::OuterSync, &p)?));
    }
    let mut all: Vec<_> = all.into_iter().map(|(name, update)| (name, update.into())).collect();
    let several = Updates::from_iter([
        Update::append(id("list")?, &item(2))?,
        Update::append(id("rows")?, &row(2))?,
        Update::replace(id("a")?, &p)?,
        Update::replace(id("r1")?, &row(1))?,
        Update::append(id("list")?, &item(3))?,
    ]);
    all.push(("several", several));
    Ok(all)
}
