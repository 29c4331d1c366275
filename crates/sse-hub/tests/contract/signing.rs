//! Tokens, signed as issuers sign them.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};

pub(crate) const SECRET: &[u8] = b"a secret of the tests, as long as it has to be";

pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    now.try_into().expect("before the year 292 billion")
}

/// Encodes a part of a token.
pub(crate) fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The key of an issuer.
pub(crate) enum Key {
    Secret(Vec<u8>),
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    pub(crate) fn secret() -> Self {
        Self::Secret(SECRET.to_vec())
    }

    pub(crate) fn rsa() -> Self {
        let pem = include_str!("keys/rsa-private.pem");
        let lines: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
        let der = STANDARD.decode(lines).expect("base64");
        Self::Rsa(RsaKeyPair::from_pkcs8(&der).expect("a key"))
    }

    pub(crate) fn ecdsa() -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random);
        Self::Ecdsa(pair.expect("the key"))
    }

    pub(crate) fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("the key"))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Secret(_) => "HS256",
            Self::Rsa(_) => "RS256",
            Self::Ecdsa(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    /// Returns the key as one of a JWKS.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Secret(secret) => json!({ "kty": "oct", "kid": kid, "k": part(secret) }),
            Self::Rsa(_) => unreachable!("its file is PEM"),
            Self::Ecdsa(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": part(x), "y": part(y) })
            }
            Self::Ed25519(pair) => {
                let x = part(pair.public_key());
                json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": x })
            }
        }
    }

    /// Signs a token with the head that belongs to the key.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": self.algorithm(), "typ": "JWT" }), claims.to_string())
    }

    /// Signs any head and any claims.
    pub(crate) fn sign(&self, head: &Value, claims: impl AsRef<[u8]>) -> String {
        let message = format!("{}.{}", part(head.to_string()), part(claims));
        let random = SystemRandom::new();
        let bytes = message.as_bytes();
        let signature = match self {
            Self::Secret(secret) => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
                part(ring::hmac::sign(&key, bytes))
            }
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature);
                signed.expect("a signature");
                part(signature)
            }
            Self::Ecdsa(pair) => part(pair.sign(&random, bytes).expect("a signature")),
            Self::Ed25519(pair) => part(pair.sign(bytes)),
        };
        format!("{message}.{signature}")
    }
}
