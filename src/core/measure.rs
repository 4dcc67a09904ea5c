//! Distances, angles and regions that a reader draws on slices.

use super::{Geometry, HuStatistics, HuSums, Volume};
use glam::DVec3;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// What is measured. Points are continuous voxel positions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// Between two points, which need not lie on one slice.
    Distance([DVec3; 2]),
    /// At the second of three points.
    Angle([DVec3; 3]),
    /// The ellipse in the rectangle between two corners, on the slice of the first, along the voxel axes.
    Ellipse([DVec3; 2]),
    Rectangle([DVec3; 2]),
}

/// A kind of [`Shape`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShapeKind {
    Distance,
    Angle,
    Ellipse,
    Rectangle,
}

impl ShapeKind {
    /// Number of points that make the shape.
    pub fn points(self) -> usize {
        if self == Self::Angle { 3 } else { 2 }
    }

    /// Name for lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Distance => "Distance",
            Self::Angle => "Angle",
            Self::Ellipse => "Ellipse",
            Self::Rectangle => "Rectangle",
        }
    }

    /// The shape through so many points; `None` when they are not as many as it needs.
    pub fn through(self, points: &[DVec3]) -> Option<Shape> {
        Some(match (self, points) {
            (Self::Distance, &[a, b]) => Shape::Distance([a, b]),
            (Self::Angle, &[a, b, c]) => Shape::Angle([a, b, c]),
            (Self::Ellipse, &[a, b]) => Shape::Ellipse([a, b]),
            (Self::Rectangle, &[a, b]) => Shape::Rectangle([a, b]),
            _ => return None,
        })
    }
}

/// One measurement of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Within its case.
    pub id: u32,
    /// Voxel axis through the slice that it was drawn on.
    pub axis: usize,
    pub shape: Shape,
    /// The reader's own words; may be empty.
    #[serde(default)]
    pub note: String,
}

/// What a measurement says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Length, or circumference of a region's box, in mm.
    pub mm: Option<f64>,
    pub degrees: Option<f64>,
    /// Of the drawn shape, in mm².
    pub area_mm2: Option<f64>,
    /// Of the voxels whose centre lies in the region; `None` while slices are being read, or when there is no such voxel.
    pub hu: Option<HuStatistics>,
}

impl Shape {
    pub fn kind(&self) -> ShapeKind {
        match self {
            Self::Distance(_) => ShapeKind::Distance,
            Self::Angle(_) => ShapeKind::Angle,
            Self::Ellipse(_) => ShapeKind::Ellipse,
            Self::Rectangle(_) => ShapeKind::Rectangle,
        }
    }

    /// Its points.
    pub fn points(&self) -> &[DVec3] {
        match self {
            Self::Distance(p) | Self::Ellipse(p) | Self::Rectangle(p) => p,
            Self::Angle(p) => p,
        }
    }

    /// Its points, to move them.
    pub fn points_mut(&mut self) -> &mut [DVec3] {
        match self {
            Self::Distance(p) | Self::Ellipse(p) | Self::Rectangle(p) => p,
            Self::Angle(p) => p,
        }
    }

    /// The other two voxel axes.
    fn axes(through: usize) -> [usize; 2] {
        [usize::from(through == 0), if through == 2 { 1 } else { 2 }]
    }

    /// Lower and upper corner of a region along the two axes of its slice.
    fn corners([a, b]: [DVec3; 2], through: usize) -> [[f64; 2]; 2] {
        let [u, v] = Self::axes(through);
        [[a[u].min(b[u]), a[v].min(b[v])], [a[u].max(b[u]), a[v].max(b[v])]]
    }

