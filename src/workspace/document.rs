//! An open case with everything that belongs to working on it: view, selection, history, unsaved changes.

use super::cohort::StudyOf;
use super::editing::{OngoingStroke, Recoloured};
use super::importing::MirrorOffer;
use super::learning::LearnedLayer;
use super::masking::Masking;
use super::measuring::{Remeasured, Statistics};
use super::picture::{FusionChoice, SlabChoice};
use super::saving::Protection;
use super::steps::Entry;
use super::volumes::LabelCounts;
use super::working::SourceView;
use crate::core::{
    BrickIndex, Case, CaseId, ColorMap, Geometry, LabelId, Layer, LayerId, Measurement, Plane, PlaneAxes,
    PlaneDirections, Segment, VoiLut, Volume, Window,
};
use crate::edit::History;
use crate::io::{DicomStack, Finding, Fingerprint, MaskSource, Series, SliceFile, VolumeSource};
use glam::DVec3;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of undo that all cases keep together; the newest step of each stays whatever it takes.
pub(super) const HISTORY_BYTES: usize = 512 << 20;

/// How the active case is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewState {
    pub window: Window,
    /// The header's table of grey values is shown in place of the window.
    pub table: bool,
    pub invert: bool,
    /// Continuous voxel position that all planes share.
    pub crosshair: DVec3,
    pub color_map: ColorMap,
    pub slab: SlabChoice,
    /// How axial, coronal and sagittal lie when they were turned; `None` along the grid.
    pub oblique: Option<[PlaneDirections; 3]>,
    /// What is laid over the image.
    pub fusion: Option<FusionChoice>,
}

/// What of a layer changed since the renderer last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dirty {
    All,
    Bricks(BTreeSet<BrickIndex>),
}

/// One open case.
pub struct Document {
    pub case: Case,
    pub view: ViewState,
    /// `None` for generated volumes.
    pub source: Option<VolumeSource>,
    /// Whose it is and when it was made, as far as the files say.
    pub(super) study: Option<StudyOf>,
    /// What was noticed while the image was read.
    pub load_findings: Vec<Finding>,
    /// Masks that the scan found beside the series.
    pub found_masks: Vec<MaskSource>,
    pub active_layer: Option<LayerId>,
    pub active_segment: LabelId,
    /// In the order in which they were drawn.
    pub measurements: Vec<Measurement>,
    pub(super) statistics: Statistics,
    pub project: Option<PathBuf>,
    pub(super) history: History<Arc<Entry>>,
    pub(super) stroke: Option<OngoingStroke>,
    pub(super) protection: Protection,
    /// Folder of the journal that this case was brought back from.
    pub(super) journal_dir: Option<PathBuf>,
    /// The measurement that was moved or written on last.
    pub(super) remeasured: Option<Remeasured>,
    /// Of the volume, once something needed it.
    pub(super) fingerprint: Option<Fingerprint>,
    /// Grows with every change of layers, labels or segments.
    revision: u64,
    saved_revision: u64,
    /// Slices read so far but not yet handed to the renderer.
    streamed: Vec<(usize, Arc<[i16]>)>,
    dirty: BTreeMap<LayerId, Dirty>,
    pub(super) counts: RefCell<LabelCounts>,
    /// Layers that arrived during a stroke, with the names of their steps; added when it ends.
    pub(super) waiting: Vec<(String, Layer)>,
    /// A save is being written.
    pub(super) saving: bool,
    pub(super) recoloured: Option<Recoloured>,
    pub(super) masking: Masking,
    pub(super) source_view: Option<SourceView>,
    /// Number of the later format that the project is of: it is not saved into.
    pub(super) newer_project: Option<u32>,
    /// Name of the project that could not be saved last.
    pub(super) save_failed: Option<String>,
    /// What the learning loop knows of this case.
    pub(super) learned: Option<LearnedLayer>,
    /// Imported masks that would fit better mirrored.
    pub(super) mirror_offers: Vec<MirrorOffer>,
}

impl Document {
    /// A case whose slices are still to come.
    pub fn new(id: CaseId, name: String, geometry: Geometry, window: Option<Window>) -> Self {
        let [nx, ny, nz] = geometry.dims();
        let middle = DVec3::new((nx / 2) as f64, (ny / 2) as f64, (nz / 2) as f64);
        Self {
            case: Case { id, name, geometry, volume: None, layers: Vec::new() },
            view: ViewState {
                window: window.unwrap_or(crate::core::PRESETS[0].window),
                table: false,
                invert: false,
                crosshair: middle,
                color_map: ColorMap::Grey,
                slab: SlabChoice::default(),
                oblique: None,
                fusion: None,
            },
            source: None,
            study: None,
            load_findings: Vec::new(),
            found_masks: Vec::new(),
            active_layer: None,
            active_segment: 1,
            measurements: Vec::new(),
            statistics: Statistics::default(),
            project: None,
            history: History::new(HISTORY_BYTES),
            stroke: None,
            protection: Protection::default(),
            journal_dir: None,
            remeasured: None,
            fingerprint: None,
            revision: 0,
            saved_revision: 0,
            streamed: Vec::new(),
            dirty: BTreeMap::new(),
            counts: RefCell::default(),
            waiting: Vec::new(),
            saving: false,
            recoloured: None,
            masking: Masking::default(),
            source_view: None,
            newer_project: None,
            save_failed: None,
            learned: None,
            mirror_offers: Vec::new(),
        }
    }

