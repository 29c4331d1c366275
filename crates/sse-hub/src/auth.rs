//! Who may publish and listen: tokens, and what their claims allow.

mod claims;
mod crypto;
mod keys;
mod options;
mod presented;
mod refusal;
mod streams;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Uri};
use sse_kit::event::{Audience, Topic, TopicPattern, Topics};
use sse_kit::http::ensure_same_site;

pub(crate) use self::options::AuthOptions;
pub(crate) use self::presented::QUERY_PARAMETER;
pub(crate) use self::refusal::Refusal;
pub(crate) use self::streams::{Listener, TokenAuthorizer};

use self::keys::{KeyId, Keys};
use self::presented::{Carrier, Places};

/// The rules of a hub. A reload replaces them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Auth(Arc<Mutex<Arc<Rules>>>);

/// The rules at one time.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// The keys; without any, everybody may do everything.
    keys: Option<Keys>,
    places: Places,
    /// The topics and patterns that anybody may listen to without a token.
    anonymous: Topics,
    leeway: Duration,
}

/// A client that was let in, with its rights.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The user, if the token names one.
    pub(crate) subject: Option<Arc<str>>,
    publish: Topics,
    subscribe: Topics,
    presence: Topics,
    /// The time from which the token is no longer accepted.
    expires: Option<SystemTime>,
    /// The key that signed the token; none without a token.
    key: Option<KeyId>,
    carrier: Carrier,
}

impl Auth {
    /// Reads the keys and the rules that the options name.
    pub(crate) fn new(options: &AuthOptions) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Arc::new(options.rules()?)))))
    }

    /// Replaces the rules by those that the options name now; keeps the old ones if that fails.
    pub(crate) fn reload(&self, options: &AuthOptions) -> anyhow::Result<()> {
        let rules = Arc::new(options.rules()?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Rules {
    /// Returns `true` if everybody may do everything, because there is no key.
    pub(crate) fn are_open(&self) -> bool {
        self.keys.is_none()
    }

    /// Returns the client that a request comes from, by its token.
    pub(crate) fn identify(&self, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let Some(keys) = &self.keys else { return Ok(Caller::anybody(everything())) };
        match self.places.token(uri, headers)? {
            None => Ok(Caller::anybody(Topics::none())),
            Some((token, carrier)) => {
                let (claims, key) = keys.verify(&token)?;
                Ok(claims.caller(key, carrier, self.leeway))
            }
        }
    }

    /// Returns `true` if the query may have a token.
    pub(crate) fn query_may_have_token(&self) -> bool {
        self.places.query
    }

    /// Decides whether a client may listen to these topics and patterns.
    pub(crate) fn listen(&self, caller: &Caller, topics: &Topics) -> Result<(), Refusal> {
        caller.ensure_rights(|| {
            let known = [&caller.subscribe, &self.anonymous];
            let cover = |covers: &dyn Fn(&Topics) -> bool| known.iter().any(|k| covers(k));
            topics.topics().iter().all(|topic| cover(&|known| known.cover(topic)))
                && topics.patterns().iter().all(|one| cover(&|known| known.cover_pattern(one)))
        })
    }

    /// Decides whether a token that was accepted still is: its time is not over, and its key was not
    /// removed.
    fn still_accept(&self, caller: &Caller) -> Result<(), Refusal> {
        if caller.expires.is_some_and(|expires| expires <= SystemTime::now()) {
            return Err(Refusal::Expired);
        }
        match (&self.keys, caller.key) {
            (Some(keys), Some(key)) if !keys.contain(key) => Err(Refusal::WrongKey),
            _ => Ok(()),
        }
    }
}

impl Caller {
    /// A client without a token.
    fn anybody(rights: Topics) -> Self {
        Self {
            subject: None,
            publish: rights.clone(),
            subscribe: rights.clone(),
            presence: rights,
            expires: None,
            key: None,
            carrier: Carrier::None,
        }
    }

    /// Decides whether the client may publish to these topics.
    pub(crate) fn ensure_may_publish(
        &self,
        audience: &Audience,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        // Browsers send cookies with the requests of every page; a token elsewhere is the page's own.
        if matches!(self.carrier, Carrier::None | Carrier::Cookie) {
            ensure_same_site(uri, headers).map_err(|_| Refusal::CrossSite)?;
        }
        self.ensure_rights(|| audience.topics().iter().all(|topic| self.publish.cover(topic)))
    }

    /// Decides whether the client may see who listens to a topic.
    pub(crate) fn ensure_may_see(&self, topic: &Topic) -> Result<(), Refusal> {
        self.ensure_rights(|| self.presence.cover(topic))
    }

    /// Returns the time until the token expires.
    fn time_left(&self) -> Option<Duration> {
        let left = |expires: SystemTime| expires.duration_since(SystemTime::now());
        self.expires.map(|expires| left(expires).unwrap_or_default())
    }

    fn ensure_rights(&self, holds: impl Fn() -> bool) -> Result<(), Refusal> {
        match (holds(), self.carrier) {
            (true, _) => Ok(()),
            (false, Carrier::None) => Err(Refusal::NoToken),
            (false, _) => Err(Refusal::BeyondToken),
        }
    }
}

fn everything() -> Topics {
    Topics::from(TopicPattern::all())
}
