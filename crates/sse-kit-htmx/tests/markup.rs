//! The markup of connections, updates, jobs, heads and scripts, for both versions of htmx.

use std::error::Error;

use sse_kit_event::control::ControlName;
use sse_kit_event::{EventId, EventName};
use sse_kit_htmx::compat::JobSpan;
use sse_kit_htmx::{
    Attributes, Connect, Dialect, Element, ElementId, EventTrigger, Html, MarkupErrorKind,
    NamedSwap, PageScripts, Reconnect, Script, ScriptFolder, Swap, Tag, Update, Updates,
};

type TestResult = Result<(), Box<dyn Error>>;

fn connect() -> Connect {
    Connect::new("/e".parse().expect("a path"))
}

fn name(text: &str) -> EventName {
    text.parse().expect("the name of an event")
}

fn id(text: &str) -> ElementId {
    text.parse().expect("an id")
}

fn get(connect: &Connect, dialect: Dialect, name: &str) -> Option<String> {
    connect.attributes(dialect).expect("they can be written").get(name).map(ToOwned::to_owned)
}

#[test]
fn an_endpoint_and_one_event_or_many() {
    let (v2, v4) = (Dialect::V2, Dialect::V4);
    assert_eq!(get(&connect(), v2, "sse-connect").as_deref(), Some("/e"));
    assert_eq!(get(&connect(), v4, "hx-sse:connect").as_deref(), Some("/e"));
    assert_eq!(get(&connect(), v2, "sse-swap").as_deref(), Some("message"));
    assert_eq!(get(&connect(), v4, "sse-kit-swap"), None, "htmx 4 swaps what is unnamed by itself");

    let named = connect().event(name("a")).events([name("b c"), name("a")]);
    assert_eq!(get(&named, v2, "sse-swap").as_deref(), Some("a, b c"));
    assert_eq!(get(&named, v4, "sse-kit-swap").as_deref(), Some("a, b c"));
    let with_updates = named.out_of_band();
    assert_eq!(get(&with_updates, v2, "sse-swap").as_deref(), Some("a, b c, message"));

    let comma = connect().event(name("a,b"));
    let kind = comma.attributes(v2).map_err(|error| error.kind());
    assert_eq!(kind, Err(MarkupErrorKind::EventName));

    let only = connect().without_swap();
    assert_eq!(get(&only, v2, "sse-swap"), None);
    assert_eq!(get(&only, v4, "hx-swap").as_deref(), Some("none"));
}

#[test]
fn how_it_swaps_closes_and_reconnects() {
    for dialect in Dialect::ALL {
        let at = |connect: &Connect, v2: &str, v4: &str| {
            get(connect, dialect, if dialect == Dialect::V2 { v2 } else { v4 })
        };
        let appending = connect().swap(Swap::BeforeEnd);
        assert_eq!(at(&appending, "hx-swap", "hx-swap").as_deref(), Some("beforeend"));
        let closing = connect().close(name("done"));
        assert_eq!(at(&closing, "sse-close", "hx-sse:close").as_deref(), Some("done"));
        let goodbye = connect().close(EventName::control(ControlName::Close));
        assert_eq!(at(&goodbye, "sse-close", "hx-sse:close").as_deref(), Some("sse-kit:close"));
        let once = connect().reconnect(Reconnect::Off);
        assert!(at(&once, "sse-kit-reconnect", "hx-config").is_some());
        assert_eq!(at(&connect(), "sse-kit-reconnect", "hx-config"), None);
    }
    for code in ["hx-status:4xx", "hx-status:5xx"] {
        assert_eq!(get(&connect(), Dialect::V4, code).as_deref(), Some("swap:none"));
    }
}

#[test]
fn a_page_carries_its_cursor() -> TestResult {
    let cursor: EventId = "5f-12".parse()?;
    let connect = Connect::new("/e?topic=a&b#c".parse()?).resume_from(cursor);
    let url = Some("/e?topic=a&b&last_event_id=5f-12#c");
    assert_eq!(get(&connect, Dialect::V2, "sse-connect").as_deref(), url);
    assert_eq!(get(&connect, Dialect::V4, "hx-sse:connect").as_deref(), url);
    let escaped = " hx-sse:connect=\"/e?topic=a&amp;b&amp;last_event_id=5f-12#c\"";
    assert!(connect.attributes(Dialect::V4)?.to_string().starts_with(escaped));
    Ok(())
}

