//! Where in a recipe's text a field stands, for messages about it.

use super::TrainError;
use std::path::Path;

/// A name in the text, outside comments and strings.
struct Word<'a> {
    text: &'a str,
    /// Byte at which it begins.
    at: usize,
    /// Brackets of any kind around it.
    depth: usize,
    /// A colon follows: it names a field.
    is_field: bool,
}

/// The error for a file whose fields contradict each other, with the place of the field that `reason` begins with.
pub(super) fn refused(reason: String, text: &str, origin: &Path) -> TrainError {
    match locate(text, path_of(&reason)) {
        Some((line, column)) => TrainError::RecipeSyntax { file: origin.into(), line, column, reason },
        None => TrainError::Recipe(format!("{reason} (in {})", origin.display())),
    }
}

/// Line and column, from 1, of the field that `path` names (`augmentation.crop.size`); of the innermost part of the path
/// that the text has, since what has its default need not be written. `None` where not even the first part is written.
fn locate(text: &str, path: &str) -> Option<(usize, usize)> {
    let words = words(text);
    let mut parts = path.split('.');
    let first = parts.next()?;
    let mut found = words.iter().position(|w| w.depth == 1 && w.is_field && w.text == first)?;
    // The field's value ends where the next field of the recipe begins.
    let end = (found + 1..words.len()).find(|n| words[*n].depth == 1 && words[*n].is_field).unwrap_or(words.len());
    for part in parts {
        match (found + 1..end).find(|n| words[*n].text == part) {
            Some(deeper) => found = deeper,
            None => break,
        }
    }
    let before = text.get(..words[found].at)?;
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
}

/// The path that a message about a recipe begins with: `augmentation.crop.size is 12; …`.
fn path_of(message: &str) -> &str {
    let is_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let end = message.find(|c| !is_path(c)).unwrap_or(message.len());
    message[..end].trim_end_matches('.')
}

fn words(text: &str) -> Vec<Word<'_>> {
    let bytes = text.as_bytes();
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let (mut out, mut at, mut depth) = (Vec::new(), 0, 0usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'/' if bytes.get(at + 1) == Some(&b'/') => at = after(bytes, at, b"\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => at = after_comment(bytes, at),
            b'r' if is_raw_string(bytes, at) => {
                let marks = bytes[at + 1..].iter().take_while(|b| **b == b'#').count();
                let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', marks)).collect();
                at = after(bytes, at + 2 + marks, &close);
            }
            b'"' => at = after_string(bytes, at),
            b'(' | b'[' | b'{' => (depth, at) = (depth + 1, at + 1),
            b')' | b']' | b'}' => (depth, at) = (depth.saturating_sub(1), at + 1),
            b if is_word(*b) => {
                let end = at + bytes[at..].iter().take_while(|b| is_word(**b)).count();
                let next = bytes[end..].iter().find(|b| !b.is_ascii_whitespace());
                out.push(Word { text: &text[at..end], at, depth, is_field: next == Some(&b':') });
                at = end;
            }
            _ => at += 1,
        }
    }
    out
}

/// `r"` or `r#…"`. Names are read whole, so that an r met here begins something.
fn is_raw_string(bytes: &[u8], at: usize) -> bool {
    bytes[at + 1..].iter().find(|b| **b != b'#') == Some(&b'"')
}

/// Behind the next `end` from `at` on, or the end of the text.
fn after(bytes: &[u8], at: usize, end: &[u8]) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.windows(end.len()).position(|w| w == end).map_or(bytes.len(), |n| at + n + end.len())
}

/// Behind a comment that may hold others.
fn after_comment(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut open) = (start, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (open, at) = (open + 1, at + 2),
            Some(b"*/") => (open, at) = (open - 1, at + 2),
            _ => at += 1,
        }
        if open == 0 {
            break;
        }
    }
    at
}

fn after_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r##"// loss: of study 1
(
    name: "size: 3 (", /* size: /* 1 */ 2 */
    description: r#"loss: "none" ("#,
    preprocessing: (size: 64, intensity: Window(low: -1.0, high: 1.0)),
    network: UNet(base_width: 8, depth: 2),
    augmentation: (µ: 1, crop: Some((size: 12, foreground: 0.5))),
    loss: Bce(positive_weight: 2.0),
)"##;

    #[test]
    fn fields_are_found_within_their_own_and_never_in_comments_or_strings() {
        for (path, place) in [
            ("name", Some((3, 5))),
            ("preprocessing.size", Some((5, 21))),
            ("augmentation.crop.size", Some((7, 38))),
            ("network.base_width", Some((6, 19))),
            ("loss.Bce.positive_weight", Some((8, 15))),
            // What is not written is told by what it would stand in.
            ("augmentation.flip_lr", Some((7, 5))),
            ("augmentation.depth", Some((7, 5))),
            ("loss.Bce.by_frequency", Some((8, 11))),
            ("threshold", None),
            ("size", None),
            ("", None),
        ] {
            assert_eq!(locate(TEXT, path), place, "{path}");
        }
    }

    #[test]
    fn broken_text_has_no_place_and_ends() {
        for text in ["", "(", "(a: \"", "(a: r#\"", "/* /*", "(a: '", "\\", "(a: \"\\"] {
            assert_eq!(locate(text, "b"), None, "{text}");
        }
    }

    #[test]
    fn messages_begin_with_their_field() {
        for (message, path) in [
            ("augmentation.crop.size is 12; it", "augmentation.crop.size"),
            ("split: validation and test", "split"),
            ("loss Bce is for one class", "loss"),
            ("data.classes: name", "data.classes"),
            ("", ""),
        ] {
            assert_eq!(path_of(message), path);
        }
    }
}
