//! The options of TLS.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sse_kit::serve::Tls;

/// The certificate and its key.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct TlsOptions {
    /// A certificate chain as PEM, the hub's own first: the hub then speaks TLS alone, and HTTP/2 with
    /// clients that can. SIGHUP reads it again.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of that certificate, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl TlsOptions {
    /// Reads the files; returns `None` if the options name none.
    pub(crate) fn read(&self) -> anyhow::Result<Option<Tls>> {
        let (Some(chain), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        let tls = Tls::from_pem(&pem(chain)?, &pem(key)?);
        let context = || format!("cannot use {} with {}", chain.display(), key.display());
        tls.with_context(context).map(Some)
    }

    /// Reads the files again, for the connections that are made from now on.
    pub(crate) fn renew(&self, current: Option<&Tls>) -> anyhow::Result<()> {
        match (self.read()?, current) {
            (Some(renewed), Some(current)) => current.replace(&renewed),
            (None, None) => {}
            _ => anyhow::bail!("TLS is switched on and off by a restart alone"),
        }
        Ok(())
    }
}

fn pem(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