#[test]
fn other_attributes_pass_and_what_is_there_is_kept() -> TestResult {
    let others = Attributes::new()
        .with("hx-ext", "morph, ws")?
        .with("data-a", "1")?
        .with("hx-status:4xx", "swap:innerHTML")?;
    let connect = connect().others(others);
    assert_eq!(
        connect.attributes(Dialect::V2)?.to_string(),
        " hx-ext=\"morph,ws,sse\" data-a=\"1\" hx-status:4xx=\"swap:innerHTML\" \
         sse-connect=\"/e\" sse-swap=\"message\" sse-close=\"sse-kit:close\""
    );
    assert_eq!(get(&connect, Dialect::V4, "hx-status:4xx").as_deref(), Some("swap:innerHTML"));

    let scrolling = Attributes::new().with("hx-swap", "beforeend scroll:bottom")?;
    let connect = connect.others(scrolling);
    let swap = get(&connect, Dialect::V4, "hx-swap");
    assert_eq!(swap.as_deref(), Some("beforeend scroll:bottom"));
    let taken = connect.swap(Swap::InnerHtml).attributes(Dialect::V4);
    assert_eq!(taken.map_err(|error| error.kind()), Err(MarkupErrorKind::Attribute));
    Ok(())
}

#[test]
fn an_element_asks_anew_when_an_event_comes() -> TestResult {
    let trigger = EventTrigger::new(name("job:done"), id("a:b"));
    assert_eq!(trigger.attributes(Dialect::V2)?.get("hx-trigger"), Some("sse:job:done"));
    assert_eq!(
        trigger.attributes(Dialect::V4)?.get("hx-trigger"),
        Some("job:done from:#a\\00003ab")
    );
    assert!(EventTrigger::new(name("a, b"), id("c")).attributes(Dialect::V4).is_err());
    Ok(())
}

#[test]
fn a_whole_element() -> TestResult {
    let element = |dialect| -> Result<String, Box<dyn Error>> {
        let connect = connect().event(name("tick")).swap(Swap::InnerHtml);
        Ok(Element::new("section".parse()?)
            .id(&id("clock"))
            .style("color: red")
            .hidden()
            .attribute("title", "<now>")?
            .sse(&connect, dialect)?
            .child("12 < 13")
            .to_string())
    };
    let start = "<section id=\"clock\" style=\"color: red; display: none;\" title=\"&lt;now&gt;\"";
    assert_eq!(
        element(Dialect::V2)?,
        format!(
            "{start} hx-ext=\"sse\" sse-connect=\"/e\" sse-swap=\"tick\" hx-swap=\"innerHTML\" \
             sse-close=\"sse-kit:close\">12 &lt; 13</section>"
        )
    );
    assert_eq!(
        element(Dialect::V4)?,
        format!(
            "{start} hx-sse:connect=\"/e\" hx-status:4xx=\"swap:none\" hx-status:5xx=\"swap:none\" \
             sse-kit-swap=\"tick\" hx-swap=\"innerHTML\" hx-sse:close=\"sse-kit:close\">12 &lt; 13</section>"
        )
    );
    let hidden = Element::new(Tag::DIV).hidden();
    assert_eq!(hidden.to_string(), "<div style=\"display: none;\"></div>");
    assert_eq!(Element::new("br".parse()?).child("lost").to_string(), "<br>");
    Ok(())
}

#[test]
fn progress_and_status_of_a_job() -> TestResult {
    assert_eq!(
        JobSpan::progress("17").initial("0 %").element(Dialect::V2)?.to_string(),
        "<span id=\"progress-span-17\" hx-ext=\"sse\" \
         sse-connect=\"/stream_job_progress?job_id=17\" sse-swap=\"message\" sse-close=\"sse-kit:close\">0 %</span>"
    );
    assert_eq!(
        JobSpan::status("17").element(Dialect::V2)?.to_string(),
        "<span id=\"status-span-17\" hx-ext=\"sse\" sse-connect=\"/stream_job_status?job_id=17\" \
         sse-swap=\"message\" sse-close=\"sse-kit:close\"></span>"
    );
    let own = JobSpan::status("1").endpoint_template("/jobs/{job_id}").id_template("j-{job_id}");
    let element = own.element(Dialect::V2)?.to_string();
    assert!(element.starts_with("<span id=\"j-1\" hx-ext=\"sse\" sse-connect=\"/jobs/1\""));
    for wrong in [own.clone().id_template("j-{id}"), own.endpoint_template("/{other}")] {
        let kind = wrong.element(Dialect::V2).map_err(|error| error.kind());
        assert_eq!(kind, Err(MarkupErrorKind::Text));
    }
    Ok(())
}

