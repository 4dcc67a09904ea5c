//! Choosing a path: typed or pasted, or picked in the desktop's own dialog.

use crossbeam_channel::{Receiver, bounded};
use egui::{Align2, Context, Key, TextEdit, Window};
use std::path::PathBuf;

/// What a chosen path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Open,
    ImportMask,
    ExportMask,
    ExportLayers,
    ExportVolume,
    ExportStack,
    ExportSurface,
    ExportReviewed,
    ExportDeidentified,
    SaveProject,
    ExportReport,
    TrainingData,
    EarlierData,
    LearnReport,
    ExportModel,
    Recipe,
    CohortTruth,
    /// One of the judged sides, counted from 0.
    CohortJudged(usize),
    CohortImages,
    ExportCohort,
    Weights,
    /// Projects to work on.
    Cases,
}

impl Purpose {
    fn title(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::ImportMask => "Import mask",
            Self::ExportMask => "Export layer",
            Self::ExportLayers => "Export all layers",
            Self::ExportVolume => "Export image",
            Self::ExportStack => "Export slices",
            Self::ExportSurface => "Export surface",
            Self::ExportReviewed => "Export reviewed cases",
            Self::ExportDeidentified => "Export without identity",
            Self::SaveProject => "Save project",
            Self::ExportReport => "Export report",
            Self::TrainingData => "Training data",
            Self::EarlierData => "Earlier data",
            Self::LearnReport => "Report of the loop",
            Self::ExportModel => "Export model",
            Self::Recipe => "Recipe file",
            Self::CohortTruth => "Truth of the cohort",
            Self::CohortJudged(_) => "Masks to judge",
            Self::CohortImages => "Images of the cohort",
            Self::ExportCohort => "Export cohort report",
            Self::Weights => "Weights to start from",
            Self::Cases => "Cases to work on",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Open => "A patient folder, a DICOM, NIfTI or NRRD file, or a project folder",
            Self::ImportMask => "NIfTI, NRRD, DICOM SEG, RTSTRUCT, or a folder of mask images",
            Self::ExportMask => {
                "Ends in .nii.gz, .nrrd, .dcm (DICOM SEG), .rtstruct.dcm, .obj, or a folder for PNG slices"
            }
            Self::ExportLayers => {
                "Ends in .seg.nrrd, .dcm (DICOM SEG) or .rtstruct.dcm: segments that overlap stay whole"
            }
            Self::ExportVolume => "Ends in .nii.gz, .nii or .nrrd",
            Self::ExportStack => "Ends in .gif, or a new folder for PNG pictures; all slices of the pane",
            Self::ExportSurface => "Ends in .stl or .obj; millimetres, smoothed without loss of volume",
            Self::ExportReviewed => "A new folder: all open cases with a reviewed layer, as nnU-Net reads them",
            Self::ExportDeidentified => {
                "A new folder: copies of the series and its mask without names, dates and numbers"
            }
            Self::SaveProject => "A folder; .maskwright is added",
            Self::ExportReport | Self::ExportCohort => {
                "Ends in .html, .pdf, .json, or .csv for slices, with other tables beside it"
            }
            Self::CohortTruth => "A mask, a folder of masks, or a data set with images",
            Self::CohortJudged(_) => "A mask, a folder of masks with the same names, or a run folder",
            Self::CohortImages => "An image, or a folder of images with the names of the masks",
            Self::TrainingData => "A data set folder with images and masks",
            Self::EarlierData => "The data set folder that the model was trained on",
            Self::LearnReport => "Ends in .md, .csv or .json",
            Self::ExportModel => "A new folder: weights, recipe, model card and provenance",
            Self::Recipe => "A recipe in RON",
            Self::Cases => "A folder with projects, also in folders within it",
            Self::Weights => {
                "Ends in .safetensors, .pth or .pt; names of torchvision and segmentation_models_pytorch are known"
            }
        }
    }

    fn is_save(self) -> bool {
        matches!(
            self,
            Self::ExportMask
                | Self::ExportLayers
                | Self::ExportVolume
                | Self::ExportStack
                | Self::ExportSurface
                | Self::ExportReviewed
                | Self::ExportDeidentified
                | Self::SaveProject
                | Self::ExportReport
                | Self::ExportCohort
                | Self::LearnReport
                | Self::ExportModel
        )
    }

    fn wants_folder(self) -> bool {
        matches!(
            self,
            Self::TrainingData
                | Self::EarlierData
                | Self::CohortTruth
                | Self::CohortJudged(_)
                | Self::CohortImages
                | Self::Cases
        )
    }

    fn wants_either(self) -> bool {
        matches!(self, Self::Open | Self::ImportMask)
    }
}

