//! The URL of a stream.

use std::fmt::Display;
use std::net::{Ipv4Addr, Ipv6Addr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sse_kit_event::{EventId, TextError, TextErrorKind, text_type};

use crate::text::{Text, is_plain};

/// The URL of a stream of the page's own origin: a path such as `/events?topic=jobs`, or one that is
/// relative to the page.
///
/// At most [`Endpoint::MAX_LEN`] bytes, without whitespace, control characters and `\`. What a
/// browser takes for another origin (`//host/`, `https:…`) is refused, as the [URL standard] has it;
/// [`Endpoint::cross_origin`] is for that. Cloning is cheap.
///
/// Texts of users go into a URL by [`from_segments`](Self::from_segments) and
/// [`query`](Self::query), which encode them:
///
/// ```
/// use sse_kit_htmx::{Endpoint, TextError, TextErrorKind};
///
/// let endpoint = Endpoint::from_segments(["rooms", "a/b", "events"])?.query("nick", "A & B")?;
/// assert_eq!(endpoint.as_str(), "/rooms/a%2Fb/events?nick=A%20%26%20B");
///
/// const EVENTS: Endpoint = Endpoint::from_static("/events?topic=jobs");
/// let error = "javascript:alert(1)".parse::<Endpoint>().unwrap_err();
/// assert_eq!(error.kind(), TextErrorKind::Unsafe);
/// # Ok::<(), TextError>(())
/// ```
///
/// [URL standard]: https://url.spec.whatwg.org/#concept-basic-url-parser
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(Text);

const WHAT: &str = "an endpoint";

/// The query parameter in which a page sends its cursor.
const CURSOR: &str = "last_event_id";

/// Everything but what [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-2.3) calls
/// unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Endpoint {
    /// The longest URL, in bytes.
    pub const MAX_LEN: usize = 8192;

    /// Checks `url`.
    ///
    /// # Errors
    ///
    /// [`TextError`] names the rule that `url` breaks.
    pub fn new(url: &str) -> Result<Self, TextError> {
        check_characters(url)?;
        if url.starts_with("//") || has_scheme(url) {
            let rule = "an endpoint is a path; name another origin by `Endpoint::cross_origin`";
            return Err(TextError::new(url, WHAT, TextErrorKind::Unsafe, rule));
        }
        Ok(Self(url.into()))
    }

    /// Takes a path from the source of the program. In a `const` it is checked when that is compiled.
    ///
    /// # Panics
    ///
    /// Outside of a `const`, when it does not begin with one `/`, is too long, or has `\` or other
    /// characters than those of ASCII that are seen.
    pub const fn from_static(path: &'static str) -> Self {
        assert!(
            is_plain_path(path),
            "not a path: it begins with one `/` and has characters of ASCII, no blanks and no `\\`"
        );
        Self(Text::Static(path))
    }

    /// Takes the URL of another origin: `https://host/…`, `http://host/…`, or `//host/…`.
    ///
    /// The host is written as browsers write it, in small letters of ASCII. Mind that htmx 2 sends
    /// cookies there, and that `connect-src` of the page's content security policy has to allow it.
    ///
    /// # Errors
    ///
    /// [`TextError`] names the rule that `url` breaks.
    pub fn cross_origin(url: &str) -> Result<Self, TextError> {
        check_characters(url)?;
        let rest = ["https://", "http://", "//"].iter().find_map(|start| url.strip_prefix(start));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
        if host.is_some_and(is_host) {
            return Ok(Self(url.into()));
        }
        let rule = "it must begin with `https://`, `http://` or `//` and a host, in lower-case \
                    ASCII and without a user";
        Err(TextError::new(url, "the URL of another origin", TextErrorKind::Form, rule))
    }

    /// Makes a path of segments, each encoded: `["jobs", "a/b"]` is `/jobs/a%2Fb`.
    ///
    /// # Errors
    ///
    /// [`TextError`] if a segment is empty, or `.` or `..`, which a browser would resolve, and by
    /// the rules of [`Endpoint::new`].
    pub fn from_segments<S: AsRef<str>>(
        segments: impl IntoIterator<Item = S>,
    ) -> Result<Self, TextError> {
        let mut path = String::new();
        for segment in segments {
            let segment = segment.as_ref();
            check_segment(segment)?;
            path.push('/');
            path.extend(utf8_percent_encode(segment, RESERVED));
            if path.len() > Self::MAX_LEN {
                return Err(TextError::too_long(&path, WHAT, Self::MAX_LEN));
            }
        }
        Self::new(&path)
    }

    /// Adds a parameter to the query, encoded.
    ///
    /// # Errors
    ///
    /// [`TextError`] for the name `last_event_id`, which [`Endpoint::with_cursor`] sets, and for a
    /// URL that gets too long.
    pub fn query(&self, name: &str, value: impl Display) -> Result<Self, TextError> {
        if name == CURSOR {
            let rule = "the cursor is set by `Endpoint::with_cursor`";
            return Err(TextError::new(name, "a parameter", TextErrorKind::Reserved, rule));
        }
        let (before, fragment) = self.split_fragment();
        let separator = match before.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        let name = utf8_percent_encode(name, RESERVED);
        let value = value.to_string();
        let value = utf8_percent_encode(&value, RESERVED);
        let url = format!("{before}{separator}{name}={value}{fragment}");
        if url.len() > Self::MAX_LEN {
            return Err(TextError::too_long(&url, WHAT, Self::MAX_LEN));
        }
        Ok(Self(url.as_str().into()))
    }

    /// Returns the stream from `cursor` on: it is sent as the query parameter `last_event_id`, in
    /// place of one that is there.
    pub fn with_cursor(&self, cursor: EventId) -> Self {
        let (before, fragment) = self.split_fragment();
        let (path, query) = before.split_once('?').unwrap_or((before, ""));
        let cursor = format!("{CURSOR}={cursor}");
        let pairs = query.split('&').filter(|pair| !pair.is_empty() && !is_cursor(pair));
        let pairs: Vec<&str> = pairs.chain([&*cursor]).collect();
        Self(format!("{path}?{}{fragment}", pairs.join("&")).as_str().into())
    }

    /// Returns the URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `true` if it was made by [`Endpoint::cross_origin`].
    pub(crate) fn is_cross_origin(&self) -> bool {
        self.0.starts_with("//") || has_scheme(&self.0)
    }

    fn split_fragment(&self) -> (&str, &str) {
        self.0.split_at(self.0.find('#').unwrap_or(self.0.len()))
    }
}

