//! What a crash leaves, and what is read back of it.

use super::*;
use crate::core::{LabelMap, LayerId, Origin, Segment, Volume};
use crate::io::saved::LayerMeta;
use glam::DVec3;

const WAIT: Duration = Duration::from_secs(20);

fn head() -> JournalHead {
    let g = Geometry::axis_aligned([20, 18, 17], DVec3::new(0.7, 0.8, 3.0), DVec3::ZERO).unwrap();
    let volume = Volume::new(g, vec![5i16; g.voxel_count()]).unwrap();
    JournalHead {
        name: "Case 1".into(),
        source: Some(VolumeSource::Nifti("/data/ct.nii.gz".into())),
        project: None,
        fingerprint: Fingerprint::of(&volume),
        layers: vec![layer(g, 1), layer(g, 2)],
        measurements: Vec::new(),
        newer_project: None,
    }
}

fn layer(g: Geometry, id: u64) -> Layer {
    let mut labels = LabelMap::empty(g);
    labels.set([id as usize, 1, 1], 7);
    let segments = vec![Segment::new(7, "liver")];
    let mut layer = Layer::new(LayerId(id), format!("L{id}"), labels, segments, Origin::Human);
    layer.work.slices.set_note(3, "look at this");
    let number = layer.work.sources.number(&Origin::Human);
    let like = layer.labels.clone();
    layer.work.sources.map_mut(&like).set([id as usize, 1, 1], number);
    layer
}

fn same(a: &[Layer], b: &[Layer]) -> bool {
    let sources = |l: &Layer| l.work.sources.map().map(LabelMap::to_dense).filter(|d| d.iter().any(|&v| v != 0));
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|(x, y)| LayerMeta::from(x) == LayerMeta::from(y) && x.labels == y.labels && sources(x) == sources(y))
}

/// A session: each step is an entry and the layers as they are after it.
fn session(head: &JournalHead) -> Vec<(JournalEntry, Vec<Layer>)> {
    let mut layers = head.layers.clone();
    let mut steps = Vec::new();
    let edit = |layer: &mut Layer, voxel: [usize; 3], label: u8| {
        let index = layer.labels.brick_of(voxel);
        layer.labels.set(voxel, label);
        let like = layer.labels.clone();
        layer.work.sources.map_mut(&like).set(voxel, 1);
        JournalEntry::edit(layer, &[index])
    };
    let entry = edit(&mut layers[0], [19, 17, 16], 7);
    steps.push((entry, layers.clone()));
    // Erases the only voxel of a brick.
    let entry = edit(&mut layers[1], [2, 1, 1], 0);
    steps.push((entry, layers.clone()));
    layers[1].name = "renamed \"x\"".into();
    layers[1].visible = false;
    steps.push((JournalEntry::describe(&layers[1]), layers.clone()));
    layers.push(layer(head.geometry(), 9));
    steps.push((JournalEntry::put(&layers[2]), layers.clone()));
    layers.remove(0);
    steps.push((JournalEntry::remove(LayerId(1)), layers.clone()));
    let entry = edit(&mut layers[1], [3, 3, 3], 7);
    steps.push((entry, layers.clone()));
    steps
}

#[test]
fn everything_recorded_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    let head = head();
    assert!(recover(&path).unwrap().is_none());
    let journal = Journal::start(&path, head.clone(), None).unwrap();
    assert!(matches!(Journal::start(&path, head.clone(), None), Err(JournalError::InUse(_))));
    let steps = session(&head);
    for (entry, _) in &steps {
        journal.record(entry.clone());
    }
    assert!(journal.flush(WAIT));
    assert_eq!(journal.status(), JournalStatus::default());
    // A running program's journal is not offered to another.
    assert!(recover(&path).unwrap().is_none());
    assert!(unfinished(dir.path()).is_empty());
    drop(journal);
    assert_eq!(unfinished(dir.path()), std::slice::from_ref(&path));
    let back = recover(&path).unwrap().unwrap();
    assert!(same(&back.layers, &steps.last().unwrap().1));
    assert!(!back.torn && matches!(back.source, Some(VolumeSource::Nifti(p)) if p.ends_with("ct.nii.gz")));
    assert_eq!((back.name, back.fingerprint), (head.name.clone(), head.fingerprint.clone()));
    // A new journal in the same folder takes over; discarding it leaves nothing.
    let journal = Journal::start(&path, JournalHead { layers: back.layers, ..head }, None).unwrap();
    assert!(journal.flush(WAIT));
    journal.discard();
    assert!(!path.exists());
}

