//! Every swap style on every kind of target, and what else messages can do.

use sse_kit_event::Event;
use sse_kit_htmx::{
    Connect, Dialect, ElementId, Html, MessageFormat, NamedSwap, Selector, Swap, Update, Updates,
};

use crate::{Case, Result};

const STYLES: [&str; 12] = [
    "innerHTML",
    "outerHTML",
    "textContent",
    "beforebegin",
    "afterbegin",
    "beforeend",
    "afterend",
    "delete",
    "none",
    "innerMorph",
    "outerMorph",
    "outerSync",
];

const STAGE: &str = "<p id=\"a\" title=\"t\">old <i>x</i></p>\n<ul id=\"list\"><li id=\"l1\">1</li>\
<li id=\"l2\">2</li></ul><table id=\"table\"><tbody id=\"rows\"><tr id=\"r1\"><td id=\"c1\">1</td></tr>\
</tbody></table><select id=\"select\"><option id=\"o1\">1</option></select>\
<details id=\"kept\">opened <b id=\"deep\">by hand</b></details>";

/// Targets, and content that can stand there.
const PLACES: [(&str, &str); 12] = [
    ("a", "<p id=\"a\">new <b>a</b></p>"),
    ("a", "two <i>y</i> &lt;three&gt; &amp; four"),
    ("a", "<p>one</p><p>two</p>"),
    ("a", ""),
    ("l1", "<li id=\"l1\" class=\"x\">1!</li>"),
    ("list", "<li id=\"l2\">2</li><li>new</li><li id=\"l1\">1</li>"),
    ("list", "<ul id=\"list\"><li id=\"l3\">3</li><li id=\"l1\">1</li></ul>"),
    ("r1", "<tr id=\"r1\"><td>1!</td><td>2!</td></tr>"),
    ("rows", "<tr id=\"r0\"><td>0</td></tr>"),
    ("c1", "<td id=\"c1\">new</td>"),
    ("o1", "<option id=\"o1\">1!</option>"),
    ("a", "<section id=\"around\"><details id=\"kept\" hx-preserve>new</details>after</section>"),
];

/// Messages as people write them by hand.
const BY_HAND: [&str; 10] = [
    "<p id=\"a\" hx-swap-oob=\"true\">new</p>",
    "<p id=\"a\" hx-swap-oob=\"innerHTML\"><b>new</b></p>and <i>more</i>",
    "<div hx-swap-oob=\"beforeend:#list\"><li>3</li></div><div id=\"l1\" hx-swap-oob=\"delete\"></div>",
    "<div hx-swap-oob=\"innerHTML:#a, #l1\">both</div>",
    "<p id=\"nowhere\" hx-swap-oob=\"true\">new</p>",
    "<HX-Partial hx-target=\"#a\" hx-swap=\"innerHTML\">new</HX-Partial>tail",
    "<hx-partial hx-target=\"li\" hx-swap=\"beforeend\">!</hx-partial>",
    "<hx-partial hx-target=\"#a\" hx-swap=\"outerHTML\"><p id=\"a\">1 <i id=\"in\">2</i></p></hx-partial>\
     <hx-partial hx-target=\"#in\" hx-swap=\"innerHTML\">3</hx-partial>",
    "<div data-hx-swap-oob=\"outerHTML:#a\"><i>data</i></div>",
    "text only",
];

pub(super) fn cases(dialect: Dialect) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let out_of_band = || -> Result<Connect> { Ok(Connect::new("/events".parse()?).out_of_band()) };
    let formats = [MessageFormat::from(dialect), MessageFormat::Both];
    for (place, content) in PLACES {
        for style in STYLES {
            let has_own_id = content.contains(&format!("id=\"{place}\""));
            let is_thrown_at = match style {
                "innerMorph" => has_own_id,
                "outerSync" => content.is_empty(),
                _ => false,
            };
            if is_thrown_at {
                continue;
            }
            let (id, style) = (ElementId::new(place)?, style.parse::<Swap>()?);
            let Ok(update) = Update::new(id, style, &Html::trusted(content)) else { continue };
            for format in formats {
                let Ok(message) = Updates::from(update.clone()).render(format) else { continue };
                if message.as_str().is_empty() {
                    continue;
                }
                let name = format!("{style} of {place} by {content:?} for {format:?}");
                let events = vec![Event::new(message.as_str())];
                cases.push(Case { name, connect: out_of_band()?, stage: STAGE.into(), events });
            }
        }
    }
    for message in BY_HAND {
        for (how, connect) in
            [("none", out_of_band()?), ("as it comes", Connect::new("/events".parse()?))]
        {
            if how == "as it comes" && message.contains("hx-swap-oob") && dialect == Dialect::V2 {
                continue; // it would take away the stage itself
            }
            let (name, stage) = (format!("by hand: {message}, {how}"), STAGE.into());
            let connect = if how == "none" { connect } else { connect.swap(Swap::BeforeEnd) };
            cases.push(Case { name, connect, stage, events: vec![Event::new(message)] });
        }
    }
    let several: Selector = "#list > li, #a".parse()?;
    let update = Update::new(several, Swap::BeforeEnd, &Html::trusted("<i>!</i>"))?;
    let events = vec![Event::new(Updates::from(update).render(dialect)?.as_str())];
    let name = "a selector".to_owned();
    cases.push(Case { name, connect: out_of_band()?, stage: STAGE.into(), events });
    cases.extend(named(dialect)?);
    Ok(cases)
}

/// Events that elements take in by their names.
fn named(dialect: Dialect) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for style in STYLES {
        let swap = NamedSwap::new(["a".parse()?, "b".parse()?]).swap(style.parse()?);
        let Ok(attributes) = swap.attributes(dialect) else { continue };
        let message = NamedSwap::new(["message".parse()?]).attributes(dialect)?;
        let stage = format!(
            "{STAGE}<div id=\"one\"{attributes}><b>old</b></div><div id=\"two\"{message}>old</div>"
        );
        let events = vec![
            Event::new("<i>1</i> & 2").with_name("a".parse()?),
            Event::new("<i>3</i>").with_name("c".parse()?),
            Event::new("<i>4</i><p id=\"a\" hx-swap-oob=\"true\">5</p>").with_name("b".parse()?),
            Event::new("6"),
        ];
        let (name, connect) = (format!("named, {style}"), Connect::new("/events".parse()?));
        cases.push(Case { name, connect: connect.without_swap(), stage, events });
    }
    Ok(cases)
}
