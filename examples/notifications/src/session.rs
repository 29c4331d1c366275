//! Sessions, and the topics that each may read.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use sse_kit::event::ConnectionId;
use sse_kit::http::{Access, Authorizer, DeniedError, Grant, Resource};
use tokio::time::Instant;

use crate::inbox::User;
use crate::routes::App;

const COOKIE_NAME: &str = "session";

/// The attributes of the cookie. An app that is served over HTTPS adds `Secure`, and names the cookie
/// `__Host-session`; this one is served over HTTP on the developer's machine, where not every browser keeps
/// such a cookie.
const ATTRIBUTES: &str = "Path=/; HttpOnly; SameSite=Lax";

/// The time for which a session lasts.
pub(crate) const LASTING: Duration = Duration::from_secs(12 * 60 * 60);

/// The users who are signed in, by the random text in their cookie. Cheap to clone; all clones are
/// one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<String, Known>>>);

/// A session as the server keeps it.
#[derive(Clone, Debug)]
struct Known {
    user: User,
    began: Instant,
}

impl Known {
    /// Returns the time until it ends; zero if it has ended.
    fn left(&self) -> Duration {
        LASTING.saturating_sub(self.began.elapsed())
    }
}

/// A user who is signed in, in one browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user: User,
}

impl Sessions {
    /// Signs a user in; returns the value of `Set-Cookie`.
    pub(crate) fn begin(&self, user: User) -> anyhow::Result<String> {
        // 128 random bits of the operating system.
        let id = ConnectionId::random()?.to_string();
        let mut sessions = self.lock();
        sessions.retain(|_, known| !known.left().is_zero());
        sessions.insert(id.clone(), Known { user, began: Instant::now() });
        Ok(format!("{COOKIE_NAME}={id}; {ATTRIBUTES}; Max-Age={}", LASTING.as_secs()))
    }

    /// Signs a user out in one browser; returns the value of `Set-Cookie`.
    pub(crate) fn end(&self, session: &Session) -> String {
        self.lock().remove(&session.id);
        format!("{COOKIE_NAME}=; {ATTRIBUTES}; Max-Age=0")
    }

    fn find(&self, id: &str) -> Option<Session> {
        let user = self.known(id)?.user;
        Some(Session { id: id.to_owned(), user })
    }

    fn known(&self, id: &str) -> Option<Known> {
        self.lock().get(id).filter(|known| !known.left().is_zero()).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session sees the topic of its user, as long as it lasts.
impl Authorizer for Sessions {
    type Principal = Session;

    async fn authorize(
        &self,
        session: &Session,
        wanted: Resource<'_>,
        _: Access,
    ) -> Result<Grant, DeniedError> {
        let known = self.known(&session.id).ok_or(DeniedError)?;
        match wanted {
            // The gate asks again when the session has ended, and gets a no.
            Resource::Topic(topic) if *topic == known.user.topic() => {
                Ok(Grant::lasting(known.left()))
            }
            _ => Err(DeniedError),
        }
    }
}

/// The session of a request, if there is one.
pub(crate) struct SignedIn(pub(crate) Option<Session>);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let cookies = parts.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies = cookies.flat_map(|list| list.split("; "));
        let session = cookies.find_map(|cookie| {
            let (name, id) = cookie.split_once('=')?;
            if name == COOKIE_NAME { app.sessions().find(id) } else { None }
        });
        Ok(Self(session))
    }
}
