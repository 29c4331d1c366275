//! Who is signed in, and may see what.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use sse_kit::event::ConnectionId;
use sse_kit::http::{Access, Authorizer, DeniedError, Grant, Resource};

use crate::inbox::User;
use crate::routes::App;

const COOKIE_NAME: &str = "session";

/// Who is signed in, by the random text in their cookie. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<String, User>>>);

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
        self.lock().insert(id.clone(), user);
        Ok(format!("{COOKIE_NAME}={id}; Path=/; HttpOnly; SameSite=Lax"))
    }

    /// Signs a user out in one browser; returns the value of `Set-Cookie`.
    pub(crate) fn end(&self, session: &Session) -> String {
        self.lock().remove(&session.id);
        format!("{COOKIE_NAME}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
    }

    fn find(&self, id: &str) -> Option<Session> {
        let user = self.lock().get(id).cloned()?;
        Some(Session { id: id.to_owned(), user })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, User>> {
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
        let known = self.find(&session.id).ok_or(DeniedError)?;
        match wanted {
            Resource::Topic(topic) if *topic == known.user.topic() => Ok(Grant::unlimited()),
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
