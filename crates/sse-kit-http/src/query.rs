//! The parameters of a query.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use sse_kit_event::TopicsError;

/// Returns the decoded parameters of a query (the part after `?`).
///
/// Invalid UTF-8 is an error and never replaced: otherwise two different invalid texts could become
/// the same valid one.
///
/// ```
/// use sse_kit_http::query_parameters;
///
/// let mut parameters = query_parameters("topic=a%3Ab+c&x=%FF");
/// assert_eq!(parameters.next(), Some(Ok(("topic".into(), "a:b c".into()))));
/// assert!(parameters.next().is_some_and(|second| second.is_err()));
/// assert_eq!(parameters.next(), None);
/// ```
pub fn query_parameters(
    query: &str,
) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), QueryError>> {
    pairs(query).map(|(name, value)| {
        let name = text(name, "a name")?;
        let value = text(value, &name)?;
        Ok((name, value))
    })
}

/// Returns the decoded parameters as bytes.
pub(crate) fn raw_parameters(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    pairs(query).map(|(name, value)| (decoded(name), decoded(value)))
}

/// Returns the parameters as they are written.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = Some(query);
    let pairs = std::iter::from_fn(move || {
        let (pair, others) = cut(rest?, b'&');
        rest = others;
        Some(pair)
    });
    pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = cut(pair, b'=');
        (name, value.unwrap_or_default())
    })
}

/// Splits a text at the first of these ASCII characters. Parameters are short, for which a search of
/// the standard library takes longer than a look at each byte.
fn cut(text: &str, at: u8) -> (&str, Option<&str>) {
    match text.bytes().position(|byte| byte == at) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// Returns the decoded text of a name or a value.
fn text<'a>(written: &'a str, of: &str) -> Result<Cow<'a, str>, QueryError> {
    if is_literal(written) { Ok(Cow::Borrowed(written)) } else { utf8(decoded(written), of) }
}

fn is_literal(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, b'%' | b'+'))
}

pub(crate) fn utf8<'a>(bytes: Cow<'a, [u8]>, of: &str) -> Result<Cow<'a, str>, QueryError> {
    let text = match bytes {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).map(Cow::Borrowed).ok(),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).ok(),
    };
    text.ok_or_else(|| QueryError::NotUtf8 { parameter: of.to_owned() })
}

fn decoded(text: &str) -> Cow<'_, [u8]> {
    if is_literal(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    if text.contains('+') {
        let blanks = text.replace('+', " ");
        return Cow::Owned(percent_decode(blanks.as_bytes()).collect());
    }
    percent_decode(text.as_bytes()).into()
}

/// The reason why a query is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// A parameter is not UTF-8 after decoding.
    #[error("{parameter} is not UTF-8")]
    NotUtf8 {
        /// The name of the parameter, or `a name` if a name is invalid.
        parameter: String,
    },
    /// A topic or pattern is invalid, or there are too many.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// The session does not allow a topic or pattern.
    #[error("`{topic}` is not one of the allowed topics")]
    NotAllowed {
        /// The topic or pattern.
        topic: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_forms_are() {
        let read = |query| query_parameters(query).collect::<Result<Vec<_>, _>>();
        assert_eq!(read(""), Ok(vec![]));
        let pair = |name, value| (Cow::Borrowed(name), Cow::Borrowed(value));
        assert_eq!(
            read("a=1&&b&=c&d=e=f&%61+=%2B&%zz=%"),
            Ok(vec![
                pair("a", "1"),
                pair("b", ""),
                pair("", "c"),
                pair("d", "e=f"),
                pair("a ", "+"),
                pair("%zz", "%"),
            ])
        );
        let wrong = |parameter: &str| Err(QueryError::NotUtf8 { parameter: parameter.into() });
        assert_eq!(read("a=b&topic=x%ff+"), wrong("topic"));
        assert_eq!(read("%ff=x"), wrong("a name"));
    }
}