    /// Points on the outline of a region, closed, in voxels; the points themselves for lines.
    pub fn outline(&self, through: usize) -> Vec<DVec3> {
        const STEPS: usize = 64;
        let [u, v] = Self::axes(through);
        match *self {
            Self::Distance(p) => p.to_vec(),
            Self::Angle(p) => p.to_vec(),
            Self::Rectangle([a, b]) => {
                let [low, high] = Self::corners([a, b], through);
                [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1]), (low[0], low[1])]
                    .into_iter()
                    .map(|(x, y)| on_slice(a, [u, v], [x, y]))
                    .collect()
            }
            Self::Ellipse([a, b]) => {
                let [low, high] = Self::corners([a, b], through);
                (0..=STEPS)
                    .map(|n| {
                        let (sin, cos) = (n as f64 / STEPS as f64 * 2.0 * PI).sin_cos();
                        let at = [0, 1].map(|axis| {
                            let along = if axis == 0 { cos } else { sin };
                            (low[axis] + high[axis]) / 2.0 + along * (high[axis] - low[axis]) / 2.0
                        });
                        on_slice(a, [u, v], at)
                    })
                    .collect()
            }
        }
    }

    /// Measures on a grid, and in the image where there is one. `through` is the voxel axis through the slice.
    pub fn measure(&self, through: usize, geometry: &Geometry, volume: Option<&Volume>) -> Measured {
        let mm = |a: DVec3, b: DVec3| geometry.world_from_voxel().transform_vector3(b - a);
        let mut measured = Measured { mm: None, degrees: None, area_mm2: None, hu: None };
        match *self {
            Self::Distance([a, b]) => measured.mm = Some(mm(a, b).length()),
            Self::Angle([a, b, c]) => {
                let (to_a, to_c) = (mm(b, a), mm(b, c));
                let angle = to_a.cross(to_c).length().atan2(to_a.dot(to_c)).to_degrees();
                measured.degrees = (to_a.length() > 0.0 && to_c.length() > 0.0).then_some(angle);
            }
            Self::Ellipse(p) | Self::Rectangle(p) => {
                let [low, high] = Self::corners(p, through);
                let [u, v] = Self::axes(through).map(|axis| geometry.world_from_voxel().matrix3.col(axis));
                let rectangle = u.cross(v).length() * (high[0] - low[0]) * (high[1] - low[1]);
                let round = matches!(self, Self::Ellipse(_));
                measured.area_mm2 = Some(if round { rectangle * PI / 4.0 } else { rectangle });
                // Figures in HU are for images that hold HU.
                let hu = volume.filter(|v| v.scale.is_none());
                measured.hu = hu.and_then(|v| region_statistics(v, p, through, round));
            }
        }
        measured
    }
}

/// A point of the slice of `at`.
fn on_slice(at: DVec3, [u, v]: [usize; 2], [x, y]: [f64; 2]) -> DVec3 {
    let mut point = at;
    point[u] = x;
    point[v] = y;
    point
}

/// Of the voxels whose centre lies in the region.
fn region_statistics(volume: &Volume, points: [DVec3; 2], through: usize, round: bool) -> Option<HuStatistics> {
    let [u, v] = Shape::axes(through);
    let [low, high] = Shape::corners(points, through);
    let dims = volume.geometry().dims();
    let slice = points[0][through].round();
    if !(slice >= 0.0 && slice < dims[through] as f64) {
        return None;
    }
    let range = |n: usize, axis: usize| {
        // A cast of a negative number or NaN gives 0.
        low[n].ceil().max(0.0) as usize..=(high[n].floor().min(dims[axis] as f64 - 1.0).max(-1.0) + 1.0) as usize
    };
    let mut sums = HuSums::default();
    for y in range(1, v) {
        for x in range(0, u) {
            let centre = [x as f64, y as f64];
            let off = [0, 1].map(|n| (centre[n] - (low[n] + high[n]) / 2.0) / ((high[n] - low[n]) / 2.0).max(1e-9));
            let within = if round { off[0].hypot(off[1]) <= 1.0 } else { off[0].abs() <= 1.0 && off[1].abs() <= 1.0 };
            if within {
                let mut voxel = [0i64; 3];
                voxel[through] = slice as i64;
                voxel[u] = x as i64;
                voxel[v] = y as i64;
                if let Some(hu) = volume.at(voxel) {
                    sums.add(hu);
                }
            }
        }
    }
    sums.finish()
}

impl Measured {
    /// One line, for lists and beside the drawing.
    pub fn text(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.mm.map(|mm| format!("{mm:.1} mm")));
        parts.extend(self.degrees.map(|d| format!("{d:.1}°")));
        parts.extend(
            self.area_mm2.map(|a| if a >= 1000.0 { format!("{:.2} cm²", a / 100.0) } else { format!("{a:.1} mm²") }),
        );
        parts.extend(self.hu.map(|h| format!("{:.1} ± {:.1} HU ({} to {})", h.mean, h.sd, h.min, h.max)));
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixels of 0.5 x 0.8 mm, slices 3 mm apart.
    fn grid() -> Geometry {
        Geometry::axis_aligned([40, 30, 10], DVec3::new(0.5, 0.8, 3.0), DVec3::new(7.0, -3.0, 20.0)).unwrap()
    }

