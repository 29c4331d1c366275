//! Waiting for what a page shows.

use std::panic::Location;

use tokio::time::timeout;

use super::TestPage;
use crate::dom::{Shown, difference};
use crate::failure::{At, fail, shortened};

impl TestPage {
    /// Takes in messages until the first element that matches has exactly this text, but for whitespace.
    ///
    /// # Panics
    ///
    /// If it does not come to that within the client's [patience](crate::TestClient::patience); the failure
    /// says what the page shows and what it was sent.
    #[track_caller]
    pub fn expect_text(&mut self, selector: &str, text: &str) -> impl Future<Output = ()> {
        let (at, selector, text) = (Location::caller(), selector.to_owned(), text.to_owned());
        async move {
            let wanted = Some(&*text);
            let came = self.wait(at, |page| page.text_at(at, &selector).as_deref() == wanted).await;
            if !came {
                let shows = match self.text_at(at, &selector) {
                    Some(found) => format!("has `{}`", shortened(&found)),
                    None => "is not there".to_owned(),
                };
                fail(
                    at,
                    format_args!("`{selector}` was to have `{text}`, but {shows}{}", self.sent()),
                );
            }
        }
    }

    /// Takes in messages until so many elements match.
    ///
    /// # Panics
    ///
    /// As [`expect_text`](Self::expect_text).
    #[track_caller]
    pub fn expect_count(&mut self, selector: &str, count: usize) -> impl Future<Output = ()> {
        let (at, selector) = (Location::caller(), selector.to_owned());
        async move {
            if !self.wait(at, |page| page.select(at, &selector).len() == count).await {
                let found = self.select(at, &selector).len();
                fail(
                    at,
                    format_args!(
                        "{count} elements were to match `{selector}`, but {found} do{}",
                        self.sent()
                    ),
                );
            }
        }
    }

    /// Takes in messages until something holds of the page; `what` says it in a failure.
    ///
    /// # Panics
    ///
    /// As [`expect_text`](Self::expect_text).
    #[track_caller]
    pub fn expect<'a>(
        &'a mut self,
        what: &'a str,
        holds: impl FnMut(&Self) -> bool + 'a,
    ) -> impl Future<Output = ()> + 'a {
        let at = Location::caller();
        async move {
            if !self.wait(at, holds).await {
                fail(at, format_args!("never: {what}{}", self.sent()));
            }
        }
    }

    /// Fails the test unless the page shows what a page shows that is loaded now, apart from elements that
    /// match one of the selectors.
    ///
    /// Whitespace, comments, scripts, and the query in the URL of a stream make no difference. A page that
    /// has messages under way is behind: [`settle`](Self::settle) first.
    ///
    /// # Panics
    ///
    /// If they differ; the failure shows where.
    #[track_caller]
    pub fn expect_fresh(&mut self, but_for: &[&str]) -> impl Future<Output = ()> {
        let at = Location::caller();
        let but_for: Vec<String> = but_for.iter().map(|&selector| selector.to_owned()).collect();
        async move {
            if let Some(difference) = self.staleness(at, &but_for).await {
                fail(at, difference);
            }
        }
    }

    /// Describes how the page differs from one that is loaded now; `None` when it does not.
    pub(crate) async fn staleness(&mut self, at: At, but_for: &[String]) -> Option<String> {
        let fresh = self.fresh(at).await;
        let read = |page: &Self| page.shown(but_for).unwrap_or_else(|error| fail(at, error));
        let (live, fresh): (Shown, Shown) = (read(self), read(&fresh));
        (live != fresh).then(|| {
            format!(
                "the live page at {} is not what a fresh one is (`-` live, `+` fresh):\n{}{}",
                self.path,
                difference(&live, &fresh),
                self.sent()
            )
        })
    }

    async fn wait(&mut self, at: At, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let patience = self.client.waits();
        let waiting = async {
            while !holds(self) {
                self.take_next(at).await;
            }
        };
        timeout(patience, waiting).await.is_ok()
    }

    fn text_at(&self, at: At, selector: &str) -> Option<String> {
        let found = self.select(at, selector);
        found.first().map(|node| node.text().split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Describes what came by the streams, for a failure.
    fn sent(&self) -> String {
        if self.streams.is_empty() {
            return "; the page has no stream".to_owned();
        }
        let said = |live: &super::Live| format!("; {}{}", live.stream.end(), live.stream.so_far());
        self.streams.iter().map(said).collect()
    }
}
