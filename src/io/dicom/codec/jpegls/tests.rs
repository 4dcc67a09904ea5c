//! Tests of the JPEG-LS decoder: against the encoder beside it, and against damage.

use super::coding::{Coding, Preset};
use super::encoder::{Options, encode};
use super::*;

/// Numbers that look random and are the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// Noise, slopes, steps, rare dots, or one value.
fn image(dice: &mut Dice, [rows, columns]: [usize; 2], most: usize) -> Vec<u16> {
    let kind = dice.below(5);
    let (value, across, down) = (dice.below(most + 1), dice.below(9), dice.below(9));
    (0..rows * columns)
        .map(|n| {
            let (y, x) = (n / columns, n % columns);
            let sample = match kind {
                0 => dice.below(most + 1),
                1 => (value + x * across + y * down + dice.below(3)) % (most + 1),
                2 => (value + x / 8 * 37 + y / 8 * 11) % (most + 1),
                3 => {
                    if dice.below(40) == 0 {
                        most
                    } else {
                        0
                    }
                }
                _ => value,
            };
            sample as u16
        })
        .collect()
}

#[test]
fn what_was_encoded_comes_back_within_near() {
    let mut dice = Dice(1);
    for round in 0..400 {
        let bits = 2 + dice.below(15) as u16;
        let most = (1usize << bits) - 1;
        let size = [[1, 1], [1, 19], [23, 1], [2, 2], [9, 70], [31, 33]][dice.below(6)];
        let near = dice.below(6).min(most / 2) as u8;
        let restart_lines = [0, 0, 1, 3][dice.below(4)];
        let pixels = image(&mut dice, size, most);
        let options = Options { bits, near, preset: [0; 5], restart_lines };
        let (stream, expected) = encode(&pixels, size, options);
        let decoded =
            decode(&stream, size[0], size[1]).unwrap_or_else(|e| panic!("{round}: {options:?} {size:?}: {e}"));
        assert!(decoded.samples == expected, "{round}: {options:?} {size:?}");
        assert_eq!((decoded.bits, decoded.signed), (bits, false));
        let worst = pixels.iter().zip(&decoded.samples).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(u16::from(near)), "{round}: {options:?} {size:?} is off by {worst:?}");
    }
}

#[test]
fn preset_parameters_are_obeyed() {
    let mut dice = Dice(2);
    for preset in [[0, 5, 11, 40, 31], [200, 0, 0, 0, 0], [0, 0, 0, 0, 3], [255, 4, 4, 255, 255], [99, 1, 1, 1, 64]] {
        let most = if preset[0] == 0 { 255 } else { usize::from(preset[0]) };
        for near in [0, 2] {
            if preset[1] == 1 && near > 0 {
                continue;
            }
            let pixels = image(&mut dice, [40, 40], most);
            let (stream, expected) = encode(&pixels, [40, 40], Options { bits: 8, near, preset, restart_lines: 0 });
            assert_eq!(decode(&stream, 40, 40).unwrap().samples, expected, "{preset:?} {near}");
        }
    }
}

#[test]
fn default_parameters_are_those_of_the_standard() {
    let of = |bits, near| {
        let c = Coding::new(bits, near, &Preset::default()).unwrap();
        (c.maxval, [c.t1, c.t2, c.t3], c.range, c.qbpp, c.limit)
    };
    // Table C.3 for 8 bits; the others by hand from C.2.4.1.1.1.
    assert_eq!(of(8, 0), (255, [3, 7, 21], 256, 8, 32));
    assert_eq!(of(8, 2), (255, [9, 17, 35], 52, 6, 32));
    assert_eq!(of(10, 0), (1023, [6, 19, 72], 1024, 10, 40));
    assert_eq!(of(12, 0), (4095, [18, 67, 276], 4096, 12, 48));
    assert_eq!(of(16, 0), (65535, [18, 67, 276], 65536, 16, 64));
    assert_eq!(of(2, 0), (3, [2, 3, 3], 4, 2, 20));
    assert_eq!(of(2, 1), (3, [3, 3, 3], 2, 1, 20));
}

/// An image and its stream, to be broken.
fn sound() -> Vec<u8> {
    let pixels = image(&mut Dice(5), [12, 12], 4095);
    encode(&pixels, [12, 12], Options { bits: 12, near: 0, preset: [4095, 18, 67, 276, 64], restart_lines: 5 }).0
}

#[test]
fn what_cannot_be_decoded_is_named() {
    let at = |stream: &[u8], marker: u8| stream.windows(2).position(|w| w == [0xFF, marker]).unwrap();
    let changed = |marker: u8, offset: usize, value: u8| {
        let mut stream = sound();
        let at = at(&stream, marker) + offset;
        stream[at] = value;
        decode(&stream, 12, 12).unwrap_err()
    };
    assert!(decode(&sound(), 12, 12).is_ok());
    assert_eq!(changed(marker::LSE, 4, 2), StreamError::Unsupported("a JPEG-LS mapping table"));
    assert_eq!(changed(marker::LSE, 4, 9), StreamError::Unsupported("an extension of JPEG-LS"));
    assert_eq!(changed(marker::SOS, 6, 1), StreamError::Unsupported("a JPEG-LS mapping table"));
    assert_eq!(changed(marker::SOS, 9, 2), StreamError::Unsupported("a JPEG-LS point transform"));
    assert_eq!(changed(marker::SOF_LS, 9, 3), StreamError::Components(3));
    assert_eq!(changed(marker::SOF_LS, 4, 17), StreamError::Bits(17));
    assert_eq!(changed(marker::SOF_LS, 8, 13), StreamError::Size { found: [13, 12], header: [12, 12] });
    assert_eq!(changed(marker::SOF_LS, 4, 8), StreamError::Damaged("parameters out of bounds"));
    assert_eq!(changed(marker::SOS, 7, 255), StreamError::Damaged("parameters out of bounds"));
    assert_eq!(changed(0xD0, 1, 0xD3), StreamError::Damaged("a restart marker is missing"));
}

#[test]
fn a_stream_that_ends_early_is_refused() {
    let stream = sound();
    let body = stream.windows(2).position(|w| w == [0xFF, marker::SOS]).unwrap() + 10;
    for end in 0..stream.len() - 2 {
        assert!(decode(&stream[..end], 12, 12).is_err(), "{end} of {}", stream.len());
    }
    for end in body..stream.len() - 3 {
        let cut = [&stream[..end], &[0xFF, 0xD9]].concat();
        assert!(decode(&cut, 12, 12).is_err(), "{end} of {}", stream.len());
    }
}
