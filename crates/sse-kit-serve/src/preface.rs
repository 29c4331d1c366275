//! Which version of HTTP a client begins to speak.

use std::io;

use crate::line::Line;
use crate::socket::Socket;

/// What a client sends first that knows of the server that it speaks HTTP/2.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Returns whether HTTP/2 is what the client begins to speak. What was read stays to be read.
pub(crate) async fn is_http2(line: &mut Line<Socket>) -> io::Result<bool> {
    loop {
        let read = line.early();
        let so_far = read.iter().zip(PREFACE).all(|(read, expected)| read == expected);
        if !so_far || read.len() >= PREFACE.len() {
            return Ok(so_far);
        }
        if line.fill().await? == 0 {
            return Ok(false);
        }
    }
}