#[test]
fn one_message_updates_several_targets() -> TestResult {
    let item = Html::trusted("<li id=\"j-1\">done</li>");
    let updates = Updates::from_iter([
        Update::replace(id("j-1"), &item)?,
        Update::fill(id("count"), &Html::text(3))?,
        Update::append(id("log"), &Html::text("a & b"))?,
        Update::delete(id("gone")),
    ]);
    assert_eq!(
        updates.render(Dialect::V2)?.as_str(),
        "<li hx-swap-oob=\"outerHTML:#j-1\" id=\"j-1\">done</li>\
         <div hx-swap-oob=\"innerHTML:#count\">3</div>\
         <div hx-swap-oob=\"beforeend:#log\">a &amp; b</div>\
         <div hx-swap-oob=\"delete:#gone\"></div>"
    );
    assert_eq!(
        updates.render(Dialect::V4)?.as_str(),
        "<hx-partial hx-target=\"#j-1\" hx-swap=\"outerHTML\"><li id=\"j-1\">done</li></hx-partial>\
         <hx-partial hx-target=\"#count\" hx-swap=\"innerHTML\">3</hx-partial>\
         <hx-partial hx-target=\"#log\" hx-swap=\"beforeend\">a &amp; b</hx-partial>\
         <hx-partial hx-target=\"#gone\" hx-swap=\"delete\"></hx-partial>"
    );
    Ok(())
}

#[test]
fn parts_of_a_table_survive_the_parser() -> TestResult {
    let parts = ["tr", "td", "th", "tbody", "thead", "tfoot", "caption", "colgroup", "col"];
    for part in parts {
        let end = if part == "col" { String::new() } else { format!("</{part}>") };
        let content = Html::trusted(format!("\n<{part} class=\"part\">{end}"));
        for update in [
            Update::replace(id("a"), &content)?,
            Update::append(id("a"), &content)?,
            Update::after(id("a"), &content)?,
        ] {
            let message = Updates::from(update).render(Dialect::V2)?;
            // What htmx 2 does: the message within a template, and templates looked into.
            let page = scraper::Html::parse_fragment(&format!("<template>{message}</template>"));
            let selector = scraper::Selector::parse(&format!("{part}.part")).unwrap();
            let found = page.select(&selector).count();
            assert_eq!(found, 1, "{part} in {message}");
        }
    }
    Ok(())
}

#[test]
fn what_htmx_2_cannot_replace_an_element_with_is_refused() -> TestResult {
    let render = |content: &str| {
        let update = Update::replace(id("a"), &Html::trusted(content)).unwrap();
        Updates::from(update).render(Dialect::V2)
    };
    for content in ["", "text", "<p></p><p></p>", "<p>", "<body></body>"] {
        let error = render(content).expect_err(content);
        assert_eq!(error.kind(), MarkupErrorKind::Content, "{content}");
        assert_eq!(error.selector(), Some(&"#a".parse()?));
    }
    assert!(render(" <!-- a --> <p>b</p> ").is_ok());
    Ok(())
}

#[test]
fn an_element_that_a_function_makes_gets_a_connection() -> TestResult {
    fn card() -> Element {
        let element = Element::new(Tag::DIV).class("card").attribute("hx-ext", "ws");
        element.expect("it runs no script").child("a")
    }
    assert_eq!(
        card().sse(&connect().close(name("done")), Dialect::V2)?.to_string(),
        "<div class=\"card\" hx-ext=\"ws,sse\" sse-connect=\"/e\" sse-swap=\"message\" \
         sse-close=\"done\">a</div>"
    );
    let log = NamedSwap::new([name("note")]).attributes(Dialect::V4)?;
    let inner = card().attributes(log).to_string();
    assert_eq!(inner, "<div class=\"card\" hx-ext=\"ws\" sse-kit-swap=\"note\">a</div>");
    Ok(())
}

#[test]
fn scripts_are_inserted_right_behind_htmx() -> TestResult {
    const ASSETS: ScriptFolder = ScriptFolder::from_static("/assets/");
    let scripts = |dialect| PageScripts::new(dialect).htmx_from(ASSETS);
    let mut head = vec![
        Html::trusted("<title>htmx.js</title>"),
        Html::trusted("<script src=\"/static/htmx.min.js?v=3\"></script>"),
        Html::trusted("<script src=\"/app.js\"></script>"),
    ];
    scripts(Dialect::V2).insert_into(&mut head)?;
    assert_eq!(head.len(), 5);
    assert_eq!(head[2].as_str(), "<script src=\"/assets/sse.min.js\"></script>");
    assert!(head[3].as_str().contains(&Script::connection().file_name()));
    assert_eq!(head[4].as_str(), "<script src=\"/app.js\"></script>");

    let mut nothing = vec![Html::trusted("<script>htmx.js</script><!--<script src=htmx.js>-->")];
    let error = scripts(Dialect::V4).insert_into(&mut nothing).expect_err("no htmx");
    assert_eq!((error.kind(), error.selector()), (MarkupErrorKind::Htmx, None));
    assert_eq!(nothing.len(), 1);
    Ok(())
}

