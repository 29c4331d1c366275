//! The text that the text types of this crate hold, and its rule.

pub(crate) use sse_kit_event::Text;

/// Returns `true` if a text has 1 to `max` visible ASCII characters. Literals in the source of a program
/// are checked so when it is compiled.
pub(crate) const fn is_plain(text: &str, max: usize) -> bool {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > max {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_graphic() {
            return false;
        }
        at += 1;
    }
    true
}
