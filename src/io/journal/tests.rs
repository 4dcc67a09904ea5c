//! What a crash leaves, and what is read back of it.

use super::*;
use crate::core::{LabelMap, LayerId, Origin, Segment, Volume};
use crate::io::bricks::BrickReader;
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
    // What the formats before could say is said in the same way still: only the mark at the start differs.
    let whole = fs::read(path.join(FILE)).unwrap();
    for older in record::OLDER_MAGIC {
        fs::write(path.join(FILE), [older.as_slice(), &whole[older.len()..]].concat()).unwrap();
        assert!(same(&recover(&path).unwrap().unwrap().layers, &steps.last().unwrap().1));
    }
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

/// What would be found if the program were killed now, and how many entries the history is made of.
fn killed(path: &Path) -> (Recovered, usize) {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(path.join(FILE), dir.path().join(FILE)).unwrap();
    let mut watched = 0;
    let found = recover_watched(dir.path(), &mut |_, _, _| watched += 1).unwrap().unwrap();
    (found, watched)
}

/// Waits until all entries are on disk, whatever else is still being written.
fn until_synced(journal: &Journal) {
    let end = Instant::now() + WAIT;
    while journal.status().pending > 0 {
        assert!(Instant::now() < end && journal.status().failing.is_none(), "{:?}", journal.status());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn which_image_it_is_may_be_told_later_and_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    let known = head().fingerprint;
    let head = JournalHead { fingerprint: Fingerprint::of_grid(known.geometry), ..head() };
    let journal = Journal::start(&path, head.clone(), None).unwrap();
    let steps = session(&head);
    journal.record(steps[0].0.clone());
    assert!(journal.flush(WAIT));
    let (early, _) = killed(&path);
    assert!(same(&early.layers, &steps[0].1));
    assert_eq!(early.fingerprint, head.fingerprint);
    journal.record(JournalEntry::image(&known));
    for (entry, layers) in &steps[1..] {
        journal.record(entry.clone());
        assert!(journal.flush(WAIT));
        let (late, _) = killed(&path);
        assert_eq!(late.fingerprint, known);
        assert!(same(&late.layers, layers));
    }
    // A file that was removed is made again from what is known.
    fs::remove_file(path.join(FILE)).unwrap();
    journal.record(steps.last().unwrap().0.clone());
    assert!(journal.flush(WAIT));
    assert_eq!(killed(&path).0.fingerprint, known);
}

/// A program of before knows no record that says which image it is, and wrote entries without room for it.
#[test]
fn entries_of_before_are_read() {
    let head = head();
    let mut bricks = BrickReader::new(1 << 20);
    let entry = JournalEntry::edit(&head.layers[0], &[0]);
    let record = record::entry_bytes(&entry).unwrap();
    let payload = &record[8..];
    let length = u32::from_le_bytes(payload[..4].try_into().unwrap()) as usize;
    let text = std::str::from_utf8(&payload[4..4 + length]).unwrap();
    let older = text.replace(",image:None", "");
    assert_ne!(older, text);
    let payload = [&(older.len() as u32).to_le_bytes(), older.as_bytes(), &payload[4 + length..]].concat();
    let back = record::parse_entry(&payload, &LabelMap::empty(head.geometry()), &mut bricks).unwrap();
    assert_eq!((back.layer, back.bricks, back.image), (entry.layer, entry.bricks, None));
}

/// A past that is worked out when the sender says so, or is gone: it leads from nothing to the layers of the head.
fn slow_past(head: &JournalHead) -> (std::sync::mpsc::Sender<()>, PastSource) {
    let (go, wait) = std::sync::mpsc::channel();
    let entries: Vec<_> = head.layers.iter().map(JournalEntry::put).collect();
    let past: PastSource = Box::new(move || {
        let _ = wait.recv();
        let steps: StepSource = Box::new(move |tell| entries.iter().try_for_each(&mut *tell));
        Past { layers: Vec::new(), measurements: Vec::new(), steps }
    });
    (go, past)
}

#[test]
fn strokes_do_not_wait_for_the_steps_of_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    let head = head();
    let (go, past) = slow_past(&head);
    let journal = Journal::start(&path, head.clone(), Some(past)).unwrap();
    let steps = session(&head);
    for (n, (entry, layers)) in steps.iter().enumerate().take(3) {
        journal.record(entry.clone());
        until_synced(&journal);
        let (found, watched) = killed(&path);
        assert!(same(&found.layers, layers) && !found.torn);
        assert_eq!(watched, n + 1, "without the steps of before");
    }
    go.send(()).unwrap();
    assert!(journal.flush(WAIT));
    let (found, watched) = killed(&path);
    assert!(same(&found.layers, &steps[2].1) && !found.torn);
    assert_eq!(watched, head.layers.len() + 3, "with them, and with what was done meanwhile");
    // It goes on in the new file.
    for (entry, _) in &steps[3..] {
        journal.record(entry.clone());
    }
    assert!(journal.flush(WAIT));
    let (found, watched) = killed(&path);
    assert!(same(&found.layers, &steps.last().unwrap().1));
    assert_eq!(watched, head.layers.len() + steps.len());
}

