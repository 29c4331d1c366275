//! The address to listen on, as an operator writes it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use sse_kit_event::{TextError, TextErrorKind};

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
/// # Ok::<(), sse_kit_event::TextError>(())
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

impl FromStr for ListenAddress {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        if let Some(path) = text.strip_prefix(UNIX) {
            return match path {
                "" => Err(wrong(text, "it has no path; write `unix:/run/hub.sock`")),
                path => Ok(Self::Unix(path.into())),
            };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Tcp(address));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            let rule = "it has no port; write `127.0.0.1:3000`, `localhost:3000` or \
                        `unix:/run/hub.sock`";
            return Err(wrong(text, rule));
        };
        if host.contains(':') && !host.starts_with('[') {
            let rule = "it has more than one colon; write IPv6 addresses in brackets, as in \
                        `[::1]:3000`";
            return Err(wrong(text, rule));
        }
        // `u16::from_str` alone would accept `+80`.
        let number = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok());
        let Some(port) = number.flatten() else {
            return Err(wrong(text, "its port is not a number from 0 to 65535"));
        };
        if host.is_empty() {
            let rule = "it has no host; write `127.0.0.1` before the port, or `[::]` for all \
                        addresses";
            return Err(wrong(text, rule));
        }
        if !is_name(host) {
            let rule = "its host is not a name of letters, digits, `-`, `_` and `.`";
            return Err(wrong(text, rule));
        }
        Ok(Self::Name { host: host.to_owned(), port })
    }
}

fn wrong(text: &str, rule: &'static str) -> TextError {
    TextError::new(text, "an address to listen on", TextErrorKind::Form, rule)
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
            ("3000", "no port"),
            ("localhost", "no port"),
            ("", "no port"),
            (":3000", "`[::]` for all"),
            ("localhost:", "port is not a number"),
            ("localhost:http", "port is not a number"),
            ("localhost:65536", "port is not a number"),
            ("localhost:+80", "port is not a number"),
            ("localhost:-1", "port is not a number"),
            ("::1:3000", "in brackets"),
            ("http://localhost:3000", "more than one colon"),
            ("[::1]", "port is not a number"),
            ("[::g]:1", "host is not a name"),
            ("a b:1", "host is not a name"),
            ("300.1.1.1:80", "host is not a name"),
            ("unix:", "no path"),
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is not an address")), "{error}");
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
