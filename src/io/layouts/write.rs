//! Writing one patient into a dataset: the image and its masks appear together or not at all.

use super::{Layout, LayoutError, declared, paths};
use crate::core::{LabelId, LabelMap, Segment, Volume, VoxelBox};
use crate::io::IoError;
use crate::io::atomic::write_atomic;
use crate::io::dicom::{CtSeriesInfo, write_ct_series, write_mask_series};
use crate::io::{save_nifti_labels, save_nifti_volume};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is written about a generated patient beside image and masks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientInfo {
    /// Position in the dataset from 1; names the patient `phantom_001`.
    pub index: usize,
    /// Decides the DICOM identifiers, together with the index.
    pub seed: u64,
    /// Body part examined, a defined term such as `CHEST` or `ABDOMEN`.
    pub body_part: String,
}

impl PatientInfo {
    /// The patient's name in folders, files and identifiers.
    pub fn name(&self) -> String {
        Self::name_of(self.index)
    }

    /// The name of the patient `index`.
    pub fn name_of(index: usize) -> String {
        format!("phantom_{index:03}")
    }

    fn series(&self, number: u32, description: &str, volume: &Volume) -> CtSeriesInfo {
        CtSeriesInfo {
            patient_id: self.name(),
            series_description: description.into(),
            series_number: number,
            body_part: self.body_part.clone(),
            seed: self.seed,
            window: volume.header_window,
        }
    }
}

/// Writes a generated patient into the dataset at `root`, which is made when it does not exist; gives back the name.
///
/// `ircadb` gets a folder of mask slices a segment that has voxels; `chaos` a picture a slice that is 255 in the
/// liver (its tumours included) as in that dataset, or the labels themselves where there is no liver; `slices` a
/// DICOM file and a picture a slice; `nnunet` one NIfTI file each and `dataset.json`; `lungs` a DICOM series and a
/// NIfTI mask. Pictures of a single label are 0 and 255.
///
/// # Errors
/// [`LayoutError::Occupied`] when the patient is there already, [`LayoutError::Grid`] when the mask is on another
/// grid, [`LayoutError::Write`] and the formats' own; nothing half-written stays under the patient's name.
pub fn write_patient(
    root: &Path,
    layout: Layout,
    info: &PatientInfo,
    volume: &Volume,
    labels: &LabelMap,
    segments: &[Segment],
) -> Result<String, LayoutError> {
    if !labels.geometry().same_grid(volume.geometry(), 1e-3) {
        return Err(LayoutError::Grid);
    }
    let patient = Patient { info, volume, labels, segments };
    make(root)?;
    match layout {
        Layout::Ircadb => patient.as_folder(root, |folder| patient.ircadb(folder))?,
        Layout::Chaos => patient.as_folder(root, |folder| patient.chaos(folder))?,
        Layout::Lungs => patient.as_folder(root, |folder| patient.lungs(folder))?,
        Layout::Slices => patient.slices(root)?,
        Layout::NnUnet => patient.nnunet(root)?,
    }
    Ok(info.name())
}

struct Patient<'a> {
    info: &'a PatientInfo,
    volume: &'a Volume,
    labels: &'a LabelMap,
    segments: &'a [Segment],
}

