//! Names of our own for the entries of an archive. Private to `io::archive`.
//!
//! Files and folders are numbered. Numbers follow the natural order of the names, and what was called alike is numbered
//! alike, so that whatever the scan reads from names still holds: the order of pictures, masks named like their
//! slices, labels named like their images. Of the names themselves only words from fixed lists remain: the kinds of
//! file, the folders of known data sets, and what calls a volume file image or mask.

use crate::io::natural::natural_cmp;
use crate::io::scan::names::{case_name, is_never_image, role_words};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Endings that say what a file is; the longer first.
const ENDINGS: [&str; 13] = [
    ".seg.nrrd",
    ".nii.gz",
    ".hdr.gz",
    ".img.gz",
    ".nii",
    ".nrrd",
    ".nhdr",
    ".hdr",
    ".img",
    ".dcm",
    ".png",
    ".jpeg",
    ".jpg",
];
/// Endings of volumes, whose names say more than a number does.
const VOLUMES: [&str; 9] = [".seg.nrrd", ".nii.gz", ".hdr.gz", ".img.gz", ".nii", ".nrrd", ".nhdr", ".hdr", ".img"];
/// Files that are known by their whole name.
const FILES: [&str; 2] = ["DICOMDIR", "dataset.json"];
/// Folders of data sets that are known by their names.
const FOLDERS: [&str; 14] = [
    "PATIENT_DICOM",
    "MASKS_DICOM",
    "LABELLED_DICOM",
    "DICOM_anon",
    "Ground",
    "imagesTr",
    "imagesTs",
    "labelsTr",
    "labelsTs",
    "images",
    "labels",
    "masks",
    "CT",
    "MR",
];
/// Most letters of a name that are shown.
const LONGEST: usize = 80;
const ARCHIVES: [&str; 8] = ["zip", "7z", "rar", "tar", "tgz", "gz", "bz2", "xz"];

/// Whether a name, with `/` between its parts, stays below the folder it is unpacked into.
pub(super) fn is_safe(name: &str) -> bool {
    let parts_are_safe = name.split('/').all(|part| part != ".." && !part.contains('\0'));
    let drive = name.as_bytes().get(1) == Some(&b':');
    !name.is_empty() && !name.starts_with('/') && !drive && parts_are_safe
}

/// `None` for an entry that nobody misses (hidden, notes, tables); `Err` for an archive in the archive.
pub(super) fn unpacked_name(name: &str) -> Option<Result<(), ()>> {
    let mut parts = name.split('/').filter(|p| !p.is_empty());
    let hidden = |part: &str| part.starts_with('.') || part == "__MACOSX" || part == "Thumbs.db";
    let last = parts.clone().next_back()?;
    if parts.any(hidden) {
        return None;
    }
    if FILES.contains(&last) || ending(last).is_some() {
        return Some(Ok(()));
    }
    let path = Path::new(last);
    if path.extension().is_some_and(|e| ARCHIVES.iter().any(|a| e.eq_ignore_ascii_case(a))) {
        return Some(Err(()));
    }
    (!is_never_image(path)).then_some(Ok(()))
}

/// The last part of an entry's name as it is shown: without characters that do not show, or that turn the text about them.
pub(super) fn shown_name(name: &str) -> String {
    let hides = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = name.rsplit('/').next().unwrap_or(name).chars().filter(|c| !hides(*c));
    let mut short: String = shown.by_ref().take(LONGEST).collect();
    if shown.next().is_some() {
        short.push('…');
    }
    short
}

fn ending(file: &str) -> Option<&'static str> {
    let lower = file.to_ascii_lowercase();
    ENDINGS.into_iter().find(|e| lower.len() > e.len() && lower.ends_with(e))
}

/// What is numbered alike: a volume's case, else the name without its ending.
fn stem(file: &str) -> String {
    match ending(file) {
        Some(ending) if VOLUMES.contains(&ending) => format!("case {}", case_name(Path::new(file))),
        Some(ending) => file[..file.len() - ending.len()].to_owned(),
        None => file.to_owned(),
    }
}

/// Targets below the unpacked folder, one for each name; no two are equal, on systems that ignore case too.
pub(super) fn safe_targets(names: &[&str]) -> Vec<PathBuf> {
    let split = |name: &str| -> (Vec<String>, String) {
        let mut parts: Vec<String> =
            name.split('/').filter(|p| !p.is_empty() && *p != ".").map(str::to_owned).collect();
        let file = parts.pop().unwrap_or_default();
        (parts, file)
    };
    let all: Vec<(Vec<String>, String)> = names.iter().map(|n| split(n)).collect();
    let stems = numbered(all.iter().map(|(_, file)| stem(file)));
    // Numbers of folders count among those that lie in the same one.
    let mut below: BTreeMap<Vec<String>, HashSet<String>> = BTreeMap::new();
    for (folders, _) in &all {
        for depth in 0..folders.len() {
            below.entry(folders[..depth].to_vec()).or_default().insert(folders[depth].clone());
        }
    }
    let below: HashMap<Vec<String>, HashMap<String, usize>> =
        below.into_iter().map(|(parent, children)| (parent, numbered(children.into_iter()))).collect();
    let mut taken: HashSet<String> = HashSet::new();
    all.iter()
        .map(|(folders, file)| {
            let mut path = PathBuf::new();
            for (depth, folder) in folders.iter().enumerate() {
                let known = FOLDERS.into_iter().find(|k| k.eq_ignore_ascii_case(folder));
                let number = below.get(&folders[..depth]).and_then(|n| n.get(folder)).copied().unwrap_or(0);
                path.push(known.map_or_else(|| format!("folder-{number:05}"), str::to_owned));
            }
            let number = stems.get(&stem(file)).copied().unwrap_or(0);
            let mut again = 0;
            loop {
                let target = path.join(own_name(file, number, again));
                if taken.insert(target.to_string_lossy().to_ascii_lowercase()) {
                    return target;
                }
                again += 1;
            }
        })
        .collect()
}

