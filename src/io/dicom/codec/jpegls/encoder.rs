//! A small JPEG-LS encoder, written from the encoding half of ITU-T T.87, for tests.

use super::coding::{Coding, Preset};

/// What an image is encoded with.
#[derive(Debug, Clone, Copy)]
pub(in crate::io::dicom::codec) struct Options {
    pub bits: u16,
    pub near: u8,
    /// MAXVAL, T1, T2, T3, RESET; written as an LSE segment unless all are 0.
    pub preset: [u16; 5],
    /// Lines from restart to restart; 0 for none.
    pub restart_lines: usize,
}

struct Writer {
    out: Vec<u8>,
    byte: u16,
    free: u32,
}

impl Writer {
    fn bit(&mut self, bit: bool) {
        self.free -= 1;
        self.byte |= u16::from(bit) << self.free;
        if self.free == 0 {
            self.out.push(self.byte as u8);
            // A bit 0 follows FF.
            self.free = if self.byte == 0xFF { 7 } else { 8 };
            self.byte = 0;
        }
    }

    fn bits(&mut self, value: u32, count: u32) {
        (0..count).rev().for_each(|n| self.bit(u64::from(value) >> n & 1 == 1));
    }

    /// Fills the last byte; one that follows FF is written even when it is empty.
    fn flush(&mut self) {
        if self.free < 8 {
            self.out.push(self.byte as u8);
        }
        (self.byte, self.free) = (0, 8);
    }

    fn golomb(&mut self, mapped: u32, k: u32, limit: u32, qbpp: u32) {
        let high = mapped >> k;
        if high < limit - qbpp - 1 {
            self.bits(0, high);
            self.bit(true);
            self.bits(mapped & ((1 << k) - 1), k);
        } else {
            self.bits(0, limit - qbpp - 1);
            self.bit(true);
            self.bits(mapped - 1, qbpp);
        }
    }
}

/// Variables of A.2.1; regular contexts at 0 to 364, those of run interruption at 365 and 366.
struct State {
    a: [i64; 367],
    b: [i64; 367],
    c: [i64; 367],
    n: [i64; 367],
    nn: [i64; 367],
    run_index: usize,
}

impl State {
    fn new(range: i64) -> Self {
        let first = 2.max((range + 32) / 64);
        Self { a: [first; 367], b: [0; 367], c: [0; 367], n: [1; 367], nn: [0; 367], run_index: 0 }
    }
}

const J: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// The encoded image and what a decoder makes of it.
pub(in crate::io::dicom::codec) fn encode(
    image: &[u16],
    [rows, columns]: [usize; 2],
    options: Options,
) -> (Vec<u8>, Vec<u16>) {
    let Options { bits, near, preset, restart_lines } = options;
    let [maxval, t1, t2, t3, reset] = preset.map(i32::from);
    let coding = Coding::new(bits, i32::from(near), &Preset { maxval, t1, t2, t3, reset }).unwrap();
    let word = |v: usize| (v as u16).to_be_bytes();
    let mut out = vec![0xFF, 0xD8, 0xFF, 0xF7, 0, 11, bits as u8];
    out.extend([word(rows), word(columns)].concat());
    out.extend([1, 1, 0x11, 0]);
    if preset != [0; 5] {
        out.extend([0xFF, 0xF8, 0, 13, 1]);
        out.extend(preset.iter().flat_map(|v| v.to_be_bytes()));
    }
    if restart_lines > 0 {
        out.extend([0xFF, 0xDD, 0, 5, 0]);
        out.extend(word(restart_lines));
    }
    out.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, near, 0, 0]);
    let mut writer = Writer { out, byte: 0, free: 8 };
    let mut decoded = vec![0i64; rows * columns];
    let interval = if restart_lines > 0 { restart_lines } else { rows };
    for (n, first) in (0..rows).step_by(interval).enumerate() {
        if n > 0 {
            writer.flush();
            writer.out.extend([0xFF, 0xD0 + ((n - 1) % 8) as u8]);
        }
        let part = first * columns..rows.min(first + interval) * columns;
        encode_part(&image[part.clone()], &mut decoded[part], columns, &coding, &mut writer);
    }
    writer.flush();
    writer.out.extend([0xFF, 0xD9]);
    (writer.out, decoded.iter().map(|v| *v as u16).collect())
}

fn quantised(d: i64, coding: &Coding) -> i64 {
    let [near, t1, t2, t3] = [coding.near, coding.t1, coding.t2, coding.t3].map(i64::from);
    let size = d.abs();
    let region = match size {
        _ if size >= t3 => 4,
        _ if size >= t2 => 3,
        _ if size >= t1 => 2,
        _ if size > near => 1,
        _ => 0,
    };
    region * d.signum()
}

