//! The entries of a head among which htmx is found, and those among which it is not.

use sse_kit_htmx::{Dialect, Html, MarkupError, MarkupErrorKind, PageScripts};

/// Inserts the scripts behind this entry, and returns the tag of the extension.
fn extension_behind(entry: &str) -> Result<String, MarkupError> {
    let mut head = vec![Html::trusted("<title>htmx.js</title>"), Html::trusted(entry)];
    PageScripts::new(Dialect::V2).insert_into(&mut head)?;
    assert_eq!(head.len(), 4, "{entry}");
    assert!(head[2].as_str().contains("htmx-ext-sse"), "{entry}");
    Ok(head[2].as_str().to_owned())
}

#[test]
fn htmx_is_found_however_its_tag_is_written() {
    for entry in [
        "<script src=htmx.esm.js type=module></script>",
        "<script src=/htmx.min.js/></script>",
        "<script src=\"&#47;htmx&#46;min.js\"></script>",
        "<script src=\" /htmx.min.js\n\"></script>",
        "<script src='/ht\nmx.js'></script>",
        "<SCRIPT SRC=HTMX.JS SRC=x></SCRIPT><script src=htmx.js></script>",
        "<script type='text/javascript' src=htmx.js></script>",
        "<meta charset=utf-8><!-- <script> --><script src=htmx.js></script><title>a</title>",
    ] {
        assert!(extension_behind(entry).is_ok(), "{entry}");
    }
}

#[test]
fn htmx_where_no_browser_runs_it_does_not_count() {
    for entry in [
        "<template><script src=htmx.js></script></template>",
        "<noscript><script src=htmx.js></script></noscript>",
        "<script type='application/json' src=htmx.js></script>",
        "<script nomodule src=htmx.js></script>",
        "<svg><script src=htmx.js></script></svg>",
        "<textarea><script src=htmx.js></script></textarea>",
        "<!-- <script src=htmx.js></script>",
        "<script>/*<script src=htmx.js>*/</script>",
        "<link rel=preload as=script href=htmx.js>",
    ] {
        let error = extension_behind(entry).expect_err(entry);
        assert!(error.to_string().contains("no script of htmx"), "{entry}: {error}");
        assert_eq!(error.kind(), MarkupErrorKind::Htmx);
    }
}

#[test]
fn the_extension_waits_as_htmx_does_and_for_async_nothing_can() {
    let tag = extension_behind("<script src=htmx.js></script>").expect("it is found");
    assert!(!tag.contains(" defer"));
    for entry in
        ["<script defer src=htmx.js></script>", "<script type=Module src=htmx.js></script>"]
    {
        assert!(extension_behind(entry).expect("it is found").contains(" defer"), "{entry}");
    }
    let entry = "<script async src=htmx.js></script>";
    let error = extension_behind(entry).expect_err("it is `async`");
    assert!(error.to_string().contains("`async`"), "{error}");
}
