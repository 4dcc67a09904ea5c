//! Wilcoxon's signed-rank test of paired figures ("Individual comparisons by ranking methods", 1945), two-sided.
//!
//! Pairs without a difference are left out, tied differences share their mean rank. With at most 50 pairs and neither
//! ties nor zeros, and always with at most 13 pairs, the distribution is counted exactly; else the normal approximation
//! with the correction for ties is used. `scipy.stats.wilcoxon` decides alike.

use serde::Serialize;

/// Outcome of the test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Wilcoxon {
    /// The smaller sum of ranks.
    pub statistic: f64,
    /// Probability of a difference as large when neither is better.
    pub p: f64,
    /// Pairs that differ.
    pub pairs: usize,
    /// Counted exactly, not approximated.
    pub exact: bool,
}

/// Most pairs for an exact count without ties and zeros, and with them.
const EXACT: usize = 50;
const EXACT_WITH_TIES: usize = 13;

/// Tests whether `differences` lie around 0; `None` when none differs from 0 or one is not a number.
pub fn wilcoxon(differences: &[f64]) -> Option<Wilcoxon> {
    if differences.iter().any(|d| d.is_nan()) {
        return None;
    }
    let mut sorted: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    sorted.sort_by(|x, y| x.abs().total_cmp(&y.abs()));
    let n = sorted.len();
    if n == 0 {
        return None;
    }
    // Ranks doubled, so that shared ones are whole numbers.
    let mut ranks = Vec::with_capacity(n);
    let mut tie_term = 0.0;
    for group in sorted.chunk_by(|x, y| x.abs() == y.abs()) {
        let first = ranks.len() + 1;
        ranks.extend(std::iter::repeat_n(2 * first + group.len() - 1, group.len()));
        let t = group.len() as f64;
        tie_term += t * t * t - t;
    }
    let plus: usize = ranks.iter().zip(&sorted).filter(|(_, d)| **d > 0.0).map(|(r, _)| r).sum();
    let all = n * (n + 1);
    let smaller = plus.min(all - plus);
    let untied = tie_term == 0.0 && n == differences.len();
    let exact = differences.len() <= if untied { EXACT } else { EXACT_WITH_TIES };
    let p = if exact { exact_p(&ranks, smaller) } else { normal_p(n as f64, smaller as f64 / 2.0, tie_term) };
    Some(Wilcoxon { statistic: smaller as f64 / 2.0, p, pairs: n, exact })
}

/// Twice the share of all sign patterns whose sum of positive ranks is at most `smaller`.
fn exact_p(ranks: &[usize], smaller: usize) -> f64 {
    let all: usize = ranks.iter().sum();
    // Probability of each sum, one rank after the other.
    let mut chance = vec![0.0; all + 1];
    chance[0] = 1.0;
    let mut top = 0;
    for &rank in ranks {
        top += rank;
        for sum in (0..=top).rev() {
            let with = if sum >= rank { chance[sum - rank] } else { 0.0 };
            chance[sum] = (chance[sum] + with) / 2.0;
        }
    }
    (2.0 * chance[..=smaller].iter().sum::<f64>()).min(1.0)
}

fn normal_p(n: f64, smaller: f64, tie_term: f64) -> f64 {
    let middle = n * (n + 1.0) / 4.0;
    let spread = ((n * (n + 1.0) * (2.0 * n + 1.0) - tie_term / 2.0) / 24.0).sqrt();
    erfc(((smaller - middle) / spread).abs() / std::f64::consts::SQRT_2)
}

/// Complementary error function for `x >= 0`: its series up to 2.5, the continued fraction beyond (Abramowitz and
/// Stegun, 7.1.6 and 7.1.14).
fn erfc(x: f64) -> f64 {
    let root_pi = std::f64::consts::PI.sqrt();
    if x < 2.5 {
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term > 1e-17 * sum {
            n += 1.0;
            term *= 2.0 * x * x / (2.0 * n + 1.0);
            sum += term;
        }
        return 1.0 - 2.0 / root_pi * (-x * x).exp() * sum;
    }
    let fraction = (1..=80).rev().fold(x, |below, n| x + f64::from(n) / 2.0 / below);
    (-x * x).exp() / root_pi / fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_equal_scipys() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/oracle/wilcoxon.json");
        let oracle: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let cases = oracle["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 13);
        for case in cases {
            let list =
                |key: &str| case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
            let differences: Vec<f64> = list("x").iter().zip(list("y")).map(|(x, y)| x - y).collect();
            let found = wilcoxon(&differences).unwrap();
            let (statistic, p) = (case["statistic"].as_f64().unwrap(), case["p"].as_f64().unwrap());
            assert!((found.statistic - statistic).abs() < 1e-9, "{}: {found:?}", case["name"]);
            assert!((found.p - p).abs() < 1e-9 * p.max(1e-3), "{}: {found:?} instead of {p}", case["name"]);
        }
    }

    #[test]
    fn nothing_to_test_has_no_outcome_and_infinite_differences_rank_last() {
        assert_eq!(wilcoxon(&[]), None);
        assert_eq!(wilcoxon(&[0.0, 0.0]), None);
        assert_eq!(wilcoxon(&[1.0, f64::NAN]), None);
        let far = wilcoxon(&[0.1, f64::INFINITY, 0.3, 0.2]).unwrap();
        assert_eq!((far.statistic, far.p), (0.0, 0.125));
    }

    #[test]
    fn the_tail_of_the_normal_distribution() {
        for (x, want) in
            [(0.0, 1.0), (0.5, 0.4795001221869535), (1.5, 0.033894853524689274), (3.0, 2.209049699858544e-5)]
        {
            assert!((erfc(x) - want).abs() < 1e-13 * f64::max(want, 1e-3), "{x}");
        }
    }
}
