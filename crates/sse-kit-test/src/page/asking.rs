//! The requests of a page, and the use of their answers.

use bytes::Bytes;
use dom_query::{NodeId, NodeRef};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use sse_kit_htmx::Dialect;

use super::TestPage;
use super::act::encoded;
use super::form::Values;
use crate::client::resolve;
use crate::dom::{MainSwap, NodeExt};
use crate::failure::{At, fail, shortened};
use crate::response::TestResponse;

/// The largest number of redirects that are followed.
const MOST_REDIRECTS: usize = 10;

/// Returns the method and the URL that an element asks for by htmx.
pub(super) fn verb_of(node: &NodeRef<'_>) -> Option<(Method, String)> {
    if !node.is_element() {
        return None;
    }
    let verbs = [
        ("hx-get", Method::GET),
        ("hx-post", Method::POST),
        ("hx-put", Method::PUT),
        ("hx-patch", Method::PATCH),
        ("hx-delete", Method::DELETE),
    ];
    verbs.into_iter().find_map(|(name, method)| Some((method, node.hx(name)?)))
}

impl TestPage {
    /// Asks for a page, and follows redirects; returns where it came to.
    pub(super) async fn ask(
        &self,
        at: At,
        mut method: Method,
        mut path: String,
        mut form: String,
    ) -> (Method, String, TestResponse) {
        for _ in 0..MOST_REDIRECTS {
            let mut headers = HeaderMap::new();
            if method != Method::GET {
                headers.insert(CONTENT_TYPE, FORM);
            }
            let body = Bytes::from(form.clone());
            let answer = self.client.request_at(at, method.clone(), &path, headers, body).await;
            let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            let Some(location) = location.filter(|_| answer.status.is_redirection()) else {
                return (method, path, answer);
            };
            let Some(next) = resolve(&path, location) else {
                fail(at, format_args!("{method} {path} leads to another site: {location}"));
            };
            path = next;
            let keeps = [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT];
            if !keeps.contains(&answer.status) {
                method = Method::GET;
                form.clear();
            }
        }
        fail(at, format_args!("{path}: more than {MOST_REDIRECTS} redirects"))
    }

    /// Makes the request of an element of htmx, and swaps the answer.
    pub(super) async fn request_by(&mut self, at: At, element: NodeId, mut values: Values) {
        let node = self.dom.node(element);
        let Some((method, url)) = verb_of(&node) else { return };
        if let Some(more) = self.inherited(element, "hx-vals") {
            values.extend(read_values(at, &more));
        }
        let Some(mut path) = resolve(&self.path, &url) else {
            fail(at, format_args!("an element asks another site: {url}"));
        };
        let mut headers = HeaderMap::new();
        headers.insert("hx-request", HeaderValue::from_static("true"));
        if let Ok(here) = HeaderValue::from_str(&format!("http://localhost{}", self.path)) {
            headers.insert("hx-current-url", here);
        }
        let form = encoded(&values);
        let is_query = method == Method::GET || method == Method::DELETE;
        if is_query && !form.is_empty() {
            path = format!("{path}{}{form}", if path.contains('?') { '&' } else { '?' });
        }
        let body = if is_query { Bytes::new() } else { Bytes::from(form) };
        if !is_query {
            headers.insert(CONTENT_TYPE, FORM);
        }
        let answer = self.client.request_at(at, method, &path, headers, body).await;
        self.take_answer(at, element, &answer).await;
    }

    async fn take_answer(&mut self, at: At, element: NodeId, answer: &TestResponse) {
        if answer.header("hx-refresh") == Some("true") {
            let path = self.path.clone();
            return self.go(at, Method::GET, &path, String::new()).await;
        }
        if let Some(to) = answer.header("hx-redirect").or(answer.header("location")) {
            let to = to.to_owned();
            return self.go(at, Method::GET, &to, String::new()).await;
        }
        let node = self.dom.node(element);
        if !node.is_connected() || !self.is_swapped(element, answer.status) {
            return;
        }
        let own = self.status_swap(element, answer.status);
        let asked = answer.header("hx-reswap").map(str::to_owned);
        let style = asked.or(own).or_else(|| self.inherited(element, "hx-swap"));
        let target = match answer.header("hx-retarget") {
            Some(selector) => self.find_target(at, element, selector),
            None => self.target_of(at, element),
        };
        let how = MainSwap { style: style.as_deref(), target };
        let html = answer.text();
        if let Err(error) = self.dom.swap(self.dialect, node, &html, how) {
            let html = shortened(&html);
            fail(
                at,
                format_args!("{}: the answer cannot be swapped: {error}; {html}", answer.request),
            );
        }
    }

