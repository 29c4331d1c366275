//! The address to listen on, as an operator writes it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// The prefix of a Unix socket's path.
const UNIX: &str = "unix:";

/// An address to listen on: `127.0.0.1:3000`, `[::]:3000`, `localhost:3000`, or `unix:/run/hub.sock`.
///
/// ```
/// use sse_kit_serve::ListenAddress;
///
/// assert!(matches!("[::]:3000".parse()?, ListenAddress::Tcp(_)));
/// assert!(matches!("localhost:3000".parse()?, ListenAddress::Name { port: 3000, .. }));
/// assert!(matches!("unix:/run/hub.sock".parse()?, ListenAddress::Unix(_)));
/// assert!("3000".parse::<ListenAddress>().is_err());
/// # Ok::<(), sse_kit_serve::ListenAddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListenAddress {
    /// An IP address and a port. Port 0 selects a free one. `[::]` means every address of the
    /// machine, including IPv4 if the system allows it.
    Tcp(SocketAddr),
    /// A host name and a port. The server listens on the first of the host's addresses that is
    /// available.
    #[non_exhaustive]
    Name {
        /// The name, as the resolver accepts it.
        host: String,
        /// The port; 0 selects a free one.
        port: u16,
    },
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// The reason why a text is not an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenAddressError {
    /// The port is missing: the text has no colon.
    #[error("`{0}` has no port; write `127.0.0.1:3000`, `localhost:3000` or `unix:/run/hub.sock`")]
    NoPort(String),
    /// The host is missing.
    #[error("`{0}` has no host; write `127.0.0.1{0}`, or `[::]{0}` for all addresses")]
    NoHost(String),
    /// The text after the last colon is not a port.
    #[error("`{port}` in `{text}` is not a port; ports are numbers from 0 to 65535")]
    Port {
        /// The whole text.
        text: String,
        /// The text in the place of the port.
        port: String,
    },
    /// An IPv6 address has no brackets.
    #[error("`{0}` has more than one colon; write IPv6 addresses in brackets, as in `[::1]:3000`")]
    Colons(String),
    /// The host is neither an IP address nor a host name.
    #[error("`{0}` is not a host; names consist of letters, digits, `-`, `_` and `.`")]
    Host(String),
    /// The path after `unix:` is missing.
    #[error("`unix:` has no path; write `unix:/run/hub.sock`")]
    NoPath,
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        if let Some(path) = text.strip_prefix(UNIX) {
            return match path {
                "" => Err(ListenAddressError::NoPath),
                path => Ok(Self::Unix(path.into())),
            };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Tcp(address));
        }
        let owned = || text.to_owned();
        let (host, port) =
            text.rsplit_once(':').ok_or_else(|| ListenAddressError::NoPort(owned()))?;
        if host.contains(':') && !host.starts_with('[') {
            return Err(ListenAddressError::Colons(owned()));
        }
        // `u16::from_str` alone would accept `+80`.
        let number = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok());
        let Some(port) = number.flatten() else {
            return Err(ListenAddressError::Port { text: owned(), port: port.to_owned() });
        };
        if host.is_empty() {
            return Err(ListenAddressError::NoHost(owned()));
        }
        if !is_name(host) {
            return Err(ListenAddressError::Host(host.to_owned()));
        }
        Ok(Self::Name { host: host.to_owned(), port })
    }
}

/// Returns `true` if a text may be a host name. `300.1.1.1` is rejected: it is a mistyped address,
/// which a resolver would look up.
fn is_name(host: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    host.bytes().all(is_allowed) && host.bytes().any(|byte| byte.is_ascii_alphabetic())
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_shown() {
        for text in [
            "127.0.0.1:0",
            "[::]:3000",
            "[::1]:65535",
            "localhost:3000",
            "my-host_1.example:80",
            "unix:/run/hub.sock",
            "unix:hub.sock",
            "unix:/a:b",
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_error_names_what_is_wrong() {
        for (text, part) in [
            ("3000", "`3000` has no port"),
            ("localhost", "`localhost` has no port"),
            ("", "`` has no port"),
            (":3000", "`[::]:3000` for all"),
            ("localhost:", "`` in `localhost:` is not a port"),
            ("localhost:http", "`http` in"),
            ("localhost:65536", "`65536` in"),
            ("localhost:+80", "`+80` in"),
            ("localhost:-1", "`-1` in"),
            ("::1:3000", "in brackets"),
            ("http://localhost:3000", "more than one colon"),
            ("[::1]", "is not a port"),
            ("[::g]:1", "`[::g]` is not a host"),
            ("a b:1", "`a b` is not a host"),
            ("300.1.1.1:80", "`300.1.1.1` is not a host"),
            ("unix:", "has no path"),
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