#[test]
fn tags_are_those_of_the_cdn_or_of_a_folder() -> TestResult {
    let cdn = PageScripts::new(Dialect::V4).nonce("abc=".parse()?).to_string();
    assert!(cdn.starts_with(
        "<script src=\"https://cdn.jsdelivr.net/npm/htmx.org@4.0.1/dist/htmx.min.js\" \
         integrity=\"sha384-Qp9rdC8H7EqOoX+nR0P3RPG2Noji+qdwJlGpfzwQJsfOpp3sGwIdSP9xO3+UlEhn\" \
         crossorigin=\"anonymous\" nonce=\"abc=\"></script>\n"
    ));
    assert_eq!(cdn.matches("<script").count(), 4);
    assert_eq!(cdn.matches(" nonce=\"abc=\"").count(), 4);
    let hosted = PageScripts::new(Dialect::V2).htmx_from("/a".parse()?).to_string();
    assert!(hosted.contains("<script src=\"/a/sse.min.js\"></script>"));
    assert!(hosted.contains(&Script::connection().integrity()));
    assert!(!hosted.contains("crossorigin"));
    let elsewhere = Script::connection()
        .tag(&ScriptFolder::cross_origin("//static.test/a")?, None)
        .into_string();
    assert!(elsewhere.contains(" crossorigin=\"anonymous\""));
    Ok(())
}

#[test]
fn the_guide_names_the_files_that_are_tested() {
    let guide = include_str!("../../../docs/src/markup.md");
    for dialect in Dialect::ALL {
        let tags = PageScripts::new(dialect).to_string();
        let files = tags.split('"').filter(|text| text.starts_with("https://"));
        let files: Vec<_> = files.map(|url| format!("curl -fsSO {url}\n")).collect();
        assert_eq!(files.len(), 2);
        assert!(files.iter().all(|line| guide.contains(line)), "{files:?}");
    }
}

#[test]
fn connections_are_closed_when_the_page_is_left() {
    // That it does so is for tests/browser/connection.test.js to see.
    let source = Script::connection().source().to_owned();
    assert!(source.contains(r#"addEventListener("pagehide""#));
    assert!(source.contains(r#"addEventListener("pageshow""#));
    assert!(!source.contains(r#"addEventListener("beforeunload""#));
    for dialect in Dialect::ALL {
        assert!(PageScripts::new(dialect).files().contains(&Script::connection()));
    }
}

#[test]
fn what_a_version_does_not_have_is_refused() -> TestResult {
    let (swap, dialect) = (Swap::InnerMorph, Dialect::V2);
    let unsupported = Err(MarkupErrorKind::Swap);
    let attributes = connect().swap(swap).attributes(dialect);
    assert_eq!(attributes.map_err(|error| error.kind()), unsupported);
    assert!(connect().swap(swap).attributes(Dialect::V4).is_ok());
    let attributes = NamedSwap::new([name("a")]).swap(swap).attributes(dialect);
    assert_eq!(attributes.map_err(|error| error.kind()), unsupported);

    let p = Html::trusted("<p id=\"a\"></p>");
    let morph = Updates::from(Update::morph(id("a"), &p)?);
    let refused = |updates: &Updates| updates.render(dialect).map_err(|error| error.kind());
    assert_eq!(refused(&morph), Err(MarkupErrorKind::Swap));
    assert!(morph.render(Dialect::V4)?.as_str().contains("outerMorph"));
    let either = Updates::from(Update::morph_or_replace(id("a"), &p)?);
    assert!(either.render(dialect)?.as_str().contains("outerHTML:#a"));
    let text = Updates::from(Update::new(id("a"), Swap::TextContent, &p)?);
    assert_eq!(refused(&text), Err(MarkupErrorKind::Swap));

    let mut head =
        vec![Html::trusted("<script src=\"//a.test/npm/htmx.org@2.0.4/htmx.js\"></script>")];
    let error = PageScripts::new(Dialect::V4).insert_into(&mut head).expect_err("another version");
    assert_eq!(error.kind(), MarkupErrorKind::Htmx);
    assert!(error.to_string().contains("htmx 2, but the page is made for htmx 4"), "{error}");
    Ok(())
}
