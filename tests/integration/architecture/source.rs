//! A Rust file reduced to what the rules look at: code without comments and literals, and which parts are tests.

use std::ops::Range;

/// One file under the package root.
pub struct Source {
    /// Relative to the package root, with forward slashes.
    pub path: String,
    pub text: String,
    /// `text` with comments, strings and characters blanked; same length, same lines.
    pub code: Vec<u8>,
    /// Parts compiled for tests only.
    tests: Vec<Range<usize>>,
    /// Bodies of `mod name { .. }`.
    inline_modules: Vec<Range<usize>>,
    /// Names of modules declared as `#[cfg(test)] mod name;`.
    pub test_files: Vec<String>,
}

/// An identifier and where it starts.
#[derive(Clone, Copy)]
pub struct Word<'a> {
    pub at: usize,
    pub text: &'a str,
}

impl Source {
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text: String = text.into();
        let code = blank(text.as_bytes());
        let mut source =
            Self { path: path.into(), text, code, tests: vec![], inline_modules: vec![], test_files: vec![] };
        source.find_inline_modules();
        source.find_tests();
        source
    }

    /// Line number of a byte, from 1.
    pub fn line(&self, at: usize) -> usize {
        1 + self.code[..at].iter().filter(|&&b| b == b'\n').count()
    }

    /// Whether a byte belongs to code that only tests compile.
    pub fn is_test(&self, at: usize) -> bool {
        self.tests.iter().any(|t| t.contains(&at))
    }

    /// How many `mod name { .. }` surround a byte.
    pub fn inline_depth(&self, at: usize) -> usize {
        self.inline_modules.iter().filter(|m| m.contains(&at)).count()
    }

    /// All identifiers and keywords, in order.
    pub fn words(&self) -> Vec<Word<'_>> {
        let mut words = Vec::new();
        let mut at = 0;
        while at < self.code.len() {
            let end = at + self.code[at..].iter().take_while(|&&b| is_word(b)).count();
            if end > at {
                // Blanked code is ASCII, so the conversion holds.
                words.push(Word { at, text: std::str::from_utf8(&self.code[at..end]).unwrap() });
                at = end;
            } else {
                at += 1;
            }
        }
        words
    }

    /// Whether `what` follows at `at` after white space; gives the place behind it.
    pub fn follows(&self, at: usize, what: &str) -> Option<usize> {
        let start = self.skip_space(at);
        self.code[start..].starts_with(what.as_bytes()).then(|| start + what.len())
    }

    /// Whether `what` stands before `at`, white space aside.
    pub fn precedes(&self, at: usize, what: &str) -> bool {
        self.code[..at].trim_ascii_end().ends_with(what.as_bytes())
    }

    pub fn skip_space(&self, at: usize) -> usize {
        at + self.code[at..].iter().take_while(|b| b.is_ascii_whitespace()).count()
    }

    /// Behind the bracket that closes the one at `open`.
    pub fn close(&self, open: usize) -> usize {
        let mut depth = 0i32;
        for (offset, b) in self.code[open..].iter().enumerate() {
            match b {
                b'{' | b'[' | b'(' => depth += 1,
                b'}' | b']' | b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return open + offset + 1;
            }
        }
        self.code.len()
    }

    fn find_inline_modules(&mut self) {
        let found: Vec<_> = self
            .words()
            .windows(2)
            .filter(|w| w[0].text == "mod")
            .filter_map(|w| self.follows(w[1].at + w[1].text.len(), "{"))
            .map(|behind| behind - 1..self.close(behind - 1))
            .collect();
        self.inline_modules = found;
    }

    fn find_tests(&mut self) {
        if self.text.lines().any(|l| l.trim() == "#![cfg(test)]") {
            self.tests.push(0..self.code.len() + 1);
            return;
        }
        let mut from = 0;
        while let Some(attribute) = find(&self.code, b"#[cfg(", from) {
            let mut at = self.close(attribute + 1);
            let condition = String::from_utf8_lossy(&self.code[attribute..at]).into_owned();
            from = at;
            let names_test = condition.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "test");
            if !names_test || condition.contains("not(test") {
                continue;
            }
            while let Some(next) = self.follows(at, "#[") {
                at = self.close(next - 1);
            }
            let item = self.skip_space(at);
            let length = self.code[item..].iter().take_while(|b| !b"{;".contains(b)).count();
            let end = item + length;
            let header = String::from_utf8_lossy(&self.code[item..end]).into_owned();
            if self.code.get(end) == Some(&b'{') {
                from = self.close(end);
            } else if let Some(name) = header.rsplit_once("mod ").map(|(_, name)| name.trim()) {
                self.test_files.push(name.to_owned());
                from = end;
            }
            self.tests.push(attribute..from.max(end));
        }
    }
}

pub fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn find(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    haystack[from..].windows(needle.len()).position(|w| w == needle).map(|p| from + p)
}

/// Replaces comments, strings, characters and everything that is not ASCII by spaces; keeps line ends.
fn blank(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let end = literal_end(text, at);
        if end > at {
            out.extend(text[at..end].iter().map(|&b| if b == b'\n' { b } else { b' ' }));
            at = end;
        } else {
            out.push(if text[at].is_ascii() { text[at] } else { b' ' });
            at += 1;
        }
    }
    out
}

/// Where the comment or literal that starts at `at` ends; `at` when none starts there.
fn literal_end(text: &[u8], at: usize) -> usize {
    let rest = &text[at..];
    let to_end = |length: Option<usize>| length.map_or(text.len(), |n| at + n);
    if rest.starts_with(b"//") {
        return to_end(rest.iter().position(|&b| b == b'\n'));
    }
    if rest.starts_with(b"/*") {
        let mut depth = 0;
        let mut i = 0;
        while i < rest.len() {
            match rest.get(i..i + 2) {
                Some(b"/*") => (depth, i) = (depth + 1, i + 2),
                Some(b"*/") => (depth, i) = (depth - 1, i + 2),
                _ => i += 1,
            }
            if depth == 0 {
                return at + i;
            }
        }
        return text.len();
    }
    if rest[0] == b'"' {
        return at + 1 + quoted(&rest[1..], b'"');
    }
    if rest[0] == b'\'' {
        // A lifetime has no closing quote right behind its first letter.
        let is_char = rest.get(1) == Some(&b'\\') || rest.get(1 + first_len(&rest[1..])) == Some(&b'\'');
        return if is_char { at + 1 + quoted(&rest[1..], b'\'') } else { at };
    }
    if rest[0] == b'r' {
        let before = &text[..at];
        let prefix = before.strip_suffix(b"b").or(before.strip_suffix(b"c")).unwrap_or(before);
        let hashes = rest[1..].iter().take_while(|&&b| b == b'#').count();
        if !prefix.last().is_some_and(|&b| is_word(b)) && rest.get(1 + hashes) == Some(&b'"') {
            let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            let body = 2 + hashes;
            return find(rest, &close, body).map_or(text.len(), |p| at + p + close.len());
        }
    }
    at
}

/// Bytes of the first character.
fn first_len(text: &[u8]) -> usize {
    match text.first() {
        Some(0xf0..) => 4,
        Some(0xe0..) => 3,
        Some(0xc0..) => 2,
        _ => 1,
    }
}

/// Length of a quoted body with its closing quote.
fn quoted(body: &[u8], quote: u8) -> usize {
    let mut i = 0;
    while i < body.len() {
        match body[i] {
            b'\\' => i += 2,
            b if b == quote => return i + 1,
            _ => i += 1,
        }
    }
    body.len()
}
