//! The part of the command line that is about tokens.

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::{Algorithm, Validation};
use sse_kit::event::Topics;

use super::Rules;
use super::keys::Keys;
use super::presented::Places;
use crate::options::seconds;

/// The keys of tokens, and where tokens may be.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct AuthOptions {
    /// A file with the key that verifies tokens (JWT): a secret for HS256, else a public key as PEM.
    /// With a key, clients need a token whose claims `publish` and `subscribe` name the topics.
    #[arg(long, value_name = "FILE")]
    jwt_key_file: Option<PathBuf>,
    /// The algorithm of that key.
    #[arg(long, value_name = "ALG", default_value = "HS256")]
    jwt_algorithm: JwtAlgorithm,
    /// A file with several keys, a JWKS; SIGHUP reads it again, and the other files of keys too.
    #[arg(long, value_name = "FILE", conflicts_with = "jwt_key_file")]
    jwks_file: Option<PathBuf>,
    /// An audience (`aud`) of the hub, one of which each token must then name; may be repeated.
    #[arg(long, value_name = "TEXT")]
    jwt_audience: Vec<String>,
    /// An issuer (`iss`), one of which each token must then name; may be repeated.
    #[arg(long, value_name = "TEXT")]
    jwt_issuer: Vec<String>,
    /// Seconds by which the clocks of the issuer and the hub may differ.
    #[arg(long, value_name = "SECS", default_value_t = 0.0, value_parser = seconds)]
    jwt_leeway: f64,
    /// A cookie that may have the token, for browsers; publishing by it is for pages of this origin.
    #[arg(long, value_name = "NAME")]
    jwt_cookie: Option<String>,
    /// Take tokens from the parameter `access_token` of the query too. Proxies log queries.
    #[arg(long)]
    jwt_query: bool,
    /// A topic or pattern that anybody may listen to without a token; may be repeated.
    #[arg(long, value_name = "PATTERN")]
    anonymous: Vec<String>,
}

/// The algorithms that tokens may be signed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum JwtAlgorithm {
    #[default]
    #[value(name = "HS256")]
    Hs256,
    #[value(name = "RS256")]
    Rs256,
    #[value(name = "ES256")]
    Es256,
    #[value(name = "EdDSA")]
    EdDsa,
}

impl AuthOptions {
    /// Reads the keys, and returns the rules.
    pub(crate) fn rules(&self) -> anyhow::Result<Rules> {
        let validation = self.validation();
        let keys = match (&self.jwt_key_file, &self.jwks_file) {
            (Some(file), _) => Some(Keys::from_key_file(file, self.jwt_algorithm, validation)?),
            (None, Some(file)) => Some(Keys::from_jwks_file(file, validation)?),
            (None, None) => None,
        };
        let anonymous = Topics::parse(&self.anonymous)?;
        // Options of tokens say that they are wanted: without a key the hub would be open to everybody.
        anyhow::ensure!(
            keys.is_some() || !self.need_a_key(),
            "`--anonymous` and the options that begin with `--jwt-` need a key: add `--jwt-key-file` or \
             `--jwks-file`"
        );
        Ok(Rules {
            keys,
            places: Places { cookie: self.jwt_cookie.clone(), query: self.jwt_query },
            anonymous,
            leeway: Duration::from_secs_f64(self.jwt_leeway),
            generation: 0,
        })
    }

    fn need_a_key(&self) -> bool {
        !self.anonymous.is_empty()
            || !self.jwt_audience.is_empty()
            || !self.jwt_issuer.is_empty()
            || self.jwt_cookie.is_some()
            || self.jwt_query
            || self.jwt_leeway > 0.0
            || self.jwt_algorithm != JwtAlgorithm::default()
    }

    fn validation(&self) -> Validation {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_nbf = true;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "up to 1e9")]
        {
            // Whole seconds are all that the library knows.
            validation.leeway = self.jwt_leeway.ceil() as u64;
        }
        if !self.jwt_audience.is_empty() {
            validation.set_audience(&self.jwt_audience);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        if !self.jwt_issuer.is_empty() {
            validation.set_issuer(&self.jwt_issuer);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        validation
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Auth;
    use crate::options::Options;

    #[test]
    fn a_reload_that_has_lost_the_key_keeps_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("jwt.key");
        std::fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
        let options = |arguments: &[&str]| {
            Options::try_parse_from(["hub"].iter().chain(arguments)).unwrap().auth
        };
        let with_key = options(&["--jwt-key-file", key.to_str().unwrap()]);
        let auth = Auth::new(&with_key).unwrap();
        assert!(auth.reload(&options(&[])).unwrap_err().to_string().contains("no key any more"));
        assert!(!auth.rules().are_open());
        auth.reload(&with_key).unwrap();

        let open = Auth::new(&options(&[])).unwrap();
        open.reload(&options(&[])).unwrap();
        open.reload(&with_key).unwrap();
        assert!(!open.rules().are_open());
    }
}
