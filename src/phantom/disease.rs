//! Opacities in the lungs: consolidation at the pleura, ground glass, masses. They change what the image shows and not
//! whose lung it is, as in masks that people draw.

use super::anatomy::Torso;
use super::habitus::{Chance, smooth_step};
use super::shape::{Solid, turned};
use glam::{Mat3, Vec3};

/// A part of a lung that holds less air.
pub(super) struct Opacity {
    solids: Vec<Solid>,
    bounds: (Vec3, Vec3),
    hu: f32,
    /// Half the width of its edge, mm.
    soft: f32,
    /// How far the texture moves its edge, mm for each unit of noise.
    uneven: f32,
}

impl Opacity {
    /// HU at `p` (standard mm) where a lung had `hu` before; `noise` is smooth and about 1.
    pub(super) fn shade(&self, p: Vec3, noise: f32, hu: f32) -> f32 {
        let reach = Vec3::splat(self.soft + 3.0 * self.uneven);
        if p.cmplt(self.bounds.0 - reach).any() || p.cmpgt(self.bounds.1 + reach).any() {
            return hu;
        }
        let distance = self.solids.iter().map(|s| s.distance(p)).fold(f32::INFINITY, f32::min);
        let share = 1.0 - smooth_step(-self.soft, self.soft, distance + self.uneven * noise);
        hu + (self.hu - hu) * share
    }
}

/// What decides between the forms of disease.
struct Form {
    radius: [f32; 2],
    hu: [f32; 2],
    soft: f32,
    uneven: f32,
    /// Deepest place of its middle under the lung's surface, mm.
    deepest: f32,
}

const CONSOLIDATION: Form = Form { radius: [20.0, 44.0], hu: [5.0, 48.0], soft: 4.0, uneven: 2.5, deepest: 9.0 };
const GROUND_GLASS: Form = Form { radius: [22.0, 50.0], hu: [-640.0, -420.0], soft: 12.0, uneven: 5.0, deepest: 60.0 };
const MASS: Form = Form { radius: [7.0, 18.0], hu: [15.0, 45.0], soft: 1.5, uneven: 0.8, deepest: 60.0 };

/// At least one consolidation, and two to five further opacities, of the patient of `torso.seed`.
pub(super) fn opacities(torso: &Torso) -> Vec<Opacity> {
    let mut c = Chance::new(torso.seed, 60);
    let number = c.count(2, 5);
    let forms = std::iter::once(&CONSOLIDATION);
    let forms = forms.chain((0..number).map(|n| [&GROUND_GLASS, &CONSOLIDATION, &MASS][n % 3]));
    forms.filter_map(|form| opacity(torso, form, &mut c)).collect()
}

/// `None` where chance finds no place in the lungs.
fn opacity(torso: &Torso, form: &Form, c: &mut Chance) -> Option<Opacity> {
    let center = (0..400).find_map(|_| {
        let at = Vec3::new(c.between(-140.0, 140.0), c.between(-90.0, 90.0), c.between(-270.0, -20.0));
        let depth = -torso.lung(at, at.x > 0.0);
        (depth > 0.0 && depth <= form.deepest).then_some(at)
    })?;
    let radius = c.between(form.radius[0], form.radius[1]);
    let solids: Vec<Solid> = (0..c.count(2, 4))
        .map(|_| {
            let axes = Mat3::from_rotation_z(c.between(0.0, 3.0)) * Mat3::from_rotation_x(c.between(0.0, 3.0));
            let radii = Vec3::new(c.between(0.5, 1.0), c.between(0.5, 1.0), c.between(0.5, 1.0)) * radius;
            turned(center + c.nudge(radius * 0.4), radii, axes)
        })
        .collect();
    let all = solids.iter().map(Solid::bounds);
    let bounds = all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    let hu = c.between(form.hu[0], form.hu[1]);
    Some(Opacity { solids, bounds, hu, soft: form.soft, uneven: form.uneven })
}
