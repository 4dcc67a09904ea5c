//! Masks that are read: layers where segments overlap, and mirroring what does not say where it lies.

use super::*;
use crate::core::{Flips, Segment};
use crate::io::{LoadedMask, MaskLayer, save_image_stack, save_loaded_mask};

/// A box of one label in the grid of the test scan.
fn filled(label: u8, from: [usize; 3], to: [usize; 3]) -> LabelMap {
    let mut labels = LabelMap::empty(Geometry::axis_aligned(DIMS, DVec3::new(0.8, 0.8, 2.5), DVec3::ZERO).unwrap());
    for k in from[2]..to[2] {
        for j in from[1]..to[1] {
            (from[0]..to[0]).for_each(|i| labels.set([i, j, k], label));
        }
    }
    labels
}

#[test]
fn overlapping_segments_come_onto_layers_and_go_in_one_step() {
    let mut desk = Desk::with_case();
    let (organ, tumour) = (filled(1, [10, 8, 2], [30, 28, 9]), filled(2, [12, 10, 3], [15, 14, 5]));
    let mask = LoadedMask {
        further: vec![MaskLayer { labels: tumour.clone(), segments: vec![Segment::new(2, "tumour")] }],
        ..LoadedMask::new(organ.clone(), vec![Segment::new(1, "organ")], Vec::new())
    };
    let path = desk.dir.path().join("both.seg.nrrd");
    save_loaded_mask(None, &path, mask, None).unwrap();
    desk.w.dispatch(FileCommand::ImportMask(path));
    desk.settle();
    let layers: Vec<(&str, &LabelMap)> =
        desk.document().case.layers.iter().map(|l| (l.name.as_str(), &l.labels)).collect();
    assert_eq!(layers, [("both.seg.nrrd", &organ), ("both.seg.nrrd: tumour", &tumour)]);
    assert_eq!(desk.document().layer().unwrap().name, "both.seg.nrrd");
    // All layers leave in one file, each whole; one that holds a single label map is refused.
    let both = desk.dir.path().join("again.seg.nrrd");
    desk.w.dispatch(FileCommand::ExportLayers(both.clone()));
    desk.settle();
    let again = crate::io::open_mask(&both, None, &crate::jobs::JobContext::detached()).unwrap();
    assert_eq!(again.layers().map(|(labels, _)| labels).collect::<Vec<_>>(), [&organ, &tumour]);
    desk.w.take_notices();
    desk.w.dispatch(FileCommand::ExportLayers(desk.dir.path().join("again.nii.gz")));
    desk.settle();
    assert!(desk.w.take_notices().iter().any(|n| n.text.contains("several layers")));
    desk.w.dispatch(EditCommand::Undo);
    assert!(desk.document().case.layers.is_empty());
    desk.w.dispatch(EditCommand::Redo);
    assert_eq!(desk.document().case.layers.len(), 2);
}

#[test]
fn a_layer_is_mirrored_and_back_unless_locked() {
    let mut desk = Desk::with_case();
    desk.stroke(false, [5.0, 5.0, 3.0], [30.0, 20.0, 3.0]);
    let (layer, before) = (desk.layer_id(), desk.document().layer().unwrap().labels.clone());
    let flips = Flips { x: true, y: false, z: true };
    desk.w.dispatch(LayerCommand::Mirror(layer, flips));
    assert_eq!(desk.document().layer().unwrap().labels, before.flipped(flips));
    desk.w.dispatch(EditCommand::Undo);
    assert_eq!(desk.document().layer().unwrap().labels, before);
    desk.w.dispatch(SegmentCommand::Lock(1, true));
    desk.w.dispatch(LayerCommand::Mirror(layer, flips));
    assert_eq!(desk.document().layer().unwrap().labels, before);
    assert!(desk.w.take_notices().iter().any(|n| n.text.contains("locked")));
}

#[test]
fn pictures_that_fit_better_mirrored_are_told_of_and_left_as_they_are() {
    let mut desk = Desk::with_case();
    // The scan is bright in the box of columns 10 to 29 and rows 8 to 27.
    let near = filled(1, [10, 12, 0], [30, 28, 20]);
    let far = filled(1, [2, 2, 0], [12, 20, 20]);
    for (labels, told) in [(&near, false), (&far, true)] {
        let folder = desk.dir.path().join(if told { "far" } else { "near" });
        save_image_stack(&folder, labels, &[Segment::new(1, "box")]).unwrap();
        desk.w.take_notices();
        desk.w.dispatch(FileCommand::ImportMask(folder));
        desk.settle();
        assert_eq!(&desk.document().layer().unwrap().labels, labels, "never mirrored in silence");
        let notices = desk.w.take_notices();
        assert_eq!(notices.iter().any(|n| n.text.contains("Mirror in the layer's menu")), told, "{notices:?}");
    }
}
