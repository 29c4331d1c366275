//! `--inspector`: the page that shows what the hub does, and who may see it.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::bail;
use http::Request;
use sse_kit::Hub;
use sse_kit::broadcast::Connection;
use sse_kit::inspector::{AccessPolicy, ClientInfo, Inspector, ViewerName};
use sse_kit::serve::{ListenAddress, RequestBody};

use crate::access_log::{User, Visitor};
use crate::auth::{Auth, Caller};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::reply::{self, Reply};

const PATH: &str = "/inspector";

/// The inspector, and the rules by which clients may see it.
pub(crate) struct Inspection {
    inspector: Inspector,
    auth: Auth,
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
        let auth = auth.clone();
        let rules = auth.clone();
        // Asked again for each update of an open page, so that it stops when the token expires or a
        // reload takes the right away.
        let viewers = AccessPolicy::choose(move |request| {
            let rules = rules.rules();
            if rules.are_open() {
                return AccessPolicy::on_this_machine();
            }
            let mut caller = request.extensions.get::<Caller>().cloned();
            let may_look = caller.as_mut().is_some_and(|caller| {
                rules.renew(caller).and_then(|()| caller.ensure_may_inspect()).is_ok()
            });
            if may_look {
                AccessPolicy::checked_by_the_app()
            } else {
                AccessPolicy::when(|_| false)
            }
        });
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
        mut request: Request<RequestBody>,
        client: IpAddr,
        metrics: &Metrics,
    ) -> Reply {
        let rules = self.auth.rules();
        let mut user = None;
        if !rules.are_open() {
            let caller = rules.identify(request.uri(), request.headers());
            let caller = caller.and_then(|caller| caller.ensure_may_inspect().map(|()| caller));
            let caller = match caller {
                Ok(caller) => caller,
                Err(refusal) => return refusal.answer(client, "inspect", metrics),
            };
            user.clone_from(&caller.subject);
            let extensions = request.extensions_mut();
            if let Some(user) = &user {
                extensions.insert(ViewerName::new(Arc::clone(user)));
            }
            // The token need not be verified again for the rules that have just let it in.
            extensions.insert(caller);
        }
        let mut reply = reply::inspector(self.inspector.answer(request, Some(client)).await);
        reply.extensions_mut().extend(user.map(User::extension).unwrap_or_default());
        reply
    }
}

fn described(connection: &Connection) -> Option<ClientInfo> {
    let Visitor { client, user } = connection.metadata()?;
    Some(ClientInfo::new(user.as_deref().unwrap_or_default()).address(client.to_string()))
}