fn own_name(file: &str, number: usize, again: usize) -> String {
    if again == 0
        && let Some(known) = FILES.into_iter().find(|k| *k == file)
    {
        return known.to_owned();
    }
    let ending = ending(file).unwrap_or_default();
    let roles = if VOLUMES.contains(&ending) { role_words(Path::new(file)) } else { Vec::new() };
    let roles: String = roles.iter().map(|w| format!("_{w}")).collect();
    let again = if again > 0 { format!("-{again}") } else { String::new() };
    format!("{number:06}{again}{roles}{ending}")
}

/// Numbers from 1 in natural order, equal texts once.
fn numbered(texts: impl Iterator<Item = String>) -> HashMap<String, usize> {
    let mut distinct: Vec<String> = texts.collect::<HashSet<_>>().into_iter().collect();
    distinct.sort_by(|a, b| natural_cmp(a, b).then_with(|| a.cmp(b)));
    distinct.into_iter().zip(1..).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(names: &[&str]) -> Vec<String> {
        safe_targets(names).into_iter().map(|p| p.to_string_lossy().replace('\\', "/")).collect()
    }

    #[test]
    fn names_that_lead_out_are_seen() {
        for name in ["../x", "a/../../x", "/etc/passwd", "C:/x", "c:x", "", "a/\0b", "a/.."] {
            assert!(!is_safe(name), "{name:?}");
        }
        for name in ["a/b.dcm", "a..b/c", "…/x", "a/./b"] {
            assert!(is_safe(name), "{name:?}");
        }
    }

    #[test]
    fn nothing_of_a_name_remains_but_fixed_words() {
        let names = [
            "DOE^JOHN/3Dircadb1.1/PATIENT_DICOM/image_10",
            "DOE^JOHN/3Dircadb1.1/MASKS_DICOM/liver/image_9",
            "CON.dcm",
        ];
        assert_eq!(
            targets(&names),
            [
                "folder-00001/folder-00001/PATIENT_DICOM/000003",
                "folder-00001/folder-00001/MASKS_DICOM/folder-00001/000002",
                "000001.dcm"
            ]
        );
    }

    #[test]
    fn alike_stays_alike_and_order_stays_order() {
        let names = ["ct/IM_2.dcm", "ct/IM_10.dcm", "mask/IM_2.png", "mask/IM_10.png", "mask/im_10.PNG"];
        let t = targets(&names);
        assert_eq!(
            t[0].rsplit('/').next().unwrap().split('.').next(),
            t[2].rsplit('/').next().unwrap().split('.').next()
        );
        assert!(t[0] < t[1] && t[2] < t[3]);
        assert_eq!(t.iter().map(|t| t.to_ascii_lowercase()).collect::<HashSet<_>>().len(), 5);
        let t = targets(&["imagesTr/liver_1_0000.nii.gz", "labelsTr/liver_1.nii.gz", "labelsTr/liver_11.nii.gz"]);
        assert_eq!(t, ["imagesTr/000001_0000.nii.gz", "labelsTr/000001.nii.gz", "labelsTr/000002.nii.gz"]);
        let t = targets(&["p/CT_image.nii.gz", "p/CT_mask.nii.gz", "p/MR_T1_mask.nii.gz"]);
        assert!(
            t[0].ends_with("_ct_image.nii.gz")
                && t[1].ends_with("_ct_mask.nii.gz")
                && t[2].ends_with("_mr_t1_mask.nii.gz")
        );
        assert_eq!(case_name(Path::new(&t[0])), case_name(Path::new(&t[1])));
    }

    #[test]
    fn names_are_shown_without_what_does_not_show() {
        for (name, shown) in [
            ("DOE^JANE/CT/IM_7.dcm", "IM_7.dcm"),
            ("Zähne 2.nii.gz", "Zähne 2.nii.gz"),
            ("a/mcd.\u{202e}7\u{1b}[31m_MI\u{200b}\n", "mcd.7[31m_MI"),
            ("a/\u{7}", ""),
        ] {
            assert_eq!(shown_name(name), shown);
        }
        assert_eq!(shown_name(&"x".repeat(300)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn what_is_left_out() {
        assert_eq!(unpacked_name("a/.DS_Store"), None);
        assert_eq!(unpacked_name("__MACOSX/a/IM1"), None);
        assert_eq!(unpacked_name("a/notes.txt"), None);
        assert_eq!(unpacked_name("a/inner.zip"), Some(Err(())));
        assert_eq!(unpacked_name("a/x.tar.gz"), Some(Err(())));
        for kept in ["a/IM1", "x.nii.gz", "DICOMDIR", "dataset.json", "a/1.2.840.3", "b/x.IMA"] {
            assert_eq!(unpacked_name(kept), Some(Ok(())), "{kept}");
        }
    }
}
