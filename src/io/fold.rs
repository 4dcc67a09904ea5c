//! One finding for what concerns many files, so that a folder of thousands of broken files stays readable.

use crate::io::types::Finding;
use std::collections::HashMap;

/// So many findings of one kind are told one by one.
const NAMED: usize = 3;

/// A sentence without its numbers: what sentences about many files have in common.
pub fn gist(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('#') {
            out.push('#');
        }
    }
    out
}

/// Joins findings that say the same of more than three files, in the place of the first.
pub fn fold(findings: Vec<Finding>) -> Vec<Finding> {
    let kind = |f: &Finding| {
        let text = match &f.file {
            Some(file) => {
                let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                let text = f.text.replace(&*file.to_string_lossy(), "*");
                if name.is_empty() { text } else { text.replace(&name, "*") }
            }
            None => f.text.clone(),
        };
        (f.severity, f.code, gist(&text))
    };
    let mut counts: HashMap<_, usize> = HashMap::new();
    let kinds: Vec<_> = findings.iter().map(kind).collect();
    for (kind, finding) in kinds.iter().zip(&findings) {
        *counts.entry(kind.clone()).or_default() += usize::from(finding.file.is_some());
    }
    let mut folded = Vec::new();
    for (kind, mut finding) in kinds.into_iter().zip(findings) {
        match counts.get_mut(&kind) {
            // Told with the first.
            Some(0) if finding.file.is_some() => continue,
            Some(count) if *count > NAMED && finding.file.is_some() => {
                let more = *count - 1;
                finding.text = format!("{} ({more} more files are alike).", finding.text.trim_end_matches('.'));
                *count = 0;
            }
            _ => {}
        }
        folded.push(finding);
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::types::Severity;
    use std::path::PathBuf;

    fn refused(n: usize) -> Finding {
        let file = PathBuf::from(format!("/a/IM{n}.dcm"));
        let text = format!("{} was refused: it ends too early: {} bytes should follow.", file.display(), n * 77);
        Finding { severity: Severity::Error, code: "refused", text, file: Some(file) }
    }

    #[test]
    fn thousands_become_one_and_a_few_stay() {
        let other = Finding { severity: Severity::Note, code: "project", text: "x".into(), file: None };
        let mut findings: Vec<Finding> = (1..=5000).map(refused).collect();
        findings.insert(1, other.clone());
        let folded = fold(findings);
        assert_eq!(folded.len(), 2);
        assert_eq!(
            folded[0].text,
            "/a/IM1.dcm was refused: it ends too early: 77 bytes should follow (4999 more files are alike)."
        );
        assert_eq!(folded[1], other);
        let few: Vec<Finding> = (1..=3).map(refused).collect();
        assert_eq!(fold(few.clone()), few);
    }

    #[test]
    fn different_reasons_stay_apart() {
        let mut findings: Vec<Finding> = (1..=8).map(refused).collect();
        for f in &mut findings[4..] {
            f.text = "nested too deep".into();
        }
        assert_eq!(fold(findings).len(), 2);
    }
}
