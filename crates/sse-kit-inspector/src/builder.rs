//! The settings of an inspector.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sse_kit_broadcast::{Connection, Hub};
use sse_kit_event::{TextError, TextErrorKind};
use sse_kit_htmx::ScriptFolder;

use crate::access_policy::AccessPolicy;
use crate::client_info::ClientInfo;
use crate::inspector::Inspector;
use crate::links::Links;

/// The settings of an [`Inspector`].
#[derive(Clone, Debug)]
#[must_use = "it becomes an inspector when `build` is called"]
pub struct InspectorBuilder {
    pub(crate) hub: Hub,
    pub(crate) access: AccessPolicy,
    pub(crate) describe: Describe,
    pub(crate) is_read_only: bool,
    path: String,
    is_on: bool,
}

/// A function of the app's that describes connections.
#[derive(Clone, Default)]
pub(crate) struct Describe(Option<Arc<DescribeFn>>);

type DescribeFn = dyn Fn(&Connection) -> Option<ClientInfo> + Send + Sync;

impl InspectorBuilder {
    pub(crate) fn new(hub: Hub, access: AccessPolicy) -> Self {
        Self {
            hub,
            access,
            describe: Describe::default(),
            is_read_only: false,
            path: "/inspector".to_owned(),
            is_on: cfg!(debug_assertions),
        }
    }

    /// Sets the path of the page. Default: `/inspector`.
    ///
    /// It is the path that the browser sees and also the one of the requests that the inspector
    /// answers: a proxy or a router that takes a prefix away must put it back.
    pub fn path(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// Sets a function that describes the client of a connection, by the
    /// [metadata](sse_kit_broadcast::SubscriptionBuilder::metadata) that the app attached to it. It
    /// is called for many connections, so it must be fast. Default: a client is known by the id of
    /// its connection.
    ///
    /// ```
    /// # use sse_kit_broadcast::Hub;
    /// use sse_kit_inspector::{ClientInfo, Inspector, AccessPolicy};
    ///
    /// struct User {
    ///     name: String,
    /// }
    ///
    /// # fn f(hub: Hub) -> Result<(), Box<dyn std::error::Error>> {
    /// let inspector = Inspector::builder(hub, AccessPolicy::on_this_machine())
    ///     .describe(|connection| Some(ClientInfo::new(&connection.metadata::<User>()?.name)))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn describe(
        self,
        describe: impl Fn(&Connection) -> Option<ClientInfo> + Send + Sync + 'static,
    ) -> Self {
        Self { describe: Describe(Some(Arc::new(describe))), ..self }
    }

    /// Lets viewers look, but neither publish nor disconnect.
    pub fn read_only(self) -> Self {
        Self { is_read_only: true, ..self }
    }

    /// Turns the inspector on in programs that are built without debug assertions, too. Without it
    /// they answer its path with status 404.
    pub fn in_release_builds(self) -> Self {
        Self { is_on: true, ..self }
    }

    /// Creates the inspector, and begins to record if it is on.
    ///
    /// # Errors
    ///
    /// [`InspectorBuildError`] if the path is invalid, or outside of a Tokio runtime.
    pub fn build(self) -> Result<Inspector, InspectorBuildError> {
        let links = Links::new(folder(&self.path)?);
        if self.is_on { Inspector::start(self, links) } else { Ok(Inspector::off(links)) }
    }

    /// Builds it as in a release build.
    #[cfg(test)]
    pub(crate) fn released(self) -> Self {
        Self { is_on: false, ..self }
    }
}

impl Describe {
    /// Describes a connection; empty if the app does not.
    pub(crate) fn call(&self, connection: &Connection) -> ClientInfo {
        let Some(describe) = &self.0 else { return ClientInfo::default() };
        // It is the app's, and must not end the task that records.
        match catch_unwind(AssertUnwindSafe(|| describe(connection))) {
            Ok(described) => described.unwrap_or_default().shortened(),
            Err(_panic) => ClientInfo::new("(`describe` panicked)"),
        }
    }
}

impl fmt::Debug for Describe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Describe(..)" } else { "Describe(none)" })
    }
}

fn folder(path: &str) -> Result<ScriptFolder, TextError> {
    const WHAT: &str = "the path of an inspector";
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    if !path.starts_with('/') || path.ends_with('/') || !path.chars().all(is_plain) {
        let rule = "begin with `/`, end without, and use only letters, digits and `-._~/`";
        return Err(TextError::new(path, WHAT, TextErrorKind::Form, rule));
    }
    ScriptFolder::new(path)
}

/// The reason why an inspector was not created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectorBuildError {
    /// The path is invalid.
    #[error(transparent)]
    Path(#[from] TextError),
    /// The hub of the inspector's own streams was not created.
    #[error("the hub of the inspector's own streams was not created")]
    Hub(#[from] sse_kit_broadcast::HubBuildError),
}