    #[test]
    fn lengths_and_angles_are_those_of_the_patient() {
        let g = grid();
        let d = Shape::Distance([DVec3::new(1.0, 2.0, 3.0), DVec3::new(9.0, 2.0, 4.0)]);
        assert!((d.measure(2, &g, None).mm.unwrap() - 5.0).abs() < 1e-12, "4 mm along and 3 mm through");
        let right = Shape::Angle([DVec3::new(10.0, 5.0, 2.0), DVec3::new(5.0, 5.0, 2.0), DVec3::new(5.0, 9.0, 2.0)]);
        assert!((right.measure(2, &g, None).degrees.unwrap() - 90.0).abs() < 1e-12);
        // In voxels this is 45 degrees, in the patient it is not.
        let slant = Shape::Angle([DVec3::new(10.0, 5.0, 2.0), DVec3::new(5.0, 5.0, 2.0), DVec3::new(10.0, 10.0, 2.0)]);
        let wanted = (0.8f64 / 0.5).atan().to_degrees();
        assert!((slant.measure(2, &g, None).degrees.unwrap() - wanted).abs() < 1e-12);
        let none = Shape::Angle([DVec3::ONE; 3]);
        assert_eq!(none.measure(2, &g, None).degrees, None);
    }

    #[test]
    fn regions_count_the_voxels_whose_centre_they_hold() {
        let g = grid();
        let hu: Vec<i16> = (0..g.voxel_count()).map(|n| (n * 37 % 901) as i16).collect();
        let volume = Volume::new(g, hu).unwrap();
        for through in 0..3 {
            for (a, b) in [
                (DVec3::new(3.4, 20.2, 4.0), DVec3::new(25.7, 6.1, 4.2)),
                (DVec3::new(-9.0, -4.0, 0.0), DVec3::new(80.0, 90.0, 60.0)),
            ] {
                for round in [false, true] {
                    let shape = if round { Shape::Ellipse([a, b]) } else { Shape::Rectangle([a, b]) };
                    let measured = shape.measure(through, &g, Some(&volume));
                    let slice = a[through].round();
                    let [u, v] = Shape::axes(through);
                    let mut all = Vec::new();
                    for k in 0..10i64 {
                        for j in 0..30i64 {
                            for i in 0..40i64 {
                                let p = DVec3::new(i as f64, j as f64, k as f64);
                                let (x, y) = (
                                    (2.0 * p[u] - a[u] - b[u]) / (b[u] - a[u]),
                                    (2.0 * p[v] - a[v] - b[v]) / (b[v] - a[v]),
                                );
                                let inside =
                                    if round { x * x + y * y <= 1.0 } else { x.abs() <= 1.0 && y.abs() <= 1.0 };
                                if p[through] == slice && inside {
                                    all.push(f64::from(volume.at([i, j, k]).unwrap()));
                                }
                            }
                        }
                    }
                    let Some(have) = measured.hu else {
                        assert!(all.is_empty());
                        continue;
                    };
                    let n = all.len() as f64;
                    let mean = all.iter().sum::<f64>() / n;
                    let sd = (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
                    assert_eq!(have.count, all.len() as u64, "{through} {round}");
                    assert!((have.mean - mean).abs() < 1e-9 && (have.sd - sd).abs() < 1e-6);
                    assert_eq!(f64::from(have.min), all.iter().copied().fold(f64::MAX, f64::min));
                }
            }
        }
        let ellipse = Shape::Ellipse([DVec3::new(0.0, 0.0, 1.0), DVec3::new(20.0, 10.0, 1.0)]);
        let area = ellipse.measure(2, &g, None).area_mm2.unwrap();
        assert!((area - PI * 5.0 * 4.0).abs() < 1e-9, "half axes of 5 and 4 mm: {area}");
    }

    #[test]
    fn outlines_close_and_stay_on_their_slice() {
        let shape = Shape::Ellipse([DVec3::new(1.0, 2.0, 3.0), DVec3::new(9.0, 6.0, 3.0)]);
        let line = shape.outline(2);
        assert!((line[0] - line[line.len() - 1]).length() < 1e-9);
        assert!(line.iter().all(|p| p.z == 3.0 && ((p.x - 5.0) / 4.0).hypot((p.y - 4.0) / 2.0) < 1.0 + 1e-9));
        assert_eq!(ShapeKind::Angle.through(&line[..2]), None);
    }
}
