//! The keys that tokens are signed with.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use super::claims::{Claims, RawClaims};
use super::options::JwtAlgorithm;
use super::{Refusal, crypto};

/// The maximum number of keys in a file of them.
const MAX_KEYS: usize = 64;

/// The shortest secret that is not warned of, in bytes: as long as the output of the hash, by RFC 7518.
const LONG_SECRET: usize = 32;

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
        ensure_fits(&bytes, algorithm)
            .with_context(|| format!("cannot use the key in {}", file.display()))?;
        let (algorithm, key) = match algorithm {
            JwtAlgorithm::Hs256 => {
                let secret = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
                let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
                warn_of_secret(secret, file);
                (Algorithm::HS256, DecodingKey::from_secret(secret))
            }
            JwtAlgorithm::Rs256 => (Algorithm::RS256, DecodingKey::from_rsa_pem(&bytes)),
            JwtAlgorithm::Es256 => (Algorithm::ES256, DecodingKey::from_ec_pem(&bytes)),
            JwtAlgorithm::EdDsa => (Algorithm::EdDSA, DecodingKey::from_ed_pem(&bytes)),
        };
        // The library's error could quote the file.
        let key = key.map_err(|_| anyhow::anyhow!("it is not a key for {algorithm:?}"));
        let key = key.with_context(|| format!("cannot use the key in {}", file.display()))?;
        Ok(Self { keys: vec![Key { kid: None, algorithm, decoding: key }], validation })
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
        for key in usable.iter().filter(|key| key.algorithm == Algorithm::HS256) {
            if let Ok(secret) = key.decoding.try_get_as_bytes() {
                warn_of_secret(secret, file);
            }
        }
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

    /// Returns the claims of a token that one of the keys has signed.
    pub(super) fn verify(&self, token: &str) -> Result<Claims, Refusal> {
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
                Ok(token) => return token.claims.try_into(),
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

/// Fails if a file has a key of another kind than the algorithm: a public key that is taken for a secret
/// would let everybody sign tokens.
fn ensure_fits(bytes: &[u8], algorithm: JwtAlgorithm) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(bytes);
    let is_pem = text.contains("-----BEGIN ");
    if algorithm == JwtAlgorithm::Hs256 {
        ensure!(
            !is_pem,
            "it is PEM, and not a secret for HS256: say which key it is by `--jwt-algorithm`"
        );
    } else {
        ensure!(is_pem, "it is not PEM, as a public key for {algorithm:?} must be");
        ensure!(
            !text.contains("PRIVATE KEY-----"),
            "it is a private key: give the hub the public one"
        );
    }
    Ok(())
}

fn warn_of_secret(secret: &[u8], file: &Path) {
    let (file, len) = (file.display(), secret.len());
    if len < LONG_SECRET {
        tracing::warn!(
            "a secret in {file} has {len} bytes; use {LONG_SECRET} at least, from `openssl rand -hex 32`"
        );
    }
    if secret.trim_ascii_end().len() < len {
        tracing::warn!("the secret in {file} ends with white space, which is a part of it");
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
    if jwk.common.key_operations.as_ref().is_some_and(|all| !all.contains(&KeyOperations::Verify)) {
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
    Some(Key { kid: jwk.common.key_id, algorithm, decoding: key })
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
