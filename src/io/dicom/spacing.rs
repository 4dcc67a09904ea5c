//! Where slices lie along the normal: duplicates, even spacing, gaps. Private to `io::dicom`. Pure arithmetic.

use std::ops::Range;

/// Slices closer than this lie at one position.
pub(super) const SAME_POSITION_MM: f64 = 0.01;
/// More parts than this are no series any more.
pub(super) const MAX_PARTS: usize = 8;

/// More runs than this are not compared with each other: there is no regular stack in them.
const MAX_RUNS: usize = 1000;

/// Whether `gap` equals `spacing` within 1 % or 0.01 mm, whichever is more.
pub(super) fn matches(gap: f64, spacing: f64) -> bool {
    (gap - spacing).abs() <= (0.01 * spacing).max(0.01)
}

/// Middle value; 0 when there is none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Gaps between neighbours of ascending positions.
pub(super) fn gaps(positions: &[f64]) -> Vec<f64> {
    positions.windows(2).map(|w| w[1] - w[0]).collect()
}

/// Parts of even spacing that cover ascending positions; one part when all is even. Parts of one slice are strays.
pub(super) fn even_runs(positions: &[f64]) -> Vec<Range<usize>> {
    let gaps = gaps(positions);
    let usual = median(&gaps);
    if gaps.iter().all(|g| matches(*g, usual)) {
        return std::iter::once(0..positions.len()).collect();
    }
    let mut runs = Vec::new();
    let mut start = 0;
    while start < positions.len() {
        let mut end = start + 1;
        while end < positions.len() && matches(gaps[end - 1], gaps[start]) {
            end += 1;
        }
        // A slice before a gap must not take the first slice of the next even part with it.
        if end == start + 2
            && let [next, after] = gaps[end - 1..(end + 1).min(gaps.len())]
            && matches(after, next)
        {
            end = start + 1;
        }
        runs.push(start..end);
        start = end;
    }
    runs
}

/// The parts that are evidence of a regular stack: three slices or more, or two whose distance another part has too
/// (any two slices are evenly spaced).
pub(super) fn trusted_runs(positions: &[f64]) -> Vec<Range<usize>> {
    let gaps = gaps(positions);
    let runs: Vec<Range<usize>> = even_runs(positions).into_iter().filter(|r| r.len() > 1).collect();
    if runs.len() > MAX_RUNS {
        return Vec::new();
    }
    let confirmed = |n: usize, run: &Range<usize>| {
        let others = runs.iter().enumerate().filter(|(m, _)| *m != n);
        run.len() > 2 || others.into_iter().any(|(_, other)| matches(gaps[run.start], gaps[other.start]))
    };
    runs.iter().enumerate().filter(|(n, run)| confirmed(*n, run)).map(|(_, run)| run.clone()).collect()
}

/// Number of slices missing at each gap, when every gap is a whole multiple of the usual one; else `None`. A part that
/// goes on at a multiple was acquired so, and misses nothing.
pub(super) fn missing(positions: &[f64]) -> Option<usize> {
    let gaps = gaps(positions);
    let usual = median(&gaps);
    let goes_on = |w: &[f64]| w.iter().all(|gap| matches(*gap, w[0]) && !matches(*gap, usual));
    if usual <= 0.0 || gaps.windows(3).any(goes_on) {
        return None;
    }
    let mut count = 0;
    for gap in gaps {
        let times = (gap / usual).round();
        // Beyond any body the count would say nothing (and could overflow).
        if !(1.0..1e4).contains(&times) || (gap - times * usual).abs() > (0.02 * usual).max(0.02) {
            return None;
        }
        count += times as usize - 1;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn even_within_a_percent_is_one_part() {
        for positions in [&[0.0, 3.27, 6.55, 9.81][..], &[5.0], &[]] {
            let whole = 0..positions.len();
            assert_eq!(even_runs(positions), std::slice::from_ref(&whole));
        }
    }

    #[test]
    fn gaps_and_changes_of_spacing_split() {
        assert_eq!(even_runs(&[0.0, 5.0, 10.0, 20.0, 25.0]), [0..3, 3..5]);
        assert_eq!(even_runs(&[0.0, 10.0, 15.0, 20.0]), [0..1, 1..4]);
        assert_eq!(even_runs(&[0.0, 5.0, 10.0, 12.5, 15.0, 17.5]), [0..3, 3..6]);
        assert_eq!(trusted_runs(&[0.0, 5.0, 15.0, 20.0]), [0..2, 2..4]);
        assert!(trusted_runs(&[0.0, 1.0, 3.7, 5.1, 9.0]).is_empty());
        assert_eq!(missing(&[0.0, 5.0, 10.0, 20.0, 25.0, 45.0]), Some(4));
        assert_eq!(missing(&[0.0, 5.0, 10.0, 12.5]), None);
        assert_eq!(missing(&[0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0]), None);
        assert_eq!(missing(&[0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 45.0]), Some(2));
        assert_eq!(missing(&[-1e300, 0.0, 1.0, 2.0, 3.0, 1e300]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn runs_cover_all_and_are_even(steps in prop::collection::vec(prop::sample::select(vec![1.0f64, 2.5, 5.0]), 0..30)) {
            let positions: Vec<f64> = std::iter::once(0.0).chain(steps.iter().scan(0.0, |at, s| { *at += s; Some(*at) })).collect();
            let runs = even_runs(&positions);
            prop_assert_eq!(runs.iter().flat_map(Clone::clone).collect::<Vec<_>>(), (0..positions.len()).collect::<Vec<_>>());
            for run in runs {
                let gaps = gaps(&positions[run]);
                prop_assert!(gaps.iter().all(|g| (g - gaps[0]).abs() < 1e-9));
            }
        }
    }
}
