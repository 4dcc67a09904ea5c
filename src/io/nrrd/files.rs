//! The data files that a detached header names: plain names in the header's own folder, and nothing else is followed.

use super::HeaderFault;
use std::collections::BTreeSet;

/// Most files that one header may name.
const MAX_FILES: usize = 32_767;

/// Where the data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataFiles {
    /// After the header.
    Attached,
    /// In files beside the header, in this order.
    Beside(Vec<String>),
}

/// Whether the field says that names follow, one a line.
pub fn is_list(value: &str) -> bool {
    value.split_whitespace().next() == Some("LIST")
}

/// From the field `data file` and the lines after it: one name, a list, or a pattern with its first, last and step.
///
/// # Errors
/// [`HeaderFault::Outside`] for a name that is no plain file name, [`HeaderFault::Field`] for a pattern that is none.
pub fn data_files(field: Option<&str>, listed: Vec<String>) -> Result<DataFiles, HeaderFault> {
    let Some(value) = field else { return Ok(DataFiles::Attached) };
    let names = if is_list(value) {
        listed.into_iter().filter(|n| !n.is_empty()).collect()
    } else if let Some(numbered) = pattern(value) {
        numbered?
    } else {
        vec![value.to_owned()]
    };
    // One file named again and again would be read again and again.
    let distinct: BTreeSet<&String> = names.iter().collect();
    if names.is_empty() || names.len() > MAX_FILES || distinct.len() < names.len() {
        return Err(HeaderFault::Field("list of data files"));
    }
    names.into_iter().map(plain).collect::<Result<_, _>>().map(DataFiles::Beside)
}

fn plain(name: String) -> Result<String, HeaderFault> {
    let name = name.strip_prefix("./").map_or(name.clone(), str::to_owned);
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', ':', '\0']) {
        return Err(HeaderFault::Outside);
    }
    Ok(name)
}

/// `slice%03d.raw 1 80 1`, in which an own dimension of the files may follow; `None` when it is a plain name.
fn pattern(value: &str) -> Option<Result<Vec<String>, HeaderFault>> {
    let bad = || HeaderFault::Field("pattern of data files");
    let (before, rest) = value.split_once('%')?;
    let end = rest.find('d')?;
    let (width, after) = (&rest[..end], &rest[end + 1..]);
    if !width.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut parts = after.split_whitespace();
    // The name ends at the first space: what follows are numbers.
    let suffix = if after.starts_with(char::is_whitespace) { "" } else { parts.next().unwrap_or_default() };
    let numbers: Vec<i64> = match parts.map(str::parse).collect() {
        Ok(numbers) => numbers,
        Err(_) => return Some(Err(bad())),
    };
    let &[first, last, step, ..] = numbers.as_slice() else { return Some(Err(bad())) };
    let steps = last.checked_sub(first).zip(step.checked_abs()).filter(|(span, step)| {
        *step > 0
            && span.unsigned_abs() / step.unsigned_abs() < MAX_FILES as u64
            && (*span == 0 || (*span > 0) == (numbers[2] > 0))
    });
    let Some((span, size)) = steps else { return Some(Err(bad())) };
    let (zeros, width) = (width.starts_with('0'), width.parse::<usize>().unwrap_or(0).min(20));
    let name = |n: i64| {
        let number = if zeros { format!("{n:0width$}") } else { format!("{n:width$}") };
        format!("{before}{number}{suffix}")
    };
    Some(Ok((0..=span.abs() / size).map(|n| name(first + n * step)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lists_and_patterns() {
        let beside = |names: &[&str]| Ok(DataFiles::Beside(names.iter().map(|n| (*n).to_owned()).collect()));
        assert_eq!(data_files(None, Vec::new()), Ok(DataFiles::Attached));
        assert_eq!(data_files(Some("./a b.raw"), Vec::new()), beside(&["a b.raw"]));
        assert_eq!(data_files(Some("LIST 2"), vec!["x".into(), "./y".into()]), beside(&["x", "y"]));
        assert_eq!(data_files(Some("s%03d.raw 8 12 2"), Vec::new()), beside(&["s008.raw", "s010.raw", "s012.raw"]));
        assert_eq!(data_files(Some("s%d.raw 3 1 -1 2"), Vec::new()), beside(&["s3.raw", "s2.raw", "s1.raw"]));
        assert_eq!(data_files(Some("50%.raw"), Vec::new()), beside(&["50%.raw"]));
        for outside in ["../a.raw", "/etc/passwd", "a\\b", "..", "c:x"] {
            assert_eq!(data_files(Some(outside), Vec::new()), Err(HeaderFault::Outside), "{outside}");
            assert_eq!(data_files(Some("LIST"), vec![outside.into()]), Err(HeaderFault::Outside), "{outside}");
        }
        for bad in ["s%d.raw", "s%d.raw 1 2", "s%d.raw 1 2 0", "s%d.raw 1 9999999999 1", "s%d.raw 1 5 -1", "LIST"] {
            assert!(matches!(data_files(Some(bad), Vec::new()), Err(HeaderFault::Field(_))), "{bad}");
        }
        let overflow = format!("s%d.raw {} {} 1", i64::MIN, i64::MAX);
        assert!(data_files(Some(&overflow), Vec::new()).is_err());
    }
}