/// Whatever length a crash leaves of the file, all complete records are read and nothing else is.
#[test]
fn every_torn_length_gives_the_last_complete_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    let head = head();
    let journal = Journal::start(&path, head.clone(), None).unwrap();
    assert!(journal.flush(WAIT));
    let file = path.join(FILE);
    let mut ends = vec![(fs::metadata(&file).unwrap().len() as usize, head.layers.clone())];
    for (entry, layers) in session(&head) {
        journal.record(entry);
        assert!(journal.flush(WAIT));
        ends.push((fs::metadata(&file).unwrap().len() as usize, layers));
    }
    drop(journal);
    let bytes = fs::read(&file).unwrap();
    assert_eq!(ends.last().unwrap().0, bytes.len());
    let head_end = 8 + record::head_bytes(&head, head.layers.len(), &[], &path).unwrap().len();
    for length in 0..=bytes.len() {
        fs::write(&file, &bytes[..length]).unwrap();
        let back = recover(&path);
        match ends.iter().rev().find(|(end, _)| *end <= length) {
            Some((end, layers)) => {
                let back = back.unwrap().unwrap();
                assert!(same(&back.layers, layers), "length {length}");
                assert_eq!(back.torn, *end != length, "length {length}");
            }
            // Only a damaged disk tears the snapshot, which is renamed into place whole; what is there is read.
            None if length >= head_end => assert!(back.unwrap().unwrap().torn),
            None => assert!(matches!(back, Err(JournalError::Damaged(_))), "length {length}"),
        }
    }
    // A flipped bit ends the reading there, with what came before.
    for at in (ends[2].0..ends[3].0).step_by(3) {
        let mut broken = bytes.clone();
        broken[at] ^= 4;
        fs::write(&file, broken).unwrap();
        let back = recover(&path).unwrap().unwrap();
        assert!(same(&back.layers, &ends[2].1) && back.torn, "byte {at}");
    }
    forget(&path).unwrap();
    assert!(!path.exists());
}

#[test]
fn a_disk_that_refuses_is_told_and_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    let head = head();
    let journal = Journal::start(&path, head.clone(), None).unwrap();
    assert!(journal.flush(WAIT));
    // The drive goes away: its folder turns into a file.
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, b"").unwrap();
    let steps = session(&head);
    journal.record(steps[0].0.clone());
    assert!(!journal.flush(Duration::from_millis(300)));
    let status = journal.status();
    assert!(status.failing.as_ref().is_some_and(|t| t.contains("cannot be protected")), "{status:?}");
    assert_eq!(status.pending, 1);
    // It comes back: everything is written without being recorded again.
    fs::remove_file(&path).unwrap();
    journal.record(steps[1].0.clone());
    let end = Instant::now() + WAIT;
    while journal.status().failing.is_some() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(journal.flush(WAIT));
    drop(journal);
    assert!(same(&recover(&path).unwrap().unwrap().layers, &steps[1].1));
}

#[test]
fn merging_keeps_the_meaning() {
    let head = head();
    let empty = LabelMap::empty(head.geometry());
    let steps = session(&head);
    for from in 0..steps.len() {
        for to in from..steps.len() {
            let mut layers = if from == 0 { head.layers.clone() } else { steps[from - 1].1.clone() };
            let entries: Vec<JournalEntry> = steps[from..=to].iter().map(|(e, _)| e.clone()).collect();
            for entry in record::merge(entries) {
                record::apply(&mut layers, &empty, &entry);
            }
            assert!(same(&layers, &steps[to].1), "{from}..={to}");
        }
    }
}

#[test]
fn a_later_format_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), b"MWJRNL99rest").unwrap();
    assert!(matches!(recover(dir.path()), Err(JournalError::Newer(_))));
}
