//! Tests of the JPEG decoder with images that a small encoder of lossless and baseline scans makes, and with damage.

use super::*;
use std::f64::consts::PI;

/// Bits with 00 stuffed after FF, filled up with ones.
#[derive(Default)]
struct Writer {
    out: Vec<u8>,
    byte: u8,
    used: u32,
}

impl Writer {
    fn bits(&mut self, value: u32, count: u32) {
        for n in (0..count).rev() {
            self.byte = self.byte << 1 | (value >> n & 1) as u8;
            self.used += 1;
            if self.used == 8 {
                self.out.push(self.byte);
                if self.byte == 0xFF {
                    self.out.push(0);
                }
                (self.byte, self.used) = (0, 0);
            }
        }
    }

    fn flush(&mut self) {
        while self.used > 0 {
            self.bits(1, 1);
        }
    }
}

/// A Huffman table as DHT holds it, and the codes: by symbol, code and length.
struct Codes {
    counts: [u8; 16],
    symbols: Vec<u8>,
}

impl Codes {
    /// The k-th symbol has k + 1 bits, up to 16: codes of all lengths.
    fn uneven(symbols: impl IntoIterator<Item = u8>) -> Self {
        let symbols: Vec<u8> = symbols.into_iter().collect();
        let mut counts = [1; 16];
        counts[15] = symbols.len() as u8 - 15;
        Self { counts, symbols }
    }

    /// Eight bits each.
    fn even(symbols: impl IntoIterator<Item = u8>) -> Self {
        let symbols: Vec<u8> = symbols.into_iter().collect();
        let mut counts = [0; 16];
        counts[7] = symbols.len() as u8;
        Self { counts, symbols }
    }

    fn write(&self, symbol: u8, writer: &mut Writer) {
        let place = self.symbols.iter().position(|s| *s == symbol).unwrap();
        let (mut code, mut first) = (0, 0);
        for (length, &count) in (1..).zip(&self.counts) {
            let count = usize::from(count);
            if place < first + count {
                return writer.bits(code + (place - first) as u32, length);
            }
            code = (code + count as u32) << 1;
            first += count;
        }
    }

    fn segment(&self, head: u8) -> Vec<u8> {
        let length = (19 + self.symbols.len() as u16).to_be_bytes();
        [&[0xFF, marker::DHT], &length[..], &[head], &self.counts, &self.symbols].concat()
    }
}

fn head(kind: u8, bits: u16, [rows, columns]: [usize; 2]) -> Vec<u8> {
    let [r, c] = [rows as u16, columns as u16].map(u16::to_be_bytes);
    [&[0xFF, 0xD8, 0xFF, kind, 0, 11, bits as u8], &r[..], &c, &[1, 1, 0x11, 0]].concat()
}

/// Category and bits of a difference (T.81 tables F.1 and H.2).
fn category(value: i32) -> (u8, u32) {
    let size = (32 - value.unsigned_abs().leading_zeros()) as u8;
    (size, if value < 0 { (value - 1) as u32 } else { value as u32 })
}

fn lossless(image: &[u16], size: [usize; 2], bits: u16, predictor: u8, shift: u16, restart_lines: usize) -> Vec<u8> {
    let columns = size[1];
    let codes = Codes::uneven([5, 0, 1, 3, 2, 4, 16, 6, 7, 15, 8, 14, 9, 13, 10, 12, 11]);
    let mut out = [head(marker::SOF_LOSSLESS, bits, size), codes.segment(0)].concat();
    if restart_lines > 0 {
        out.extend([0xFF, marker::DRI, 0, 4]);
        out.extend(((restart_lines * columns) as u16).to_be_bytes());
    }
    out.extend([0xFF, marker::SOS, 0, 8, 1, 1, 0, predictor, 0, shift as u8]);
    let mut writer = Writer { out, ..Writer::default() };
    let at = |x: usize, y: usize| i32::from(image[y * columns + x] >> shift);
    for (y, x) in (0..size[0]).flat_map(|y| (0..columns).map(move |x| (y, x))) {
        let begins = y == 0 || (restart_lines > 0 && y % restart_lines == 0);
        if begins && x == 0 && y > 0 {
            writer.flush();
            writer.out.extend([0xFF, 0xD0 + ((y / restart_lines - 1) % 8) as u8]);
        }
        let predicted = match (begins, x) {
            (true, 0) => 1 << (bits - shift - 1),
            (true, _) => at(x - 1, y),
            (false, 0) => at(x, y - 1),
            (false, _) => {
                let (a, b, c) = (at(x - 1, y), at(x, y - 1), at(x - 1, y - 1));
                match predictor {
                    1 => a,
                    2 => b,
                    3 => c,
                    4 => a + b - c,
                    5 => a + ((b - c) >> 1),
                    6 => b + ((a - c) >> 1),
                    _ => (a + b) >> 1,
                }
            }
        };
        let difference = at(x, y).wrapping_sub(predicted) as i16;
        if difference == i16::MIN {
            codes.write(16, &mut writer);
        } else {
            let (size, tail) = category(i32::from(difference));
            codes.write(size, &mut writer);
            writer.bits(tail & ((1 << size) - 1), u32::from(size));
        }
    }
    writer.flush();
    writer.out.extend([0xFF, marker::EOI]);
    writer.out
}

