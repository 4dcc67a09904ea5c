//! Archives as people send them, and as somebody might make them.

use super::*;
use crate::core::{Geometry, LabelMap, Segment, Volume};
use crate::io::dicom::{CtSeriesInfo, write_ct_series};
use crate::io::{IoError, VolumeSource, open_mask, open_volume, save_mask, save_volume, scan};
use glam::DVec3;
use std::io::{Cursor, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn ct() -> Volume {
    let g = Geometry::axis_aligned([12, 10, 5], DVec3::new(0.7, 0.8, 3.0), DVec3::new(-50.0, -40.0, 7.0)).unwrap();
    Volume::new(g, (0..g.voxel_count()).map(|n| (n * 37 % 1500) as i16 - 1000).collect::<Vec<_>>()).unwrap()
}

/// A ZIP of `(name, bytes)`.
fn zip_of(path: &Path, entries: &[(&str, Vec<u8>)]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn series_entries(dir: &Path, prefix: &'static str) -> Vec<(String, Vec<u8>)> {
    let folder = dir.join("ct");
    fs::create_dir_all(&folder).unwrap();
    let info = CtSeriesInfo {
        patient_id: "PHANTOM-0001".into(),
        series_description: "test".into(),
        series_number: 1,
        body_part: "ABDOMEN".into(),
        seed: 3,
        window: None,
    };
    let files = write_ct_series(&folder, &ct(), &info).unwrap();
    files
        .iter()
        .map(|f| (format!("{prefix}/{}", f.file_name().unwrap().to_string_lossy()), fs::read(f).unwrap()))
        .collect()
}

fn borrowed(entries: &[(String, Vec<u8>)]) -> Vec<(&str, Vec<u8>)> {
    entries.iter().map(|(n, b)| (n.as_str(), b.clone())).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let list = if entry.file_type().unwrap().is_dir() { &mut folders } else { &mut files };
            list.push(entry.path());
        }
    }
    files
}

fn open(path: &Path) -> Result<Unpacked, ArchiveError> {
    unpack(path, &JobContext::detached())
}

/// As if the program had ended and begun again.
fn forget(archive: &Path) {
    let real = fs::canonicalize(archive).unwrap();
    let mut all = held();
    let at = all.iter().position(|h| h.archive == real).unwrap();
    let folder = all.remove(at).content.folder;
    drop(all);
    discard(&folder);
}

