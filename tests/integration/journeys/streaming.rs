//! As many patients as the largest study had, in less memory than their slices take: each is read once, some slices are
//! kept, the others lie in a file beside the run.

use crate::hostile::alone::alone;
use crate::hostile::memory::peak_of;
use glam::DVec3;
use maskwright::core::{Geometry, LabelMap, Segment, Volume};
use maskwright::io::layouts::{Layout, PatientInfo, write_patient};
use maskwright::jobs::{CancelToken, JobContext, Waker};
use maskwright::nn::DeviceChoice;
use maskwright::train::{
    Plan, Recipe, SplitConfig, TrainControl, TrainData, TrainError, TrainEvent, TrainRequest, apply_override, train,
};
use std::fs;
use std::path::Path;
use std::sync::Arc;

const PATIENTS: usize = 57;
const SLICES: usize = 400;

/// Two lungs in noise. One patient is written, the others are links to its files.
fn write_set(root: &Path, size: usize) {
    let geometry = Geometry::axis_aligned([size, size, SLICES], DVec3::ONE, DVec3::ZERO).unwrap();
    let (mut hu, mut labels) = (Vec::with_capacity(geometry.voxel_count()), Vec::with_capacity(geometry.voxel_count()));
    let mut state = 1u32;
    for _ in 0..SLICES {
        for y in 0..size {
            for x in 0..size {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let lung = match (x * 8 / size, y * 8 / size) {
                    (1 | 2, 2..=5) => 1,
                    (5 | 6, 2..=5) => 2,
                    _ => 0,
                };
                hu.push(if lung == 0 { 40 } else { -850 } + (state >> 28) as i16);
                labels.push(lung);
            }
        }
    }
    let volume = Volume::new(geometry, hu).unwrap();
    let labels = LabelMap::from_dense(geometry, &labels).unwrap();
    let segments = [Segment::new(1, "left lung"), Segment::new(2, "right lung")];
    let info = PatientInfo { index: 1, seed: 1, body_part: "CHEST".into() };
    write_patient(root, Layout::NnUnet, &info, &volume, &labels, &segments).unwrap();
    for index in 2..=PATIENTS {
        for (folder, ending) in [("imagesTr", "_0000.nii.gz"), ("labelsTr", ".nii.gz")] {
            let file = |index| root.join(folder).join(PatientInfo::name_of(index) + ending);
            fs::hard_link(file(1), file(index)).unwrap();
        }
    }
}

/// Study 3's recipe: two patients train and one validates. The others are read like them and then left for the test.
fn recipe(sets: &[&str]) -> Recipe {
    let mut recipe = Recipe::load("lung-pathology").unwrap();
    for set in sets.iter().chain(&["epochs=1", "accumulate=1"]) {
        apply_override(&mut recipe, set).unwrap();
    }
    let names = |range: std::ops::RangeInclusive<usize>| range.map(PatientInfo::name_of).collect();
    recipe.split = SplitConfig::Fixed { validation: names(3..=3), test: names(4..=PATIENTS) };
    recipe
}

/// Trains on the set in `folder`, stopped after so many steps where a number is given; gives the plan and the most bytes
/// that were held at once.
fn trained(folder: &Path, recipe: Recipe, cache_bytes: Option<usize>, steps: Option<usize>) -> (Plan, usize) {
    let request = TrainRequest {
        recipe,
        data: TrainData::Folder(folder.join("data")),
        run: folder.join("run"),
        device: DeviceChoice::Cpu,
        compute: None,
        resume: false,
        init: None,
        cache_bytes,
        test: false,
    };
    let (ctx, events) = JobContext::attached(CancelToken::default(), Arc::default(), Waker::none());
    let cancel = ctx.cancel.clone();
    let watcher = std::thread::spawn(move || {
        let mut planned = None;
        for event in events {
            match event {
                TrainEvent::Planned(plan) => planned = Some(plan),
                TrainEvent::Step { step, .. } if steps.is_some_and(|most| step >= most) => cancel.cancel(),
                _ => {}
            }
        }
        planned
    });
    let (outcome, peak) = peak_of(|| train(&request, &TrainControl::new(), &ctx));
    drop(ctx);
    match steps {
        None => assert_eq!(outcome.unwrap().epochs, 1),
        Some(_) => assert!(matches!(outcome, Err(TrainError::Cancelled)), "{outcome:?}"),
    }
    (watcher.join().unwrap().expect("a plan"), peak)
}

#[test]
fn patients_beyond_memory_train_from_disk() {
    alone("journeys::streaming::patients_beyond_memory_train_from_disk", || {
        let folder = tempfile::tempdir().unwrap();
        let size = 48;
        write_set(&folder.path().join("data"), size);
        let small = ["preprocessing.size=48", "network.UNet.base_width=2", "network.UNet.depth=1", "batch_size=16"];
        let limit = 4 << 20;
        let (plan, peak) = trained(folder.path(), recipe(&small), Some(limit), None);
        let all = PATIENTS * SLICES * size * size * 3;
        println!("{all} bytes of slices, {} kept, {peak} bytes held at once", plan.cache_bytes);
        assert_eq!((plan.cases, plan.train_slices, plan.validation_slices), (PATIENTS, 2 * SLICES, SLICES));
        assert!(plan.cache_bytes <= limit && plan.cache_bytes > limit / 2);
        assert_eq!(plan.cache_bytes as u64 + plan.scratch_bytes, all as u64);
        // What is kept, one patient while it is read, some batches and the network: less than half of the slices.
        assert!(peak < all * 2 / 5, "{peak} of {all}");
    });
}

/// In full size, 512 x 512 with the study's own network. `MASKWRIGHT_FULL_SIZE_DATA` names a folder with 20 GB to spare.
#[test]
fn the_largest_study_trains_within_four_gigabytes() {
    let Some(place) = std::env::var_os("MASKWRIGHT_FULL_SIZE_DATA") else {
        return println!("skipped: MASKWRIGHT_FULL_SIZE_DATA names no folder");
    };
    alone("journeys::streaming::the_largest_study_trains_within_four_gigabytes", || {
        let folder = tempfile::tempdir_in(&place).unwrap();
        write_set(&folder.path().join("data"), 512);
        let (plan, peak) = trained(folder.path(), recipe(&[]), None, Some(3));
        println!("{plan:?}, {peak} bytes held at once");
        assert_eq!((plan.cases, plan.train_slices), (PATIENTS, 2 * SLICES));
        assert!(peak < 4 << 30, "{peak}");
    });
}
