//! Encodes settings for a script.

use serde_json::Value;
use sse_kit_htmx::Html;

/// Encodes settings as a data block of JSON. It is not executed, so it needs no nonce, and nothing
/// in it can end its tag. `attributes` is markup, with a space before each attribute.
pub fn data_block(attributes: &str, settings: &Value) -> Html {
    let json = escaped(&settings.to_string());
    Html::trusted(format!("<script type=\"application/json\"{attributes}>{json}</script>"))
}

/// Escapes characters that could end a tag, begin a comment, or end a line of a script. In JSON
/// they occur only in strings, where the escape has the same meaning.
fn escaped(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sse_kit_test_support::cases;

    use super::*;

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn what_is_escaped_reads_as_before(text in any::<String>()) {
            let safe = escaped(&serde_json::to_string(&text).unwrap());
            let is_safe = !safe.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
            prop_assert!(is_safe);
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }
    }
}
