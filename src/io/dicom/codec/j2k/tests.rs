//! Codestreams of another encoder in every style, against the image they were made from; and damage.

use super::*;
use proptest::prelude::*;

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/codestreams/", $name))
    };
}

/// The image of all samples, 12 bits (see the note beside them).
fn pixels() -> Vec<i32> {
    (0..480).map(|n| (n % 24, n / 24)).map(|(x, y)| 1000 + 60 * x + 35 * y + (x * 7 + y * 13) % 11 * 3).collect()
}

/// Blocks whose passes end, begin anew or are stored as they are; tiles, precincts, markers and an image that does not
/// begin at the corner; layers by position. The last two: signed samples of 16 bits, and fractions.
const SAMPLES: [&[u8]; 5] = [
    sample!("styles-12.j2k"),
    sample!("tiles-12.j2k"),
    sample!("layers-12.j2k"),
    sample!("lossless-16-signed.j2k"),
    sample!("lossy-tiles-12.j2k"),
];

#[test]
fn every_style_comes_back_exactly() {
    for (n, sample) in SAMPLES.iter().enumerate().take(4) {
        let wanted = pixels().into_iter().map(|v| if n == 3 { 20 * v - 32768 } else { v });
        assert_eq!(decode(sample), Ok(Some(wanted.collect())), "{n}");
    }
    let reference = sample!("lossy-tiles-12.j2k.raw");
    let reference = reference.as_chunks().0.iter().map(|pair| i32::from(u16::from_le_bytes(*pair)));
    assert_eq!(decode(SAMPLES[4]), Ok(Some(reference.collect())));
}

#[test]
fn what_is_not_decoded_here_is_left_to_others() {
    for other in [&sample!("causal-12.j2k")[..], sample!("lossless-12.jhc")] {
        assert_eq!(decode(other), Ok(None));
    }
    for sample in SAMPLES {
        // The end marker says nothing; everything before it is needed.
        for end in 0..sample.len() - 2 {
            assert!(!matches!(decode(&sample[..end]), Ok(Some(_))), "{end}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn damage_never_panics(which in 0usize..5, changes in prop::collection::vec((0usize..900, any::<u8>()), 1..6)) {
        let mut bytes = SAMPLES[which].to_vec();
        for (at, value) in changes {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        // The size of the image is compared with the header before this is asked.
        let size: Vec<u8> = SAMPLES[which][8..40].to_vec();
        bytes[8..40].copy_from_slice(&size);
        let _ = decode(&bytes);
    }
}
