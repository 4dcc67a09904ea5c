//! Surfaces are closed, look outward, enclose what they should, and say where they are.

use super::*;
use crate::core::{Geometry, Segment};
use glam::{DAffine3, DMat3, DQuat};
use proptest::prelude::*;
use std::collections::HashMap;
use std::path::Path;

fn ctx() -> JobContext<()> {
    JobContext::detached()
}

fn grid(dims: [usize; 3], spacing: DVec3, angle: f64) -> Geometry {
    let rotation = DMat3::from_quat(DQuat::from_axis_angle(DVec3::new(0.6, 0.0, 0.8), angle));
    let matrix3 = rotation * DMat3::from_diagonal(spacing);
    Geometry::new(dims, DAffine3 { matrix3, translation: DVec3::new(-100.0, 200.0, 1000.0) }).unwrap()
}

fn ball(geometry: Geometry, radius_mm: f64) -> LabelMap {
    let mut labels = LabelMap::empty(geometry);
    let dims = geometry.dims();
    let middle = DVec3::from_array(dims.map(|d| (d as f64 - 1.0) / 2.0));
    for k in 0..dims[2] {
        for j in 0..dims[1] {
            for i in 0..dims[0] {
                let mm = (DVec3::new(i as f64, j as f64, k as f64) - middle) * geometry.spacing();
                if mm.length() < radius_mm {
                    labels.set([i, j, k], 3);
                }
            }
        }
    }
    labels
}

/// Every side of a triangle is met once in each direction.
fn assert_closed(surface: &Surface) {
    let mut sides: HashMap<[u32; 2], i32> = HashMap::new();
    for &[a, b, c] in &surface.triangles {
        assert!(a != b && b != c && c != a);
        for side in [[a, b], [b, c], [c, a]] {
            assert_eq!(sides.insert(side, 1), None, "a side is used twice in one direction");
        }
    }
    assert!(sides.keys().all(|[a, b]| sides.contains_key(&[*b, *a])), "the surface has a border");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_mask_has_a_closed_surface_that_looks_outward(
        dims in prop::array::uniform3(1usize..14), fill in 1u64..10, angle in -3.0f64..3.0, mirrored: bool,
        rounds in 0usize..3, seed: u64,
    ) {
        let geometry = grid(dims, DVec3::new(0.7, 0.9, if mirrored { -2.0 } else { 2.0 }), angle);
        let mut state = seed | 1;
        let dense: Vec<u8> = (0..geometry.voxel_count()).map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            u8::from((state >> 40) % 10 < fill) * 3
        }).collect();
        let labels = LabelMap::from_dense(geometry, &dense).unwrap();
        let surface = surface_of(&labels, 3, rounds, &ctx()).unwrap();
        assert_closed(&surface);
        let voxels = labels.counts()[3] as f64 * geometry.voxel_volume();
        if rounds == 0 {
            // A lone voxel keeps a sixth of its volume, and so does a lone hole.
            let holes = labels.counts()[0] as f64 * geometry.voxel_volume() * 5.0 / 6.0;
            prop_assert!(surface.volume() >= voxels / 6.0 - 1e-9, "{} {}", surface.volume(), voxels);
            prop_assert!(surface.volume() <= voxels + holes + 1e-9, "{} {}", surface.volume(), voxels);
        }
    }
}

#[test]
fn the_volume_of_an_organ_is_that_of_its_voxels() {
    for spacing in [DVec3::ONE, DVec3::new(0.7, 0.7, 2.5), DVec3::new(0.8, 0.8, -1.5)] {
        let geometry =
            grid((DVec3::new(70.0, 66.0, 62.0) / spacing.abs()).to_array().map(|n| n as usize), spacing, 0.4);
        let labels = ball(geometry, 25.0);
        let voxels = labels.counts()[3] as f64 * geometry.voxel_volume();
        for rounds in [0, 10, 30] {
            let surface = surface_of(&labels, 3, rounds, &ctx()).unwrap();
            assert_closed(&surface);
            let change = surface.volume() / voxels - 1.0;
            assert!(change.abs() < 0.003, "{spacing} {rounds}: {change}");
        }
        // Smooth is rounder: corners lie closer to the sphere.
        let spread = |rounds| {
            let surface = surface_of(&labels, 3, rounds, &ctx()).unwrap();
            let middle = surface.vertices.iter().sum::<DVec3>() / surface.vertices.len() as f64;
            let radii: Vec<f64> = surface.vertices.iter().map(|v| v.distance(middle)).collect();
            let mean = radii.iter().sum::<f64>() / radii.len() as f64;
            radii.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / radii.len() as f64
        };
        assert!(spread(10) < 0.7 * spread(0), "{} {}", spread(10), spread(0));
    }
}

