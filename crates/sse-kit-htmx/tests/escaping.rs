//! No value adds an element or an attribute, and each arrives as it was given.

use proptest::prelude::*;
use scraper::Node;
use sse_kit_event::EventName;
use sse_kit_htmx::compat::JobSpan;
use sse_kit_htmx::{
    AttributeName, Attributes, Connect, Dialect, Element, ElementId, Endpoint, EventTrigger, Html,
    NamedSwap, Nonce, PageScripts, Script, ScriptFolder, Selector, Swap, Tag, Update, Updates,
};
use sse_kit_test_support::cases;

/// Texts that people try.
const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "</div><img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "\" autofocus onfocus=alert(1) x=\"",
    "`onclick=alert(1)",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; &#60;i&#62; &quot",
    "--><b>",
    "]]><b>",
    "</hx-partial><b>",
    "<hx-partial hx-target=\"body\">x</hx-partial>",
    "</template><b>",
    "</textarea></title></style></script><b>",
    "<!--",
    "<",
    "<b",
    "a=b/c>d",
    "{{ 7 * 7 }} ${7} #{7}",
    "\u{202e}\u{feff}\u{2028}",
    "/e?a=1&lt=2&copy=3",
    "#a, body",
    "x\">",
];

fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(HOSTILE).prop_map(str::to_owned),
        "[<>\"'&=/ a-c#;:!-]{0,24}",
        // A parser replaces NUL, and reads a carriage return as a line feed.
        "\\PC{0,24}",
    ]
}

fn attribute() -> impl Strategy<Value = String> {
    values().prop_map(|value| {
        format!(" title=\"{}\"", value.replace('&', "&amp;").replace('"', "&quot;"))
    })
}

/// A well-formed element, with comments, void elements and hostile values in it.
fn elements() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        values().prop_map(|text| Html::text(text).into_string()),
        attribute().prop_map(|attribute| format!("<br{attribute}>")),
        Just("<!-- <p> -->".to_owned()),
        Just("<script>'</p><p>' + '<!'</script>".to_owned()),
        Just("<textarea></p></textarea>".to_owned()),
        Just("<svg><path d=M0 /><g/></svg>".to_owned()),
    ];
    let parts = leaf.prop_recursive(3, 12, 3, |inner| {
        (
            prop::sample::select(vec!["div", "section", "x-y"]),
            attribute(),
            prop::collection::vec(inner, 0..3),
        )
            .prop_map(|(name, attribute, inner)| {
                format!("<{name}{attribute}\n>{}</{name} >", inner.concat())
            })
    });
    prop::collection::vec(parts, 0..3)
        .prop_map(|parts| format!(" <!-- <b> -->\n<DIV id='a'>{}</div>\n", parts.concat()))
}

/// The elements and the text of a piece of HTML: `<name a=value …>`, text, and so on.
fn shape(html: &str) -> Vec<String> {
    let parsed = scraper::Html::parse_fragment(html);
    // The fragment's own `<html>` is left out.
    let nodes = parsed.tree.root().descendants().skip(2);
    nodes
        .filter_map(|node| match node.value() {
            Node::Element(element) => {
                let mut attributes: Vec<String> =
                    element.attrs().map(|(name, value)| format!(" {name}={value}")).collect();
                attributes.sort();
                Some(format!("<{}{}>", element.name(), attributes.concat()))
            }
            Node::Text(text) => Some(text.to_string()),
            Node::Comment(comment) => Some(format!("<!--{}-->", &**comment)),
            _ => None,
        })
        .collect()
}

/// The same, of an element with these attributes.
fn start(name: &str, attributes: &[(&str, &str)]) -> String {
    let mut attributes: Vec<String> =
        attributes.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    attributes.sort();
    format!("<{name}{}>", attributes.concat())
}

