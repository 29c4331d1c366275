//! The socket that accepts connections.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::listen_address::ListenAddress;
use crate::socket::Stream;
use crate::unix_socket::{self, SocketFile};

/// How many clients may wait to be accepted.
pub(crate) const BACKLOG: u32 = 4096;

/// The address that clients of a Unix socket have: they are on this machine, and have none of their own.
const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A bound socket that accepts connections, of TCP or of Unix.
///
/// Clients of a Unix socket have no address. They count, and are shown, as `127.0.0.1`, port 0, all
/// together; when a proxy connects there, trust `127.0.0.1` ([`Server::trust`](crate::Server::trust))
/// and its clients count for themselves.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix {
        /// The file, if it is to be removed at the end: before the listener is closed, as another process may
        /// take its place from then on.
        _file: Option<SocketFile>,
        listener: UnixListener,
    },
}

impl Listener {
    /// Listens on an address.
    ///
    /// Up to 4,096 clients may wait to be accepted, as far as the system allows it
    /// (`net.core.somaxconn`).
    ///
    /// The file of a Unix socket that a process has left behind is replaced. The file is removed when the
    /// listener is dropped, which is when its server has ended. Who may connect, the permissions of the file
    /// and its folder say: they come from the process's umask.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use sse_kit_serve::{Listener, Server};
    ///
    /// let server = Server::new(Listener::bind(&"unix:/run/hub.sock".parse()?).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ListenError`] says why it cannot.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, nothing listens, but a stale file of a socket may be gone.
    pub async fn bind(address: &ListenAddress) -> Result<Self, ListenError> {
        let refused = |source| ListenError::Refused { address: address.clone(), source };
        match address {
            ListenAddress::Tcp(tcp) => Self::tcp(*tcp).map_err(refused),
            ListenAddress::Name { host, port } => {
                let resolved = tokio::net::lookup_host((host.as_str(), *port)).await;
                let host = || host.clone();
                let addresses =
                    resolved.map_err(|source| ListenError::Resolve { host: host(), source })?;
                let mut last = None;
                for address in addresses {
                    match Self::tcp(address) {
                        Ok(listener) => return Ok(listener),
                        Err(error) => last = Some(error),
                    }
                }
                let none = || ListenError::Resolve {
                    host: host(),
                    source: io::ErrorKind::NotFound.into(),
                };
                Err(last.map_or_else(none, refused))
            }
            ListenAddress::Unix(path) => {
                let (file, listener) = unix_socket::bind(path).await?;
                Ok(Self(Kind::Unix { _file: Some(file), listener }))
            }
        }
    }

    /// Listens on an address of TCP.
    pub(crate) fn tcp(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // As `TcpListener::bind` does: a server that is started again need not wait for the sockets of
        // the one before it.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket.listen(BACKLOG)?.into())
    }

    /// Returns where it listens; of TCP with the port that it has.
    ///
    /// # Errors
    ///
    /// When the operating system does not say, or a Unix socket has no path.
    pub fn address(&self) -> io::Result<ListenAddress> {
        match &self.0 {
            Kind::Tcp(listener) => Ok(listener.local_addr()?.into()),
            Kind::Unix { listener, .. } => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().ok_or(io::ErrorKind::Unsupported)?;
                Ok(ListenAddress::Unix(path.to_owned()))
            }
        }
    }

    /// Accepts the next connection.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, no connection is lost.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match &self.0 {
            Kind::Tcp(listener) => {
                let (stream, client) = listener.accept().await?;
                Ok((Stream::Left(stream), client))
            }
            Kind::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Right(stream), LOCAL))
            }
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self(Kind::Tcp(listener))
    }
}

/// The file of the socket stays when the listener is dropped.
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self(Kind::Unix { _file: None, listener })
    }
}

/// Why a server cannot listen on an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The host has no address.
    #[error("cannot find the addresses of the host `{host}`")]
    Resolve {
        /// The name of the host.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// The operating system refuses the address.
    #[error("cannot listen on {address}")]
    Refused {
        /// The address.
        address: ListenAddress,
        /// What the operating system says.
        source: io::Error,
    },
    /// Another process listens on the Unix socket.
    #[error("somebody listens on {} already", path.display())]
    InUse {
        /// The path of the socket.
        path: PathBuf,
    },
    /// The path of the Unix socket names something else, which is left alone.
    #[error("{} is there already, and is no socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
}