    /// Returns whether the page swaps an answer with this status.
    fn is_swapped(&self, element: NodeId, status: StatusCode) -> bool {
        if self.dialect == Dialect::V4 {
            let is_none = |style: String| style.trim() == "none";
            return !matches!(status.as_u16(), 204 | 304)
                && !self.status_swap(element, status).is_some_and(is_none);
        }
        for rule in self.response_handling() {
            if matches_code(rule["code"].as_str().unwrap_or_default(), status) {
                return rule["swap"].as_bool().unwrap_or_default();
            }
        }
        false
    }

    /// Returns `responseHandling` of htmx 2: the page's, or the default.
    fn response_handling(&self) -> Vec<serde_json::Value> {
        let config = self.dom.select("meta[name=htmx-config]").unwrap_or_default();
        let config = config.first().and_then(|meta| meta.attr("content"));
        let config: Option<serde_json::Value> =
            config.and_then(|text| serde_json::from_str(&text).ok());
        let own = config.and_then(|config| config["responseHandling"].as_array().cloned());
        own.unwrap_or_else(|| {
            vec![
                serde_json::json!({ "code": "204", "swap": false }),
                serde_json::json!({ "code": "[23]..", "swap": true }),
            ]
        })
    }

    /// Returns the swap style of htmx 4 for answers of this status: `hx-status:404`, or `hx-status:4xx`.
    fn status_swap(&self, element: NodeId, status: StatusCode) -> Option<String> {
        let code = status.as_str();
        let value = [code.to_owned(), format!("{}x", &code[..2]), format!("{}xx", &code[..1])]
            .iter()
            .find_map(|pattern| self.inherited(element, &format!("hx-status:{pattern}")))?;
        value.split_whitespace().find_map(|word| word.strip_prefix("swap:")).map(str::to_owned)
    }

    /// Returns the element that the content of an element's messages and answers goes into.
    pub(super) fn target_of(&self, at: At, element: NodeId) -> NodeId {
        match self.inherited(element, "hx-target") {
            Some(selector) => self.find_target(at, element, &selector),
            None => element,
        }
    }

    fn find_target(&self, at: At, element: NodeId, selector: &str) -> NodeId {
        let node = self.dom.node(element);
        if selector == "this" {
            let name = match self.dialect {
                Dialect::V2 => "hx-target",
                _ => "hx-target:inherited",
            };
            return node.closest_with(name).map_or(element, |found| found.id);
        }
        let found = if let Some(selector) = selector.strip_prefix("closest ") {
            let around = std::iter::successors(Some(node), NodeRef::parent);
            around.into_iter().find(|node| node.is_element() && node.is(selector))
        } else if let Some(selector) = selector.strip_prefix("find ") {
            node.find_all(selector).unwrap_or_default().first().copied()
        } else {
            self.select(at, selector).first().copied()
        };
        match found {
            Some(found) => found.id,
            None => fail(at, format_args!("there is no target `{selector}`")),
        }
    }
}

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Reads `hx-vals`, which is JSON.
fn read_values(at: At, text: &str) -> Values {
    let read: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(text);
    let Ok(values) = read else {
        fail(at, format_args!("`hx-vals` is no JSON that a test page knows: {text}"));
    };
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    values.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// Returns whether a status matches a pattern of htmx 2: digits, `.` for any, and `[45]` for one of several.
fn matches_code(pattern: &str, status: StatusCode) -> bool {
    let mut rest = pattern.chars();
    for digit in status.as_str().chars() {
        let matches = match rest.next() {
            Some('.') => true,
            Some('[') => {
                let all: String = rest.by_ref().take_while(|&c| c != ']').collect();
                all.contains(digit)
            }
            Some(c) => c == digit,
            None => return true,
        };
        if !matches {
            return false;
        }
    }
    rest.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_statuses() {
        for (pattern, status, expected) in [
            ("...", StatusCode::NOT_FOUND, true),
            ("204", StatusCode::NO_CONTENT, true),
            ("204", StatusCode::OK, false),
            ("[23]..", StatusCode::OK, true),
            ("[45]..", StatusCode::OK, false),
        ] {
            assert_eq!(matches_code(pattern, status), expected, "{pattern} {status}");
        }
    }
}
