//! Branching vessels: a tree that grows from a hilum until it fills an organ.
//!
//! Growth is by rapidly exploring random trees (LaValle, 1998) with a price on the way back to the root, so that
//! branches run outwards; calibres follow Murray's law (Murray, 1926).

use super::habitus::Chance;
use super::shape::{Blob, Solid};
use glam::Vec3;

/// How a tree grows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth {
    pub root: Vec3,
    /// Direction in which the trunk starts.
    pub towards: Vec3,
    /// Box to fill.
    pub lo: Vec3,
    pub hi: Vec3,
    /// Number of twigs' steps and length of one, mm.
    pub steps: usize,
    pub step: f32,
    /// Radius of the last twigs and the largest allowed, mm.
    pub twig: f32,
    pub trunk: f32,
    /// How far branches stay inside the surface, mm.
    pub margin: f32,
}

/// Rods of a tree inside `distance < -margin`. The trunk may start outside.
pub(super) fn grow(growth: &Growth, chance: &mut Chance, distance: impl Fn(Vec3) -> f32) -> Vec<Solid> {
    struct Node {
        at: Vec3,
        parent: usize,
        path: f32,
        ahead: Vec3,
    }
    let mut nodes = vec![Node { at: growth.root, parent: 0, path: 0.0, ahead: growth.towards.normalize_or(Vec3::X) }];
    for _ in 0..growth.steps * 6 {
        if nodes.len() > growth.steps {
            break;
        }
        let target = Vec3::new(
            chance.between(growth.lo.x, growth.hi.x),
            chance.between(growth.lo.y, growth.hi.y),
            chance.between(growth.lo.z, growth.hi.z),
        );
        if distance(target) > -growth.margin {
            continue;
        }
        let price = |n: &Node| n.at.distance(target) + 0.35 * n.path;
        let Some(best) = (0..nodes.len()).min_by(|a, b| price(&nodes[*a]).total_cmp(&price(&nodes[*b]))) else { break };
        let from = &nodes[best];
        let way = target - from.at;
        if way.length() < growth.step * 0.7 {
            continue;
        }
        let ahead = (way.normalize() + from.ahead * 0.45).normalize_or(from.ahead);
        let at = from.at + ahead * growth.step;
        let free = from.at.distance(growth.root) < 3.0 * growth.step;
        if distance(at) > -growth.margin && !free {
            continue;
        }
        let path = from.path + growth.step;
        nodes.push(Node { at, parent: best, path, ahead });
    }
    // Children come after their parents, so one backward pass sums the twigs.
    const MURRAY: f32 = 2.7;
    let mut flow = vec![0.0f32; nodes.len()];
    for n in (1..nodes.len()).rev() {
        if flow[n] == 0.0 {
            flow[n] = growth.twig.powf(MURRAY);
        }
        flow[nodes[n].parent] += flow[n];
    }
    let radius = |n: usize| flow[n].powf(1.0 / MURRAY).clamp(growth.twig, growth.trunk);
    (1..nodes.len())
        .map(|n| {
            let parent = nodes[n].parent;
            // A twig leaves with its own calibre; only the continuing branch tapers from its parent's.
            let start = radius(parent).min(radius(n) * 1.25);
            Solid::Blob(Blob::rod(nodes[parent].at, nodes[n].at, start, radius(n)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_fills_its_organ_and_stays_inside() {
        let growth = Growth {
            root: Vec3::new(-38.0, 0.0, 0.0),
            towards: Vec3::X,
            lo: Vec3::splat(-40.0),
            hi: Vec3::splat(40.0),
            steps: 150,
            step: 6.0,
            twig: 0.6,
            trunk: 5.0,
            margin: 2.0,
        };
        let tree = grow(&growth, &mut Chance::new(1, 1), |p| p.length() - 40.0);
        assert!(tree.len() > 100, "{}", tree.len());
        let octants = (0..8).filter(|o| {
            tree.iter().any(|s| {
                let (lo, hi) = s.bounds();
                let c = (lo + hi) / 2.0;
                (c.x > 0.0) == (o & 1 == 1) && (c.y > 0.0) == (o & 2 == 2) && (c.z > 0.0) == (o & 4 == 4)
            })
        });
        assert_eq!(octants.count(), 8);
        assert!(tree.iter().all(|s| s.bounds().0.length() < 50.0));
    }
}
