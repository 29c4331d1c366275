//! Markup that a page may have: requests by events, targets, statuses, and the fields of forms.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use sse_kit_htmx::{Connect, Dialect, EventTrigger};
use sse_kit_test::{TestBody, TestClient, TestPage};

/// An app of one page, whose stream has these bytes. `/404` and `/echo` answer what is asked.
fn client(body: &str, stream: &str) -> TestClient {
    let (body, stream) = (body.to_owned(), stream.to_owned());
    TestClient::new(tower::service_fn(move |request: Request<TestBody>| {
        let uri = request.uri();
        let asked = String::from_utf8_lossy(request.body().bytes()).into_owned();
        let asked = format!("<i>{}{asked}</i>", uri.query().unwrap_or_default());
        let (status, content_type, body) = match uri.path() {
            "/events" => (200, "text/event-stream", stream.clone()),
            "/echo" => (200, "text/html", asked),
            "/404" => (404, "text/html", "<b>refused</b>".to_owned()),
            _ => (200, "text/html", body.clone()),
        };
        let response = Response::builder().status(status).header("content-type", content_type);
        async move {
            Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap_or_default())
        }
    }))
}

async fn open(body: &str, stream: &str) -> TestPage {
    let mut page = TestPage::open(&client(body, stream), "/").await;
    page.settle().await;
    page
}

/// The attributes of a connection, for both versions.
fn connections() -> [String; 2] {
    Dialect::ALL.map(|dialect| {
        let connect = Connect::new("/events".parse().expect("a path")).without_swap();
        connect.attributes(dialect).expect("both can do this").to_string()
    })
}

#[tokio::test(start_paused = true)]
async fn an_event_starts_the_request_of_an_element() {
    for (dialect, connection) in Dialect::ALL.into_iter().zip(connections()) {
        let trigger = EventTrigger::new("done".parse().unwrap(), "stream".parse().unwrap());
        let trigger = trigger.attributes(dialect).unwrap();
        let body = format!(
            "<div id=stream{connection}><p id=a{trigger} hx-get='/echo?a=1'></p>\
             <p id=b hx-get=/echo></p></div>"
        );
        let page = open(&body, "event: done\ndata: x\n\nevent: other\ndata: y\n\n").await;
        assert_eq!(page.html("#a").as_deref(), Some("<i>a=1</i>"), "htmx {dialect}");
        assert_eq!(page.html("#b").as_deref(), Some(""), "htmx {dialect}");
    }
}

#[tokio::test(start_paused = true)]
async fn statuses_are_swapped_as_each_version_does() {
    let [v2, v4] = connections();
    let button = "<button hx-get=/404></button>";
    let handled = "<meta name=htmx-config content='{\"responseHandling\":[{\"code\":\"...\",\"swap\":true}]}'>";
    let quiet = "<button hx-get=/404 hx-status:4xx='swap:none'></button>";
    for (name, body, expected) in [
        ("htmx 2", format!("<div{v2}></div>{button}"), ""),
        ("htmx 2, configured", format!("{handled}<div{v2}></div>{button}"), "refused"),
        ("htmx 4", format!("<div{v4}></div>{button}"), "refused"),
        ("htmx 4, configured", format!("<div{v4}></div>{quiet}"), ""),
    ] {
        let mut page = open(&body, "").await;
        page.click("button").await;
        assert_eq!(page.text("button").as_deref(), Some(expected), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn targets_are_found_from_the_element() {
    let [v2, v4] = connections();
    for (connection, name) in [(v2, "hx-target"), (v4, "hx-target:inherited")] {
        let body = format!(
            "<div{connection}></div><table><tr id=row><td><a hx-get='/echo?a' hx-target='closest tr'>\
             </a></td></tr></table><p id=this {name}=this><b hx-get='/echo?b'></b></p><p id=other></p>\
             <u hx-get='/echo?c' hx-target='#other' hx-swap=beforeend></u>"
        );
        let mut page = open(&body, "").await;
        for clicked in ["a", "b", "u"] {
            page.click(clicked).await;
        }
        assert_eq!(page.html("#row").as_deref(), Some("<i>a</i>"));
        assert_eq!(page.html("#this").as_deref(), Some("<i>b</i>"));
        assert_eq!(page.html("#other").as_deref(), Some("<i>c</i>"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_form_sends_what_a_browser_would() {
    let form = "<form hx-post=/echo><input name=a value='1 2'><input name=b><textarea name=c>t</textarea>
        <input type=checkbox name=d><input type=checkbox name=e checked><input type=radio name=f value=x>
        <input type=radio name=f value=y checked><select name=g><option>1<option value=2 selected>two
        </select><input name=h disabled><input type=file name=i><button name=j value=z>Go</button></form>";
    let mut page = open(form, "").await;
    page.fill("[name=b]", "ä&");
    page.tick("[name=d]");
    page.untick("[name=e]");
    page.click("button").await;
    let sent = page.text("form i");
    assert_eq!(sent.as_deref(), Some("a=1+2&b=%C3%A4%26&c=t&d=on&f=y&g=2&j=z"));
}

#[tokio::test(start_paused = true)]
async fn a_form_without_htmx_leads_to_another_page() {
    let form = "<form action='/echo?old=1'><input name=q value=x><button>Go</button></form>";
    let mut page = open(form, "").await;
    page.submit("form").await;
    assert_eq!((page.path(), page.text("i").as_deref()), ("/echo?q=x", Some("q=x")));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "has no element to swap, at which htmx throws")]
async fn what_htmx_throws_at_fails_the_test() {
    let [_, v4] = connections();
    let message = "<hx-partial hx-target=\"#a\" hx-swap=\"outerSync\">text</hx-partial>";
    open(&format!("<div{v4}></div><p id=a></p>"), &format!("data: {message}\n\n")).await;
}
