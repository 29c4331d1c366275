//! Which version of HTTP a client begins to speak.

use std::io;

use tokio::io::AsyncReadExt;

use crate::socket::Socket;

/// What a client sends first that knows of the server that it speaks HTTP/2.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether HTTP/2 is what the client begins to speak. What was read for that is read again.
pub(crate) async fn is_http2(socket: &mut Socket) -> io::Result<bool> {
    let mut read = [0; PREFACE.len()];
    let mut len = 0;
    loop {
        let more = socket.read(&mut read[len..]).await?;
        len += more;
        let so_far = read[..len] == PREFACE[..len];
        if more == 0 || !so_far || len == PREFACE.len() {
            socket.unread(&read[..len]);
            return Ok(so_far && len == PREFACE.len());
        }
    }
}