/// A baseline or extended image of steps of 1, so that only rounding is lost.
fn cosines(image: &[u16], size: [usize; 2], bits: u16, restart_blocks: usize) -> Vec<u8> {
    let (dc, ac) = (Codes::even(0..16), Codes::even((0..=0xFA).filter(|s| s & 15 > 0 || matches!(s, 0 | 0xF0))));
    let mut out = [head(marker::SOF_EXTENDED, bits, size), dc.segment(0), ac.segment(0x11)].concat();
    out.extend([&[0xFF, marker::DQT, 0, 67, 0][..], &[1; 64]].concat());
    if restart_blocks > 0 {
        out.extend([0xFF, marker::DRI, 0, 4, 0, restart_blocks as u8]);
    }
    out.extend([0xFF, marker::SOS, 0, 8, 1, 1, 1, 0, 63, 0]);
    let mut writer = Writer { out, ..Writer::default() };
    let blocks = (0..size[0]).step_by(8).flat_map(|y| (0..size[1]).step_by(8).map(move |x| (y, x)));
    let mut last = 0;
    for (n, (top, left)) in blocks.enumerate() {
        if restart_blocks > 0 && n > 0 && n % restart_blocks == 0 {
            writer.flush();
            writer.out.extend([0xFF, 0xD0 + ((n / restart_blocks - 1) % 8) as u8]);
            last = 0;
        }
        let sample = |x: usize, y: usize| {
            let (x, y) = ((left + x).min(size[1] - 1), (top + y).min(size[0] - 1));
            f64::from(image[y * size[1] + x]) - f64::from(1 << (bits - 1))
        };
        let wave = |place: usize, k: usize| ((2 * place + 1) as f64 * k as f64 * PI / 16.0).cos();
        let scale = |k: usize| if k == 0 { 0.5f64.sqrt() } else { 1.0 };
        let coefficient = |u: usize, v: usize| {
            let pairs = (0..8).flat_map(|y| (0..8).map(move |x| (x, y)));
            let sum: f64 = pairs.map(|(x, y)| sample(x, y) * wave(x, u) * wave(y, v)).sum();
            (scale(u) * scale(v) / 4.0 * sum).round() as i32
        };
        let mut zeros = 0;
        for (n, place) in dct::ZIGZAG.iter().enumerate() {
            let value = coefficient(usize::from(place % 8), usize::from(place / 8));
            let (coded, codes) = if n == 0 { (value - last, &dc) } else { (value, &ac) };
            if n == 0 {
                last = value;
            } else if value == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 {
                ac.write(0xF0, &mut writer);
                zeros -= 16;
            }
            let (size, tail) = category(coded);
            codes.write((zeros << 4) as u8 | size, &mut writer);
            writer.bits(tail & ((1 << size) - 1), u32::from(size));
            zeros = 0;
        }
        if zeros > 0 {
            ac.write(0, &mut writer);
        }
    }
    writer.flush();
    writer.out.extend([0xFF, marker::EOI]);
    writer.out
}

fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |n| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    }
}