    /// Takes the finished volume. When no slices were streamed, the renderer uploads all of it.
    pub(super) fn set_volume(&mut self, volume: Volume) {
        if self.case.volume.is_none() && volume.header_window.is_none() {
            self.view.window = volume.first_window();
            self.view.table = volume.header_lut.is_some();
        }
        self.case.volume = Some(Arc::new(volume));
    }

    /// Whether its image is that of a series which a scan listed, as it is or resampled.
    pub fn shows(&self, series: &Series) -> bool {
        let Some(own) = &self.source else { return false };
        match (own, &series.source) {
            (VolumeSource::Nifti(a), Some(VolumeSource::Nifti(b)))
            | (VolumeSource::Nrrd(a), Some(VolumeSource::Nrrd(b))) => a == b,
            (VolumeSource::Dicom(own), listed) => {
                let as_it_is = matches!(listed, Some(VolumeSource::Dicom(stack)) if same_slices(own, stack));
                as_it_is || series.resampled.as_ref().is_some_and(|stack| same_slices(own, stack))
            }
            _ => false,
        }
    }

    /// The header's table of grey values, while it is shown.
    pub fn shown_table(&self) -> Option<&Arc<VoiLut>> {
        self.case.volume.as_ref().filter(|_| self.view.table)?.header_lut.as_ref()
    }

    pub(super) fn stream_slice(&mut self, k: usize, hu: Arc<[i16]>) {
        self.streamed.push((k, hu));
    }

    /// Slices that arrived since the last call, for the renderer.
    pub fn take_streamed(&mut self) -> Vec<(usize, Arc<[i16]>)> {
        std::mem::take(&mut self.streamed)
    }

    /// Whether labels changed since they were last taken for the renderer.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Label changes since the last call, for the renderer.
    pub fn take_dirty(&mut self) -> BTreeMap<LayerId, Dirty> {
        std::mem::take(&mut self.dirty)
    }

    /// The layer that tools work on.
    pub fn layer(&self) -> Option<&Layer> {
        self.case.layer(self.active_layer?)
    }

    /// The segment that tools paint with.
    pub fn segment(&self) -> Option<&Segment> {
        self.layer()?.segment(self.active_segment)
    }

    /// Whether a stroke is under way.
    pub fn is_painting(&self) -> bool {
        self.stroke.is_some()
    }

    /// Whether something was changed since the last save.
    pub fn is_unsaved(&self) -> bool {
        self.revision != self.saved_revision
    }

    /// Counts changes; equal numbers mean equal content.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn mark_saved(&mut self, revision: u64) {
        self.saved_revision = revision;
    }

    pub(super) fn touch(&mut self) {
        self.revision += 1;
    }

    pub(super) fn mark_bricks(&mut self, layer: LayerId, bricks: impl IntoIterator<Item = BrickIndex>) {
        match self.dirty.entry(layer).or_insert_with(|| Dirty::Bricks(BTreeSet::new())) {
            Dirty::All => {}
            Dirty::Bricks(set) => set.extend(bricks),
        }
    }

    pub(super) fn mark_layer(&mut self, layer: LayerId) {
        self.dirty.insert(layer, Dirty::All);
    }

    /// Name of the step that undo would take back.
    pub fn undo_name(&self) -> Option<&str> {
        self.history.undo_name()
    }

    /// Name of the step that redo would bring back.
    pub fn redo_name(&self) -> Option<&str> {
        self.history.redo_name()
    }

    /// Names of the steps of the history, oldest first, and how many of them are done.
    pub fn steps(&self) -> (Vec<&str>, usize) {
        (self.history.names().collect(), self.history.position())
    }

    /// Index of the shown slice of a plane.
    pub fn slice_index(&self, plane: Plane) -> usize {
        let axis = PlaneAxes::of(&self.case.geometry, plane).through;
        let last = self.case.geometry.dims()[axis] - 1;
        (self.view.crosshair[axis].round().max(0.0) as usize).min(last)
    }

    /// Moves the crosshair, clamped to the centres of the outermost voxels.
    pub(super) fn set_crosshair(&mut self, voxel: DVec3) {
        if voxel.is_finite() {
            let last = self.case.geometry.dims().map(|d| (d - 1) as f64);
            self.view.crosshair = voxel.clamp(DVec3::ZERO, DVec3::from_array(last));
        }
    }

    /// Volume of each label of the active layer in ml (index 0: background), as of the last finished stroke.
    ///
    /// The layer is counted once; after that edits keep the figures up to date at the cost of the bricks they change.
    pub fn segment_volumes(&self) -> [f64; 256] {
        let Some(layer) = self.layer() else { return [0.0; 256] };
        let mut counts = self.counts.borrow_mut();
        let mut voxels = if self.stroke.is_some() {
            // The map already holds what the stroke will add when it ends: it must not be counted in twice.
            counts.known(layer.id).unwrap_or_else(|| layer.labels.counts())
        } else {
            counts.of(layer)
        };
        voxels[0] = (self.case.geometry.voxel_count() as u64).saturating_sub(voxels[1..].iter().sum());
        let voxel_ml = self.case.geometry.voxel_volume() / 1000.0;
        voxels.map(|n| n as f64 * voxel_ml)
    }

    /// Makes sure that the active layer and segment exist.
    pub(super) fn repair_selection(&mut self) {
        if self.layer().is_none() {
            self.active_layer = self.case.layers.last().map(|l| l.id);
        }
        if self.segment().is_none() {
            self.active_segment = self.layer().and_then(|l| l.segments.first()).map_or(1, |s| s.id);
        }
    }
}

