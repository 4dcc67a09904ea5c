//! Folder indices and many broken files, as discs bring them.

use super::real_data::data;
use super::test_files::TestSlice;
use super::write::Builder;
use crate::io::scan;
use crate::jobs::JobContext;
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use std::fs;
use std::path::Path;

fn write_index(path: &Path, files: &[&str]) {
    let record = |id: &&str| {
        Builder::new().text(tags::DIRECTORY_RECORD_TYPE, VR::CS, "IMAGE").text(tags::REFERENCED_FILE_ID, VR::CS, id)
    };
    Builder::new()
        .text(tags::SOP_CLASS_UID, VR::UI, uids::MEDIA_STORAGE_DIRECTORY_STORAGE)
        .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3")
        .items(tags::DIRECTORY_RECORD_SEQUENCE, files.iter().map(record))
        .save(path, VR::OB, 0, |_| Ok(()))
        .unwrap();
}

#[test]
fn an_index_that_names_absent_files_is_told_and_stands_for_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("IMAGES");
    fs::create_dir(&images).unwrap();
    for (n, name) in ["im1.dcm", "IM2", "IM3"].into_iter().enumerate() {
        let mut slice = TestSlice::at(n as f64);
        slice.name = name.into();
        slice.write(&images);
    }
    let index = dir.path().join("DICOMDIR");
    write_index(&index, &["IMAGES\\IM1", "IMAGES\\IM2", "IMAGES\\IM3"]);
    let found = scan(dir.path(), &JobContext::detached()).unwrap();
    assert!(found.findings.iter().all(|f| f.code != "index-names-absent-files"), "{:?}", found.findings);
    write_index(&index, &["IMAGES\\IM1", "IMAGES\\IM4", "OTHER\\IM2", "..\\..\\etc\\passwd"]);
    for path in [dir.path(), &index] {
        let found = scan(path, &JobContext::detached()).unwrap();
        let finding = found.findings.iter().find(|f| f.code == "index-names-absent-files").unwrap();
        assert!(finding.text.contains("lists 4 files, and 3 of them are not here"), "{}", finding.text);
        assert_eq!(found.series().map(|s| s.slices).collect::<Vec<_>>(), [3]);
    }
}

#[test]
fn a_thousand_broken_files_are_one_finding() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(TestSlice::at(0.0).write(dir.path())).unwrap();
    for n in 0..300 {
        // Within the header, and within the pixels.
        fs::write(dir.path().join(format!("broken{n}")), &whole[..170 + n % 40]).unwrap();
        fs::write(dir.path().join(format!("short{n}")), &whole[..whole.len() - 1 - n % 20]).unwrap();
    }
    let found = scan(dir.path(), &JobContext::detached()).unwrap();
    let all = found.findings.len() + found.series().map(|s| s.findings.len()).sum::<usize>();
    assert!(all < 12, "{:#?}", found.findings);
    assert!(found.findings.iter().any(|f| f.code == "refused" && f.text.contains("more files are alike")));
    let left = found.series().flat_map(|s| &s.findings).find(|f| f.code == "unreadable-slices").unwrap();
    assert!(left.text.starts_with("300 slices are left out; of the first, short0: it ends too early"), "{}", left.text);
}

#[test]
fn real_indices() {
    let (Some(philips), Some(tree)) = (data("dcm-qa-ct/Philips_noext"), data("pydicom-odd/dicomdirtests")) else {
        return;
    };
    let found = scan(&philips, &JobContext::detached()).unwrap();
    // The disc's index names two folders of which one was copied, that one's index five series of which two were.
    let told: Vec<&str> =
        found.findings.iter().filter(|f| f.code == "index-names-absent-files").map(|f| f.text.as_str()).collect();
    assert!(told.len() == 2 && told[0].contains("2 files, and 1 of them"), "{told:?}");
    let index = tree.join("DICOMDIR");
    let found = scan(&index, &JobContext::detached()).unwrap();
    assert!(found.series().count() > 5);
}
