//! The definitions of surface distance that public tools use, each under the name of its tool.
//!
//! On the same two masks they differ by a factor; so the definition is chosen, and named beside every figure.

use super::rows::{Definition, define};
use serde::{Deserialize, Serialize};

/// What counts as surface, and how distances become HD, HD95 and ASSD.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convention {
    /// Surface voxels by face neighbours; HD95 the larger directed percentile; ASSD pooled. MONAI computes the same.
    #[default]
    Standard,
    /// HD95 is the percentile of all distances pooled, ASSD the mean of the two directed means.
    MedPy,
    /// Surface elements on the dual grid, weighted by their area.
    DeepMind,
    /// Distances between the sets of all voxels, not between surfaces.
    SimpleItk,
    /// As standard, but a face that the border of the image cuts is no surface.
    OpenBorder,
    /// As standard, but all 26 neighbours (8 in a slice) make a surface voxel.
    FullNeighbours,
    /// As standard, but percentiles are ranks: the smallest distance that 95 % of the others do not exceed.
    NearestRank,
}

impl Convention {
    pub const ALL: [Self; 7] = [
        Self::Standard,
        Self::MedPy,
        Self::DeepMind,
        Self::SimpleItk,
        Self::OpenBorder,
        Self::FullNeighbours,
        Self::NearestRank,
    ];

    /// The name beside the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "Maskwright and MONAI",
            Self::MedPy => "MedPy",
            Self::DeepMind => "DeepMind surface-distance",
            Self::SimpleItk => "SimpleITK Hausdorff filter",
            Self::OpenBorder => "open border",
            Self::FullNeighbours => "full neighbourhood",
            Self::NearestRank => "nearest rank",
        }
    }

    /// What each figure means under it.
    pub fn definitions(self) -> Vec<Definition> {
        let surface = match self {
            Self::Standard | Self::MedPy | Self::NearestRank => SURFACE_FACES,
            Self::DeepMind => {
                "Surface elements between the voxels, one for each corner where voxels of the mask and of the \
                 background meet, weighted by the area (in a slice, the length) that the spacing gives them. Distances \
                 run between the corners, in mm of the spacing, for slices also in pixels."
            }
            Self::SimpleItk => {
                "No surface: distances run from every voxel of a mask to the nearest voxel of the other and are 0 \
                 inside of it, in mm of the spacing, for slices also in pixels."
            }
            Self::OpenBorder => {
                "Foreground voxels with a background neighbour: 6 neighbours in a volume, 4 in a slice. What lies \
                 beyond the border of the image counts as foreground, so that a face cut by the field of view is no \
                 surface. Distances run between voxel centres, in mm of the spacing, for slices also in pixels."
            }
            Self::FullNeighbours => {
                "Foreground voxels with a background neighbour: 26 neighbours in a volume, 8 in a slice. The border of \
                 the image counts as background. Distances run between voxel centres, in mm of the spacing, for \
                 slices also in pixels."
            }
        };
        let hd = match self {
            Self::SimpleItk => "Hausdorff distance of the two sets of voxels: the larger of the two directed maxima.",
            _ => "Hausdorff distance: the larger of the two directed maxima of surface distance.",
        };
        let hd95 = match self {
            Self::MedPy => "95th percentile of the distances of both directions pooled, interpolated between ranks.",
            Self::DeepMind => "The larger of the two directed distances within which 95 % of a surface's area lies.",
            Self::SimpleItk => "Not defined by this tool.",
            Self::NearestRank => {
                "The larger of the two directed 95th percentiles of surface distance, by nearest rank."
            }
            Self::Standard | Self::OpenBorder | Self::FullNeighbours => {
                "The larger of the two directed 95th percentiles of surface distance, interpolated linearly between \
                 ranks."
            }
        };
        let assd = match self {
            Self::MedPy => "Average symmetric surface distance: the mean of the two directed mean distances.",
            Self::DeepMind => "The mean of the two directed mean distances, each weighted by area.",
            Self::SimpleItk => {
                "Average Hausdorff distance of that tool: the mean of the two directed means over all voxels of a mask, \
                 those inside the other with 0. It is no surface distance."
            }
            Self::Standard | Self::OpenBorder | Self::FullNeighbours | Self::NearestRank => {
                "Average symmetric surface distance: the mean over the surface distances of A and B pooled."
            }
        };
        let nsd = match self {
            Self::DeepMind => {
                "Surface Dice (NSD): the share of the area of both surfaces that lies within the tolerance of the \
                 other (Nikolov et al. 2021)."
            }
            Self::SimpleItk => "Surface Dice. Not defined by this tool.",
            _ => "Surface Dice (NSD): the share of the surface voxels of both masks within the tolerance of the other.",
        };
        let mut all = super::rows::OVERLAP_DEFINITIONS.to_vec();
        all.push(Definition { figure: "Distances".into(), text: format!("As {} defines them.", self.name()).into() });
        all.extend([
            define("Surface", surface),
            define("HD", hd),
            define("HD95", hd95),
            define("ASSD", assd),
            define("NSD", nsd),
            super::rows::MISS,
        ]);
        all
    }
}

const SURFACE_FACES: &str = "Foreground voxels with a background neighbour: 6 neighbours in a volume, 4 in a slice. The \
                             border of the image counts as background. Distances run between voxel centres, in mm of \
                             the spacing, for slices also in pixels.";

impl std::fmt::Display for Convention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Convention {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "standard" | "maskwright" | "monai" => Self::Standard,
            "medpy" => Self::MedPy,
            "deepmind" | "surface-distance" => Self::DeepMind,
            "simpleitk" => Self::SimpleItk,
            "open-border" => Self::OpenBorder,
            "full" => Self::FullNeighbours,
            "nearest-rank" => Self::NearestRank,
            _ => {
                return Err(format!(
                    "{text} is no definition of surface distance: choose monai, medpy, deepmind, simpleitk, \
                     open-border, full or nearest-rank"
                ));
            }
        })
    }
}
