//! Polygons on the pixel grid: even-odd filling by pixel centres. Private to `io::dicom`.

use glam::DVec2;

/// A slice's parity of crossings. Contours drawn into it combine by exclusive or, so an inner contour is a hole.
pub(super) struct Raster {
    width: usize,
    height: usize,
    /// 1 where the parity flips from this pixel on to the end of its row.
    flips: Vec<u8>,
}

impl Raster {
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, flips: vec![0; width * height] }
    }

    /// Adds a closed polygon in pixel coordinates (the centre of the first pixel is 0, 0).
    ///
    /// A pixel is inside when a ray from its centre crosses an odd number of edges; an edge counts the end with the
    /// smaller row and not the other, so that shared corners count once.
    pub fn toggle(&mut self, polygon: &[DVec2]) {
        let Some(&last) = polygon.last() else { return };
        let mut a = last;
        for &b in polygon {
            self.edge(a, b);
            a = b;
        }
    }

    fn edge(&mut self, a: DVec2, b: DVec2) {
        let (top, bottom) = if a.y <= b.y { (a, b) } else { (b, a) };
        if !(top.is_finite() && bottom.is_finite()) || top.y == bottom.y {
            return;
        }
        let first = top.y.ceil().max(0.0);
        let end = bottom.y.ceil().min(self.height as f64);
        let mut row = first;
        while row < end {
            let x = top.x + (row - top.y) / (bottom.y - top.y) * (bottom.x - top.x);
            let column = x.ceil().max(0.0);
            if column < self.width as f64 {
                self.flips[row as usize * self.width + column as usize] ^= 1;
            }
            row += 1.0;
        }
    }

    /// Calls `inside` with column and row of every pixel inside.
    pub fn for_each_inside(&self, mut inside: impl FnMut(usize, usize)) {
        for (row, flips) in self.flips.chunks_exact(self.width.max(1)).enumerate() {
            let mut parity = 0;
            for (column, flip) in flips.iter().enumerate() {
                parity ^= flip;
                if parity == 1 {
                    inside(column, row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(polygons: &[&[(f64, f64)]]) -> Vec<(usize, usize)> {
        let mut raster = Raster::new(6, 5);
        for polygon in polygons {
            let points: Vec<DVec2> = polygon.iter().map(|&(x, y)| DVec2::new(x, y)).collect();
            raster.toggle(&points);
        }
        let mut out = Vec::new();
        raster.for_each_inside(|i, j| out.push((i, j)));
        out
    }

    #[test]
    fn centres_decide() {
        assert_eq!(
            filled(&[&[(0.6, 0.6), (3.4, 0.6), (3.4, 2.4), (0.6, 2.4)]]),
            [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2)]
        );
        assert!(filled(&[&[(0.1, 0.1), (0.9, 0.1), (0.9, 0.9)]]).is_empty());
    }

    #[test]
    fn an_inner_contour_is_a_hole_and_the_outside_is_clipped() {
        let outer: &[(f64, f64)] = &[(-9.0, -9.0), (99.0, -9.0), (99.0, 99.0), (-9.0, 99.0)];
        assert_eq!(filled(&[outer]).len(), 30);
        let inner: &[(f64, f64)] = &[(0.5, 0.5), (3.5, 0.5), (3.5, 2.5), (0.5, 2.5)];
        let left = filled(&[outer, inner]);
        assert_eq!(left.len(), 24);
        assert!(!left.contains(&(2, 1)));
        assert!(filled(&[&[(f64::NAN, 0.0), (1.0, 3.0), (4.0, 1.0)]]).len() < 30);
    }
}
