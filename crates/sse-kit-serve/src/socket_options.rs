//! Kernel options of a client's socket: buffers and timeouts.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::socket::Stream;

/// The options of each connection. (A listening socket passes options on, but not to connections
/// that already wait there.)
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketOptions {
    pub(crate) send_buffer: Option<usize>,
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) user_timeout: Option<Duration>,
    pub(crate) tcp_keepalive: Option<Duration>,
}

/// The maximum buffer size: the kernel takes it as an `int` and doubles it.
const LARGEST_BUFFER: usize = 1 << 29;

/// The interval between the kernel's probes of a silent peer.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// The number of unanswered probes after which the kernel ends the connection.
const PROBES: u32 = 3;

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            send_buffer: Some(64 * 1024),
            receive_buffer: None,
            user_timeout: Some(Duration::from_secs(30)),
            tcp_keepalive: Some(Duration::from_secs(30)),
        }
    }
}

impl SocketOptions {
    pub(crate) fn apply(self, stream: &Stream) -> io::Result<()> {
        match stream {
            Stream::Left(tcp) => {
                self.apply_buffers(&SockRef::from(tcp))?;
                self.apply_tcp(tcp)
            }
            // The other end is on the same machine, so the kernel detects immediately that it is
            // gone.
            Stream::Right(unix) => self.apply_buffers(&SockRef::from(unix)),
        }
    }

    fn apply_buffers(self, socket: &SockRef<'_>) -> io::Result<()> {
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes.min(LARGEST_BUFFER))?;
        }
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes.min(LARGEST_BUFFER))?;
        }
        Ok(())
    }

    fn apply_tcp(self, stream: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(stream);
        // Send each event immediately instead of waiting for more data.
        socket.set_tcp_nodelay(true)?;
        if let Some(quiet) = self.tcp_keepalive {
            // Kernels count in whole seconds, and Linux accepts at most 32,767.
            let quiet = quiet.clamp(Duration::from_secs(1), Duration::from_secs(32_767));
            let probes = TcpKeepalive::new().with_time(quiet);
            let probes = probes.with_interval(PROBE_EVERY).with_retries(PROBES);
            socket.set_tcp_keepalive(&probes)?;
        }
        #[cfg(target_os = "linux")]
        if let Some(timeout) = self.user_timeout {
            // The kernel counts milliseconds in an `int`; 0 means its own default.
            let longest = Duration::from_millis(i32::MAX.unsigned_abs().into());
            let timeout = timeout.clamp(Duration::from_millis(1), longest);
            socket.set_tcp_user_timeout(Some(timeout))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn applied(options: SocketOptions) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stream, _peer) = tokio::join!(TcpStream::connect(address), listener.accept());
        let stream = stream.unwrap();
        options
            .apply_buffers(&SockRef::from(&stream))
            .and_then(|()| options.apply_tcp(&stream))
            .unwrap();
        stream
    }

    #[tokio::test]
    async fn a_quiet_peer_is_asked_whether_it_is_there() {
        let stream = applied(SocketOptions::default()).await;
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(30));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), PROBE_EVERY);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), PROBES);
    }

    #[tokio::test]
    async fn extreme_settings_are_taken() {
        for time in [Duration::ZERO, Duration::MAX] {
            let times = Some(time);
            let bytes = Some(if time.is_zero() { 0 } else { usize::MAX });
            let options = SocketOptions {
                send_buffer: bytes,
                receive_buffer: bytes,
                user_timeout: times,
                tcp_keepalive: times,
            };
            applied(options).await;
        }
        let off = SocketOptions { tcp_keepalive: None, ..SocketOptions::default() };
        assert!(!SockRef::from(&applied(off).await).keepalive().unwrap());
    }
}
