//! The cost of the kernel alone: one thread, one epoll, one `write(2)` per subscriber and
//! message of the same encoded bytes. No timers, no queues, no history: a subscriber whose
//! socket is full is cut off.
#![expect(clippy::print_stdout, reason = "where it listens is said on stdout")]

mod hub;
mod request;

use std::io::{ErrorKind, Result};
use std::net::SocketAddr;

use clap::Parser;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::hub::Hub;

const LISTENER: Token = Token(usize::MAX - 1);

/// To compare with: a bare epoll loop that writes each message to each subscriber
#[derive(Debug, Parser)]
struct Options {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8083")]
    listen: SocketAddr,
}

fn main() -> Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(Options::parse().listen)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut hub = Hub::default();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            match event.token() {
                LISTENER => accept(&listener, &poll, &mut hub)?,
                Token(key) => hub.read(key, &mut buffer),
            }
        }
    }
}

fn accept(listener: &TcpListener, poll: &Poll, hub: &mut Hub) -> Result<()> {
    loop {
        match listener.accept() {
            Ok((mut socket, _)) => {
                socket.set_nodelay(true)?;
                let token = Token(hub.next_key());
                poll.registry().register(&mut socket, token, Interest::READABLE)?;
                hub.add(socket);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            // The client went away again before its turn came.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}