/// The open dialog, if any.
#[derive(Default)]
pub struct PathDialog {
    request: Option<Request>,
}

struct Request {
    purpose: Purpose,
    text: String,
    picked: Option<Receiver<Option<PathBuf>>>,
    focus: bool,
}

impl PathDialog {
    /// Asks for a path; `suggestion` stands in the field.
    pub fn ask(&mut self, purpose: Purpose, suggestion: impl Into<String>) {
        self.request = Some(Request { purpose, text: suggestion.into(), picked: None, focus: true });
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.request.is_some()
    }

    /// Whether it was asked for and not drawn yet.
    pub fn is_wanted(&self) -> bool {
        self.request.as_ref().is_some_and(|r| r.focus)
    }

    /// Draws it; gives back the path once chosen.
    pub fn show(&mut self, ctx: &Context) -> Option<(Purpose, PathBuf)> {
        let request = self.request.as_mut()?;
        let purpose = request.purpose;
        let mut chosen = request.poll();
        let mut keep = true;
        let escape = ctx.input(|i| i.key_pressed(Key::Escape));
        let room = ctx.content_rect().size();
        Window::new(purpose.title())
            .open(&mut keep)
            .anchor(Align2::CENTER_TOP, [0.0, (0.15 * room.y).min(120.0)])
            .collapsible(false)
            .resizable(false)
            .show(ctx, |ui| {
                ui.set_width((room.x - 40.0).min(560.0));
                ui.label(purpose.hint());
                let label = ui.label("Path");
                let field = ui
                    .add(TextEdit::singleline(&mut request.text).desired_width(f32::INFINITY).hint_text("/path"))
                    .labelled_by(label.id);
                if std::mem::take(&mut request.focus) {
                    field.request_focus();
                }
                let enter = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
                ui.add_space(4.0);
                ui.horizontal(|ui| {
                    let waiting = request.picked.is_some();
                    if purpose.wants_either() {
                        if ui.button("Browse folders…").clicked() && !waiting {
                            request.browse(ctx, true);
                        }
                        if ui.button("Browse files…").clicked() && !waiting {
                            request.browse(ctx, false);
                        }
                    } else if ui.button("Browse…").clicked() && !waiting {
                        request.browse(ctx, purpose.wants_folder());
                    }
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        let word = if purpose.is_save() { "Save" } else { "Choose" };
                        if (ui.button(word).clicked() || enter) && !request.text.trim().is_empty() {
                            chosen = Some(PathBuf::from(request.text.trim()));
                        }
                    });
                });
            });
        if chosen.is_some() || !keep || escape {
            self.request = None;
        }
        chosen.map(|path| (purpose, path))
    }
}

impl Request {
    fn poll(&mut self) -> Option<PathBuf> {
        let answer = self.picked.as_ref()?.try_recv().ok()?;
        self.picked = None;
        answer
    }

    /// Opens the desktop's dialog; its answer arrives on a channel so that the window never waits.
    fn browse(&mut self, ctx: &Context, folder: bool) {
        let (sender, receiver) = bounded(1);
        let mut dialog = rfd::AsyncFileDialog::new().set_title(self.purpose.title());
        let typed = PathBuf::from(self.text.trim());
        if let Some(parent) = typed.parent().filter(|p| p.is_dir()) {
            dialog = dialog.set_directory(parent);
        }
        if let (true, Some(name)) = (self.purpose.is_save(), typed.file_name()) {
            dialog = dialog.set_file_name(name.to_string_lossy());
        }
        let save = self.purpose.is_save();
        let ctx = ctx.clone();
        let thread = std::thread::Builder::new().name("file dialog".into()).spawn(move || {
            let handle = pollster::block_on(async {
                match (save, folder) {
                    (true, _) => dialog.save_file().await,
                    (false, true) => dialog.pick_folder().await,
                    (false, false) => dialog.pick_file().await,
                }
            });
            let _ = sender.send(handle.map(|h| h.path().to_owned()));
            ctx.request_repaint();
        });
        match thread {
            Ok(_) => self.picked = Some(receiver),
            Err(error) => tracing::warn!(%error, "no thread for the file dialog"),
        }
    }
}
