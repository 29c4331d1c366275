//! As much of HTTP/1.1 as a subscriber and a publisher speak.

use memchr::memmem;

/// A request that the peer knows.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Subscribe { topics: Vec<String> },
    Publish { topic: String, data: Vec<u8> },
    Other,
}

/// Takes the first request out of what was received; nothing until it is whole.
pub(crate) fn take(received: &mut Vec<u8>) -> Option<Request> {
    let head_length = memmem::find(received, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&received[..head_length]).into_owned();
    let length = head_length + content_length(&head);
    if received.len() < length {
        return None;
    }
    let data = received[head_length..length].to_vec();
    received.drain(..length);
    Some(parse(&head, data))
}

fn content_length(head: &str) -> usize {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

fn parse(head: &str, data: Vec<u8>) -> Request {
    let mut words = head.split(' ');
    let (method, target) = (words.next(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut topics = query.split('&').filter_map(|pair| pair.strip_prefix("topic="));
    match (method, path) {
        (Some("GET"), "/events") => {
            Request::Subscribe { topics: topics.map(str::to_owned).collect() }
        }
        (Some("POST"), "/publish") => {
            Request::Publish { topic: topics.next().unwrap_or_default().to_owned(), data }
        }
        _ => Request::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_taken_when_they_are_whole() {
        let text = b"POST /publish?topic=t HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET";
        let mut received = text[..text.len() - 4].to_vec();
        assert_eq!(take(&mut received), None);
        received = text.to_vec();
        let publish = Request::Publish { topic: "t".to_owned(), data: b"hello".to_vec() };
        assert_eq!(take(&mut received), Some(publish));
        assert_eq!(received, b"GET");
    }

    #[test]
    fn a_subscriber_names_its_topics() {
        let mut received = b"GET /events?topic=a&topic=b HTTP/1.1\r\n\r\n".to_vec();
        let topics = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(take(&mut received), Some(Request::Subscribe { topics }));
        let mut received = b"GET / HTTP/1.1\r\n\r\n".to_vec();
        assert_eq!(take(&mut received), Some(Request::Other));
    }
}
