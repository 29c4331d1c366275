//! All public types can be sent to and shared with other threads.

use sse_kit_htmx::compat::JobSpan;
use sse_kit_htmx::{
    AttributeName, Attributes, Connect, Dialect, Edge, Element, ElementId, Endpoint, EventTrigger,
    FocusScroll, Html, MarkupError, MarkupErrorKind, MessageFormat, NamedSwap, Nonce, PageScripts,
    RandomError, Reconnect, RenderError, Script, ScriptFolder, Selector, Swap, Tag, Target,
    TextError, Transition, Update, Updates,
};

fn is_send_and_sync<T: Send + Sync + 'static>() {}

#[test]
fn public_types_are_send_and_sync() {
    is_send_and_sync::<AttributeName>();
    is_send_and_sync::<Attributes>();
    is_send_and_sync::<Connect>();
    is_send_and_sync::<Element>();
    is_send_and_sync::<ElementId>();
    is_send_and_sync::<Endpoint>();
    is_send_and_sync::<EventTrigger>();
    is_send_and_sync::<Html>();
    is_send_and_sync::<JobSpan>();
    is_send_and_sync::<MarkupError>();
    is_send_and_sync::<NamedSwap>();
    is_send_and_sync::<Nonce>();
    is_send_and_sync::<PageScripts>();
    is_send_and_sync::<RandomError>();
    is_send_and_sync::<RenderError>();
    is_send_and_sync::<Script>();
    is_send_and_sync::<ScriptFolder>();
    is_send_and_sync::<Selector>();
    is_send_and_sync::<Tag>();
    is_send_and_sync::<Target>();
    is_send_and_sync::<TextError>();
    is_send_and_sync::<Update>();
    is_send_and_sync::<Updates>();
    is_send_and_sync::<Dialect>();
    is_send_and_sync::<Edge>();
    is_send_and_sync::<FocusScroll>();
    is_send_and_sync::<MarkupErrorKind>();
    is_send_and_sync::<MessageFormat>();
    is_send_and_sync::<Reconnect>();
    is_send_and_sync::<Swap>();
    is_send_and_sync::<Transition>();
}

#[cfg(feature = "askama")]
#[test]
fn blocks_of_askama_are_send_and_sync() {
    is_send_and_sync::<sse_kit_htmx::HtmlBlock<String>>();
}

#[cfg(feature = "minijinja")]
#[test]
fn templates_of_minijinja_are_send_and_sync() {
    is_send_and_sync::<sse_kit_htmx::HtmlTemplates>();
}
