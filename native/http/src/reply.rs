//! Replies: a head written line by line, and where the body comes from.

use bytes::Bytes;

/// Where a reply's body comes from.
pub(crate) enum Content<R> {
    /// None, and no `content-length` either (204, 304).
    None,
    /// A body that is described but not sent (HEAD), of this length.
    Described(u64),
    Bytes(Bytes),
    /// The first bytes, and where the others come from.
    Stream {
        first: Bytes,
        reader: R,
        length: u64,
    },
}

/// A reply without the lines that belong to the connection.
pub(crate) struct Reply<R> {
    pub status: u16,
    /// Header lines, each ended by CRLF.
    pub lines: Vec<u8>,
    pub content: Content<R>,
}

impl<R> Reply<R> {
    /// An empty reply.
    pub(crate) fn new(status: u16) -> Reply<R> {
        Reply {
            status,
            lines: Vec::with_capacity(512),
            content: Content::None,
        }
    }
    /// The same with this content.
    pub(crate) fn with(mut self, content: Content<R>) -> Reply<R> {
        self.content = content;
        self
    }
    /// Adds a header line. Control characters, which could end the line, become blanks.
    pub(crate) fn header(&mut self, name: &str, value: &str) {
        push_clean(&mut self.lines, name.as_bytes());
        self.lines.extend_from_slice(b": ");
        push_clean(&mut self.lines, value.as_bytes());
        self.lines.extend_from_slice(b"\r\n");
    }
    /// Bytes of body that will be sent.
    pub(crate) fn body_bytes(&self) -> u64 {
        match &self.content {
            Content::None | Content::Described(_) => 0,
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Stream { length, .. } => *length,
        }
    }
    /// The whole head. `common` are the connection's own lines.
    pub(crate) fn head(&mut self, common: &[u8]) -> Bytes {
        let mut head = Vec::with_capacity(self.lines.len() + common.len() + 96);
        head.extend_from_slice(b"HTTP/1.1 ");
        push_number(&mut head, u64::from(self.status));
        head.push(b' ');
        head.extend_from_slice(reason(self.status).as_bytes());
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(common);
        head.extend_from_slice(&self.lines);
        let length = match &self.content {
            Content::None => None,
            Content::Described(length) | Content::Stream { length, .. } => Some(*length),
            Content::Bytes(bytes) => Some(bytes.len() as u64),
        };
        if let Some(length) = length {
            head.extend_from_slice(b"content-length: ");
            push_number(&mut head, length);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head.into()
    }
}

fn push_clean(target: &mut Vec<u8>, bytes: &[u8]) {
    let start = target.len();
    target.extend_from_slice(bytes);
    for byte in &mut target[start..] {
        let is_control = *byte < b' ' && *byte != b'\t' || *byte == 0x7f;
        *byte = if is_control { b' ' } else { *byte };
    }
}

/// Decimal digits of `number`.
fn push_number(target: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut place = digits.len();
    loop {
        place -= 1;
        digits[place] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    target.extend_from_slice(&digits[place..]);
}

/// The reason phrase of a status (RFC 9110 section 15).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        507 => "Insufficient Storage",
        _ => "Other",
    }
}

/// Fills an error template; values are escaped for XML.
pub(crate) fn fill_template(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len() + 128);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let (before, after) = rest.split_at(open);
        text.push_str(before);
        let known = values
            .iter()
            .find_map(|(name, value)| after.get(1..)?.strip_prefix(name)?.strip_prefix('}').map(|rest| (*value, rest)));
        match known {
            Some((value, behind)) => {
                push_escaped(&mut text, value);
                rest = behind;
            }
            None => {
                text.push('{');
                rest = after.get(1..).unwrap_or_default();
            }
        }
    }
    text.push_str(rest);
    text
}

/// Escapes for XML text and attributes; characters that XML 1.0 cannot hold at all become U+FFFD.
fn push_escaped(target: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '&' => target.push_str("&amp;"),
            '<' => target.push_str("&lt;"),
            '>' => target.push_str("&gt;"),
            '"' => target.push_str("&quot;"),
            '\'' => target.push_str("&apos;"),
            '\t' | '\n' => target.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => target.push('\u{fffd}'),
            _ => target.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_once_and_escaped() {
        let values = [("code", "A<B"), ("message", "{code} & 'x'\u{1}")];
        assert_eq!(
            fill_template("<C>{code}</C><M>{message}</M>{other}{", &values),
            "<C>A&lt;B</C><M>{code} &amp; &apos;x&apos;\u{fffd}</M>{other}{"
        );
    }

    #[test]
    fn header_values_cannot_end_their_line() {
        let mut reply = Reply::<()>::new(200).with(Content::Bytes(Bytes::from_static(b"ok")));
        reply.header("x-a", "1\r\nx-b: 2");
        let head = reply.head(b"date: now\r\n");
        assert_eq!(head, "HTTP/1.1 200 OK\r\ndate: now\r\nx-a: 1  x-b: 2\r\ncontent-length: 2\r\n\r\n");
    }
}
