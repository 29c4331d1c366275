//! Reads the answers of a sequence.

use super::Sequence;

/// One answer: its status, its head in order, without the date and what hyper does not say by itself, and its
/// body without chunks, with trailers behind it.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    reason: String,
    pub(super) head: Vec<String>,
    pub(super) body: Vec<u8>,
}

/// The answers, and what cannot be read as one.
pub(super) fn answers(mut bytes: &[u8], sequence: &Sequence) -> (Vec<Answer>, Vec<u8>) {
    let mut all = Vec::new();
    let mut are_heads = sequence.are_heads.iter().copied();
    let mut is_head = are_heads.next();
    while let Some((answer, length)) = one_answer(bytes, is_head == Some(true)) {
        if answer.status >= 200 {
            is_head = are_heads.next();
        }
        all.push(answer);
        bytes = &bytes[length..];
    }
    (all, bytes.to_vec())
}

fn one_answer(bytes: &[u8], is_head: bool) -> Option<(Answer, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut parsed = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(begin) = parsed.parse(bytes).ok()? else { return None };
    let status = parsed.code?;
    let text = |header: &httparse::Header| {
        format!("{}: {}", header.name, String::from_utf8_lossy(header.value)).to_lowercase()
    };
    let mut head: Vec<String> = parsed.headers.iter().map(text).collect();
    head.retain(|line| !line.starts_with("date: ") && !line.starts_with("keep-alive: "));
    for line in head.iter_mut().filter(|line| line.starts_with("connection: ")) {
        // hyper 1.12 adds the coding of the body to the next header too.
        *line = line.replace(", chunked", "");
    }
    // hyper closes behind a response that is none, and does not say so.
    head.retain(|line| status != 500 || line != "connection: close");
    head.sort_unstable();
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
    let (body, end) = if is_head || status < 200 || matches!(status, 204 | 304) {
        (Vec::new(), begin)
    } else if let Some(length) = length {
        let end = begin + length.parse::<usize>().ok()?;
        (bytes.get(begin..end)?.to_vec(), end)
    } else if head.iter().any(|line| line.starts_with("transfer-encoding: ")) {
        unchunked(bytes, begin)?
    } else {
        (bytes[begin..].to_vec(), bytes.len())
    };
    let reason = parsed.reason.unwrap_or_default().to_owned();
    Some((Answer { status, reason, head, body }, end))
}

fn unchunked(bytes: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    loop {
        let httparse::Status::Complete((line, size)) =
            httparse::parse_chunk_size(&bytes[at..]).ok()?
        else {
            return None;
        };
        let begin = at + line;
        let end = begin + usize::try_from(size).ok()?;
        body.extend_from_slice(bytes.get(begin..end)?);
        if size == 0 {
            let trailers = memchr::memmem::find(&bytes[begin - 2..], b"\r\n\r\n")?;
            body.extend_from_slice(&bytes[begin..begin + trailers]);
            return Some((body, begin + trailers + 2));
        }
        at = end + 2;
    }
}
