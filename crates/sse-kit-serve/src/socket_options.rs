//! What the kernel may keep for a client, and how long it waits for one.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

/// Options of each connection. (They could be inherited from the socket that listens, but not by those
/// who were waiting there already.)
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketOptions {
    pub(crate) send_buffer: Option<usize>,
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) user_timeout: Option<Duration>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            send_buffer: Some(64 * 1024),
            receive_buffer: None,
            user_timeout: Some(Duration::from_secs(30)),
        }
    }
}

impl SocketOptions {
    pub(crate) fn apply(self, stream: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(stream);
        // An event is sent when it happens, not when there is more to send with it.
        socket.set_tcp_nodelay(true)?;
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        #[cfg(target_os = "linux")]
        if self.user_timeout.is_some() {
            socket.set_tcp_user_timeout(self.user_timeout)?;
        }
        Ok(())
    }
}
