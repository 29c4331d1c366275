//! The routes for axum.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::routing::any;

use crate::inspector::Inspector;

impl Inspector {
    /// Returns the routes of the inspector, to be merged into those of an app.
    ///
    /// They have the whole [path](crate::InspectorBuilder::path), so do not nest them: `Router::nest`
    /// takes a prefix away, and the inspector then finds nothing.
    ///
    /// [`AccessPolicy::on_this_machine`](crate::AccessPolicy::on_this_machine) needs the addresses of clients,
    /// which axum provides with `into_make_service_with_connect_info::<SocketAddr>()`.
    ///
    /// ```
    /// use axum::Router;
    /// use sse_kit_broadcast::Hub;
    /// use sse_kit_inspector::{Inspector, AccessPolicy};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let inspector = Inspector::builder(Hub::new(), AccessPolicy::on_this_machine()).build()?;
    /// let app: Router = Router::new().merge(inspector.routes());
    /// # Ok(()) }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let path = self.path().to_owned();
        let inspector = self.clone();
        let answer = any(move |request: Request| async move {
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
            let client = peer.map(|ConnectInfo(peer)| peer.ip());
            inspector.answer(request, client).await.map(axum::body::Body::new)
        });
        Router::new()
            .route(&path, answer.clone())
            .route(&format!("{path}/"), answer.clone())
            .route(&format!("{path}/{{*rest}}"), answer)
    }
}