#[test]
fn a_journal_ends_cleanly_while_the_steps_of_before_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let head = head();
    let steps = session(&head);
    for discard in [true, false] {
        let path = dir.path().join(format!("{discard}"));
        let (go, past) = slow_past(&head);
        let journal = Journal::start(&path, head.clone(), Some(past)).unwrap();
        journal.record(steps[0].0.clone());
        until_synced(&journal);
        drop(go);
        if discard {
            journal.discard();
            assert!(!path.exists());
        } else {
            // The program ends: nothing is left out.
            drop(journal);
            let mut names: Vec<_> = fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name()).collect();
            names.sort();
            assert_eq!(names, [LOCK, FILE]);
            let (found, watched) = killed(&path);
            assert!(same(&found.layers, &steps[0].1));
            assert_eq!(watched, head.layers.len() + 1);
        }
    }
}

#[test]
fn steps_of_before_that_cannot_be_written_leave_the_journal_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    let head = head();
    let steps = session(&head);
    let past: PastSource = Box::new(|| {
        let steps: StepSource = Box::new(|_| Err(io::ErrorKind::StorageFull.into()));
        Past { layers: Vec::new(), measurements: Vec::new(), steps }
    });
    let journal = Journal::start(&path, head.clone(), Some(past)).unwrap();
    for (entry, layers) in &steps {
        journal.record(entry.clone());
        assert!(journal.flush(WAIT));
        assert!(same(&killed(&path).0.layers, layers));
    }
    assert_eq!(journal.status(), JournalStatus::default());
    drop(journal);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 2, "the journal and its lock");
}

#[test]
fn a_journal_that_has_grown_is_written_anew_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    let head = head();
    let journal = Journal::start_small(&path, head.clone(), None, 0).unwrap();
    let mut layers = head.layers.clone();
    let mut lengths = Vec::new();
    for n in 0..200 {
        let voxel = [n % 20, n / 20 % 18, n % 17];
        let index = layers[0].labels.brick_of(voxel);
        layers[0].labels.set(voxel, 7);
        journal.record(JournalEntry::edit(&layers[0], &[index]));
        if n % 5 == 4 {
            assert!(journal.flush(WAIT));
            lengths.push(fs::metadata(path.join(FILE)).unwrap().len());
            let (found, watched) = killed(&path);
            assert!(same(&found.layers, &layers) && !found.torn, "after {n}");
            assert!(watched <= n + 1);
        }
    }
    assert!(lengths.windows(2).any(|w| w[1] < w[0]), "it was never written anew: {lengths:?}");
}

#[test]
fn what_belongs_to_no_layer_survives_merging() {
    let head = head();
    let shape = crate::core::Shape::Distance([DVec3::ZERO, DVec3::ONE]);
    let list = vec![Measurement { id: 1, axis: 2, shape, note: String::new() }];
    let nothing = JournalEntry::remove(LayerId(0));
    let (measured, image) = (JournalEntry::measure(&list), JournalEntry::image(&head.fingerprint));
    for entries in [
        vec![measured.clone(), image.clone(), nothing.clone()],
        vec![nothing, image.clone(), measured.clone()],
        vec![image, measured, JournalEntry::edit(&head.layers[0], &[0])],
    ] {
        let merged = record::merge(entries);
        let of_none: Vec<_> = merged.iter().filter(|e| e.layer == LayerId(0)).collect();
        assert_eq!(of_none.len(), 1);
        assert_eq!(of_none[0].measurements.as_ref(), Some(&list));
        assert_eq!(of_none[0].image.as_ref(), Some(&head.fingerprint.hu_sha256));
    }
}

/// More bricks than may wait otherwise, packed in parts.
#[test]
fn an_operation_on_a_whole_volume_stays_a_step() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j");
    let g = Geometry::axis_aligned([512, 512, 592], DVec3::ONE, DVec3::ZERO).unwrap();
    let layer = Layer::new(LayerId(1), "L", LabelMap::empty(g), vec![Segment::new(7, "liver")], Origin::Human);
    let count = layer.labels.brick_count() as u32;
    let fingerprint = Fingerprint::of_grid(g);
    let journal =
        Journal::start(&path, JournalHead { fingerprint, layers: vec![layer.clone()], ..head() }, None).unwrap();
    let full = Arc::new([7; 4096]);
    let step = StepMark::Labels { name: "Threshold".into(), origin: None };
    let bricks: Vec<_> = (0..count).map(|n| (n, (n < 300).then(|| full.clone()))).collect();
    assert!(bricks.len() * 4096 > QUEUE_BYTES);
    journal.record(JournalEntry { bricks, ..JournalEntry::edit(&layer, &[]) }.marked(step.clone()));
    assert!(journal.flush(WAIT));
    drop(journal);
    let mut seen = Vec::new();
    let found = recover_watched(&path, &mut |_, _, entry| seen.push(entry.step.clone())).unwrap().unwrap();
    assert_eq!(seen, [Some(step)]);
    assert_eq!(found.layers[0].labels.counts()[7], 300 * 4096);
}
