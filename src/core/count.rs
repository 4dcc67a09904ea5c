//! Numbers of things as sentences say them. For every floor that tells a user something.

/// `1 slice` or `2 slices`, for nouns whose plural takes an s.
pub fn count_of(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// `1 slice lies` or `2 slices lie`: as [`count_of`], with the verb that agrees.
pub fn count_with(count: usize, noun: &str, one: &str, many: &str) -> String {
    format!("{} {}", count_of(count, noun), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_none_is_not() {
        assert_eq!([0, 1, 12].map(|n| count_of(n, "slice")), ["0 slices", "1 slice", "12 slices"]);
    }

    #[test]
    fn the_verb_agrees() {
        let texts = [0, 1, 12].map(|n| count_with(n, "slice", "lies", "lie"));
        assert_eq!(texts, ["0 slices lie", "1 slice lies", "12 slices lie"]);
    }
}
