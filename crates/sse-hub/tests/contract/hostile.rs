//! Tokens that a hub must refuse.

use serde_json::{Value, json};

use crate::signing::{Key, SECRET, now, part};

/// A request that is refused: its name in the test, its headers, and the status of the answer.
pub(crate) struct Hostile {
    pub(crate) name: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) status: u16,
}

/// Claims that are good, with these instead or in addition.
fn claims(with: Value) -> Value {
    let mut claims = json!({
        "aud": "hub", "sub": "mallory", "exp": now() + 600, "publish": ["news"], "subscribe": ["news"],
    });
    let Value::Object(with) = with else { panic!("an object of claims") };
    for (name, value) in with {
        claims[name] = value;
    }
    claims
}

/// Returns a token that is accepted.
pub(crate) fn good() -> String {
    Key::secret().token(&claims(json!({})))
}

/// Bad in their form: no JWT, or a JWT of another algorithm or signature.
fn forged() -> Vec<(&'static str, String)> {
    let (key, good) = (Key::secret(), good());
    let all = claims(json!({})).to_string();
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let (head, payload) = message.split_once('.').expect("three parts");
    let with_head = |head: Value| key.sign(&head, &all);
    let attacker = Key::Secret(b"a secret of somebody else, which is long too".to_vec());
    let other = part(claims(json!({ "publish": ["**"] })).to_string());
    vec![
        ("no JWT", "letmein".to_owned()),
        ("dots", "..".to_owned()),
        ("no base64", "!!!.???.###".to_owned()),
        ("two parts", message.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("alg none", format!("{}.{payload}.", part(r#"{"alg":"none"}"#))),
        ("alg nOnE", format!("{}.{payload}.", part(r#"{"alg":"nOnE"}"#))),
        ("alg none, signed", with_head(json!({ "alg": "none" }))),
        ("alg HS512", with_head(json!({ "alg": "HS512" }))),
        ("alg RS256", with_head(json!({ "alg": "RS256" }))),
        ("alg ES256", with_head(json!({ "alg": "ES256" }))),
        ("alg of lower case", with_head(json!({ "alg": "hs256" }))),
        ("alg missing", with_head(json!({ "typ": "JWT" }))),
        ("alg a number", with_head(json!({ "alg": 256 }))),
        ("alg a list", with_head(json!({ "alg": ["HS256"] }))),
        ("head a list", with_head(json!(["HS256"]))),
        ("unknown critical extension", with_head(json!({ "alg": "HS256", "crit": ["x"], "x": 1 }))),
        ("another key", attacker.sign(&json!({ "alg": "HS256" }), &all)),
        ("key in the head", {
            let jwk = attacker.jwk("mine");
            attacker.sign(&json!({ "alg": "HS256", "jwk": jwk }), &all)
        }),
        ("key by URL", {
            let head = json!({ "alg": "HS256", "jku": "https://attacker.example/keys" });
            attacker.sign(&head, &all)
        }),
        ("key by path", attacker.sign(&json!({ "alg": "HS256", "kid": "../../dev/null" }), &all)),
        ("empty key", Key::Secret(Vec::new()).sign(&json!({ "alg": "HS256" }), &all)),
        ("secret as the name of the key", {
            let kid = String::from_utf8_lossy(SECRET);
            attacker.sign(&json!({ "alg": "HS256", "kid": kid }), &all)
        }),
        ("no signature", format!("{message}.")),
        ("half a signature", format!("{message}.{}", &signature[..20])),
        ("padded signature", format!("{good}=")),
        ("signature of another", format!("{message}.{}", part([7; 32]))),
        ("changed claims", format!("{head}.{other}.{signature}")),
        ("larger than allowed", key.token(&claims(json!({ "padding": "x".repeat(9000) })))),
        ("blanks within", format!("{message} .{signature}")),
        ("text behind", format!("{good} and more")),
    ]
}

/// Well signed, with claims that are no good.
fn mistaken() -> Vec<(&'static str, String)> {
    let key = Key::secret();
    let with = |with: Value| key.token(&claims(with));
    let raw = |claims: &str| key.sign(&json!({ "alg": "HS256" }), claims);
    let many = |what: &str| (0..65).map(|n| format!("{what}{n}")).collect::<Vec<_>>();
    vec![
        ("expired", with(json!({ "exp": now() - 1 }))),
        ("expired in 1970", with(json!({ "exp": 0 }))),
        ("exp negative", with(json!({ "exp": -1 }))),
        ("exp very negative", with(json!({ "exp": i64::MIN }))),
        ("exp a text", with(json!({ "exp": "2099-01-01" }))),
        ("exp a number as text", with(json!({ "exp": (now() + 600).to_string() }))),
        ("exp null", with(json!({ "exp": null }))),
        ("exp true", with(json!({ "exp": true }))),
        ("exp a list", with(json!({ "exp": [now() + 600] }))),
        ("exp beyond all numbers", raw(r#"{"aud":"hub","publish":["news"],"exp":1e999}"#)),
        ("exp beyond integers", raw(r#"{"aud":"hub","publish":["news"],"exp":1e300}"#)),
        ("not yet valid", with(json!({ "nbf": now() + 600 }))),
        ("nbf a text", with(json!({ "nbf": "yesterday" }))),
        ("nbf null", with(json!({ "nbf": null }))),
        ("another audience", with(json!({ "aud": "billing" }))),
        ("other audiences", with(json!({ "aud": ["billing", "hubs"] }))),
        ("audience a number", with(json!({ "aud": 7 }))),
        ("audience null", with(json!({ "aud": null }))),
        ("no audience", raw(r#"{"publish":["news"],"subscribe":["news"]}"#)),
        ("subject a number", with(json!({ "sub": 7 }))),
        ("topics a text", with(json!({ "publish": "news", "subscribe": "news" }))),
        ("topics numbers", with(json!({ "publish": [7], "subscribe": [7] }))),
        ("topics null", with(json!({ "publish": null, "subscribe": null }))),
        ("topics an object", with(json!({ "publish": { "news": true }, "subscribe": {} }))),
        ("no topics", with(json!({ "publish": ["news", ""], "subscribe": ["news", ""] }))),
        ("bad patterns", with(json!({ "publish": ["news", "a**"], "subscribe": ["news", "a**"] }))),
        ("too many topics", with(json!({ "publish": many("n"), "subscribe": many("n") }))),
        ("too many patterns", {
            let patterns: Vec<_> = many("n").iter().take(17).map(|n| format!("{n}:*")).collect();
            with(json!({ "publish": patterns, "subscribe": patterns }))
        }),
        ("claims twice", {
            raw(r#"{"aud":"hub","publish":["a"],"publish":["news"],"subscribe":["news"]}"#)
        }),
        ("claims a list", raw("[]")),
        ("claims no JSON", raw("news")),
        ("claims no UTF-8", key.sign(&json!({ "alg": "HS256" }), [0xff, 0xfe])),
    ]
}

/// All of them, for a hub with [`SECRET`], the audience `hub` and the cookie `token`, where they publish
/// to `news` and listen to it.
pub(crate) fn all() -> Vec<Hostile> {
    let good = good();
    let bad = Key::Secret(b"another".to_vec()).token(&claims(json!({})));
    let refused = |name, headers, status| Hostile { name, headers, status };
    let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
    let mut all: Vec<Hostile> = forged()
        .into_iter()
        .chain(mistaken())
        .map(|(name, token)| refused(name, vec![bearer(&token)], 401))
        .collect();
    let cookie = |value: &str| ("cookie", format!("a=b; token={value}"));
    all.extend([
        refused("none", vec![], 401),
        refused("an empty header", vec![("authorization", String::new())], 401),
        refused("a scheme alone", vec![("authorization", "Bearer".to_owned())], 401),
        refused("a scheme and blanks", vec![("authorization", "Bearer   ".to_owned())], 401),
        refused("no scheme", vec![("authorization", good.clone())], 401),
        refused("another scheme", vec![("authorization", format!("Basic {good}"))], 401),
        refused("two headers", vec![bearer(&good), bearer(&good)], 401),
        refused("two headers, one good", vec![bearer(&bad), bearer(&good)], 401),
        refused("a bad header before a good cookie", vec![bearer(&bad), cookie(&good)], 401),
        refused("a bad cookie", vec![cookie(&bad)], 401),
        refused("two cookies", vec![cookie(&good), cookie(&good)], 401),
        refused("a cookie of another name", vec![("cookie", format!("tokens={good}"))], 401),
    ]);
    for (name, topics) in [
        ("another topic", json!(["sports"])),
        ("no rights", json!([])),
        ("a longer topic", json!(["news:today"])),
        ("a shorter pattern", json!(["new*:x", "news:*", "news:**"])),
    ] {
        let token = Key::secret().token(&claims(json!({ "publish": topics, "subscribe": topics })));
        all.push(refused(name, vec![bearer(&token)], 403));
    }
    all
}