/// Whether two stacks are made of the same slices in the same way. Their ends tell: parts of a series begin elsewhere.
fn same_slices(a: &DicomStack, b: &DicomStack) -> bool {
    let same = |a: Option<&SliceFile>, b: Option<&SliceFile>| {
        a.map(|slice| (&slice.path, slice.frame)) == b.map(|slice| (&slice.path, slice.frame))
    };
    a.series_uid == b.series_uid
        && a.slices.len() == b.slices.len()
        && a.resampling.is_some() == b.resampling.is_some()
        && same(a.slices.first(), b.slices.first())
        && same(a.slices.last(), b.slices.last())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Resampling;

    const DIMS: [usize; 3] = [4, 4, 3];

    fn geometry() -> Geometry {
        Geometry::axis_aligned(DIMS, DVec3::ONE, DVec3::ZERO).unwrap()
    }

    /// Slices of files with these numbers.
    fn stack(files: &[usize], resampled: bool) -> DicomStack {
        let slice = |n: &usize| SliceFile {
            path: format!("/ct/{n}.dcm").into(),
            frame: 0,
            sop_class_uid: String::new(),
            sop_instance_uid: String::new(),
            position: Some(DVec3::ZERO),
        };
        let resampling = Resampling { slice_size: [4, 4], slice_thickness: 1.0, reason: String::new() };
        DicomStack {
            geometry: geometry(),
            slices: files.iter().map(slice).collect(),
            resampling: resampled.then_some(resampling),
            window: None,
            study_uid: String::new(),
            series_uid: "1.2".into(),
            frame_of_reference_uid: String::new(),
            scale: None,
        }
    }

    fn series(source: Option<VolumeSource>, resampled: Option<DicomStack>) -> Series {
        Series {
            label: "CT 1".into(),
            modality: "CT".into(),
            description: String::new(),
            slices: DIMS[2],
            geometry: Some(geometry()),
            source,
            masks: Vec::new(),
            findings: Vec::new(),
            resampled: resampled.map(Arc::new),
        }
    }

    #[test]
    fn a_case_is_found_among_the_series_of_a_scan() {
        let of = |source: Option<VolumeSource>| Document {
            source,
            ..Document::new(CaseId(1), "Case".into(), geometry(), None)
        };
        let dicom = |files: &[usize], resampled| Some(VolumeSource::Dicom(stack(files, resampled)));
        let nifti = |file: &str| Some(VolumeSource::Nifti(file.into()));
        assert!(of(nifti("/a.nii")).shows(&series(nifti("/a.nii"), None)));
        assert!(!of(nifti("/a.nii")).shows(&series(nifti("/b.nii"), None)));
        assert!(!of(nifti("/a.nii")).shows(&series(Some(VolumeSource::Nrrd("/a.nii".into())), None)));
        assert!(!of(None).shows(&series(None, None)));
        // Two parts of one series, which offers all of it resampled.
        let (first, second) = (dicom(&[0, 1, 2], false), dicom(&[4, 5, 6], false));
        let whole = || Some(stack(&[0, 1, 2, 4, 5, 6], true));
        assert!(of(first.clone()).shows(&series(first.clone(), whole())));
        assert!(!of(first.clone()).shows(&series(second.clone(), whole())));
        assert!(of(dicom(&[0, 1, 2, 4, 5, 6], true)).shows(&series(second.clone(), whole())));
        assert!(of(dicom(&[0, 1, 2, 4, 5, 6], true)).shows(&series(None, whole())));
        assert!(!of(dicom(&[0, 1, 2, 4, 5, 6], true)).shows(&series(second, None)));
    }
}