fn with_text(start: String, text: &str) -> Vec<String> {
    let mut all = vec![start];
    all.extend((!text.is_empty()).then(|| text.to_owned()));
    all
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn text_and_attributes(value in values()) {
        let element = Element::new(Tag::DIV)
            .attribute("title", &*value)
            .unwrap()
            .child(&*value);
        prop_assert_eq!(
            shape(&element.to_string()),
            with_text(start("div", &[("title", &value)]), &value)
        );
        let styled = Element::new(Tag::SPAN).style(&*value).child(Html::text(&value));
        prop_assert_eq!(
            shape(&styled.to_string()),
            with_text(start("span", &[("style", &value)]), &value)
        );
    }

    #[test]
    fn names_of_attributes_and_elements(value in values()) {
        if let Ok(name) = AttributeName::scripting(&value) {
            let attributes = Attributes::new().with(name, "v").unwrap();
            let attributes = attributes.with_flag("data-last").unwrap();
            let html = Element::new(Tag::DIV).attributes(attributes).to_string();
            let name = value.to_ascii_lowercase();
            prop_assert_eq!(shape(&html), [start("div", &[(&name, "v"), ("data-last", "")])]);
        }
        if let Ok(tag) = Tag::new(&value) {
            // Some have to stand in others, or mean something else.
            let html = Element::new(tag).child("t").to_string();
            prop_assert!(shape(&html).len() <= 2, "{html}");
        }
    }

    #[test]
    fn ids_and_jobs(value in values()) {
        if let Ok(id) = ElementId::new(&value) {
            let html = Element::new(Tag::DIV).id(&id).to_string();
            prop_assert_eq!(shape(&html), [start("div", &[("id", &value)])]);
        }
        if let Ok(element) = JobSpan::progress(&*value).initial(&*value).element(Dialect::V2) {
            let found = shape(&element.to_string());
            prop_assert!(found.len() <= 2);
            let id = format!(" id=progress-span-{value}");
            prop_assert!(found[0].contains(&id));
            let url = found[0].split(" sse-connect=").nth(1).unwrap().split(' ').next().unwrap();
            let query = url.strip_prefix("/stream_job_progress?job_id=").unwrap();
            prop_assert!(query.bytes().all(|b| b.is_ascii_alphanumeric() || b"%-._~".contains(&b)));
        }
    }

    #[test]
    fn connections(url in values(), name in values()) {
        let Ok(endpoint) = Endpoint::new(&url) else { return Ok(()) };
        let connect = Connect::new(endpoint);
        let html = Element::new(Tag::DIV).sse(&connect, Dialect::V2).unwrap().to_string();
        let expected = [
            ("hx-ext", "sse"),
            ("sse-connect", &*url),
            ("sse-swap", "message"),
            ("sse-close", "sse-kit:close"),
        ];
        prop_assert_eq!(shape(&html), [start("div", &expected)]);

        let Ok(event) = EventName::new(&name) else { return Ok(()) };
        let connect = connect.event(event.clone()).close(event.clone());
        if let Ok(attributes) = connect.attributes(Dialect::V4) {
            let html = Element::new(Tag::DIV).attributes(attributes).to_string();
            let expected = [
                ("hx-sse:connect", &*url),
                ("hx-status:4xx", "swap:none"),
                ("hx-status:5xx", "swap:none"),
                ("sse-kit-swap", &name),
                ("hx-sse:close", &name),
            ];
            prop_assert_eq!(shape(&html), [start("div", &expected)]);
        }
        for dialect in Dialect::ALL {
            let swap = NamedSwap::new([event.clone()]).attributes(dialect);
            let trigger = EventTrigger::new(event.clone(), "c".parse().unwrap()).attributes(dialect);
            for attributes in swap.into_iter().chain(trigger) {
                let html = Element::new(Tag::DIV).attributes(attributes.clone()).to_string();
                let expected: Vec<(&str, &str)> = attributes
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.unwrap_or_default()))
                    .collect();
                prop_assert_eq!(shape(&html), [start("div", &expected)]);
            }
        }
    }

    #[test]
    fn updates(target in values(), text in values()) {
        let text = Html::text(&text).into_string() + "!";
        let content = Html::trusted(text.clone());
        let mut all = Vec::new();
        if let Ok(id) = ElementId::new(&target) {
            prop_assert!(!id.selector().as_str().contains([' ', ',', ':', '\'', '"', '<']));
            all.push(Update::fill(id, &content).unwrap());
        }
        if let Ok(selector) = Selector::new(&target) {
            all.push(Update::new(selector, Swap::BeforeEnd, &content).unwrap());
        }
        for update in all {
            let selector = update.target().selector().to_string();
            let swap = update.swap(Dialect::V2).unwrap();
            let plain = shape(&text);
            let v2 = Updates::from(update.clone()).render(Dialect::V2).unwrap();
            let mut expected = vec![start("div", &[("hx-swap-oob", &format!("{swap}:{selector}"))])];
            expected.extend(plain.clone());
            prop_assert_eq!(shape(v2.as_str()), expected);

            let v4 = Updates::from(update).render(Dialect::V4).unwrap();
            // What htmx 4 does before it parses.
            prop_assert_eq!(v4.as_str().to_ascii_lowercase().matches("<hx-").count(), 1);
            prop_assert_eq!(v4.as_str().to_ascii_lowercase().matches("</hx-").count(), 1);
            let swap = swap.to_string();
            let mut expected =
                vec![start("hx-partial", &[("hx-target", &*selector), ("hx-swap", &*swap)])];
            expected.extend(plain);
            prop_assert_eq!(shape(v4.as_str()), expected);
        }
    }

    #[test]
    fn out_of_band_is_said_at_the_root_and_nothing_else_changes(fragment in elements()) {
        let update = Update::replace("a".parse().unwrap(), &Html::trusted(&*fragment)).unwrap();
        let message = Updates::from(update).render(Dialect::V2).unwrap();
        let mut expected = shape(&fragment);
        let root = expected.iter_mut().find(|node| *node == "<div id=a>").unwrap();
        *root = start("div", &[("id", "a"), ("hx-swap-oob", "outerHTML:#a")]);
        prop_assert_eq!(shape(message.as_str()), expected);
    }

    #[test]
    fn scripts(value in values()) {
        if let Ok(folder) = ScriptFolder::new(&value) {
            let tags = PageScripts::new(Dialect::V4).htmx_from(folder.clone()).own_from(folder).to_string();
            let elements: Vec<_> = shape(&tags).into_iter().filter(|s| s.starts_with('<')).collect();
            prop_assert_eq!(elements.len(), 4);
            prop_assert!(elements.iter().all(|element| element.starts_with("<script ")));
        }
        if let Ok(nonce) = Nonce::new(&value) {
            prop_assert!(!nonce.as_str().contains(['"', '<', '&', ' ']));
        }
        let inline = Script::new("a", format!("'{value}'")).inline(None).into_string();
        let found = shape(&inline);
        prop_assert_eq!(&found[0], "<script data-sse-kit=a>");
        prop_assert_eq!(found.len(), 2);
    }
}