text_type!(Endpoint);

fn check_characters(url: &str) -> Result<(), TextError> {
    if url.is_empty() {
        return Err(TextError::empty(WHAT));
    }
    if url.len() > Endpoint::MAX_LEN {
        return Err(TextError::too_long(url, WHAT, Endpoint::MAX_LEN));
    }
    // Browsers read `\` as `/`, and drop some of the others.
    match url.chars().find(|&c| c.is_whitespace() || c.is_control() || c == '\\') {
        Some(found) => {
            let rule = format!("it contains {found:?}; encode it");
            Err(TextError::new(url, WHAT, TextErrorKind::Character, rule))
        }
        None => Ok(()),
    }
}

const fn is_plain_path(path: &str) -> bool {
    if !is_plain(path, Endpoint::MAX_LEN) {
        return false;
    }
    let bytes = path.as_bytes();
    if bytes[0] != b'/' || (bytes.len() > 1 && bytes[1] == b'/') {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'\\' {
            return false;
        }
        at += 1;
    }
    true
}

/// Refuses a segment that a browser, or a server that decodes it, would resolve.
pub(crate) fn check_segment(decoded: &str) -> Result<(), TextError> {
    let resolves = |part: &str| matches!(part, "." | "..");
    if decoded.is_empty() || decoded.split(['/', '\\']).any(resolves) {
        let rule = "a browser would request another resource";
        return Err(TextError::new(decoded, "a segment of a path", TextErrorKind::Form, rule));
    }
    Ok(())
}

