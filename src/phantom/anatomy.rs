//! The torso as a whole: habitus, all parts in the order of painting, and the surfaces between lungs and middle.

use super::disease::{self, Opacity};
use super::habitus::{Chance, Habitus};
use super::shape::{Part, Solid, smooth_max, smooth_min};
use super::{Kind, abdomen, muscles, skeleton, thorax};
use glam::Vec3;

/// HU of tissues that depend on contrast medium.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contrast {
    pub arteries: f32,
    pub veins: f32,
    pub portal: f32,
    pub lung_vessels: f32,
    pub myocardium: f32,
    pub liver: f32,
    pub spleen: f32,
    pub kidney_cortex: f32,
    pub kidney_medulla: f32,
    pub bowel_wall: f32,
}

impl Contrast {
    /// Portal-venous phase.
    fn portal(c: &mut Chance) -> Self {
        let arteries = c.around(158.0, 22.0);
        let liver = c.around(111.0, 11.0);
        Self {
            arteries,
            veins: arteries - c.around(8.0, 8.0),
            portal: liver + c.around(54.0, 12.0),
            lung_vessels: arteries,
            myocardium: c.around(102.0, 8.0),
            liver,
            spleen: c.around(122.0, 10.0),
            kidney_cortex: c.around(196.0, 16.0),
            kidney_medulla: c.around(152.0, 16.0),
            bowel_wall: c.around(92.0, 10.0),
        }
    }

    /// No contrast medium: blood a little darker than muscle.
    fn none(c: &mut Chance) -> Self {
        let blood = c.around(41.0, 5.0);
        Self {
            arteries: blood,
            veins: blood - 2.0,
            portal: blood,
            lung_vessels: blood,
            myocardium: blood + 5.0,
            liver: c.around(58.0, 6.0),
            spleen: c.around(48.0, 4.0),
            kidney_cortex: 33.0,
            kidney_medulla: 29.0,
            bowel_wall: 38.0,
        }
    }
}

/// Where organs put their parts.
#[derive(Default)]
pub(super) struct Stock {
    parts: Vec<(Part, (Vec3, Vec3))>,
    /// What the lungs lie against, with the room around it in mm.
    pub mediastinum: Vec<(Solid, f32)>,
}

impl Stock {
    /// Paints `part` over everything added before.
    pub(super) fn add(&mut self, part: Part) {
        let bounds = part.bounds();
        self.parts.push((part, bounds));
    }
}

/// One patient's torso from the shoulders to the pelvis.
pub(super) struct Torso {
    pub seed: u64,
    pub habitus: Habitus,
    pub parts: Vec<(Part, (Vec3, Vec3))>,
    pub mediastinum: Vec<(Solid, f32)>,
    pub breasts: Vec<Solid>,
    /// Empty in patients without disease of the lungs.
    pub opacities: Vec<Opacity>,
    /// HU of the lung at mid height between front and back.
    pub lung_hu: f32,
    /// World y of the couch's surface, mm.
    pub couch_y: f32,
}

impl Torso {
    /// Builds the patient of `seed`, with the contrast medium that is usual for `kind`.
    pub(super) fn new(kind: Kind, seed: u64) -> Self {
        let habitus = Habitus::new(seed);
        let mut chance = Chance::new(seed, 3);
        let contrast = match kind {
            Kind::Chest | Kind::DiseasedChest if chance.yes(0.5) => Contrast::none(&mut chance),
            _ => Contrast::portal(&mut chance),
        };
        let mut stock = Stock::default();
        muscles::build(&habitus, seed, &mut stock);
        skeleton::build(&habitus, seed, &mut stock);
        abdomen::build(&habitus, &contrast, seed, &mut stock);
        thorax::build(&habitus, &contrast, seed, &mut stock);
        let breasts = thorax::breasts(&habitus, seed);
        let back = [-60.0f32, -140.0, -300.0]
            .iter()
            .map(|z| habitus.skin_radius(std::f32::consts::FRAC_PI_2, *z))
            .fold(0.0, f32::max);
        let couch_y = back * habitus.scale.y + 9.0;
        let mut torso = Self {
            seed,
            habitus,
            parts: stock.parts,
            mediastinum: stock.mediastinum,
            breasts,
            opacities: Vec::new(),
            lung_hu: chance.around(-852.0, 22.0),
            couch_y,
        };
        if kind == Kind::L3 {
            // Nothing of the chest is in view.
            return torso;
        }
        if kind == Kind::DiseasedChest {
            torso.opacities = disease::opacities(&torso);
        }
        let branches = thorax::lung_vessels(&torso, &contrast);
        torso.parts.extend(branches.into_iter().map(|part| {
            let bounds = part.bounds();
            (part, bounds)
        }));
        torso
    }

    /// Distance to the sheet where the two lungs meet in front of the heart and vessels, negative within.
    pub(super) fn strip(&self, p: Vec3) -> f32 {
        let front = ((-p.y - 45.0) / 35.0).clamp(0.0, 1.0);
        // Under the heart the lower cava, the gullet and fat keep the lungs farther apart.
        let low = ((-205.0 - p.z) / 20.0).clamp(0.0, 1.0);
        (p.x - 3.0).abs() - 2.0 - 5.0 * front * front - 16.0 * low
    }

    /// Distance to a lung's surface, negative inside.
    pub(super) fn lung(&self, p: Vec3, left: bool) -> f32 {
        let wall = self.habitus.cavity(p);
        let side = if left { -p.x } else { p.x };
        let middle = self
            .mediastinum
            .iter()
            .fold(self.strip(p), |d, (solid, grow)| smooth_min(d, solid.distance(p) - grow, 10.0));
        smooth_max(smooth_max(wall + 1.0, -self.habitus.above_diaphragm(p), 3.0), -middle, 3.0).max(side)
    }
}
