//! How a surface passes between eight voxels, for each of the 256 ways in which they can be inside or outside.
//!
//! The ways are worked out, not listed: on each face of the cube a line separates every run of inside corners from the
//! rest, lines join to loops, loops are cut into triangles. Because a face's lines depend on its own four corners alone,
//! neighbouring cubes always agree, and surfaces are closed. Private to `io::mesh`.

use std::sync::LazyLock;

/// Triangles of a case: numbers of cube edges, on whose middles the corners lie.
pub(super) type Case = Vec<[u8; 3]>;

/// Corner `c` of the cube lies at (bit 0, bit 1, bit 2) of `c`. Edge `4 a + n` runs along axis `a`; `n` holds where it
/// lies on the two other axes, the lower axis in bit 0.
pub(super) static CASES: LazyLock<[Case; 256]> = LazyLock::new(|| std::array::from_fn(|inside| case(inside as u8)));

/// The four corners of each face, counter-clockwise as seen from outside the cube.
const FACES: [[u8; 4]; 6] = [[0, 4, 6, 2], [1, 3, 7, 5], [0, 1, 5, 4], [2, 6, 7, 3], [0, 2, 3, 1], [4, 5, 7, 6]];

/// Axis of an edge, and the place of its lower end.
pub(super) fn edge_place(edge: u8) -> (usize, [usize; 3]) {
    let axis = usize::from(edge / 4);
    let mut place = [0; 3];
    let others = (0..3).filter(|a| *a != axis);
    for (bit, other) in others.enumerate() {
        place[other] = usize::from(edge >> bit & 1);
    }
    (axis, place)
}

/// The edge between two neighbouring corners.
fn edge_between(a: u8, b: u8) -> u8 {
    let axis = (a ^ b).trailing_zeros() as u8;
    let others = (0..3u8).filter(|other| *other != axis);
    others.enumerate().fold(4 * axis, |edge, (bit, other)| edge | (a >> other & 1) << bit)
}

/// The two faces that an edge lies on, as bits: axis by axis, lower before upper.
fn faces_of(edge: u8) -> u8 {
    let (axis, place) = edge_place(edge);
    (0..3).filter(|a| *a != axis).fold(0, |bits, a| bits | 1 << (2 * a + place[a]))
}

fn case(inside: u8) -> Case {
    let is_inside = |corner: u8| inside >> corner & 1 == 1;
    // From each crossed edge to the next one around the surface.
    let mut next: [Option<u8>; 12] = [None; 12];
    for face in FACES {
        for start in 0..4 {
            let corner = |n: usize| face[(start + n) % 4];
            // A run of inside corners begins behind an outside one.
            if is_inside(corner(0)) || !is_inside(corner(1)) {
                continue;
            }
            let length = (1..4).take_while(|n| is_inside(corner(*n))).count();
            let entry = edge_between(corner(0), corner(1));
            let exit = edge_between(corner(length), corner(length + 1));
            next[usize::from(entry)] = Some(exit);
        }
    }
    let mut triangles = Vec::new();
    for first in 0..12u8 {
        let mut ring = Vec::new();
        let mut edge = first;
        while let Some(following) = next[usize::from(edge)].take() {
            ring.push(edge);
            edge = following;
        }
        cut(&ring, &mut triangles);
    }
    triangles
}

/// Cuts a ring into triangles without a cut along a face of the cube, where the neighbour could make the same one.
fn cut(ring: &[u8], triangles: &mut Case) -> bool {
    let [first, .., last] = ring else { return true };
    if ring.len() < 3 {
        return true;
    }
    let allowed = |a: u8, b: u8| faces_of(a) & faces_of(b) == 0;
    let before = triangles.len();
    for tip in 1..ring.len() - 1 {
        let left = tip == 1 || allowed(*first, ring[tip]);
        let right = tip == ring.len() - 2 || allowed(ring[tip], *last);
        if left && right {
            triangles.push([*first, ring[tip], *last]);
            if cut(&ring[..=tip], triangles) && cut(&ring[tip..], triangles) {
                return true;
            }
            triangles.truncate(before);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_uses_each_crossed_edge_and_cuts_no_face() {
        for inside in 0..=255u8 {
            let crossed: Vec<u8> = (0..12)
                .filter(|&edge| {
                    let (axis, [x, y, z]) = edge_place(edge);
                    let corner = (x | y << 1 | z << 2) as u8;
                    (inside >> corner ^ inside >> (corner | 1 << axis)) & 1 == 1
                })
                .collect();
            let case = &CASES[usize::from(inside)];
            let mut used: Vec<u8> = case.iter().flatten().copied().collect();
            used.sort_unstable();
            used.dedup();
            assert_eq!(used, crossed, "{inside:08b}");
            // An edge of one triangle alone lies on a face, one that two share runs through the cube.
            let mut sides: Vec<[u8; 2]> = case.iter().flat_map(|&[a, b, c]| [[a, b], [b, c], [c, a]]).collect();
            sides.sort_unstable();
            assert!(sides.windows(2).all(|w| w[0] != w[1]), "{inside:08b}");
            for [a, b] in &sides {
                let on_face = faces_of(*a) & faces_of(*b) != 0;
                assert_eq!(on_face, !sides.contains(&[*b, *a]), "{inside:08b}: {a} {b}");
            }
        }
    }
}
