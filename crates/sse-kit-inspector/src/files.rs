//! The scripts and the style of the page.

use std::sync::LazyLock;

use bytes::Bytes;
use sse_kit_htmx::{Dialect, PageScripts, Script};

use crate::links::Links;

/// The style is named by its hash, as scripts are.
static STYLE: LazyLock<Script> =
    LazyLock::new(|| Script::new("inspector", include_str!("../assets/style.css")));

const HTMX: &str = include_str!("../dist/htmx.min.js");
const HX_SSE: &str = include_str!("../dist/hx-sse.min.js");

/// A file of the page.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) content_type: &'static str,
    pub(crate) content: Bytes,
    /// `true` if its name changes with its content.
    pub(crate) is_immutable: bool,
}

/// The files of the page. All of them are in the program.
#[derive(Debug)]
pub(crate) struct Files;

impl Files {
    pub(crate) fn scripts(links: &Links) -> PageScripts {
        PageScripts::new(Dialect::V4)
            .htmx_from(links.files())
            .own_from(links.files())
            .script(sse_kit_monitor::script())
    }

    pub(crate) fn style(links: &Links) -> String {
        links.files().file(&style_name())
    }

    pub(crate) fn find(links: &Links, name: &str) -> Option<File> {
        const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
        let file = |content_type, content, is_immutable| {
            Some(File { content_type, content, is_immutable })
        };
        match name {
            "htmx.min.js" => file(JAVASCRIPT, Bytes::from_static(HTMX.as_bytes()), false),
            "hx-sse.min.js" => file(JAVASCRIPT, Bytes::from_static(HX_SSE.as_bytes()), false),
            name if name == style_name() => {
                let style = Bytes::from_static(include_str!("../assets/style.css").as_bytes());
                file("text/css; charset=utf-8", style, true)
            }
            name => {
                let scripts = Self::scripts(links);
                let script = scripts.files().iter().find(|script| script.file_name() == name)?;
                file(JAVASCRIPT, script.source().to_owned().into(), true)
            }
        }
    }
}

fn style_name() -> String {
    format!("{}.css", STYLE.file_name().trim_end_matches(".js"))
}

#[cfg(test)]
mod tests {
    use sse_kit_htmx::ScriptFolder;

    use super::*;

    #[test]
    fn htmx_is_the_version_that_sse_kit_is_tested_with() {
        let cdn = PageScripts::new(Dialect::V4).to_string();
        for source in [HTMX, HX_SSE] {
            assert!(cdn.contains(&Script::new("htmx", source).integrity()));
        }
    }

    #[test]
    fn each_file_that_the_page_names_is_there() {
        let links = Links::new(ScriptFolder::from_static("/inspector"));
        let tags = Files::scripts(&links).to_string();
        let sources = tags.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let sources: Vec<_> = sources.map(str::to_owned).chain([Files::style(&links)]).collect();
        assert!(sources.len() > 4, "{sources:?}");
        for source in sources {
            let name = source.strip_prefix("/inspector/files/").unwrap();
            assert!(Files::find(&links, name).is_some(), "{name}");
        }
        assert!(Files::find(&links, "../src/lib.rs").is_none());
    }
}