fn encode_part(image: &[u16], decoded: &mut [i64], columns: usize, coding: &Coding, writer: &mut Writer) {
    let [near, range, maxval, reset] = [coding.near, coding.range, coding.maxval, coding.reset as i32].map(i64::from);
    let step = 2 * near + 1;
    let mut state = State::new(range);
    let mut corner = 0;
    for line in 0..image.len() / columns {
        let at = |x: usize| line * columns + x;
        let above = |decoded: &[i64], x: usize| if line == 0 { 0 } else { decoded[at(x) - columns] };
        // What a is for the first sample of the line.
        let edge = above(decoded, 0);
        let mut x = 0;
        while x < columns {
            let a = if x == 0 { edge } else { decoded[at(x) - 1] };
            let b = above(decoded, x);
            let c = if x == 0 { corner } else { above(decoded, x - 1) };
            let d = above(decoded, (x + 1).min(columns - 1));
            let q = [d - b, b - c, c - a].map(|g| quantised(g, coding));
            if q == [0; 3] {
                let mut length = 0;
                while x + length < columns && (i64::from(image[at(x + length)]) - a).abs() <= near {
                    decoded[at(x + length)] = a;
                    length += 1;
                }
                x += length;
                let mut left = length;
                while left >= 1 << J[state.run_index] {
                    left -= 1 << J[state.run_index];
                    writer.bit(true);
                    state.run_index = 31.min(state.run_index + 1);
                }
                if x == columns {
                    if left > 0 {
                        writer.bit(true);
                    }
                    continue;
                }
                writer.bit(false);
                writer.bits(left as u32, J[state.run_index]);
                let b = above(decoded, x);
                let kind = usize::from((a - b).abs() <= near);
                let (predicted, sign) = if kind == 1 { (a, 1) } else { (b, if a > b { -1 } else { 1 }) };
                let (error, value) = coded_error(i64::from(image[at(x)]), predicted, sign, coding);
                decoded[at(x)] = value;
                let context = 365 + kind;
                let temp = state.a[context] + if kind == 1 { state.n[context] >> 1 } else { 0 };
                let k = (0..).find(|k| state.n[context] << k >= temp).unwrap();
                let crowded = 2 * state.nn[context] >= state.n[context];
                let map = (k == 0 && error > 0 && !crowded) || (error < 0 && crowded) || (error < 0 && k != 0);
                let mapped = 2 * error.abs() - kind as i64 - i64::from(map);
                writer.golomb(mapped as u32, k, coding.limit - J[state.run_index] - 1, coding.qbpp);
                state.nn[context] += i64::from(error < 0);
                state.a[context] += (mapped + 1 - kind as i64) >> 1;
                if state.n[context] == reset {
                    state.a[context] >>= 1;
                    state.n[context] >>= 1;
                    state.nn[context] >>= 1;
                }
                state.n[context] += 1;
                state.run_index = state.run_index.saturating_sub(1);
                x += 1;
                continue;
            }
            let sign = q.iter().find(|v| **v != 0).unwrap().signum();
            let context = ((81 * q[0] + 9 * q[1] + q[2]) * sign) as usize;
            let median = if c >= a.max(b) {
                a.min(b)
            } else if c <= a.min(b) {
                a.max(b)
            } else {
                a + b - c
            };
            let predicted = (median + sign * state.c[context]).clamp(0, maxval);
            let (error, value) = coded_error(i64::from(image[at(x)]), predicted, sign, coding);
            decoded[at(x)] = value;
            let k = (0..).find(|k| state.n[context] << k >= state.a[context]).unwrap();
            let turned = near == 0 && k == 0 && 2 * state.b[context] <= -state.n[context];
            let mapped = match (turned, error >= 0) {
                (true, true) => 2 * error + 1,
                (true, false) => -2 * (error + 1),
                (false, true) => 2 * error,
                (false, false) => -2 * error - 1,
            };
            writer.golomb(mapped as u32, k, coding.limit, coding.qbpp);
            state.b[context] += error * step;
            state.a[context] += error.abs();
            if state.n[context] == reset {
                state.a[context] >>= 1;
                let b = state.b[context];
                state.b[context] = if b >= 0 { b >> 1 } else { -((1 - b) >> 1) };
                state.n[context] >>= 1;
            }
            state.n[context] += 1;
            let n = state.n[context];
            if state.b[context] <= -n {
                state.b[context] += n;
                state.c[context] = (-128).max(state.c[context] - 1);
                state.b[context] = state.b[context].max(1 - n);
            } else if state.b[context] > 0 {
                state.b[context] -= n;
                state.c[context] = 127.min(state.c[context] + 1);
                state.b[context] = state.b[context].min(0);
            }
            x += 1;
        }
        corner = edge;
    }
}

/// The error of a prediction, quantised and reduced modulo RANGE (A.4.4, A.4.5), and what it is decoded to.
fn coded_error(sample: i64, predicted: i64, sign: i64, coding: &Coding) -> (i64, i64) {
    let [near, range, maxval] = [coding.near, coding.range, coding.maxval].map(i64::from);
    let step = 2 * near + 1;
    let raw = (sample - predicted) * sign;
    let mut error = if raw > 0 { (raw + near) / step } else { -((near - raw) / step) };
    let value = (predicted + sign * error * step).clamp(0, maxval);
    if error < 0 {
        error += range;
    }
    if error >= (range + 1) / 2 {
        error -= range;
    }
    (error, value)
}