#[test]
fn a_zipped_series_opens_as_its_folder_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("study.zip");
    zip_of(&path, &borrowed(&series_entries(dir.path(), "DOE^JOHN/CT")));
    let found = scan(&path, &JobContext::detached()).unwrap();
    assert_eq!(found.root, path);
    let series = found.series().next().unwrap();
    let Some(VolumeSource::Dicom(stack)) = &series.source else { panic!("{:?}", series.findings) };
    for slice in &stack.slices {
        assert!(!slice.path.to_string_lossy().contains("DOE") && slice.path.starts_with(std::env::temp_dir()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let folder = open(&path).unwrap().folder;
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
    let (volume, _) = open_volume(&path, None, &JobContext::detached()).unwrap();
    assert_eq!(volume.hu(), ct().hu());
    // Unpacked once.
    assert_eq!(open(&path).unwrap().folder, open(&path).unwrap().folder);
    forget(&path);
}

#[test]
fn findings_call_files_as_the_archive_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("study.zip");
    let mut entries = series_entries(dir.path(), "DOE^JOHN/CT");
    for name in ["DOE^JOHN/liver_07.nii.gz", "DOE^JOHN/spleen\u{202e}_08.nrrd"] {
        entries.push((name.to_owned(), b"neither of both".to_vec()));
    }
    zip_of(&path, &borrowed(&entries));
    let found = scan(&path, &JobContext::detached()).unwrap();
    let broken: Vec<&Finding> = found.findings.iter().filter(|f| f.code == "unreadable-file").collect();
    assert_eq!(broken.len(), 2, "{:?}", found.findings);
    for finding in broken {
        let [told, place] = [finding.told("Series 1").into_owned(), finding.place().unwrap()];
        let name = if told.contains("liver") { "liver_07.nii.gz" } else { "spleen_08.nrrd" };
        assert_eq!(told.matches(name).count(), 1, "{told}");
        assert!(place.ends_with(&format!("study.zip: {name}")), "{place}");
        // Names of folders, which may be a patient's, and the temporary place are in none of it.
        for text in [&told, &place] {
            assert!(!text.contains(FOLDER) && !text.contains("00000") && !text.contains("DOE"), "{text}");
        }
        // The file can still be read at its own place.
        assert!(finding.file.as_ref().unwrap().is_file());
    }
    // Where nothing else is in it, the reason is told of the archive.
    let alone = dir.path().join("alone.zip");
    zip_of(&alone, &[("DOE^JOHN/liver_07.nii.gz", b"neither".to_vec())]);
    let text = match scan(&alone, &JobContext::detached()) {
        Ok(found) => found.findings[0].told("").into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(text.contains("liver_07.nii.gz") && !text.contains(FOLDER), "{text}");
    forget(&alone);
    forget(&path);
}

#[test]
fn a_project_on_an_archive_opens_after_a_new_start() {
    use crate::io::saved::SavedSource;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("study.zip");
    zip_of(&path, &borrowed(&series_entries(dir.path(), "a/CT")));
    let found = scan(&path, &JobContext::detached()).unwrap();
    let source = found.series().next().unwrap().source.clone().unwrap();
    let saved = SavedSource::new(&source, dir.path());
    let text = ron::to_string(&saved).unwrap();
    assert!(text.contains("study.zip") && !text.contains(FOLDER), "{text}");
    forget(&path);
    let back = ron::from_str::<SavedSource>(&text).unwrap().resolve(dir.path()).unwrap();
    let volume = crate::io::load_volume(&back, &JobContext::detached()).unwrap();
    assert_eq!(volume.hu(), ct().hu());
    let evil = text.replace("inside:Some(\"", "inside:Some(\"../../");
    assert_ne!(evil, text);
    let back = ron::from_str::<SavedSource>(&evil).unwrap().resolve(dir.path()).unwrap();
    assert!(crate::io::load_volume(&back, &JobContext::detached()).is_err());
    forget(&path);
}

#[test]
fn labels_and_layouts_keep_their_meaning() {
    let dir = tempfile::tempdir().unwrap();
    let (image, label) = (dir.path().join("i.nii.gz"), dir.path().join("l.nii.gz"));
    save_volume(&image, &ct()).unwrap();
    let mut labels = LabelMap::empty(*ct().geometry());
    labels.set([3, 4, 2], 1);
    save_mask(&label, &labels, &[Segment::new(1, "liver")], None).unwrap();
    let plain = scan(&image, &JobContext::detached()).unwrap();
    assert!(plain.series().all(|series| series.shown_label() == "i.nii.gz" && series.label == "i.nii.gz"));
    let path = dir.path().join("data.zip");
    let (image, label) = (fs::read(image).unwrap(), fs::read(label).unwrap());
    zip_of(
        &path,
        &[
            ("set/imagesTr/liver_1_0000.nii.gz", image.clone()),
            ("set/imagesTr/liver_2_0000.nii.gz", image),
            ("set/labelsTr/liver_1.nii.gz", label.clone()),
            ("set/labelsTr/liver_2.nii.gz", label),
        ],
    );
    let found = scan(&path, &JobContext::detached()).unwrap();
    let pairs: Vec<usize> = found.series().map(|s| s.masks.len()).collect();
    assert_eq!(pairs, [1, 1], "{:?}", found.series().map(|s| s.label.clone()).collect::<Vec<_>>());
    // Shown by the archive's names without its folders; what may become part of a path is a number of ours.
    for (n, series) in found.series().enumerate() {
        assert_eq!(series.shown_label(), format!("liver_{}_0000.nii.gz", n + 1));
        assert_eq!(series.masks[0].shown_name(), format!("liver_{}.nii.gz", n + 1));
        let own = [&series.label, &series.masks[0].name];
        assert!(own.iter().all(|name| !name.contains("liver") && name.starts_with("00000")), "{own:?}");
    }
    // Two masks: neither is taken for the other.
    let refused = open_mask(&path, None, &JobContext::detached());
    assert!(matches!(refused, Err(IoError::SeveralMasks { .. })), "{:?}", refused.map(drop));
    forget(&path);
}

/// Sets a field of the local header and the directory of the entry called `name`.
fn patch(bytes: &mut [u8], name: &str, local: usize, central: usize, value: &[u8]) {
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(name.len()).position(|w| w == name.as_bytes()) {
        let start = at + found;
        if start >= 30 && bytes[start - 30..].starts_with(b"PK\x03\x04") {
            bytes[start - 30 + local..][..value.len()].copy_from_slice(value);
        } else if start >= 46 && bytes[start - 46..].starts_with(b"PK\x01\x02") {
            bytes[start - 46 + central..][..value.len()].copy_from_slice(value);
        }
        at = start + name.len();
    }
}

#[test]
fn hostile_entries_are_left_out_by_name_and_nothing_leaves_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("evil.zip");
    let mut bytes = Vec::new();
    {
        let mut zip = ZipWriter::new(Cursor::new(&mut bytes));
        let plain = SimpleFileOptions::default();
        let slices = series_entries(dir.path(), "ct");
        let names =
            ["XX/../../escaped.dcm", "X/absolute.dcm", "inner.zip", "secret.dcm", "short.dcm", "good/notes.txt"];
        for name in names {
            zip.start_file(name, plain).unwrap();
            zip.write_all(&[7; 500]).unwrap();
        }
        zip.add_symlink("link", "/etc/passwd", plain).unwrap();
        for (name, content) in &slices {
            zip.start_file(name.as_str(), plain).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap();
    }
    for at in 0..bytes.len() - 14 {
        if bytes[at..].starts_with(b"X/absolute.dcm") {
            bytes[at..at + 2].copy_from_slice(b"//");
        }
    }
    // Bit 0 of the general purpose flags: encrypted.
    patch(&mut bytes, "secret.dcm", 6, 8, &1u16.to_le_bytes());
    // More bytes than it claims.
    patch(&mut bytes, "short.dcm", 22, 24, &10u32.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let content = open(&path).unwrap();
    let codes: Vec<&str> = content.findings.iter().map(|f| f.code).collect();
    for code in ["unsafe-entries", "nested-archives", "encrypted-entries", "link-entries", "damaged-entries"] {
        assert!(codes.contains(&code), "{code}: {:?}", content.findings);
    }
    assert!(content.findings.iter().any(|f| f.code == "unsafe-entries" && f.text.starts_with("2 entries")));
    let files = files_below(&content.folder);
    assert_eq!(files.iter().filter(|f| f.file_name().unwrap() != LOCK).count(), 5, "{files:?}");
    assert!(files.iter().all(|f| fs::symlink_metadata(f).unwrap().is_file()));
    let found = scan(&path, &JobContext::detached()).unwrap();
    assert!(found.findings.iter().any(|f| f.code == "unsafe-entries"));
    assert_eq!(found.series().next().unwrap().slices, 5);
    forget(&path);
}

#[test]
fn bombs_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bomb.zip");
    zip_of(&path, &[("a.dcm", vec![0; 100_000]), ("b.dcm", vec![0; 100])]);
    let honest = fs::read(&path).unwrap();
    let error = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        open(&path).unwrap_err().to_string()
    };
    // Claims 2 GiB in a few hundred bytes.
    let mut bytes = honest.clone();
    patch(&mut bytes, "a.dcm", 22, 24, &(2u32 << 30).to_le_bytes());
    assert!(error(&bytes).contains("more than 200 times"), "{}", error(&bytes));
    // A zip64 record that counts a thousand million entries.
    let mut bytes = honest.clone();
    let mut record = b"PK\x06\x06".to_vec();
    record.extend([0; 28]);
    record.extend(1_000_000_000u64.to_le_bytes());
    record.extend([0; 16]);
    bytes.splice(bytes.len() - 22..bytes.len() - 22, record);
    assert!(error(&bytes).contains("1000000000 entries"), "{}", error(&bytes));
    // Two entries with the same bytes.
    let mut bytes = honest.clone();
    patch(&mut bytes, "b.dcm", 14, 42, &0u32.to_le_bytes());
    assert!(matches!(open_bytes(&path, &bytes), Err(ArchiveError::Refused { .. } | ArchiveError::Damaged(_))));
    assert!(error(b"PK\x03\x04 and nothing more").contains("is no ZIP archive"));
    assert!(error(&honest[..honest.len() / 2]).contains("is no ZIP archive"));
}

fn open_bytes(path: &Path, bytes: &[u8]) -> Result<Unpacked, ArchiveError> {
    fs::write(path, bytes).unwrap();
    open(path)
}

#[test]
fn encrypted_and_empty_archives_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.zip");
    zip_of(&path, &[("a.dcm", vec![1; 300])]);
    let mut bytes = fs::read(&path).unwrap();
    patch(&mut bytes, "a.dcm", 6, 8, &1u16.to_le_bytes());
    assert!(matches!(open_bytes(&path, &bytes), Err(ArchiveError::Encrypted(_))));
    zip_of(&path, &[("readme.txt", vec![1; 300])]);
    assert!(matches!(open(&path), Err(ArchiveError::Nothing { reason: None, .. })));
    zip_of(&path, &[("inner.zip", vec![1; 300])]);
    assert!(open(&path).unwrap_err().to_string().contains("an archive itself"));
    // In a folder it is named, not searched.
    let found = scan(dir.path(), &JobContext::detached()).unwrap();
    assert!(found.findings.iter().any(|f| f.code == "archives"));
    let ctx = JobContext::detached();
    ctx.cancel.cancel();
    zip_of(&path, &[("a.dcm", vec![1; 300])]);
    assert!(matches!(scan(&path, &ctx), Err(IoError::Archive(ArchiveError::Cancelled))));
}

#[test]
fn random_damage_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.zip");
    zip_of(&path, &borrowed(&series_entries(dir.path(), "ct")));
    let honest = fs::read(&path).unwrap();
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize
    };
    for _ in 0..60 {
        let mut bytes = honest.clone();
        for _ in 0..1 + next() % 6 {
            // Half of the changes go to the directory at the end.
            let at = if next() % 2 == 0 { next() % bytes.len() } else { bytes.len() - 1 - next() % 400 };
            bytes[at] = next() as u8;
        }
        if open_bytes(&path, &bytes).is_ok() {
            forget(&path);
        }
    }
}

#[test]
fn what_a_crash_leaves_is_removed_and_what_runs_is_not() {
    let parent = std::env::temp_dir();
    let (stale, lock) = private_folder(&parent).unwrap();
    drop(lock);
    let (running, lock) = private_folder(&parent).unwrap();
    remove_stale();
    assert!(!stale.exists() && running.exists());
    drop(lock);
    remove_stale();
    assert!(!running.exists());
}
