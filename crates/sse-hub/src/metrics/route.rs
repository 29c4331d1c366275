//! The routes of the hub, as labels of metrics.

use http::Method;

/// A route of the hub: one of a few, whatever the path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Events,
    StatusEvents,
    Publish,
    Health,
    Metrics,
    StatusPage,
    Presence,
    Inspector,
    /// No path of the hub, or one that it does not serve by this method.
    Other,
}

impl Route {
    /// The number of routes.
    pub(super) const COUNT: usize = Self::Other as usize + 1;

    /// Returns the route of a request.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        match path {
            "/events" => Self::Events,
            "/status/events" => Self::StatusEvents,
            "/publish" if method == Method::POST => Self::Publish,
            "/healthz" | "/readyz" => Self::Health,
            "/metrics" | "/stats" => Self::Metrics,
            "/" | "/status.js" | "/status.css" | "/icon.svg" => Self::StatusPage,
            path if crate::presence::topic_of(path).is_some() => Self::Presence,
            path if crate::inspection::is_route(path) => Self::Inspector,
            _ => Self::Other,
        }
    }

    /// Returns the route as a label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::StatusEvents => "status_events",
            Self::Publish => "publish",
            Self::Health => "health",
            Self::Metrics => "metrics",
            Self::StatusPage => "status_page",
            Self::Presence => "presence",
            Self::Inspector => "inspector",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_clients_are_no_labels() {
        for (path, route) in [
            ("/topics/a/presence", Route::Presence),
            ("/publish", Route::Other),
            ("/anything/else", Route::Other),
        ] {
            assert_eq!(Route::of(&Method::GET, path), route, "{path}");
        }
    }
}
