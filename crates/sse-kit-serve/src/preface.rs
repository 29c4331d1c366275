//! Detects HTTP/2 with prior knowledge.

use std::io;

use crate::line::Line;
use crate::socket::Socket;

/// The first bytes of an HTTP/2 client with prior knowledge.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Returns `true` if the client starts with HTTP/2. The bytes read stay in the line.
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
