//! The viewer of a request, for the log.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;

/// The name of the viewer, as the log lines of what viewers do have it. An app that knows its viewers
/// puts it into the extensions of a request.
///
/// ```
/// use http::Request;
/// use sse_kit_inspector::ViewerName;
///
/// let request = Request::get("/inspector").extension(ViewerName::new("alice"));
/// # request.body(()).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewerName(Arc<str>);

impl ViewerName {
    /// Names a viewer, such as by the user.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }
}

/// The viewer of a request, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Viewer<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) address: Option<IpAddr>,
}

impl<'a> Viewer<'a> {
    pub(crate) fn of(request: &'a Parts, address: Option<IpAddr>) -> Self {
        let name = request.extensions.get::<ViewerName>();
        Self { name: name.map(|ViewerName(name)| &**name), address }
    }
}
