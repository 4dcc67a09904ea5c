//! Inverse wavelet transforms (ITU-T T.800 annex F): 5-3 of whole numbers, 9-7 of fractions.
//!
//! A tile's samples lie as subbands beside each other, the lowest in the corner; each level joins the corner's four.

/// What a transform needs of its numbers.
pub trait Sample: Copy + Default {
    /// Joins low and high samples of a line. `line` holds them in their places, alternating; `odd` says that it begins
    /// with a high one.
    fn lift(line: &mut [Self], odd: bool);
    /// The same for lines of lines: `rows` of `width` samples.
    fn lift_rows(rows: &mut [Self], width: usize, odd: bool);
}

/// Index of the neighbours of sample `n` of `count`, mirrored at both ends.
fn neighbours(n: usize, count: usize) -> [usize; 2] {
    let before = if n == 0 { 1 } else { n - 1 };
    let after = if n + 1 == count { n.saturating_sub(1) } else { n + 1 };
    [before.min(count - 1), after]
}

/// One step of lifting: every second sample from `first` on changes by its neighbours.
fn step<T: Sample>(line: &mut [T], first: usize, change: impl Fn(T, T, T) -> T) {
    let count = line.len();
    if count < 2 {
        return;
    }
    let mut n = first;
    if n == 0 {
        line[0] = change(line[0], line[1], line[1]);
        n = 2;
    }
    let last = count - 1;
    let inner = &mut line[n - 1..];
    let mut windows = 0;
    while windows + 2 < inner.len() {
        let [a, b, c] = [inner[windows], inner[windows + 1], inner[windows + 2]];
        inner[windows + 1] = change(b, a, c);
        windows += 2;
    }
    if (last - first).is_multiple_of(2) && last >= n {
        line[last] = change(line[last], line[last - 1], line[last - 1]);
    }
}

/// [`step`] for rows.
fn step_rows<T: Sample>(rows: &mut [T], width: usize, first: usize, change: impl Fn(T, T, T) -> T) {
    let count = rows.len() / width.max(1);
    if count < 2 {
        return;
    }
    for n in (first..count).step_by(2) {
        let [before, after] = neighbours(n, count);
        let (top, rest) = rows.split_at_mut(n * width);
        let (own, below) = rest.split_at_mut(width);
        let row_of = |k: usize| if k < n { &top[k * width..][..width] } else { &below[(k - n - 1) * width..][..width] };
        for ((own, a), c) in own.iter_mut().zip(row_of(before)).zip(row_of(after)) {
            *own = change(*own, *a, *c);
        }
    }
}

impl Sample for i32 {
    fn lift(line: &mut [Self], odd: bool) {
        if line.len() == 1 {
            if odd {
                line[0] /= 2;
            }
            return;
        }
        let low = usize::from(odd);
        step(line, low, even);
        step(line, 1 - low, uneven);
    }

    fn lift_rows(rows: &mut [Self], width: usize, odd: bool) {
        if rows.len() == width {
            if odd {
                rows.iter_mut().for_each(|v| *v /= 2);
            }
            return;
        }
        let low = usize::from(odd);
        step_rows(rows, width, low, even);
        step_rows(rows, width, 1 - low, uneven);
    }
}

fn even(x: i32, a: i32, b: i32) -> i32 {
    x.wrapping_sub(a.wrapping_add(b).wrapping_add(2) >> 2)
}

fn uneven(x: i32, a: i32, b: i32) -> i32 {
    x.wrapping_add(a.wrapping_add(b) >> 1)
}

/// Table F.4.
const ALPHA: f32 = -1.586_134_3;
const BETA: f32 = -0.052_980_118;
const GAMMA: f32 = 0.882_911_1;
const DELTA: f32 = 0.443_506_87;
const K: f32 = 1.230_174_1;
/// What high samples are multiplied by: 1 / K, and the gain of a high band (table E.1).
const HIGH: f32 = 1.625_732_4;

impl Sample for f32 {
    fn lift(line: &mut [Self], odd: bool) {
        if line.len() == 1 {
            if odd {
                line[0] /= 2.0;
            }
            return;
        }
        let low = usize::from(odd);
        for (n, v) in line.iter_mut().enumerate() {
            *v *= if n % 2 == low { K } else { HIGH };
        }
        for (first, factor) in [(low, DELTA), (1 - low, GAMMA), (low, BETA), (1 - low, ALPHA)] {
            step(line, first, |x, a, b| x - factor * (a + b));
        }
    }

    fn lift_rows(rows: &mut [Self], width: usize, odd: bool) {
        if rows.len() == width {
            if odd {
                rows.iter_mut().for_each(|v| *v /= 2.0);
            }
            return;
        }
        let low = usize::from(odd);
        for (n, row) in rows.chunks_exact_mut(width).enumerate() {
            let factor = if n % 2 == low { K } else { HIGH };
            row.iter_mut().for_each(|v| *v *= factor);
        }
        for (first, factor) in [(low, DELTA), (1 - low, GAMMA), (low, BETA), (1 - low, ALPHA)] {
            step_rows(rows, width, first, |x, a, b| x - factor * (a + b));
        }
    }
}

/// Joins the levels of a tile. `levels` holds, from the lowest on, the first and the last column and row (exclusive) of
/// each resolution.
pub fn join<T: Sample>(samples: &mut [T], stride: usize, levels: &[[[usize; 2]; 2]]) {
    let mut line: Vec<T> = Vec::new();
    let mut rows: Vec<T> = Vec::new();
    for pair in levels.windows(2) {
        let [lower, [[x0, y0], [x1, y1]]] = [pair[0], pair[1]];
        let (width, height) = (x1 - x0, y1 - y0);
        let (low_width, low_height) = (lower[1][0] - lower[0][0], lower[1][1] - lower[0][1]);
        if width == 0 || height == 0 {
            continue;
        }
        line.resize(width, T::default());
        rows.resize(width * height, T::default());
        let (x_odd, y_odd) = (x0 % 2, y0 % 2);
        for y in 0..height {
            let row = &samples[y * stride..][..width];
            let (low, high) = row.split_at(low_width);
            line.iter_mut().skip(x_odd).step_by(2).zip(low).for_each(|(to, from)| *to = *from);
            line.iter_mut().skip(1 - x_odd).step_by(2).zip(high).for_each(|(to, from)| *to = *from);
            T::lift(&mut line, x_odd == 1);
            let to = if y < low_height { 2 * y + y_odd } else { 2 * (y - low_height) + 1 - y_odd };
            rows[to * width..][..width].copy_from_slice(&line);
        }
        T::lift_rows(&mut rows[..width * height], width, y_odd == 1);
        for (y, row) in rows.chunks_exact(width).enumerate() {
            samples[y * stride..][..width].copy_from_slice(row);
        }
    }
}
