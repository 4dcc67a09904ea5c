//! File names in the order people expect: `slice2` before `slice10`.

use std::cmp::Ordering;
use std::path::Path;

/// Compares text with runs of digits as numbers; letters without regard to case, then exactly.
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    loop {
        let order = match (x.first(), y.first()) {
            (Some(p), Some(q)) if p.is_ascii_digit() && q.is_ascii_digit() => {
                let (m, n) = (take_number(&mut x), take_number(&mut y));
                m.len().cmp(&n.len()).then_with(|| m.cmp(n))
            }
            (Some(p), Some(q)) => {
                let order = p.to_ascii_lowercase().cmp(&q.to_ascii_lowercase());
                (x, y) = (&x[1..], &y[1..]);
                order
            }
            (None, None) => return a.cmp(b),
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Compares paths by natural order of their whole text.
pub fn natural_path_cmp(a: &Path, b: &Path) -> Ordering {
    natural_cmp(&a.to_string_lossy(), &b.to_string_lossy())
}

/// Takes the leading digits off `text` and gives them back without leading zeros.
fn take_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
    &digits[zeros..]
}

/// The last run of digits in a file's stem, as a number.
pub fn last_number(path: &Path) -> Option<u64> {
    let stem = path.file_stem()?.to_string_lossy().into_owned();
    let end = stem.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = stem[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| {
        // The byte after a character that is no digit; that character may be longer than a byte.
        at + stem[at..].chars().next().map_or(1, char::len_utf8)
    });
    stem[start..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let mut names = ["s10.png", "S2.png", "s1.png", "s02b.png", "a.png", "s2.png"];
        names.sort_by(|a, b| natural_cmp(a, b));
        assert_eq!(names, ["a.png", "s1.png", "S2.png", "s2.png", "s02b.png", "s10.png"]);
        assert_eq!(natural_cmp("99999999999999999999999", "100000000000000000000000"), Ordering::Less);
        assert_eq!(last_number(Path::new("x/liver_GT_007.png")), Some(7));
        assert_eq!(last_number(Path::new("i0002,0000b.dcm")), Some(0));
        assert_eq!(last_number(Path::new("schädel12é")), Some(12));
        assert_eq!(last_number(Path::new("none")), None);
    }
}
