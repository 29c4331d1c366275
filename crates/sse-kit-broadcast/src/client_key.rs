//! The client that a subscription belongs to.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// The identity of a client, for sharing scarce resources among clients: see
/// [`SubscriptionBuilder::client`](crate::SubscriptionBuilder::client).
///
/// Create it from the name of the user or, if there is none, from the address of the client. An
/// IPv6 client is identified by its /64 network, the usual size of one subscriber line:
///
/// ```
/// use std::net::IpAddr;
///
/// use sse_kit_broadcast::ClientKey;
///
/// let [one, other] = ["2001:db8::1", "2001:db8::2"].map(str::parse::<IpAddr>);
/// assert_eq!(ClientKey::from(one?), ClientKey::from(other?));
/// assert_ne!(ClientKey::from("alice"), ClientKey::from("bob"));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(Key);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Line(IpAddr),
    Name(Arc<str>),
    /// A connection whose client is unknown.
    Connection(u64),
}

impl ClientKey {
    /// Creates a key that only this connection has.
    pub(crate) fn of_connection(number: u64) -> Self {
        Self(Key::Connection(number))
    }
}

impl From<IpAddr> for ClientKey {
    fn from(address: IpAddr) -> Self {
        Self(Key::Line(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
            v4 @ IpAddr::V4(_) => v4,
        }))
    }
}

impl From<&str> for ClientKey {
    fn from(name: &str) -> Self {
        Self(Key::Name(name.into()))
    }
}

impl From<String> for ClientKey {
    fn from(name: String) -> Self {
        Self(Key::Name(name.into()))
    }
}
