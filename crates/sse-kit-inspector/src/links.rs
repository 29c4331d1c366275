//! The URLs of the inspector.

use sse_kit_htmx::ScriptFolder;

/// The URLs of the inspector, below its path.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    root: ScriptFolder,
}

/// The meaning of a path below that of the inspector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Page,
    Live,
    Event(u64),
    /// The place of an event, without one.
    NoEvent,
    Publish,
    Disconnect,
    File(&'a str),
}

impl Links {
    pub(crate) fn new(root: ScriptFolder) -> Self {
        Self { root }
    }

    pub(crate) fn page(&self) -> &str {
        self.root.as_str()
    }

    pub(crate) fn live(&self) -> String {
        self.root.file("live")
    }

    pub(crate) fn events(&self) -> String {
        self.root.file("events")
    }

    pub(crate) fn event(&self, number: u64) -> String {
        self.root.file(&format!("events/{number}"))
    }

    pub(crate) fn publish(&self) -> String {
        self.root.file("publish")
    }

    pub(crate) fn disconnect(&self) -> String {
        self.root.file("disconnect")
    }

    /// Returns the folder of scripts and styles.
    pub(crate) fn files(&self) -> ScriptFolder {
        let folder = self.root.file("files");
        ScriptFolder::new(&folder).expect("the path of a folder in a folder")
    }

    /// Returns the rest of a path that is the inspector's.
    pub(crate) fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.page())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    pub(crate) fn route<'a>(&self, path: &'a str) -> Option<Route<'a>> {
        Some(match self.strip(path)? {
            "" | "/" => Route::Page,
            "/live" => Route::Live,
            "/publish" => Route::Publish,
            "/disconnect" => Route::Disconnect,
            "/events/none" => Route::NoEvent,
            rest => match rest.strip_prefix("/events/") {
                Some(number) => Route::Event(number.parse().ok()?),
                None => Route::File(rest.strip_prefix("/files/")?),
            },
        })
    }
}

impl Route<'_> {
    /// Returns `true` if a link may lead there.
    pub(crate) fn is_page(self) -> bool {
        matches!(self, Self::Page | Self::Event(_) | Self::NoEvent | Self::File(_))
    }

    pub(crate) fn is_action(self) -> bool {
        matches!(self, Self::Publish | Self::Disconnect)
    }
}
