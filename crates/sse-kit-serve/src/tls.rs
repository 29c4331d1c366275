//! TLS, by rustls.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// The name that ALPN has for HTTP/2.
const H2: &[u8] = b"h2";

/// A certificate, its key, and how TLS is spoken: HTTP/2 with clients that can, else HTTP/1.1.
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
    /// A chain of certificates, the server's own first, and its private key.
    ///
    /// # Errors
    ///
    /// [`TlsError`] says which of them is none, or that they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
        // Named, as a process may have two of them, and then rustls takes neither.
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        config.map(Self::from_config).map_err(|error| TlsError::Config(Box::new(error)))
    }

    /// For those who configure rustls themselves. Without protocols for ALPN it offers HTTP/2 and
    /// HTTP/1.1.
    pub fn from_config(mut config: ServerConfig) -> Self {
        if config.alpn_protocols.is_empty() {
            config.alpn_protocols = vec![H2.into(), b"http/1.1".into()];
        }
        Self(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Whether client and server have agreed on HTTP/2.
pub(crate) fn is_http2(connection: &rustls::ServerConnection) -> bool {
    connection.alpn_protocol() == Some(H2)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The chain is no PEM, or has no certificate.
    #[error("there is no certificate in the PEM of the chain")]
    Certificate,
    /// The key is no PEM, or has no private key.
    #[error("there is no private key in the PEM of the key")]
    Key,
    /// Certificate and key cannot be used together.
    #[error("the certificate and the key cannot be used")]
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
