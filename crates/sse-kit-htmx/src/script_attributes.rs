//! The attributes by which markup can run script: the one list of them.

/// The condition on which an attribute runs script.
pub(crate) enum Runs {
    Never,
    /// Its value is script, or a page of its own.
    Always,
    /// Its value is script when this says so.
    If(fn(&str) -> bool),
}

/// Prefixes of names whose values are script: of HTML, Alpine, Vue, Angular 1, Unpoly, Datastar.
const PREFIXES: &[&str] = &[
    "on",
    "x-",
    "@",
    ":",
    "v-",
    "ng-",
    "data-ng-",
    "up-on",
    "data-on",
    "data-attr",
    "data-bind",
    "data-class",
    "data-computed",
    "data-effect",
    "data-init",
    "data-show",
    "data-signals",
    "data-style",
    "data-text",
];

/// Names whose values are script, or a page: of HTML and hyperscript.
const NAMES: &[&str] = &["srcdoc", "_", "script", "data-script"];

/// Names whose values are URLs that a browser opens, or that an animation sets.
const URLS: &[&str] = &[
    "action",
    "background",
    "by",
    "cite",
    "data",
    "formaction",
    "from",
    "href",
    "icon",
    "longdesc",
    "manifest",
    "ping",
    "poster",
    "src",
    "to",
    "values",
    "xlink:href",
];

/// Names of htmx whose values are script when they begin with `js:` or `javascript:`.
const HTMX: &[&str] = &[
    "hx-action",
    "hx-confirm",
    "hx-delete",
    "hx-get",
    "hx-headers",
    "hx-patch",
    "hx-post",
    "hx-put",
    "hx-query",
    "hx-request",
    "hx-sse",
    "hx-vals",
    "hx-ws",
    "sse-connect",
    "ws-connect",
];

/// Finds out when the attribute of this name runs script. Case makes no difference.
pub(crate) fn of(name: &str) -> Runs {
    let name = name.to_ascii_lowercase();
    if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&&*name) {
        return Runs::Always;
    }
    if URLS.contains(&&*name) {
        return Runs::If(is_script_url);
    }
    // htmx reads `data-hx-get` too, and `hx-get:inherited`.
    let htmx = name.strip_prefix("data-").unwrap_or(&name);
    let htmx = htmx.split(':').next().unwrap_or_default();
    if ["hx-on", "hx-vars", "hx-live", "hx-config"].iter().any(|name| htmx.starts_with(name)) {
        return Runs::Always;
    }
    match htmx {
        "hx-trigger" => Runs::If(|value| value.contains('[')),
        htmx if HTMX.contains(&htmx) => Runs::If(is_script_of_htmx),
        _ => Runs::Never,
    }
}

/// `javascript:` and its like, however a browser finds them. `values` of an animation are a list.
fn is_script_url(value: &str) -> bool {
    value.split(';').any(|url| {
        let url: String = url
            .trim_start_matches(|c: char| c <= ' ')
            .chars()
            .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
            .collect();
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        match &*scheme.to_ascii_lowercase() {
            "javascript" | "vbscript" => true,
            // A picture other than of SVG runs nothing wherever it is shown.
            "data" => !["image/png", "image/gif", "image/jpeg", "image/webp", "image/avif"]
                .iter()
                .any(|kind| rest.starts_with(kind)),
            _ => false,
        }
    })
}

fn is_script_of_htmx(value: &str) -> bool {
    let value = value.trim_start().to_ascii_lowercase();
    value.starts_with("js:") || value.starts_with("javascript:")
}
