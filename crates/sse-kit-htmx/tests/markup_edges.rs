//! Markup of unusual names, styles, ids, contents and script URLs.

use std::error::Error;

use sse_kit_htmx::compat::JobSpan;
use sse_kit_htmx::{Attributes, Connect, Dialect, Element, Html, PageScripts, Script, Swap, Tag};

type TestResult = Result<(), Box<dyn Error>>;

#[test]
fn a_list_of_names_keeps_them_all() -> TestResult {
    let connect = Connect::new("/e".parse()?).events(["a".parse()?, "b".parse()?, "c".parse()?]);
    assert_eq!(connect.attributes(Dialect::V2)?.get("sse-swap"), Some("a, b, c"));
    assert_eq!(connect.attributes(Dialect::V4)?.get("sse-kit-swap"), Some("a, b, c"));
    Ok(())
}

#[test]
fn nothing_closes_on_an_event_that_nobody_named() -> TestResult {
    for dialect in Dialect::ALL {
        let attributes = Connect::new("/e".parse()?).without_close().attributes(dialect)?;
        assert_eq!(attributes.get("sse-close"), None);
        assert_eq!(attributes.get("hx-sse:close"), None);
        assert!(!attributes.to_string().contains("true"));
    }
    Ok(())
}

#[test]
fn a_swap_style_is_no_event_name() -> TestResult {
    let connect = Connect::new("/e".parse()?).event("a".parse()?).swap(Swap::OuterHtml);
    let attributes = connect.attributes(Dialect::V2)?;
    assert_eq!(attributes.get("sse-swap"), Some("a"));
    assert_eq!(attributes.get("hx-swap"), Some("outerHTML"));
    Ok(())
}

#[test]
fn styles_are_joined_by_a_semicolon() -> TestResult {
    let element = Element::new(Tag::DIV).style("color: red").hidden();
    assert_eq!(element.to_string(), "<div style=\"color: red; display: none;\"></div>");
    let given = Attributes::new().with("style", "margin: 0;")?;
    let element = Element::new(Tag::DIV).hidden().attributes(given);
    assert_eq!(element.to_string(), "<div style=\"display: none; margin: 0;\"></div>");
    Ok(())
}

#[test]
fn extensions_that_are_there_are_kept() -> TestResult {
    let connect = Connect::new("/e".parse()?);
    for (old, new) in [("morph", "morph,sse"), ("morph ws", "morph,ws,sse"), ("sse,ws", "sse,ws")] {
        let element = Element::new(Tag::DIV).attribute("hx-ext", old)?;
        let html = element.sse(&connect, Dialect::V2)?.to_string();
        assert!(html.starts_with(&format!("<div hx-ext=\"{new}\"")), "{html}");
    }
    Ok(())
}

#[test]
fn ids_are_encoded_in_urls_and_escaped_in_html() -> TestResult {
    let html = JobSpan::progress("a&b=\"<#").element(Dialect::V2)?.to_string();
    assert!(html.contains("sse-connect=\"/stream_job_progress?job_id=a%26b%3D%22%3C%23\""));
    assert!(html.contains("id=\"progress-span-a&amp;b=&quot;&lt;#\""));
    assert!(JobSpan::progress("a b").element(Dialect::V2).is_err(), "no id has a space in it");
    Ok(())
}

#[test]
fn an_initial_zero_is_kept() -> TestResult {
    let html = JobSpan::progress("1").initial(Html::text(0)).element(Dialect::V4)?.to_string();
    assert!(html.ends_with(">0</span>"), "{html}");
    Ok(())
}

#[test]
fn nothing_happens_before_the_page_is_really_left() {
    // tests/browser/connection.test.js cancels a leave.
    let listens_to = |event: &str| {
        Script::connection().source().contains(&format!("addEventListener(\"{event}\""))
    };
    assert!(listens_to("pagehide"));
    assert!(!listens_to("beforeunload") && !listens_to("unload"));
}

#[test]
fn htmx_is_found_when_its_url_is_versioned() -> TestResult {
    for src in [
        "htmx.js",
        "/static/htmx.min.js?v=2.0.4",
        "/static/htmx-2.0.4.min.js",
        "/static/htmx.9f8e7d6c.js",
        "https://unpkg.com/htmx.org@2.0.4",
        "https://cdn.jsdelivr.net/npm/htmx.org@2.0.11/dist/htmx.min.js",
    ] {
        let mut head = vec![
            Html::trusted("<script src=\"htmx-ext-ws.js\"></script>"),
            Html::trusted(format!("<script defer src='{src}'></script>")),
        ];
        PageScripts::new(Dialect::V2).insert_into(&mut head)?;
        assert_eq!(head.len(), 4, "{src}");
        assert!(head[2].as_str().contains("htmx-ext-sse@2.2.4"), "{src}");
        assert!(head[2].as_str().contains(" defer>"), "as it needs htmx, it waits as htmx does");
        assert!(head[3].as_str().contains("sse-kit-connection"));
    }
    Ok(())
}

#[test]
fn twice_is_as_once() -> TestResult {
    for dialect in Dialect::ALL {
        let mut head = vec![Html::trusted("<script src=\"htmx.js\"></script>")];
        for scripts in [
            PageScripts::new(dialect),
            PageScripts::new(dialect),
            PageScripts::new(dialect).htmx_from("/a".parse()?).own_from("/a".parse()?),
        ] {
            scripts.insert_into(&mut head)?;
            assert_eq!(head.len(), if dialect == Dialect::V2 { 3 } else { 4 });
        }
    }
    let mut own = vec![
        Html::trusted("<script src=\"htmx.js\"></script>"),
        Html::trusted("<script src=\"/ext/sse.js\"></script>"),
    ];
    PageScripts::new(Dialect::V2).insert_into(&mut own)?;
    assert_eq!(own.len(), 3);
    Ok(())
}
