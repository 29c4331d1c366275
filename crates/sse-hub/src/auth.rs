//! The rights to publish and to listen: tokens, and what their claims allow.

mod claims;
mod crypto;
mod keys;
mod options;
mod presented;
mod refusal;
mod streams;

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Uri};
use sse_kit::event::{Audience, Topic, TopicPattern, Topics};
use sse_kit::http::ensure_same_site;

pub(crate) use self::options::AuthOptions;
pub(crate) use self::presented::QUERY_PARAMETER;
pub(crate) use self::refusal::Refusal;
pub(crate) use self::streams::{Listener, TokenAuthorizer, end_open_streams};

use self::keys::Keys;
use self::presented::{Carrier, Places, Token};

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
    /// The number of reloads before these rules: a client that they let in needs no second look.
    generation: u64,
}

/// A client that was let in, with its rights.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The user, if the token names one.
    pub(crate) subject: Option<Arc<str>>,
    rights: Arc<TopicRights>,
    inspect: bool,
    /// The time from which the token is no longer accepted.
    expires: Option<SystemTime>,
    /// The token, to be shown again to other rules.
    token: Option<Token>,
    /// The generation of the rules that let the client in.
    generation: u64,
}

/// The topics and patterns to which a client may publish, and of which it may see events and listeners.
#[derive(Debug, Default)]
struct TopicRights {
    publish: Topics,
    subscribe: Topics,
    presence: Topics,
}

/// The rights of all clients of a hub without a key.
static EVERYTHING: LazyLock<Arc<TopicRights>> = LazyLock::new(|| {
    let all = || Topics::from(TopicPattern::all());
    Arc::new(TopicRights { publish: all(), subscribe: all(), presence: all() })
});

/// The rights of a client without a token, if the hub has a key.
static NOTHING: LazyLock<Arc<TopicRights>> = LazyLock::new(Arc::default);

impl Auth {
    /// Reads the keys and the rules that the options name.
    pub(crate) fn new(options: &AuthOptions) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Arc::new(options.rules()?)))))
    }

    /// Replaces the rules by those that the options name now; keeps the old ones if that fails, and if
    /// the new ones have no key although the old ones do.
    pub(crate) fn reload(&self, options: &AuthOptions) -> anyhow::Result<()> {
        let mut rules = options.rules()?;
        // A file that was emptied by mistake must not open the hub to everybody.
        anyhow::ensure!(
            !rules.are_open() || self.rules().are_open(),
            "there is no key any more: start the hub anew to let everybody publish and listen"
        );
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rules.generation = current.generation + 1;
        *current = Arc::new(rules);
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
        if self.are_open() {
            self.admit(None)
        } else {
            self.admit(self.places.token(uri, headers)?)
        }
    }

    /// Gives a client the rights that it has now: its token may have expired, or a reload may have changed
    /// the rules.
    pub(crate) fn renew(&self, caller: &mut Caller) -> Result<(), Refusal> {
        if caller.generation != self.generation {
            *caller = self.admit(caller.token.clone())?;
        }
        caller.ensure_not_expired()
    }

    fn admit(&self, token: Option<Token>) -> Result<Caller, Refusal> {
        let anybody =
            |rights: &Arc<TopicRights>| Caller::anybody(Arc::clone(rights), self.generation);
        let Some(keys) = &self.keys else { return Ok(anybody(&EVERYTHING)) };
        let Some(token) = token else { return Ok(anybody(&NOTHING)) };
        let claims = keys.verify(token.text())?;
        // The library, which looks at the times too, knows whole seconds only.
        claims.ensure_begun(self.leeway)?;
        let caller = claims.caller(token, self.leeway, self.generation);
        caller.ensure_not_expired()?;
        Ok(caller)
    }

    /// Returns `true` if the query may have a token.
    pub(crate) fn query_may_have_token(&self) -> bool {
        self.places.query
    }

    /// Decides whether a client may listen to these topics and patterns.
    pub(crate) fn listen(&self, caller: &Caller, topics: &Topics) -> Result<(), Refusal> {
        caller.ensure_rights(|| {
            let known = [&caller.rights.subscribe, &self.anonymous];
            let cover = |covers: &dyn Fn(&Topics) -> bool| known.iter().any(|k| covers(k));
            topics.topics().iter().all(|topic| cover(&|known| known.cover(topic)))
                && topics.patterns().iter().all(|one| cover(&|known| known.cover_pattern(one)))
        })
    }
}

impl Caller {
    /// A client without a token.
    fn anybody(rights: Arc<TopicRights>, generation: u64) -> Self {
        Self {
            subject: None,
            rights,
            // Only those on this machine get so far without a token.
            inspect: false,
            expires: None,
            token: None,
            generation,
        }
    }

    /// Decides whether the client may publish at all, from where the request comes, before its body is read.
    pub(crate) fn ensure_publisher(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        // Browsers send cookies with the requests of every page; a token elsewhere is the page's own.
        if matches!(self.carrier(), None | Some(Carrier::Cookie)) {
            ensure_same_site(uri, headers).map_err(|_| Refusal::CrossSite)?;
        }
        self.ensure_rights(|| !self.rights.publish.is_empty())
    }

    /// Decides whether the client, a publisher, may publish to these topics.
    pub(crate) fn ensure_may_publish(&self, audience: &Audience) -> Result<(), Refusal> {
        self.ensure_rights(|| {
            audience.topics().iter().all(|topic| self.rights.publish.cover(topic))
        })
    }

    /// Decides whether the client may see who listens to a topic.
    pub(crate) fn ensure_may_see(&self, topic: &Topic) -> Result<(), Refusal> {
        self.ensure_rights(|| self.rights.presence.cover(topic))
    }

    /// Decides whether the client may see the inspector, and publish and disconnect there.
    pub(crate) fn ensure_may_inspect(&self) -> Result<(), Refusal> {
        match (self.inspect, self.carrier()) {
            (true, _) => Ok(()),
            (false, None) => Err(Refusal::NoToken),
            (false, Some(_)) => Err(Refusal::NoInspector),
        }
    }

    /// Returns the time until the token expires.
    fn time_left(&self) -> Option<Duration> {
        let left = |expires: SystemTime| expires.duration_since(SystemTime::now());
        self.expires.map(|expires| left(expires).unwrap_or_default())
    }

    fn ensure_not_expired(&self) -> Result<(), Refusal> {
        match self.expires {
            Some(expires) if expires <= SystemTime::now() => Err(Refusal::Expired),
            _ => Ok(()),
        }
    }

    fn ensure_rights(&self, holds: impl Fn() -> bool) -> Result<(), Refusal> {
        match (holds(), self.carrier()) {
            (true, _) => Ok(()),
            (false, None) => Err(Refusal::NoToken),
            (false, Some(_)) => Err(Refusal::BeyondToken),
        }
    }

    /// Returns the place that the token came from, if there is a token.
    fn carrier(&self) -> Option<Carrier> {
        self.token.as_ref().map(Token::carrier)
    }
}
