//! `--inspector`: the page that shows what the hub does, and who may see it.

use std::net::IpAddr;

use anyhow::bail;
use http::Request;
use sse_kit::Hub;
use sse_kit::broadcast::Connection;
use sse_kit::inspector::{Described, Inspector, Viewers};
use sse_kit::serve::{ListenAddress, RequestBody};

use crate::access_log::Visitor;
use crate::auth::Auth;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::reply::{self, Reply};

const PATH: &str = "/inspector";

/// The inspector, and the rules by which clients may see it.
pub(crate) struct Inspection {
    inspector: Inspector,
    /// The tokens; `None` for a hub that had no key when it started, which shows it to this machine alone.
    auth: Option<Auth>,
}

/// Fails if the inspector would be open to strangers.
pub(crate) fn ensure_private(
    options: &Options,
    auth: &Auth,
    address: &ListenAddress,
) -> anyhow::Result<()> {
    let is_loopback = match address {
        ListenAddress::Tcp(address) => address.ip().is_loopback(),
        // Behind a socket of this kind there is a proxy, and everybody looks local.
        _ => false,
    };
    if options.inspector && auth.rules().are_open() {
        if !is_loopback {
            bail!(
                "`--inspector` shows all events to everybody who can reach {address}: set \
                 `--jwt-key-file` or `--jwks-file`, or listen on a loopback address"
            );
        }
        if options.has_proxies() {
            bail!(
                "`--inspector` behind a proxy needs tokens: set `--jwt-key-file` or `--jwks-file`"
            );
        }
    }
    Ok(())
}

/// Returns whether a path is one of the inspector's.
pub(crate) fn is_route(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Inspection {
    /// Creates the inspector, if the options ask for it.
    pub(crate) fn new(options: &Options, auth: &Auth, hub: Hub) -> anyhow::Result<Option<Self>> {
        if !options.inspector {
            return Ok(None);
        }
        let auth = (!auth.rules().are_open()).then(|| auth.clone());
        let viewers = match auth.clone() {
            // Asked again for each update of an open page, so that it stops when the token expires.
            Some(auth) => Viewers::when(move |request| {
                let rules = auth.rules();
                let caller = rules.identify(&request.uri, &request.headers);
                caller.and_then(|caller| caller.ensure_may_inspect()).is_ok()
            }),
            None => Viewers::on_this_machine(),
        };
        let inspector = Inspector::builder(hub, viewers)
            .path(PATH)
            .describe(described)
            .in_release_builds()
            .build()?;
        Ok(Some(Self { inspector, auth }))
    }

    /// Answers a request for the inspector.
    pub(crate) async fn answer(
        &self,
        request: Request<RequestBody>,
        client: IpAddr,
        metrics: &Metrics,
    ) -> Reply {
        if let Some(auth) = &self.auth {
            let caller = auth.rules().identify(request.uri(), request.headers());
            if let Err(refusal) = caller.and_then(|caller| caller.ensure_may_inspect()) {
                return refusal.answer(client, "inspect", metrics);
            }
        }
        reply::inspector(self.inspector.answer(request, Some(client)).await)
    }
}

fn described(connection: &Connection) -> Option<Described> {
    let Visitor { client, user } = connection.metadata()?;
    Some(Described::new(user.as_deref().unwrap_or_default()).from(client.to_string()))
}
