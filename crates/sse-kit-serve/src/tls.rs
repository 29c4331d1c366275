//! TLS, by rustls.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// The ALPN name of HTTP/2.
const H2: &[u8] = b"h2";

/// A TLS configuration with a certificate and its key. Clients that support HTTP/2 use it, others
/// use HTTP/1.1.
///
/// ```no_run
/// use sse_kit_serve::{Server, Tls};
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = Tls::from_pem(&std::fs::read("chain.pem")?, &std::fs::read("key.pem")?)?;
/// let server = Server::bind("0.0.0.0:443".parse()?).await?.tls(tls);
/// # Ok(()) }
/// ```
///
/// All clones are one configuration: [`Tls::replace`] renews the certificate while servers use it.
#[derive(Clone)]
pub struct Tls(Arc<RwLock<TlsAcceptor>>);

impl Tls {
    /// Creates a configuration from a certificate chain, the server's own first, and its private
    /// key.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if one of them is invalid, or if they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let certificates = CertificateDer::pem_slice_iter(chain).zip(1..);
        let chain: Vec<_> = certificates
            .map(|(certificate, number)| {
                let invalid = |error| TlsError::Certificate { number, source: Box::new(error) };
                certificate.map_err(invalid)
            })
            .collect::<Result<_, _>>()?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::NoKey,
            error => TlsError::Key(Box::new(error)),
        })?;
        // Name the provider: a process may have two of them, and rustls would then choose neither.
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        config.map(Self::from_config).map_err(|error| TlsError::Config(Box::new(error)))
    }

    /// Creates it from a rustls configuration. If that has no ALPN protocols, it offers HTTP/2 and
    /// HTTP/1.1.
    pub fn from_config(mut config: ServerConfig) -> Self {
        if config.alpn_protocols.is_empty() {
            config.alpn_protocols = vec![H2.into(), b"http/1.1".into()];
        }
        Self(Arc::new(RwLock::new(TlsAcceptor::from(Arc::new(config)))))
    }

    /// Takes over another configuration, such as one with a renewed certificate, for this value and
    /// all its clones. Connections that exist keep the one with which they were made.
    ///
    /// ```no_run
    /// # fn renew(tls: &sse_kit_serve::Tls) -> Result<(), Box<dyn std::error::Error>> {
    /// use sse_kit_serve::Tls;
    ///
    /// tls.replace(&Tls::from_pem(&std::fs::read("chain.pem")?, &std::fs::read("key.pem")?)?);
    /// # Ok(()) }
    /// ```
    pub fn replace(&self, with: &Self) {
        let acceptor = with.acceptor();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
    }

    /// Returns the current configuration.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Returns `true` if client and server agreed on HTTP/2.
pub(crate) fn is_http2(connection: &rustls::ServerConnection) -> bool {
    connection.alpn_protocol() == Some(H2)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// The reason why a TLS configuration is invalid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The chain contains no PEM certificate.
    #[error("the certificate chain contains no PEM certificate")]
    NoCertificate,
    /// A certificate of the chain is not valid PEM.
    #[error("certificate {number} of the chain is not valid PEM")]
    Certificate {
        /// The place of the certificate in the chain, from 1.
        number: usize,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The key contains no PEM private key.
    #[error("the key contains no PEM private key")]
    NoKey,
    /// The key is not valid PEM.
    #[error("the key is not valid PEM")]
    Key(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The certificate and the key cannot be used together.
    #[error("rustls rejected the certificate and its key")]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pem_is_an_error() {
        assert!(matches!(Tls::from_pem(b"", b""), Err(TlsError::NoCertificate)));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        assert!(matches!(Tls::from_pem(chain.as_bytes(), b"x"), Err(TlsError::NoKey)));
        let corrupt = key.replacen('M', "!", 1);
        let refused = Tls::from_pem(chain.as_bytes(), corrupt.as_bytes());
        assert!(matches!(refused, Err(TlsError::Key(_))), "{refused:?}");
        // The third is corrupt.
        let chains = [&*chain, &*chain, &*chain.replacen('M', "!", 1)].concat();
        let refused = Tls::from_pem(chains.as_bytes(), key.as_bytes());
        assert!(matches!(refused, Err(TlsError::Certificate { number: 3, .. })), "{refused:?}");
        assert!(Tls::from_pem(chain.as_bytes(), key.as_bytes()).is_ok());
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = other.signing_key.serialize_pem();
        let mixed = Tls::from_pem(chain.as_bytes(), other.as_bytes());
        assert!(matches!(mixed, Err(TlsError::Config(_))));
    }
}
