//! `GET /topics/{topic}/presence`: who listens to a topic.

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::{Request, StatusCode};
use serde::Serialize;
use sse_kit::Hub;
use sse_kit::event::Topic;
use sse_kit::http::query_parameters;

use crate::access_log::{User, Visitor};
use crate::auth::{Refusal, Rules};
use crate::metrics::Metrics;
use crate::reply::{self, Reply};

/// The users of the answer; the number of connections counts all.
const MAX_USERS: usize = 1000;

#[derive(Serialize)]
struct Presence<'a> {
    topic: &'a Topic,
    connections: usize,
    /// The number of connections of each user, by name.
    users: BTreeMap<&'a str, usize>,
}

/// Returns the topic of a path, as it is written there.
pub(crate) fn topic_of(path: &str) -> Option<&str> {
    let topic = path.strip_prefix("/topics/")?.strip_suffix("/presence")?;
    (!topic.is_empty() && !topic.contains('/')).then_some(topic)
}

/// Answers with the clients of this node that listen to a topic.
pub(crate) fn presence<B>(
    hub: &Hub,
    rules: &Rules,
    metrics: &Metrics,
    text: &str,
    request: &Request<B>,
    client: IpAddr,
) -> Reply {
    let refuse = |refusal: Refusal| refusal.answer(client, "show who listens", metrics);
    let caller = match rules.identify(request.uri(), request.headers()) {
        Ok(caller) => caller,
        Err(refusal) => return refuse(refusal),
    };
    let topic = match decoded(text).parse::<Topic>() {
        Ok(topic) => topic,
        Err(error) => return reply::error(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if let Err(refusal) = caller.ensure_may_see(&topic) {
        return refuse(refusal);
    }
    let connections = hub.presence(&topic);
    let mut users = BTreeMap::new();
    for connection in &connections {
        let user = connection.metadata::<Visitor>().and_then(|visitor| visitor.user.as_deref());
        if let Some(user) = user
            && (users.len() < MAX_USERS || users.contains_key(user))
        {
            *users.entry(user).or_insert(0) += 1;
        }
    }
    let connections = connections.len();
    let mut reply = reply::json(StatusCode::OK, &Presence { topic: &topic, connections, users });
    reply.extensions_mut().extend(caller.subject.map(User::extension).unwrap_or_default());
    reply
}

/// Decodes `%3A` and its like. A plus sign is itself in a path.
fn decoded(text: &str) -> String {
    let pair = format!("t={}", text.replace('+', "%2B").replace('&', "%26"));
    let first = query_parameters(&pair).next();
    first.and_then(Result::ok).map(|(_, topic)| topic.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_is_the_middle_of_the_path() {
        assert_eq!(topic_of("/topics/a:b/presence"), Some("a:b"));
        for path in ["/topics//presence", "/topics/presence", "/topics/a/b/presence", "/topics/a"] {
            assert_eq!(topic_of(path), None, "{path}");
        }
        assert_eq!(decoded("a%3Ab+c"), "a:b+c");
        assert_eq!(decoded("%FF"), "");
    }
}
