//! The PROXY protocol, versions 1 and 2: a proxy that forwards bytes first sends the client's
//! address.

use std::io;
use std::net::{IpAddr, SocketAddr};

use ppp::{PartialResult, v1, v2};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::line::Line;

/// The first bytes of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The maximum length of a version 1 header, including its line end.
const MAX_V1: usize = 107;

/// The maximum length of a version 2 header; extensions make it longer, but none needs more.
const MAX_V2: usize = 4096;

/// Reads the header and returns the client's address; `None` if the proxy opened the connection for
/// itself.
///
/// # Errors
///
/// If the connection does not begin with a header of the PROXY protocol.
pub(crate) async fn read<I>(line: &mut Line<I>) -> io::Result<Option<SocketAddr>>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        if let Some((client, length)) = parse(line.early())? {
            line.skip(length);
            return Ok(client);
        }
        if line.fill().await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Parses the header. Returns the client's address and the length; `None` if the header is
/// incomplete.
fn parse(bytes: &[u8]) -> io::Result<Option<(Option<SocketAddr>, usize)>> {
    let begins_v2 = bytes.iter().zip(SIGNATURE).all(|(byte, expected)| byte == expected);
    let client = |ip: IpAddr, port| Some(SocketAddr::new(ip, port));
    if begins_v2 {
        let header = v2::Header::try_from(bytes);
        if header.is_incomplete() && bytes.len() < MAX_V2 {
            return Ok(None);
        }
        let header = header.map_err(io::Error::other)?;
        let client = match (header.command, &header.addresses) {
            (v2::Command::Proxy, v2::Addresses::IPv4(v4)) => {
                client(v4.source_address.into(), v4.source_port)
            }
            (v2::Command::Proxy, v2::Addresses::IPv6(v6)) => {
                client(v6.source_address.into(), v6.source_port)
            }
            _ => None,
        };
        return Ok(Some((client, header.len())));
    }
    let Some(end) = bytes.windows(2).take(MAX_V1).position(|two| two == b"\r\n") else {
        let may_become_one = bytes.iter().zip(b"PROXY ").all(|(byte, expected)| byte == expected);
        return if may_become_one && bytes.len() < MAX_V1 {
            Ok(None)
        } else {
            Err(NoHeader.into())
        };
    };
    let header = v1::Header::try_from(&bytes[..end + 2]).map_err(io::Error::other)?;
    let client = match header.addresses {
        v1::Addresses::Tcp4(v4) => client(v4.source_address.into(), v4.source_port),
        v1::Addresses::Tcp6(v6) => client(v6.source_address.into(), v6.source_port),
        v1::Addresses::Unknown => None,
    };
    Ok(Some((client, end + 2)))
}

/// The error if a proxy's connection does not begin with the PROXY protocol.
#[derive(Debug, thiserror::Error)]
#[error(
    "a trusted proxy did not send the PROXY protocol; enable it there, or remove `proxy_protocol`"
)]
struct NoHeader;

impl From<NoHeader> for io::Error {
    fn from(error: NoHeader) -> Self {
        Self::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All prefixes are incomplete, and what follows is left alone.
    fn check(header: &[u8], client: Option<&str>) {
        for cut in 0..header.len() {
            assert_eq!(parse(&header[..cut]).unwrap(), None, "{cut}");
        }
        let all = [header, b"GET / HTTP/1.1\r\n\r\n\xff"].concat();
        let client = client.map(|client| client.parse().unwrap());
        assert_eq!(parse(&all).unwrap(), Some((client, header.len())));
    }

    #[test]
    fn both_versions_are_read() {
        check(b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n", Some("192.0.2.7:4711"));
        check(b"PROXY TCP6 2001:db8::1 fd00::1 4711 80\r\n", Some("[2001:db8::1]:4711"));
        check(b"PROXY UNKNOWN\r\n", None);
        let v4 = b"\xc0\0\x02\x07\x0a\0\0\x01\x12\x67\0\x50";
        let v2 = |command: u8, rest: &[u8]| {
            let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
            [&SIGNATURE[..], &[0x20 | command, 0x11], &length, rest].concat()
        };
        check(&v2(1, v4), Some("192.0.2.7:4711"));
        check(&v2(1, &[&v4[..], b"\x04\0\x02xx"].concat()), Some("192.0.2.7:4711"));
        check(&v2(0, v4), None);
    }

    #[test]
    fn all_else_is_refused() {
        for wrong in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"PROXY TCP4 nonsense\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 99999 1\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\xff\x11\0\0",
            b"x",
            &[b'P'; 200],
            &[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200], b"\r\n"].concat(),
        ] {
            assert!(parse(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }
}
