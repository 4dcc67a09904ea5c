//! The patient in a slice, without the table: for areas of fat.

/// Everything denser is patient or table.
const AIR_HU: i16 = -300;

/// Pixels of the largest part of a slice that is denser than air, holes filled; `width` pixels a row.
pub fn body_mask(hu: &[i16], width: usize) -> Vec<bool> {
    let dense: Vec<bool> = hu.iter().map(|v| *v > AIR_HU).collect();
    let mut part = vec![0u32; hu.len()];
    let (mut largest, mut best) = (0, 0);
    let mut next = 0;
    for start in 0..hu.len() {
        if dense[start] && part[start] == 0 {
            next += 1;
            let size = flood(&dense, width, start, next, &mut part);
            if size > largest {
                (largest, best) = (size, next);
            }
        }
    }
    // What cannot be reached from the edge of the slice without crossing the body is inside of it.
    let outside: Vec<bool> = part.iter().map(|p| largest == 0 || *p != best).collect();
    let mut reached = vec![0u32; hu.len()];
    let height = hu.len() / width.max(1);
    for n in 0..hu.len() {
        let (x, y) = (n % width, n / width);
        let edge = x == 0 || y == 0 || x + 1 == width || y + 1 == height;
        if edge && outside[n] && reached[n] == 0 {
            flood(&outside, width, n, 1, &mut reached);
        }
    }
    reached.into_iter().map(|r| r == 0).collect()
}

/// Marks what hangs together with `start` by its four neighbours; gives the number of pixels.
fn flood(inside: &[bool], width: usize, start: usize, mark: u32, marks: &mut [u32]) -> usize {
    let mut stack = vec![start];
    marks[start] = mark;
    let mut count = 0;
    while let Some(n) = stack.pop() {
        count += 1;
        let x = n % width;
        let beside = [
            (x > 0).then(|| n - 1),
            (x + 1 < width).then_some(n + 1),
            n.checked_sub(width),
            Some(n + width).filter(|m| *m < inside.len()),
        ];
        for m in beside.into_iter().flatten() {
            if inside[m] && marks[m] == 0 {
                marks[m] = mark;
                stack.push(m);
            }
        }
    }
    count
}
