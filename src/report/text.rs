//! Numbers and names as text.

use crate::metrics::Agreement;

/// Text that is safe between tags and inside quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A figure for people: `undefined`, `∞`, or `digits` decimals.
pub(super) fn figure(value: Option<f64>, digits: usize) -> String {
    match value {
        None => "undefined".into(),
        Some(v) if v.is_infinite() => "∞".into(),
        Some(v) => format!("{v:.digits$}"),
    }
}

/// A figure for programs: empty, `inf`, or every digit.
pub(super) fn field(value: Option<f64>) -> String {
    value.map_or(String::new(), |v| v.to_string())
}

/// How many cases a comparison of runs passed over.
pub fn outside(cases: usize) -> String {
    let (number, lies) = if cases == 1 { ("1 case".to_owned(), "lies") } else { (format!("{cases} cases"), "lie") };
    format!("{number} {lies} outside the test part of a judged run, which may have learned from them: not compared.")
}

/// Who has the structure, in words.
pub(super) fn agreement(value: Agreement) -> &'static str {
    match value {
        Agreement::Both => "in both",
        Agreement::MissedByB => "missed: only in A",
        Agreement::OnlyInB => "false: only in B",
        Agreement::Neither => "in neither",
    }
}

/// The word for files.
pub(super) fn agreement_key(value: Agreement) -> &'static str {
    match value {
        Agreement::Both => "both",
        Agreement::MissedByB => "missed_by_b",
        Agreement::OnlyInB => "only_in_b",
        Agreement::Neither => "neither",
    }
}
