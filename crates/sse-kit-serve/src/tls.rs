//! TLS, by rustls.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
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
#[derive(Clone)]
pub struct Tls(pub(crate) TlsAcceptor);

impl Tls {
    /// Creates a configuration from a certificate chain, the server's own first, and its private
    /// key.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if one of them is invalid, or if they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
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
        Self(TlsAcceptor::from(Arc::new(config)))
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
    /// The chain is not PEM, or contains no certificate.
    #[error("the certificate chain contains no PEM certificate")]
    Certificate,
    /// The key is not PEM, or contains no private key.
    #[error("the key contains no PEM private key")]
    Key,
    /// The certificate and the key cannot be used together.
    #[error("rustls rejected the certificate and its key")]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pem_is_an_error() {
        assert!(matches!(Tls::from_pem(b"", b""), Err(TlsError::Certificate)));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        assert!(matches!(Tls::from_pem(chain.as_bytes(), b"x"), Err(TlsError::Key)));
        assert!(Tls::from_pem(chain.as_bytes(), key.as_bytes()).is_ok());
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = other.signing_key.serialize_pem();
        let mixed = Tls::from_pem(chain.as_bytes(), other.as_bytes());
        assert!(matches!(mixed, Err(TlsError::Config(_))));
    }
}
