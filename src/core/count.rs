//! Numbers of things as sentences say them. For every floor that tells a user something.

/// `1 slice` or `2 slices`, for nouns whose plural takes an s.
pub fn count_of(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_none_is_not() {
        assert_eq!([0, 1, 12].map(|n| count_of(n, "slice")), ["0 slices", "1 slice", "12 slices"]);
    }
}
