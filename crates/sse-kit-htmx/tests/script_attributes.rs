//! Attributes that can run script are refused from names and values of users, and can be asked for by name.

use sse_kit_htmx::{AttributeName, Attributes, Element, Tag, TextErrorKind};

/// Names whose values are script.
const NAMES: &[&str] = &[
    "onclick",
    "ONLOAD",
    "hx-on:click",
    "hx-on::load",
    "data-hx-on-click",
    "hx-vars",
    "data-HX-Vars",
    "hx-live",
    "hx-config",
    "hx-config:inherited",
    "srcdoc",
    "@click",
    "@click.away",
    ":class",
    "x-on:click",
    "x-data",
    "x-html",
    "v-on:click",
    "ng-click",
    "data-ng-init",
    "up-on-submit",
    "_",
    "script",
    "data-script",
    "data-on:click",
    "data-on-load",
    "data-signals",
    "data-text",
    "data-bind:value",
];

/// Names and values that are script together.
const VALUES: &[(&str, &str)] = &[
    ("href", "javascript:alert(1)"),
    ("HREF", " \u{1}JavaScript:alert(1)"),
    ("href", "java\nscript:alert(1)"),
    ("href", "\tjava\tscript\r:alert(1)"),
    ("xlink:href", "javascript:alert(1)"),
    ("formaction", "javascript:alert(1)"),
    ("action", "vbscript:msgbox"),
    ("src", "data:text/html,<script>alert(1)</script>"),
    ("src", "data:image/svg+xml,<svg onload=alert(1)>"),
    ("data", "data:,x"),
    ("values", "#a;javascript:alert(1)"),
    ("to", "javascript:alert(1)"),
    ("hx-get", "js:alert(1)"),
    ("hx-post", "javascript:alert(1)"),
    ("data-hx-get:inherited", " JS:alert(1)"),
    ("hx-confirm", "js:alert(1)"),
    ("hx-vals", "js:{a: alert(1)}"),
    ("hx-headers", "javascript:{a: alert(1)}"),
    ("hx-sse:connect", "js:alert(1)"),
    ("sse-connect", "javascript:alert(1)"),
    ("hx-trigger", "click[alert(1)]"),
];

/// Attributes that look like script and are none.
const HARMLESS: &[(&str, &str)] = &[
    ("href", "/javascript:x"),
    ("href", "#javascript:x"),
    ("href", "https://a.test/?a=javascript:x"),
    ("src", "data:image/png;base64,AAAA"),
    ("title", "javascript:alert(1)"),
    ("hx-get", "/js:x"),
    ("hx-vals", "{\"a\": 1}"),
    ("hx-trigger", "click delay:1s"),
    ("data-job", "js:x"),
    ("aria-label", "on"),
    ("hx-target", "#a"),
];

fn kind(name: &str, value: &str) -> Option<TextErrorKind> {
    let attributes = Attributes::new().with(name, value).map(|it| it.to_string());
    let element = Element::new(Tag::DIV).attribute(name, value).map(|it| it.to_string());
    assert_eq!(attributes.is_ok(), element.is_ok());
    attributes.err().map(|error| error.kind())
}

#[test]
fn names_whose_values_are_script_have_to_be_asked_for() {
    for name in NAMES {
        assert_eq!(kind(name, "x"), Some(TextErrorKind::Unsafe), "{name}");
        assert!(Attributes::new().with_flag(*name).is_err(), "{name}");
        let asked = AttributeName::scripting(name).expect("it is a name");
        assert!(Attributes::new().with(asked, "x").is_ok(), "{name}");
    }
}

#[test]
fn values_that_are_script_have_to_be_asked_for() {
    for (name, value) in VALUES {
        assert_eq!(kind(name, value), Some(TextErrorKind::Unsafe), "{name}={value}");
        let asked = AttributeName::scripting(name).expect("it is a name");
        assert!(Attributes::new().with(asked, *value).is_ok(), "{name}");
        // A name that was checked takes no script either.
        let checked = AttributeName::new(name).expect("not every value of it is script");
        assert!(Attributes::new().with(checked, *value).is_err(), "{name}={value}");
    }
    for (name, value) in HARMLESS {
        assert_eq!(kind(name, value), None, "{name}={value}");
    }
}
