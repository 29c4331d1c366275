//! Ports for servers that cannot be told to take any free one.
//!
//! A port that is found by binding it, and given up again, is anybody's: before the server listens, a connection
//! that goes out may take it, or a process that looks for a port in the same way. A [`Port`] is neither's.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// The ports to choose from. The system gives none of them, nor of those 10,000 above, to a connection
/// that goes out, which could take it before the server listens, or while the server restarts: those
/// begin at 32,768.
const PORTS: Range<u16> = 10_000..20_000;

/// A TCP port of this machine for a server that is started, and perhaps started again.
///
/// Nothing else that claims ports gets it meanwhile, in this process or another one: a UDP socket of the same
/// number claims it until this is dropped. The port 10,000 above belongs to it as well: nodes of a Redis cluster
/// talk to each other there. The tests in browsers claim theirs in the same way (`tests/browser/port.js`).
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: UdpSocket,
}

impl Port {
    /// The distance to the second port.
    pub const SECOND: u16 = 10_000;

    /// Claims a port on which nothing listens.
    ///
    /// # Errors
    ///
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) if none is free.
    pub fn claim() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        for _ in PORTS {
            let n =
                process::id().wrapping_mul(31).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let nth = usize::try_from(n).unwrap_or_default() % PORTS.len();
            let Some(number) = PORTS.clone().nth(nth) else { continue };
            if let Ok(claim) = UdpSocket::bind(("127.0.0.1", number))
                && is_free(number)
                && is_free(number + Self::SECOND)
            {
                return Ok(Self { number, _claim: claim });
            }
        }
        let none = format!("none of the ports {PORTS:?} of 127.0.0.1 is free");
        Err(io::Error::new(io::ErrorKind::AddrInUse, none))
    }

    /// Returns the number of the port.
    pub fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_claimed_once_while_somebody_has_it() {
        let claimed: Vec<_> = (0..100).map(|_| Port::claim().expect("a free port")).collect();
        let mut numbers: Vec<_> = claimed.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), claimed.len());
        for port in &claimed {
            assert!(PORTS.contains(&port.number()));
            assert!(UdpSocket::bind(("127.0.0.1", port.number())).is_err());
        }
    }
}
