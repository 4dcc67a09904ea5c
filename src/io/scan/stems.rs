//! What file names say: image or mask, and which belong together.

use crate::io::open::stem;
use std::path::Path;

const MASK_WORDS: &[&str] = &[
    "seg",
    "segs",
    "segmentation",
    "segmentations",
    "label",
    "labels",
    "labelmap",
    "labelstr",
    "labelsts",
    "lm",
    "mask",
    "masks",
    "gt",
    "truth",
    "ground",
    "groundtruth",
    "annotation",
    "annotations",
    "roi",
    "contour",
    "contours",
    "prediction",
    "pred",
];
const IMAGE_WORDS: &[&str] = &["img", "image", "images", "imagestr", "imagests", "vol", "volume", "scan"];
const MODALITY_WORDS: &[&str] = &["ct", "cbct", "mr", "mri", "pet", "pt", "t1", "t2"];

/// Parts of a name between anything that is no letter or digit, in lower case.
fn words(name: &str) -> Vec<String> {
    name.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

/// Whether the file's name, or the name of its folder, calls it an image.
pub fn named_image(path: &Path) -> bool {
    let own = words(&stem(path));
    let channel = own.last().is_some_and(|w| is_channel(w)) && own.len() > 1;
    let says = |list: &[&str]| own.iter().any(|w| list.contains(&w.as_str()));
    if says(MASK_WORDS) {
        return false;
    }
    let folder = path.parent().and_then(Path::file_name).map(|n| words(&n.to_string_lossy())).unwrap_or_default();
    channel || says(IMAGE_WORDS) || says(MODALITY_WORDS) || folder.iter().any(|w| IMAGE_WORDS.contains(&w.as_str()))
}

/// The modality that a file's name claims, as DICOM calls it, where it is another than CT.
pub fn named_modality(path: &Path) -> Option<&'static str> {
    let own = words(&stem(path));
    let says = |list: &[&str]| own.iter().any(|w| list.contains(&w.as_str()));
    match () {
        () if says(&["ct", "cbct"]) => None,
        () if says(&["pet", "pt"]) => Some("PT"),
        () if says(&["mr", "mri"]) => Some("MR"),
        () => None,
    }
}

/// nnU-Net's channel suffix.
fn is_channel(word: &str) -> bool {
    word.len() == 4 && word.starts_with("000") && word.bytes().all(|b| b.is_ascii_digit())
}

/// The name without words for roles: `(with modality, without)`.
fn case_names(path: &Path) -> (String, String) {
    let mut own = words(&stem(path));
    if own.len() > 1 && own.last().is_some_and(|w| is_channel(w)) {
        own.pop();
    }
    own.retain(|w| !MASK_WORDS.contains(&w.as_str()) && !IMAGE_WORDS.contains(&w.as_str()));
    let with = own.join("_");
    own.retain(|w| !MODALITY_WORDS.contains(&w.as_str()));
    (with, own.join("_"))
}

/// The case's name, for grouping volume files of one patient.
pub fn case_name(path: &Path) -> String {
    case_names(path).1
}

/// The words of a name that say what a file is, in their order: image or mask, modality, channel.
pub fn role_words(path: &Path) -> Vec<String> {
    let known = |w: &String| {
        let w = w.as_str();
        MASK_WORDS.contains(&w) || IMAGE_WORDS.contains(&w) || MODALITY_WORDS.contains(&w) || is_channel(w)
    };
    words(&stem(path)).into_iter().filter(known).collect()
}

/// How well a mask's name fits an image's: 2 equal, 1 equal but for the modality, 0 nothing in common.
pub fn name_score(mask: &Path, image: &Path) -> u32 {
    let (m, i) = (case_names(mask), case_names(image));
    if m.0 == i.0 && !m.0.is_empty() { 2 } else { u32::from(m.1 == i.1 && !m.1.is_empty()) }
}

/// Folders that two paths share.
pub fn shared_depth(a: &Path, b: &Path) -> usize {
    let parents = |p: &Path| p.parent().map(Path::to_owned).unwrap_or_default();
    parents(a).components().zip(parents(b).components()).take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_pair_masks_with_images() {
        let score = |m: &str, i: &str| name_score(Path::new(m), Path::new(i));
        assert_eq!(score("labelsTr/liver_1.nii.gz", "imagesTr/liver_1_0000.nii.gz"), 2);
        assert_eq!(score("labelsTr/liver_1.nii.gz", "imagesTr/liver_11_0000.nii.gz"), 0);
        assert_eq!(score("CT_mask.nii.gz", "CT_image.nii.gz"), 2);
        assert_eq!(score("CT_mask.nii.gz", "PET_image.nii.gz"), 0);
        assert_eq!(score("lm-64.nrrd", "ct-64.nrrd"), 1);
        assert_eq!(score("lm-64-transformed.nrrd", "ct-64.nrrd"), 0);
        assert_eq!(score("example_seg.nii.gz", "example_ct.nii.gz"), 1);
    }

    #[test]
    fn names_tell_other_modalities() {
        let modality = |name: &str| named_modality(Path::new(name));
        assert_eq!(modality("PET_image.nii.gz"), Some("PT"));
        assert_eq!(modality("a/MR_T1_image.nii.gz"), Some("MR"));
        assert_eq!([modality("pet_ct.nii"), modality("petra-4.nii"), modality("mr/x.nii")], [None; 3]);
    }

    #[test]
    fn names_say_what_a_file_is() {
        for name in ["imagesTr/a.nii.gz", "x_0000.nii.gz", "CT_image.nii.gz", "volume-3.nii"] {
            assert!(named_image(Path::new(name)), "{name}");
        }
        for name in ["labelsTr/a.nii.gz", "skeletal_muscle.nii.gz", "CT_mask.nii.gz", "images/p1_seg.nii"] {
            assert!(!named_image(Path::new(name)), "{name}");
        }
    }
}
