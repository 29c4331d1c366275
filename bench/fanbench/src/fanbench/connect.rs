//! New connections to the server.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use mio::net::TcpStream;
use socket2::{Domain, Socket, Type};

const PATIENCE: Duration = Duration::from_secs(5);

/// The receive buffer of a client that never reads; the kernel doubles it.
const SMALL_BUFFER: usize = 4096;

/// The number of bytes that a client takes in before it reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Room {
    Usual,
    Small,
}

/// Connects, and sends the request that a subscriber begins with; nothing for a publisher.
pub(crate) fn connect(
    server: SocketAddr,
    nth: u32,
    room: Room,
    request: &str,
) -> Result<TcpStream> {
    let socket = open(server, nth, room)
        .with_context(|| format!("cannot open connection number {}", nth + 1))?;
    (&socket).write_all(request.as_bytes()).context("cannot send a request")?;
    socket.set_nonblocking(true)?;
    Ok(TcpStream::from_std(socket.into()))
}

fn open(server: SocketAddr, nth: u32, room: Room) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // Ports in TIME_WAIT after earlier runs must not run out: 16 addresses have 16 times as many.
    let source = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 0, 2)) + nth % 16);
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    if room == Room::Small {
        // Before connecting, which is when the window is agreed upon.
        socket.set_recv_buffer_size(SMALL_BUFFER)?;
    }
    socket.set_tcp_nodelay(true)?;
    // On loopback the kernel completes this at once, without the server; the timeout is for connecting
    // too, and takes four system calls less than `connect_timeout`.
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect(&server.into())?;
    Ok(socket)
}
