//! Series that are no CT and are read to be laid over one: which these are, and how their values become samples.
//! Private to `io::dicom`.

use super::placed::Placed;
use crate::core::ValueScale;

/// Modalities whose pixels are values of a volume: positron emission tomography, magnetic resonance.
const LAID_OVER: [&str; 2] = ["PT", "MR"];

/// Whether images of this modality are opened for nothing but to be laid over a CT.
pub(super) fn is_laid_over(modality: &str) -> bool {
    LAID_OVER.contains(&modality)
}

/// How the values of slices become samples; `None` for CT, whose samples are HU.
///
/// One slope for all and samples that fit: they stay as they are stored. Else the largest value that the headers allow
/// decides; PET fills its samples slice by slice, so that this is about the largest value there is.
pub(super) fn value_scale(placed: &[Placed<'_>]) -> Option<ValueScale> {
    let first = &placed.first()?.slice;
    if !is_laid_over(&first.header.modality) {
        return None;
    }
    let unit = unit(&first.header.units);
    let slope = first.place.rescale_slope;
    let fits = |[low, high]: [f64; 2]| low >= f64::from(i16::MIN) && high <= f64::from(i16::MAX);
    let as_stored = placed.iter().all(|p| {
        let place = p.slice.place;
        place.rescale_slope == slope && place.rescale_intercept == 0.0 && slope > 0.0 && fits(stored_range(p))
    });
    if as_stored {
        return Some(ValueScale::new(slope, unit));
    }
    let ends = placed.iter().flat_map(|p| {
        let place = p.slice.place;
        stored_range(p).map(|stored| (place.rescale_slope * stored + place.rescale_intercept).abs())
    });
    Some(ValueScale::holding(ends.fold(0.0, f64::max), unit))
}

/// Smallest and largest number that the stored bits can hold.
fn stored_range(placed: &Placed<'_>) -> [f64; 2] {
    let (bits, signed) = placed.slice.header.format.as_ref().map_or((16, false), |f| (f.bits_stored, f.signed));
    let count = f64::from(bits).exp2();
    if signed { [-count / 2.0, count / 2.0 - 1.0] } else { [0.0, count - 1.0] }
}

/// Units (0054,1001), PS3.3 C.8.9.1.1.3; those that are rare are left without a name.
fn unit(units: &str) -> &'static str {
    match units {
        "BQML" => "Bq/ml",
        "GML" => "g/ml",
        "CNTS" => "counts",
        "PCNT" => "%",
        _ => "",
    }
}
