//! The keys that tokens are signed with.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use super::claims::{Claims, RawClaims};
use super::options::JwtAlgorithm;
use super::{Refusal, crypto};

/// The maximum number of keys in a file of them.
const MAX_KEYS: usize = 64;

/// The shortest secret that is not warned of, in bytes: as long as the output of the hash, by RFC 7518.
const LONG_SECRET: usize = 32;

/// The digest of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyId([u8; 32]);

/// The keys, and the claims that tokens must have.
#[derive(Debug)]
pub(super) struct Keys {
    keys: Vec<Key>,
    validation: Validation,
}

#[derive(Debug)]
struct Key {
    /// The name of the key; tokens that name a key are for the one of that name.
    kid: Option<String>,
    algorithm: Algorithm,
    decoding: DecodingKey,
    id: KeyId,
}

impl Key {
    fn new(kid: Option<String>, algorithm: Algorithm, decoding: DecodingKey) -> Self {
        let id = KeyId(crypto::digest_of(&decoding));
        Self { kid, algorithm, decoding, id }
    }
}

impl Keys {
    /// Reads the only key from a file: PEM, or the bytes of a secret without the end of the line.
    pub(super) fn from_key_file(
        file: &Path,
        algorithm: JwtAlgorithm,
        validation: Validation,
    ) -> anyhow::Result<Self> {
        crypto::install();
        let bytes = read(file)?;
        let (algorithm, key) = match algorithm {
            JwtAlgorithm::Hs256 => {
                let secret = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
                let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
                if secret.len() < LONG_SECRET {
                    tracing::warn!(
                        "the secret in {} has {} bytes; use {LONG_SECRET} at least, from `openssl rand -hex 32`",
                        file.display(),
                        secret.len()
                    );
                }
                (Algorithm::HS256, DecodingKey::from_secret(secret))
            }
            JwtAlgorithm::Rs256 => (Algorithm::RS256, DecodingKey::from_rsa_pem(&bytes)),
            JwtAlgorithm::Es256 => (Algorithm::ES256, DecodingKey::from_ec_pem(&bytes)),
            JwtAlgorithm::EdDsa => (Algorithm::EdDSA, DecodingKey::from_ed_pem(&bytes)),
        };
        // The library's error could quote the file.
        let key = key.map_err(|_| anyhow::anyhow!("it is not a key for {algorithm:?}"));
        let key = key.with_context(|| format!("cannot use the key in {}", file.display()))?;
        Ok(Self { keys: vec![Key::new(None, algorithm, key)], validation })
    }

    /// Reads a set of keys, a JWKS by RFC 7517. Keys of other kinds and uses are left out.
    pub(super) fn from_jwks_file(file: &Path, validation: Validation) -> anyhow::Result<Self> {
        crypto::install();
        let set: Value = serde_json::from_slice(&read(file)?)
            .ok()
            .with_context(|| format!("{} is not JSON", file.display()))?;
        let Some(keys) = set["keys"].as_array() else {
            bail!("{} is no set of keys: there is no list `keys`", file.display())
        };
        ensure!(keys.len() <= MAX_KEYS, "{} has more than {MAX_KEYS} keys", file.display());
        let usable: Vec<_> = keys.iter().filter_map(usable).collect();
        ensure!(
            !usable.is_empty(),
            "{} has no key for HS256, RS256, ES256 or EdDSA",
            file.display()
        );
        if usable.len() < keys.len() {
            let (used, all) = (usable.len(), keys.len());
            tracing::warn!("{} of {all} keys in {} are used", used, file.display());
        }
        Ok(Self { keys: usable, validation })
    }

    pub(super) fn contain(&self, id: KeyId) -> bool {
        self.keys.iter().any(|key| key.id == id)
    }

    /// Returns the claims of a token that one of the keys has signed.
    pub(super) fn verify(&self, token: &str) -> Result<(Claims, KeyId), Refusal> {
        let header = decode_header(token).map_err(|error| refusal(error.kind()))?;
        let named = |key: &&Key| match (&header.kid, &key.kid) {
            (Some(token), Some(key)) => token == key,
            _ => true,
        };
        let mut last = Refusal::WrongKey;
        for key in self.keys.iter().filter(named) {
            let mut validation = self.validation.clone();
            validation.algorithms = vec![key.algorithm];
            match decode::<RawClaims>(token, &key.decoding, &validation) {
                Ok(token) => return Ok((token.claims.try_into()?, key.id)),
                // The head was read above: now the claims are wrong.
                Err(error) => {
                    last = match error.kind() {
                        ErrorKind::Json(_) => Refusal::BadClaim,
                        kind => refusal(kind),
                    }
                }
            }
            if !matches!(last, Refusal::WrongKey | Refusal::WrongAlgorithm) {
                break;
            }
        }
        Err(last)
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read the key from {}", file.display()))
}

/// Returns a key of a set, if it is for signatures that we know.
fn usable(key: &Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(key.clone()).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKey(_) => Algorithm::HS256,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(curve) if curve.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        _ => return None,
    };
    let stated = jwk.common.key_algorithm;
    if stated.is_some_and(|stated: KeyAlgorithm| stated.to_string() != format!("{algorithm:?}")) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key::new(jwk.common.key_id, algorithm, key))
}

/// Returns the reason in our words; the library's may quote the token.
fn refusal(kind: &ErrorKind) -> Refusal {
    match kind {
        ErrorKind::InvalidSignature => Refusal::WrongKey,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => Refusal::WrongAlgorithm,
        ErrorKind::ExpiredSignature => Refusal::Expired,
        ErrorKind::ImmatureSignature => Refusal::NotYet,
        ErrorKind::InvalidAudience => Refusal::WrongAudience,
        ErrorKind::InvalidIssuer => Refusal::WrongIssuer,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => Refusal::BadClaim,
        _ => Refusal::Malformed,
    }
}
