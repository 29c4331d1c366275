//! Ids, selectors, names, nonces and URLs convert and serialize alike, and say what is wrong with a text.

use std::fmt::{Debug, Display};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sse_kit_htmx::{
    AttributeName, ElementId, Endpoint, Nonce, ScriptFolder, Selector, Tag, TextErrorKind,
};

fn converts<T>(right: &str, wrong: &str)
where
    T: std::str::FromStr + TryFrom<String> + AsRef<str> + Display + Debug + Serialize,
    T: for<'a> TryFrom<&'a str> + DeserializeOwned + Into<String>,
{
    let from_str: T = right.parse().ok().expect("it is right");
    assert_eq!(from_str.as_ref(), right);
    assert_eq!(from_str.to_string(), right);
    let json = serde_json::to_string(&from_str).expect("it is text");
    assert_eq!(json, format!("{right:?}"));
    let read: T = serde_json::from_str(&json).expect("it was written");
    assert_eq!(Into::<String>::into(read), right);
    assert!(T::try_from(right).is_ok() && T::try_from(right.to_owned()).is_ok());
    assert!(T::try_from(wrong).is_err() && T::try_from(wrong.to_owned()).is_err());
    assert!(wrong.parse::<T>().is_err());
    assert!(serde_json::from_str::<T>(&format!("{wrong:?}")).is_err());
}

#[test]
fn all_convert_alike() {
    converts::<AttributeName>("data-a", "onclick");
    converts::<ElementId>("job-1", "job 1");
    converts::<Endpoint>("/e?a", "//evil.test");
    converts::<Nonce>("abc=", "a b");
    converts::<ScriptFolder>("/assets", "/assets?a");
    converts::<Selector>("#a > b", "this");
    converts::<Tag>("div", "script");
}

#[test]
fn messages_have_the_text_and_what_is_wrong_with_it() {
    let error = ElementId::new("job 17").expect_err("it has a blank");
    assert_eq!(error.to_string(), "\"job 17\" is not the id of an element: it contains ' '");
    let long = ElementId::new(&"ü".repeat(200)).expect_err("it is too long");
    assert_eq!(long.kind(), TextErrorKind::TooLong);
    assert!(long.to_string().len() < 300, "only its beginning is in the message");
}
