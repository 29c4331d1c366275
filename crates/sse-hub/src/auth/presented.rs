//! The token of a request: where it may be.

use std::fmt;
use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue, Uri};
use sse_kit::http::query_parameters;

use super::Refusal;

/// The maximum length of a token, in bytes.
pub(super) const MAX_TOKEN: usize = 8192;

/// The parameter of a token in the query, by RFC 6750.
pub(crate) const QUERY_PARAMETER: &str = "access_token";

/// The place that a token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Header,
    Cookie,
    Query,
}

/// A token, and the place that it came from.
#[derive(Clone)]
pub(super) struct Token {
    text: Arc<str>,
    carrier: Carrier,
}

impl Token {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn carrier(&self) -> Carrier {
        self.carrier
    }
}

/// Without the text, which must not get into a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("carrier", &self.carrier).finish_non_exhaustive()
    }
}

/// The places where tokens may be, besides the header `Authorization`.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// The name of the cookie.
    pub(super) cookie: Option<String>,
    pub(super) query: bool,
}

impl Places {
    /// Returns the token of a request. The header and the query come before the cookie, which browsers
    /// send by themselves.
    pub(super) fn token(&self, uri: &Uri, headers: &HeaderMap) -> Result<Option<Token>, Refusal> {
        let header = single(headers.get_all(AUTHORIZATION).iter().map(bearer))?;
        let query = match uri.query() {
            Some(query) if self.query => single(in_query(query))?,
            _ => None,
        };
        let (token, carrier) = match (header, query) {
            (Some(_), Some(_)) => return Err(Refusal::SeveralTokens),
            (Some(token), None) => (token, Carrier::Header),
            (None, Some(token)) => (token, Carrier::Query),
            (None, None) => {
                let cookies = self.cookie.iter().flat_map(|name| in_cookies(headers, name));
                match single(cookies)? {
                    Some(token) => (token, Carrier::Cookie),
                    None => return Ok(None),
                }
            }
        };
        if token.len() > MAX_TOKEN {
            return Err(Refusal::TooLong);
        }
        Ok(Some(Token { text: token.into(), carrier }))
    }
}

/// Returns the only token; two of them are an error, whichever is good.
fn single(
    mut tokens: impl Iterator<Item = Result<String, Refusal>>,
) -> Result<Option<String>, Refusal> {
    let first = tokens.next();
    if tokens.next().is_some() {
        return Err(Refusal::SeveralTokens);
    }
    first.transpose()
}

fn bearer(value: &HeaderValue) -> Result<String, Refusal> {
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Refusal::NotBearer)?;
    let token = token.trim_start_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Refusal::NotBearer);
    }
    Ok(token.to_owned())
}

fn in_query(query: &str) -> impl Iterator<Item = Result<String, Refusal>> {
    // The routes refuse a query that is not UTF-8.
    let parameters = query_parameters(query).filter_map(Result::ok);
    parameters.filter(|(name, _)| name == QUERY_PARAMETER).map(|(_, token)| Ok(token.into_owned()))
}

fn in_cookies(headers: &HeaderMap, name: &str) -> impl Iterator<Item = Result<String, Refusal>> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs
        .filter(move |(cookie, _)| cookie.trim() == name)
        .map(|(_, value)| Ok(value.trim().trim_matches('"').to_owned()))
}
