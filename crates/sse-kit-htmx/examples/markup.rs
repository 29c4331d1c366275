//! Prints what this crate writes for both versions of htmx, as JSON: the pages and messages of the
//! browser tests (`tests/browser/markup.test.js` and `connection.test.js`), which run it.
//!
//! `cargo run -p sse-kit-htmx --example markup`

use std::error::Error;
use std::io::{self, Write};

use serde_json::{Value, json};
use sse_kit_htmx::{
    Attributes, Connect, Dialect, Element, ElementId, EventTrigger, Html, MessageFormat, NamedSwap,
    PageScripts, Reconnect, ScriptFolder, Selector, Swap, Tag, Update, Updates,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result {
    let mut all = serde_json::Map::new();
    for dialect in Dialect::ALL {
        all.insert(dialect.to_string(), markup(dialect)?);
    }
    Ok(writeln!(io::stdout(), "{:#}", Value::Object(all))?)
}

fn markup(dialect: Dialect) -> Result<Value> {
    const ASSETS: ScriptFolder = ScriptFolder::from_static("/assets");
    let scripts = PageScripts::new(dialect).htmx_from(ASSETS).own_from(ASSETS);
    let (mut messages, mut both) = (serde_json::Map::new(), serde_json::Map::new());
    for (name, updates) in updates(dialect)? {
        messages.insert(name.to_owned(), updates.render(dialect)?.as_str().into());
        // What both can read does not morph.
        if let Ok(message) = updates.render(MessageFormat::Both) {
            both.insert(name.to_owned(), message.as_str().into());
        }
    }
    Ok(json!({
        "head": scripts.to_string(),
        "nonced": scripts.nonce("r4nd0m".parse()?).to_string(),
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
        "both": both,
    }))
}

fn connection(connect: &Connect, dialect: Dialect) -> Result<Element> {
    Ok(Element::new(Tag::DIV).id(&"stream".parse()?).sse(connect, dialect)?)
}

/// Elements within a connection that take in events by their names.
fn named(dialect: Dialect) -> Result<Element> {
    let element = |id: &str, attributes: Attributes| -> Result<Element> {
        Ok(Element::new(Tag::DIV).id(&id.parse()?).attributes(attributes))
    };
    let a = NamedSwap::new(["a".parse()?, "größer b".parse()?]).swap(Swap::BeforeEnd);
    let b = NamedSwap::new(["b:1".parse()?]);
    let unnamed = NamedSwap::new(["message".parse()?]);
    let trigger = EventTrigger::new("job:done".parse()?, "stream".parse()?);
    let fetches = Attributes::new().with("hx-get", "/answer")?;
    Ok(connection(&Connect::new("/events".parse()?).without_swap(), dialect)?
        .child(element("one", a.attributes(dialect)?)?)
        .child(element("two", b.attributes(dialect)?)?.child("old"))
        .child(element("three", unnamed.attributes(dialect)?)?)
        .child(element("four", trigger.attributes(dialect)?)?.attributes(fetches)))
}

fn updates(dialect: Dialect) -> Result<Vec<(&'static str, Updates)>> {
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
        ("nothing", Update::new(id("a")?, Swap::None, &p)?),
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
            Update::new("#list > li, #a".parse::<Selector>()?, Swap::InnerHtml, &Html::text("x"))?,
        ),
    ];
    if dialect == Dialect::V4 {
        all.push(("morph", Update::morph(id("a")?, &p)?));
        all.push(("morph what is in it", Update::new(id("rows")?, Swap::InnerMorph, &row(1))?));
        all.push(("text", Update::new(id("a")?, Swap::TextContent, &p)?));
        all.push(("sync", Update::new(id("a")?, Swap::OuterSync, &p)?));
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
