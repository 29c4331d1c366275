//! The client that a subscription belongs to.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// A client, by whose key streams that belong together share what is scarce: see
/// [`SubscriptionBuilder::client`](crate::SubscriptionBuilder::client).
///
/// It is made of the address of the client or, better, of the name of its user. An IPv6 client is known by
/// its /64 network, which is what one subscriber line is given:
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
    /// A connection of which no more is known.
    Connection(u64),
}

impl ClientKey {
    /// The key of a connection that shares with no other.
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