impl Patient<'_> {
    /// Fills a hidden folder and gives it the patient's name when it is complete.
    fn as_folder(&self, root: &Path, fill: impl FnOnce(&Path) -> Result<(), LayoutError>) -> Result<(), LayoutError> {
        let name = self.info.name();
        let target = root.join(&name);
        if target.exists() {
            return Err(LayoutError::Occupied(target));
        }
        let hidden = Hidden::new(root, &name)?;
        fill(&hidden.0)?;
        fs::rename(&hidden.0, &target).map_err(|source| LayoutError::Write { path: target, source })
    }

    fn ct(&self, folder: &Path) -> Result<Vec<PathBuf>, LayoutError> {
        make(folder)?;
        Ok(write_ct_series(folder, self.volume, &self.info.series(1, "CT", self.volume)).map_err(IoError::from)?)
    }

    fn ircadb(&self, folder: &Path) -> Result<(), LayoutError> {
        self.ct(&folder.join("PATIENT_DICOM"))?;
        let counts = self.labels.counts();
        let masks = folder.join("MASKS_DICOM");
        make(&masks)?;
        for (number, segment) in (2..).zip(self.segments) {
            if counts[usize::from(segment.id)] == 0 {
                continue;
            }
            let organ = masks.join(organ_folder(segment));
            make(&organ)?;
            let info = self.info.series(number, &segment.name, self.volume);
            write_mask_series(&organ, self.labels, segment.id, &info).map_err(IoError::from)?;
        }
        Ok(())
    }

    fn chaos(&self, folder: &Path) -> Result<(), LayoutError> {
        let slices = self.ct(&folder.join("DICOM_anon"))?;
        let ground = folder.join("Ground");
        make(&ground)?;
        let mut grey = self.greys();
        let liver: Vec<LabelId> =
            self.segments.iter().filter(|s| organ_folder(s).starts_with("liver")).map(|s| s.id).collect();
        let name = if liver.is_empty() { "mask" } else { "liver" };
        if !liver.is_empty() {
            grey = [0; 256];
            liver.iter().for_each(|id| grey[usize::from(*id)] = 255);
        }
        // The n-th picture belongs to the n-th DICOM file by name; our files are named in slice order.
        for k in 0..slices.len() {
            self.picture(&ground.join(format!("{name}_GT_{k:03}.png")), k, &grey)?;
        }
        Ok(())
    }

    fn lungs(&self, folder: &Path) -> Result<(), LayoutError> {
        self.ct(&folder.join("ct"))?;
        let path = folder.join("lungs.nii.gz");
        Ok(save_nifti_labels(&path, self.labels, self.segments).map_err(IoError::from)?)
    }

    fn slices(&self, root: &Path) -> Result<(), LayoutError> {
        let (images, masks) = (root.join("images"), root.join("masks"));
        make(&images)?;
        make(&masks)?;
        let patient = self.info.name();
        let files = self.volume.geometry().dims()[2];
        let name = |k: usize, ending: &str| format!("{patient}_{:03}.{ending}", k + 1);
        if let Some(there) = (0..files).map(|k| images.join(name(k, "dcm"))).find(|p| p.exists()) {
            return Err(LayoutError::Occupied(there));
        }
        let hidden = Hidden::new(&images, &patient)?;
        let written = self.ct(&hidden.0)?;
        let grey = self.greys();
        // A slice counts only with both files, and the image comes last.
        for (k, from) in written.iter().enumerate() {
            self.picture(&masks.join(name(k, "png")), k, &grey)?;
            let to = images.join(name(k, "dcm"));
            fs::rename(from, &to).map_err(|source| LayoutError::Write { path: to, source })?;
        }
        Ok(())
    }

    fn nnunet(&self, root: &Path) -> Result<(), LayoutError> {
        let (images, masks) = (root.join("imagesTr"), root.join("labelsTr"));
        make(&images)?;
        make(&masks)?;
        let name = self.info.name();
        let (image, mask) = (images.join(format!("{name}_0000.nii.gz")), masks.join(format!("{name}.nii.gz")));
        if let Some(there) = [&image, &mask].into_iter().find(|p| p.exists()) {
            return Err(LayoutError::Occupied(there.clone()));
        }
        save_nifti_volume(&image, self.volume).map_err(IoError::from)?;
        save_nifti_labels(&mask, self.labels, self.segments).map_err(IoError::from)?;
        let cases = paths::files(&masks)?.into_iter().filter(|p| paths::volume_file(p).is_some()).count();
        declared::write(root, self.segments, cases)
    }

    /// Grey of each label: 255 for the only one, else the label.
    fn greys(&self) -> [u8; 256] {
        let mut grey: [u8; 256] = std::array::from_fn(|n| n as u8);
        if let [only] = self.segments {
            grey[usize::from(only.id)] = 255;
        }
        grey
    }

    fn picture(&self, path: &Path, k: usize, grey: &[u8; 256]) -> Result<(), LayoutError> {
        let [nx, ny, _] = self.labels.geometry().dims();
        let mut slice = vec![0; nx * ny];
        self.labels.copy_box(VoxelBox { min: [0, 0, k], max: [nx, ny, k + 1] }, &mut slice);
        slice.iter_mut().for_each(|v| *v = grey[usize::from(*v)]);
        let (Ok(columns), Ok(rows)) = (u32::try_from(nx), u32::try_from(ny)) else { return Err(LayoutError::Grid) };
        write_atomic(path, |w| {
            PngEncoder::new(w).write_image(&slice, columns, rows, ExtendedColorType::L8).map_err(io::Error::other)
        })
        .map_err(|source| LayoutError::Write { path: path.into(), source })
    }
}

/// A folder under a hidden name, removed unless it was renamed.
struct Hidden(PathBuf);

impl Hidden {
    fn new(root: &Path, name: &str) -> Result<Self, LayoutError> {
        let path = root.join(format!(".{name}.{}.tmp", std::process::id()));
        make(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Gone after a rename; after a failure, which is being reported, there is nothing to add.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn make(folder: &Path) -> Result<(), LayoutError> {
    fs::create_dir_all(folder).map_err(|source| LayoutError::Write { path: folder.into(), source })
}

/// Folder of a segment's mask as 3D-IRCADb spells organs: `leftlung`. Letters and digits only.
fn organ_folder(segment: &Segment) -> String {
    let plain: String = segment.name.chars().filter(char::is_ascii_alphanumeric).collect();
    if plain.is_empty() { format!("label{}", segment.id) } else { plain.to_ascii_lowercase() }
}
