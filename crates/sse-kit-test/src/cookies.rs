//! The cookies of one browser.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;

/// The cookies of one browser, by name; all clones are one. Paths, domains and times are not looked at,
/// but a cookie that is set to end at once is forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cookies(Arc<Mutex<BTreeMap<String, String>>>);

impl Cookies {
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.0.lock().insert(name.to_owned(), value.to_owned());
    }

    /// Returns a jar of its own that begins with the cookies of this one.
    pub(crate) fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().clone())))
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.0.lock().get(name).cloned()
    }

    /// The value of a `Cookie` header, if there are any.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let cookies = self.0.lock();
        let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { None } else { HeaderValue::from_str(&pairs.join("; ")).ok() }
    }

    /// Takes what an answer sets.
    pub(crate) fn take(&self, headers: &HeaderMap) {
        for value in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let mut parts = value.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let ends = parts.any(|part| {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                let is_past = name.eq_ignore_ascii_case("expires") && value.contains(" 1970 ");
                is_past
                    || (name.eq_ignore_ascii_case("max-age")
                        && value.parse().is_ok_and(|seconds: i64| seconds <= 0))
            });
            if ends {
                self.0.lock().remove(name.trim());
            } else {
                self.set(name.trim(), value.trim());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_set_and_forgotten() {
        let cookies = Cookies::default();
        cookies.set("a", "1");
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("b=2=2; Path=/; HttpOnly"));
        cookies.take(&headers);
        assert_eq!(cookies.header().unwrap(), "a=1; b=2=2");
        let other = cookies.fork();
        headers.append(SET_COOKIE, HeaderValue::from_static("a=; Max-Age=0"));
        headers.append(
            SET_COOKIE,
            HeaderValue::from_static("b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        );
        cookies.take(&headers);
        assert_eq!(cookies.header(), None);
        assert_eq!(other.get("a").as_deref(), Some("1"), "another browser's");
    }
}