#[test]
fn a_box_lies_where_its_voxels_are() {
    let geometry = grid([5, 6, 7], DVec3::new(1.0, 2.0, 3.0), 0.0);
    let mut labels = LabelMap::empty(geometry);
    for k in 0..7 {
        for j in 2..5 {
            for i in 1..3 {
                labels.set([i, j, k], 1);
            }
        }
    }
    let surface = surface_of(&labels, 1, 0, &ctx()).unwrap();
    let low = surface.vertices.iter().copied().reduce(DVec3::min).unwrap();
    let high = surface.vertices.iter().copied().reduce(DVec3::max).unwrap();
    // Half a voxel beyond the outermost centres, also at the border of the image.
    assert_eq!(low, DVec3::new(-99.5, 203.0, 998.5));
    assert_eq!(high, DVec3::new(-97.5, 209.0, 1019.5));
    assert_eq!(surface_of(&labels, 2, 0, &ctx()).unwrap(), Surface::default());
    let stopped = ctx();
    stopped.cancel.cancel();
    assert!(matches!(surface_of(&labels, 1, 0, &stopped), Err(MeshError::Cancelled)));
}

fn saved(path: &Path, kind: SurfaceKind, labels: &LabelMap, segments: &[Segment]) -> Result<Vec<[f64; 2]>, MeshError> {
    save_surfaces(path, kind, labels, segments, 0, &ctx())
}

#[test]
fn files_hold_the_surface_and_say_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (stl, obj) = (dir.path().join("a.stl"), dir.path().join("a.obj"));
    let mut labels = ball(grid([12, 12, 12], DVec3::ONE, 0.2), 4.0);
    let surface = surface_of(&labels, 3, 0, &ctx()).unwrap();
    let segments = [Segment::new(3, "left lung\n"), Segment::new(4, "other")];
    let volumes = saved(&stl, SurfaceKind::Stl, &labels, &segments).unwrap();
    assert_eq!(volumes, [[labels.counts()[3] as f64 * labels.geometry().voxel_volume(), surface.volume()]]);
    let bytes = std::fs::read(&stl).unwrap();
    assert!(bytes.starts_with(b"Maskwright surface SPACE=LPS UNIT=mm"));
    assert_eq!(bytes.len(), 84 + 50 * surface.triangles.len());
    assert_eq!(bytes[80..84], (surface.triangles.len() as u32).to_le_bytes());
    let number = |at: usize| f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let corner = surface.vertices[surface.triangles[0][0] as usize];
    assert_eq!([0, 4, 8].map(|n| number(96 + n)), corner.to_array().map(|v| v as f32));

    saved(&obj, SurfaceKind::Obj, &labels, &segments).unwrap();
    let text = std::fs::read_to_string(&obj).unwrap();
    assert!(text.contains("# SPACE=LPS\n") && text.contains("\no left_lung_\n"));
    assert_eq!(text.lines().filter(|l| l.starts_with("v ")).count(), surface.vertices.len());
    labels.set([0, 0, 0], 4);
    assert!(matches!(saved(&stl, SurfaceKind::Stl, &labels, &segments), Err(MeshError::SeveralSegments(_))));
    saved(&obj, SurfaceKind::Obj, &labels, &segments).unwrap();
    let text = std::fs::read_to_string(&obj).unwrap();
    let largest =
        text.lines().filter(|l| l.starts_with("f ")).flat_map(|l| l.split(' ').skip(1).map(|n| n.parse().unwrap()));
    assert_eq!(largest.max(), Some(text.lines().filter(|l| l.starts_with("v ")).count()));
    let empty = LabelMap::empty(*labels.geometry());
    assert!(matches!(saved(&stl, SurfaceKind::Stl, &empty, &segments), Err(MeshError::Empty(_))));
    assert_eq!(std::fs::read(&stl).unwrap(), bytes, "the older file is untouched");
}