#[test]
fn lossless_images_come_back_with_every_predictor() {
    let mut below = dice(3);
    for round in 0..300 {
        let bits = 2 + below(15) as u16;
        let size = [[1, 1], [1, 9], [8, 1], [7, 13], [30, 21]][below(5)];
        let shift = if below(3) == 0 { below(usize::from(bits)) as u16 } else { 0 };
        let (predictor, restart_lines) = (1 + below(7) as u8, [0, 0, 1, 2][below(4)]);
        // Noise over all values, so that differences of 16 bits come up, or slopes.
        let noise = if below(2) == 0 { 1usize << bits } else { 4 };
        let image: Vec<u16> = (0..size[0] * size[1]).map(|n| ((n + below(noise)) & ((1 << bits) - 1)) as u16).collect();
        let stream = lossless(&image, size, bits, predictor, shift, restart_lines);
        let expected: Vec<u16> = image.iter().map(|v| v >> shift << shift).collect();
        let case =
            format!("{round}: {bits} bits, predictor {predictor}, shift {shift}, restart {restart_lines}, {size:?}");
        let decoded = decode(&stream, size[0], size[1]).unwrap_or_else(|e| panic!("{case}: {e}"));
        assert!(decoded.samples == expected && decoded.bits == bits, "{case}");
    }
}

#[test]
fn cosine_images_come_back_but_for_rounding() {
    let mut below = dice(4);
    for round in 0..40 {
        let bits = [8, 12][round % 2];
        let size = [[8, 8], [1, 1], [9, 23], [40, 17]][below(4)];
        let noise = [1, 9, 1 << bits][below(3)];
        let top = 1usize << bits;
        let image: Vec<u16> =
            (0..size[0] * size[1]).map(|n| ((n % size[1] * 5 + n / size[1] * 3 + below(noise)) % top) as u16).collect();
        let stream = cosines(&image, size, bits, [0, 1, 3][below(3)]);
        let decoded = decode(&stream, size[0], size[1]).unwrap_or_else(|e| panic!("{round}: {size:?}: {e}"));
        let worst = image.iter().zip(&decoded.samples).map(|(a, b)| a.abs_diff(*b)).max();
        // Coefficients are rounded to whole numbers: half of one in each of 64.
        assert!(worst <= Some(2), "{round}: {size:?}: {worst:?}");
    }
}

#[test]
fn damage_and_what_is_not_defined_is_named() {
    let image: Vec<u16> = (0..64).map(|v| v * 60).collect();
    let stream = lossless(&image, [8, 8], 12, 1, 0, 2);
    assert!(decode(&stream, 8, 8).is_ok());
    let at = |marker: u8| stream.windows(2).position(|w| w == [0xFF, marker]).unwrap();
    let changed = |at: usize, value: u8| {
        let mut stream = stream.clone();
        stream[at] = value;
        decode(&stream, 8, 8).unwrap_err()
    };
    let sos = at(marker::SOS);
    assert_eq!(changed(sos + 7, 0), StreamError::Damaged("a predictor that is not defined"));
    assert_eq!(changed(sos + 9, 12), StreamError::Damaged("bits per sample"));
    assert_eq!(changed(sos + 6, 0x20), StreamError::Damaged("a Huffman table is missing"));
    assert_eq!(changed(at(marker::DRI) + 5, 9), StreamError::Damaged("restarts inside a line"));
    assert_eq!(changed(at(0xD1) + 1, 0xD5), StreamError::Damaged("a restart marker is missing"));
    assert_eq!(changed(at(marker::DHT) + 5, 3), StreamError::Damaged("a Huffman table"));
    assert_eq!(changed(at(marker::SOF_LOSSLESS) + 9, 3), StreamError::Components(3));
    assert_eq!(changed(3, marker::SOF_EXTENDED), StreamError::Damaged("a Huffman table is missing"));
    for end in 0..stream.len() - 3 {
        assert!(decode(&stream[..end], 8, 8).is_err(), "{end} of {}", stream.len());
    }
}

#[test]
fn codes_that_overlap_or_do_not_exist_are_refused() {
    // Three codes of one bit.
    let mut counts = [0; 16];
    counts[0] = 3;
    assert!(Huffman::new(&counts, &[1, 2, 3]).is_none());
    counts[0] = 1;
    let table = Huffman::new(&counts, &[9]).unwrap();
    let mut bits = super::super::bits::Bits::new(&[0b0100_0000], 0);
    assert_eq!(table.symbol(&mut bits), Some(9));
    assert_eq!(table.symbol(&mut bits), None);
}
