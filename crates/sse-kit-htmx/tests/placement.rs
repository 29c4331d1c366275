//! The place where a browser puts the content of an update: in its place, whole, and nothing that follows with it.

use html5ever::ParseOpts;
use html5ever::driver::parse_document;
use html5ever::tendril::TendrilSink;
use html5ever::tree_builder::TreeBuilderOpts;
use proptest::prelude::*;
use sse_kit_htmx::{Dialect, Html, MarkupErrorKind, MessageFormat, Swap, Update, Updates};
use sse_kit_test_support::cases;

const FORMATS: [MessageFormat; 3] = [MessageFormat::V2, MessageFormat::V4, MessageFormat::Both];

/// Elements for which a parser has rules of its own, or had them, and some that are ordinary.
const ELEMENTS: &[&str] = &[
    "a",
    "address",
    "annotation-xml",
    "article",
    "b",
    "big",
    "button",
    "caption",
    "center",
    "code",
    "col",
    "colgroup",
    "dd",
    "desc",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "em",
    "fieldset",
    "font",
    "foreignObject",
    "form",
    "frame",
    "frameset",
    "g",
    "h1",
    "h2",
    "h6",
    "hr",
    "hgroup",
    "i",
    "iframe",
    "image",
    "img",
    "input",
    "keygen",
    "label",
    "li",
    "listing",
    "main",
    "marquee",
    "math",
    "menu",
    "mi",
    "nav",
    "nobr",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "ol",
    "optgroup",
    "option",
    "p",
    "param",
    "path",
    "plaintext",
    "pre",
    "rb",
    "rp",
    "rt",
    "rtc",
    "ruby",
    "s",
    "script",
    "search",
    "section",
    "select",
    "small",
    "source",
    "span",
    "strike",
    "strong",
    "style",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "template",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "track",
    "tt",
    "u",
    "ul",
    "wbr",
    "x-y",
    "xmp",
    "body",
    "head",
    "html",
    "br",
];

fn replace(content: &str) -> Update {
    Update::replace("a".parse().expect("an id"), &Html::trusted(content)).expect("it is rendered")
}

fn fill(content: &str) -> Update {
    Update::fill("a".parse().expect("an id"), &Html::trusted(content)).expect("it is rendered")
}

fn message(updates: impl IntoIterator<Item = Update>, format: MessageFormat) -> Option<Html> {
    let rendered = Updates::from_iter(updates).render(format);
    if let Err(error) = &rendered {
        assert_eq!(error.kind(), MarkupErrorKind::Content, "{error}");
    }
    rendered.ok()
}

/// As `DOMParser` parses: no script runs.
fn parse(html: &str) -> scraper::Html {
    let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
    let options = ParseOpts { tree_builder, ..ParseOpts::default() };
    let sink = scraper::HtmlTreeSink::new(scraper::Html::new_document());
    parse_document(sink, options).one(html)
}

/// The parts of a message as htmx finds them, in a `<template>`: where each of them swaps.
fn parts(message: &Html) -> Vec<String> {
    let message = message
        .as_str()
        .replace("<hx-partial", "<template")
        .replace("</hx-partial>", "</template>");
    let page = parse(&format!("<body><template>{message}</template></body>"));
    let body = scraper::Selector::parse("body").expect("a selector");
    let body = page.select(&body).next().expect("a body");
    assert_eq!(body.children().count(), 1, "{message} leaves the message");
    let template = body.first_child().expect("it is there");
    let fragment = template.first_child().expect("a template has a fragment");
    let mut parts = Vec::new();
    for node in fragment.children() {
        let Some(element) = node.value().as_element() else {
            assert!(node.value().as_text().is_none_or(|text| text.trim().is_empty()), "{message}");
            continue;
        };
        let place = |element: &scraper::node::Element| {
            element.attr("hx-swap-oob").or(element.attr("hx-target")).map(str::to_owned)
        };
        parts.push(place(element).unwrap_or_else(|| {
            // A part of a table, in a template of its own.
            let inner = node.first_child().into_iter().flat_map(|fragment| fragment.children());
            let elements: Vec<_> = inner.filter_map(scraper::ElementRef::wrap).collect();
            assert_eq!(elements.len(), 1, "{message}");
            place(elements[0].value()).expect("a place")
        }));
    }
    parts
}

fn assert_stays(content: &str) {
    let forms = [
        (replace(content), MessageFormat::V2),
        (fill(content), MessageFormat::V2),
        (fill(content), MessageFormat::V4),
    ];
    for (update, format) in forms {
        let Some(message) = message([update, fill("next")], format) else { continue };
        assert_eq!(parts(&message).len(), 2, "{content} in {format:?}: {message}");
    }
}

