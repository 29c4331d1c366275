//! The socket that accepts connections.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::listen_address::ListenAddress;
use crate::socket::Stream;
use crate::unix_socket::{self, SocketFile};

/// The maximum number of connections that wait to be accepted.
pub(crate) const BACKLOG: u32 = 4096;

/// The address reported for clients of a Unix socket, which have none.
const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A bound TCP or Unix socket that accepts connections.
///
/// Clients of a Unix socket have no address. They all count and appear as `127.0.0.1`, port 0. If a
/// proxy connects through the socket, trust `127.0.0.1` ([`Server::trust`](crate::Server::trust)),
/// and its clients count by their own addresses.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix {
        /// The file, if it should be removed at the end. It is dropped before the listener closes:
        /// after that, another process may create a file at the path.
        _file: Option<SocketFile>,
        listener: UnixListener,
    },
}

impl Listener {
    /// Listens on an address.
    ///
    /// Up to 4,096 connections may wait to be accepted, as far as the system allows it
    /// (`net.core.somaxconn`).
    ///
    /// For a Unix socket, it replaces a file that a dead process left behind, and removes its own
    /// file when the listener is dropped, which is when its server has ended. The permissions of
    /// the file and its folder, set by the umask, decide which processes may connect.
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
    /// [`ListenError`] if it cannot listen on the address.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing listens, but a stale file of a Unix socket may have been
    /// removed.
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

    /// Listens on a TCP address.
    pub(crate) fn tcp(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Reuse the address, as `TcpListener::bind` does: a restarted server need not wait for the
        // old sockets.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket.listen(BACKLOG)?.into())
    }

    /// Returns the address that it listens on; for TCP, with the actual port.
    ///
    /// # Errors
    ///
    /// If the operating system does not report the address, or if a Unix socket has no path.
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
    /// Cancel safe: no connection is lost.
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

/// Keeps the file of the socket when the listener is dropped.
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self(Kind::Unix { _file: None, listener })
    }
}

/// The reason why a server cannot listen on an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The host name has no address.
    #[error("the host `{host}` has no address; check the name, or write an IP address")]
    Resolve {
        /// The host name.
        host: String,
        /// The error of the resolver.
        source: io::Error,
    },
    /// The operating system refused the address.
    #[error("cannot listen on {address}")]
    Refused {
        /// The address.
        address: ListenAddress,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Another process listens on the Unix socket.
    #[error("another process already listens on {}; stop it, or choose another path", path.display())]
    InUse {
        /// The path of the socket.
        path: PathBuf,
    },
    /// The path exists and is not a socket; it was not changed.
    #[error("{} exists and is not a socket; remove it, or choose another path", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
}