/// Returns `true` if a URL begins with a scheme: a letter, then letters, digits, `+`, `-`, `.`, and `:`.
fn has_scheme(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// Returns `true` for a host that browsers leave as it is, with or without a port.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err() || port.starts_with('+')) {
        return false;
    }
    if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
    if name.is_empty() || !name.chars().all(is_plain) {
        return false;
    }
    // What ends with a number is an address of IPv4, which has forms that nobody reads as one.
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit());
    !is_number || name.parse::<Ipv4Addr>().is_ok()
}

/// Returns `true` for a parameter that a server reads as the cursor, however its name is encoded.
fn is_cursor(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default().replace('+', " ");
    percent_decode_str(&name).eq(CURSOR.bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sse_kit_test_support::cases;
    use url::Url;

    use super::*;

    fn kind(endpoint: Result<Endpoint, TextError>) -> Option<TextErrorKind> {
        endpoint.err().map(|error| error.kind())
    }

    #[test]
    fn limits() {
        assert_eq!(kind(Endpoint::new("")), Some(TextErrorKind::Empty));
        assert_eq!(kind(Endpoint::new(&"x".repeat(8193))), Some(TextErrorKind::TooLong));
        for found in [' ', '\n', '\0', '\u{a0}', '\\'] {
            let url = format!("/a{found}");
            assert_eq!(kind(Endpoint::new(&url)), Some(TextErrorKind::Character));
        }
        for url in
            ["javascript:x", "JavaScript:x", "data:,x", "ftp://a", "https:evil", "//a.test/e"]
        {
            assert_eq!(kind(Endpoint::new(url)), Some(TextErrorKind::Unsafe), "{url}");
        }
        for url in
            ["/e", "e?topic=jobs:1", "?a=b:c", "/https://a", "1:b", ":x", "#a", "./e", "/a//b"]
        {
            assert!(Endpoint::new(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn other_origins_are_named() {
        for url in [
            "https://a.test/e",
            "http://a.test:80",
            "//a.test/e",
            "https://[::1]:8/",
            "http://127.0.0.1/",
        ] {
            assert!(Endpoint::cross_origin(url).is_ok(), "{url}");
        }
        for url in [
            "/e",
            "https:a.test",
            "https:/a.test",
            "https:///a.test",
            "http://u@a.test/",
            "http://:80/",
            "http://a b/",
            "http://0x7f.1/",
            "http://127.1/",
            "http://A.test/",
            "http://a:99999/",
            "http://a%2eb/",
            "ftp://a/",
            "///a",
        ] {
            assert!(Endpoint::cross_origin(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_cursor_finds_its_place() {
        let at = |url: &str| {
            let cursor = "5f-12".parse().unwrap();
            Endpoint::new(url).unwrap().with_cursor(cursor).as_str().to_owned()
        };
        assert_eq!(at("/e"), "/e?last_event_id=5f-12");
        assert_eq!(at("/e?"), "/e?last_event_id=5f-12");
        assert_eq!(at("/e?a=1&b"), "/e?a=1&b&last_event_id=5f-12");
        assert_eq!(at("/e?a=1#x?y"), "/e?a=1&last_event_id=5f-12#x?y");
        assert_eq!(at("/e?last_event_id=1-1&a=1&"), "/e?a=1&last_event_id=5f-12");
        assert_eq!(at("/e?last%5Fevent%5fid=1-1&a=1"), "/e?a=1&last_event_id=5f-12");
    }

    #[test]
    fn parameters_are_encoded() {
        let endpoint = |url: &str| Endpoint::new(url).unwrap();
        let query = |url: &str| endpoint(url).query("a b", "ü&#").unwrap().as_str().to_owned();
        assert_eq!(query("/e"), "/e?a%20b=%C3%BC%26%23");
        assert_eq!(query("/e?x#y"), "/e?x&a%20b=%C3%BC%26%23#y");
        assert_eq!(query("/e?"), "/e?a%20b=%C3%BC%26%23");
        let cursor = endpoint("/e").query("last_event_id", 1);
        assert_eq!(kind(cursor), Some(TextErrorKind::Reserved));
        let long = endpoint("/e").query("a", "x".repeat(8192));
        assert_eq!(kind(long), Some(TextErrorKind::TooLong));
    }

    /// Resolves a URL as a browser does that is at `base`.
    fn join(base: &str, url: &str) -> Option<Url> {
        Url::parse(base).expect("a base").join(url).ok()
    }

    const BASES: [&str; 2] = ["https://base.test/x/y?z", "http://base.test"];

    fn urls() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            prop::sample::select(vec![
                "/",
                "//",
                "\\",
                ":",
                "?",
                "#",
                "@",
                ".",
                "..",
                "%2e",
                "%5c",
                "%2f",
                "[",
                "]",
                "http",
                "https",
                "HTTPS:",
                "javascript:",
                "a",
                "b.test",
                "evil.test",
                "1",
                "0x7f",
                "127.0.0.1",
                "[::1]",
                ":80",
                "é",
                "ｅ",
                "。",
                "\u{ad}",
                "-",
                "+",
                "_",
                "&",
                "=",
                "*",
                "|",
                "{",
            ])
            .prop_map(str::to_owned),
            "[ -~]{0,3}",
        ];
        prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(cases(4096))]

        #[test]
        fn an_endpoint_is_of_the_page_s_origin_for_a_browser_too(url in urls()) {
            let is_clean = check_characters(&url).is_ok();
            let is_relative = Url::parse(&url) == Err(url::ParseError::RelativeUrlWithoutBase);
            let stays = BASES.iter().all(|base| {
                join(base, &url).is_some_and(|joined| {
                    joined.origin() == Url::parse(base).expect("a base").origin()
                })
            });
            let accepted = Endpoint::new(&url).is_ok();
            prop_assert!(!accepted || stays, "accepted: {url}");
            prop_assert!(accepted || !(is_clean && is_relative && stays) || url.starts_with("//"), "refused: {url}");
        }

        #[test]
        fn another_origin_is_the_one_that_is_written(url in urls(), scheme in "(https:|http:|)//") {
            let url = format!("{scheme}{url}");
            if Endpoint::cross_origin(&url).is_ok() {
                let written = url.split("//").nth(1).unwrap().split(['/', '?', '#']).next().unwrap();
                for base in BASES {
                    let Some(joined) = join(base, &url) else { continue };
                    let host = joined.host_str().unwrap_or_default();
                    prop_assert!(written.starts_with(host), "{url} leads to {host}");
                    prop_assert_eq!(joined.username(), "");
                }
            }
        }

        #[test]
        fn segments_and_parameters_arrive_as_they_were_given(
            segments in prop::collection::vec("[a-c./\\\\%#?&=é \n-]{0,5}", 1..4),
            value in "\\PC{0,8}",
        ) {
            let Ok(endpoint) = Endpoint::from_segments(&segments) else {
                let is_wrong = |it: &String| check_segment(it).is_err();
                prop_assert!(segments.iter().any(is_wrong));
                return Ok(());
            };
            let endpoint = endpoint.query("q", &value).unwrap();
            let joined = join(BASES[0], endpoint.as_str()).unwrap();
            let decode = |it: &str| percent_decode_str(it).decode_utf8().unwrap().into_owned();
            let found: Vec<String> = joined.path_segments().unwrap().map(decode).collect();
            prop_assert_eq!(found, segments);
            let pairs: Vec<_> = joined.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, [("q".to_owned(), value)]);
        }

        #[test]
        fn what_is_checked_at_compile_time_is_right_at_run_time_too(path in "/?[ -~é]{0,6}") {
            prop_assert!(!is_plain_path(&path) || Endpoint::new(&path).is_ok(), "{path}");
            prop_assert!(!is_plain(&path, 256) || crate::ElementId::new(&path).is_ok(), "{path}");
        }
    }
}