/// Content that HTML writes as one element and a browser takes apart.
const BREAKS_OUT: &[(&str, &str)] = &[
    ("<p id=a><div>x</div></p>", "div"),
    ("<p id=a><ul><li>x</li></ul></p>", "ul"),
    ("<li id=a><li>x</li></li>", "li"),
    ("<dd id=a><dd>x</dd></dd>", "dd"),
    ("<a id=a><a>x</a></a>", "a"),
    ("<button id=a><button>x</button></button>", "button"),
    ("<h1 id=a><h2>x</h2></h1>", "h2"),
    ("<option id=a><option>x</option></option>", "option"),
    ("<nobr id=a><nobr>x</nobr></nobr>", "nobr"),
    ("<select id=a><input></select>", "input"),
    ("<table id=a><div>x</div></table>", "div"),
    ("<svg id=a><p>x</p></svg>", "p"),
    ("<svg id=a><br/></svg>", "br"),
    ("<i></i></p>", "p"),
    ("<p></p><p></p>", "p"),
    ("<tr><td>x</td></tr><tr></tr>", "tr"),
];

#[test]
fn what_a_browser_takes_apart_is_refused_by_the_name_of_what_breaks_out() {
    for (content, name) in BREAKS_OUT {
        let error = Updates::from(replace(content)).render(Dialect::V2).expect_err(content);
        let expected = format!("a browser puts `<{name}>` beside it");
        assert!(error.to_string().contains(&expected), "{content}: {error}");
    }
}

#[test]
fn one_element_is_one_element() {
    for content in [
        "<li>a</li>",
        " <!-- <p> -->\n<X-y\nid=1>a<br>b</x-Y> <!-- -->\n",
        "<input value=\"</p><p>\">",
        "<tr><td>a<td>b</tr>",
        "<ul><li>a<li>b</ul>",
        "<svg><path d='M0'/><g/></svg>",
        "<div><script>'</div><p>'</script></div>",
        "<p></b></p>",
        "<a title='x'href=/y/>z</a>",
        "<param name=a>",
        "<keygen>",
        "<image src=a>",
        "<col>",
        "<table><tr><td>x</table>",
        "<select><option>1<option>2</select>",
        "<div></div></div>",
    ] {
        for format in FORMATS {
            let message = message([replace(content), fill("next")], format).expect(content);
            assert_eq!(parts(&message).len(), 2, "{message}");
        }
    }
}

#[test]
fn what_is_no_element_says_what_it_is() {
    for (content, expected) in [
        ("", "there is no element in it"),
        (" <!-- <p></p> --> ", "there is no element in it"),
        ("text", "there is text beside the element"),
        ("1 < 2", "there is text beside the element"),
        ("&nbsp;<p></p>", "there is text beside the element"),
        ("<p></p>a", "there is text beside the element"),
        ("<Body></body>", "a browser drops `<body>` here"),
        ("<frame>", "there is no element in it"),
        ("<p>", "`<p>` is not closed"),
        ("<div a=\"></div>", "a tag in it does not end"),
        ("<div><script></div>", "`<script>` is not closed"),
        ("<div></div><!-- x", "a comment in it does not end"),
    ] {
        let error = Updates::from(replace(content)).render(Dialect::V2).expect_err(content);
        assert!(error.to_string().contains(expected), "{content}: {error}");
    }
}

#[test]
fn what_takes_in_the_updates_after_it_is_refused_in_every_format() {
    for content in [
        "<!-- x",
        "<plaintext>",
        "<script>",
        "<textarea>",
        "<b class=\"",
        "<b",
        "</template><p>",
        "</hx-partial><p>",
    ] {
        for format in FORMATS {
            for swap in [Swap::InnerHtml, Swap::BeforeEnd] {
                let id: sse_kit_htmx::ElementId = "a".parse().unwrap();
                let update = Update::new(id, swap, &Html::trusted(content)).unwrap();
                let rendered = message([update], format);
                assert_eq!(rendered, None, "{content} in {format:?}");
            }
        }
    }
    // What is in a `<template>` of its own is closed by it.
    assert!(message([fill("<b>x")], MessageFormat::V4).is_some());
    assert!(message([fill("<b>x")], MessageFormat::V2).is_none());
}

#[test]
fn every_element_in_every_other() {
    for outer in ELEMENTS {
        for inner in ELEMENTS {
            assert_stays(&format!("<{outer} id=a><{inner}>x</{inner}></{outer}>"));
        }
    }
}

/// HTML with elements in each other, some of them closed in the wrong order or not at all.
fn html() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(ELEMENTS);
    let leaf = prop_oneof![
        3 => Just("x".to_owned()),
        1 => Just("<!-- a -->".to_owned()),
        1 => Just("<!-- a".to_owned()),
        2 => name().prop_map(|name| format!("<{name}>")),
        2 => name().prop_map(|name| format!("</{name}>")),
        1 => name().prop_map(|name| format!("<{name}/>")),
        1 => Just("<math><annotation-xml encoding=text/html>".to_owned()),
        1 => Just("</hx-partial>".to_owned()),
    ];
    leaf.prop_recursive(4, 16, 3, move |inner| {
        (name(), prop::collection::vec(inner, 0..3))
            .prop_map(|(name, inner)| format!("<{name} a=b>{}</{name}>", inner.concat()))
    })
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn what_is_accepted_stays_in_its_place(content in html()) {
        assert_stays(&content);
    }
}
