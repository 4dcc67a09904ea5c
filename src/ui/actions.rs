//! What keys, menu entries and palette lines do.

use super::MainWindow;
use super::layout::Pane;
use super::panels::path_dialog::Purpose;
use super::shortcuts::Action;
use super::viewer::upwards;
use crate::core::{PlaneAxes, SliceStatus};
use crate::edit::{Operation, Over};
use crate::tools::ToolKind;
use crate::workspace::{
    Command, EditCommand, FileCommand, LayerCommand, LearnCommand, PictureCommand, SegmentCommand, SettingsCommand,
    StackExport, ThemeChoice, ViewCommand, WorkCommand, Workspace,
};

impl MainWindow {
    pub(super) fn act(&mut self, action: Action, workspace: &Workspace, out: &mut Vec<Command>) {
        match action {
            Action::KeySheet => self.key_sheet.open = !self.key_sheet.open,
            Action::Palette => self.palette.open(),
            Action::Open => self.dialog.ask(Purpose::Open, ""),
            Action::ToggleTheme => out.push(
                SettingsCommand::Theme(match workspace.settings.theme {
                    ThemeChoice::Dark => ThemeChoice::Light,
                    ThemeChoice::Light => ThemeChoice::Dark,
                })
                .into(),
            ),
            _ if workspace.active_document().is_none() => {}
            Action::ImportMask => self.dialog.ask(Purpose::ImportMask, ""),
            Action::SaveProject => self.save_project(workspace, out),
            Action::ExportMask => self.export_mask(workspace),
            Action::ExportLayers => self.dialog.ask(Purpose::ExportLayers, suggestion("layers", "seg.nrrd")),
            Action::ExportSurface => self.export_surface(workspace),
            Action::ExportReviewed => {
                self.dialog.ask(Purpose::ExportReviewed, folder_suggestion("Dataset001_Maskwright"));
            }
            Action::ExportDeidentified => self.dialog.ask(Purpose::ExportDeidentified, folder_suggestion("copies")),
            Action::ToggleReviewed => {
                if let Some(layer) = workspace.active_document().and_then(|d| d.layer()) {
                    out.push(LayerCommand::Reviewed(layer.id, !layer.reviewed).into());
                }
            }
            Action::Undo => out.push(EditCommand::Undo.into()),
            Action::Redo => out.push(EditCommand::Redo.into()),
            Action::Tool(tool) => self.belt.choose(tool),
            Action::LastTool => self.belt.swap(),
            Action::Digit(n) => self.digit(n, out),
            Action::Preset(n) => out.push(ViewCommand::Preset(n).into()),
            Action::HeaderWindow => out.push(ViewCommand::HeaderWindow.into()),
            Action::Slices(by) => self.scroll(by, workspace, out),
            Action::FirstSlice => self.jump(false, workspace, out),
            Action::LastSlice => self.jump(true, workspace, out),
            Action::Plane(plane) => {
                self.viewer.set_focus(plane);
                self.layout.turn_to(Pane::Slices(plane));
            }
            Action::Fit => self.viewer.fit(),
            Action::ToggleCrosshair => out.push(ViewCommand::ToggleCrosshair.into()),
            Action::Invert => out.push(ViewCommand::Invert.into()),
            Action::ToggleMask => out.push(ViewCommand::ToggleMask.into()),
            Action::OpacityBy(by) => out.push(ViewCommand::Opacity(workspace.overlay.opacity + by).into()),
            Action::ToggleOutline => out.push(ViewCommand::ToggleOutline.into()),
            Action::ToggleFill => out.push(ViewCommand::ToggleFill.into()),
            Action::ToggleInterpolation => out.push(ViewCommand::ToggleInterpolation.into()),
            Action::ToggleOutlineWhilePainting => out.push(ViewCommand::ToggleOutlineWhilePainting.into()),
            Action::StraightPlanes => out.push(PictureCommand::StraightPlanes.into()),
            Action::ExportStack => {
                self.dialog.ask(Purpose::ExportStack, suggestion("slices", "gif"));
            }
            Action::SegmentBy(by) => out.push(SegmentCommand::Step(by).into()),
            Action::AddSegment => out.push(SegmentCommand::Add.into()),
            Action::NewLayer => out.push(LayerCommand::New.into()),
            Action::BrushBy(factor) => {
                out.push(EditCommand::BrushRadius(workspace.brush.radius_mm * factor).into());
            }
            Action::ToggleSphere => out.push(EditCommand::BrushSphere(!workspace.brush.sphere).into()),
            Action::ToggleSquare => out.push(EditCommand::BrushSquare(!workspace.brush.square).into()),
            Action::ToggleAdaptive => out.push(EditCommand::BrushAdaptive(!workspace.brush.adaptive).into()),
            Action::Cine => self.viewer.toggle_cine(),
            Action::Maximise => self.layout.toggle_maximised(Pane::Slices(self.viewer.focus())),
            Action::Arrange(arrangement) => self.layout.arrange(arrangement),
            Action::Predict => {
                self.layout.reveal(Pane::Train);
                out.extend(self.train.predict(workspace));
            }
            Action::PredictInto => {
                self.layout.reveal(Pane::Train);
                out.extend(self.train.predict_into(workspace));
            }
            Action::TeachSlice => out.push(LearnCommand::Done.into()),
            Action::NextSlice => {
                self.layout.reveal(Pane::Learn);
                out.push(LearnCommand::Next.into());
            }
            Action::TuneNow => out.push(LearnCommand::Tune.into()),
            Action::Compare => {
                self.layout.reveal(Pane::Review);
                out.extend(self.review.compare(workspace));
            }
            Action::Operation(kind) => {
                self.layout.reveal(Pane::Edit);
                self.edit.choose(kind);
                out.push(EditCommand::CancelPreview.into());
            }
            Action::PreviewOperation => out.extend(self.edit.preview(workspace, self.viewer.focus())),
            Action::Confirm if self.belt.lasso.contour().is_some() => out.extend(self.belt.close_contour()),
            Action::Confirm => out.push(EditCommand::ApplyPreview.into()),
            Action::CopySlice(by) => self.copy_slice(by, workspace, out),
            Action::NextPaintOver => {
                let mut rules = workspace.rules;
                let active = workspace.active_document().map_or(1, |d| d.active_segment);
                rules.over = match rules.over {
                    Over::All => Over::Background,
                    Over::Background => Over::Segment(active),
                    Over::Segment(_) => Over::All,
                };
                out.push(EditCommand::Rules(rules).into());
            }
            Action::ToggleHuRule => {
                let mut rules = workspace.rules;
                rules.hu_only = !rules.hu_only;
                out.push(EditCommand::Rules(rules).into());
            }
            Action::SwapLungs => out.push(SegmentCommand::SwapLungs.into()),
            Action::SliceDone(SliceStatus::ToDo) => {
                let slice = workspace.active_document().map_or(0, crate::workspace::Document::work_slice);
                out.push(WorkCommand::Status { slice, status: SliceStatus::ToDo }.into());
            }
            Action::SliceDone(status) => out.push(WorkCommand::DoneAndNext(status).into()),
            Action::NextToDo(back) => out.push(WorkCommand::NextToDo { back }.into()),
            Action::NextCase(back) => out.push(WorkCommand::NextCase { back }.into()),
            Action::ListCases => {
                self.layout.reveal(Pane::Patients);
                self.dialog.ask(Purpose::Cases, "");
            }
            Action::WriteNote => {
                self.layout.reveal(Pane::Layers);
                self.layers.slices.write();
            }
            Action::ToggleSources => {
                let on = workspace.active_document().is_some_and(|d| d.shows_sources());
                out.push(WorkCommand::ShowSources(!on).into());
            }
            Action::ToggleDifference => out.extend(self.review.toggle_difference(workspace)),
        }
    }

    /// Digits choose tools while editing and window presets while viewing.
    fn digit(&mut self, n: usize, out: &mut Vec<Command>) {
        if self.belt.current().edits() {
            if let Some(tool) = ToolKind::ALL.get(n) {
                self.belt.choose(*tool);
            }
        } else {
            out.push(ViewCommand::Preset(n).into());
        }
    }

    fn scroll(&mut self, by: i64, workspace: &Workspace, out: &mut Vec<Command>) {
        let plane = self.viewer.focus();
        if let Some(document) = workspace.active_document() {
            out.push(ViewCommand::Scroll { plane, slices: by * upwards(document, plane) }.into());
        }
    }

    fn copy_slice(&mut self, by: i64, workspace: &Workspace, out: &mut Vec<Command>) {
        let plane = self.viewer.focus();
        let Some(document) = workspace.active_document() else { return };
        let axes = PlaneAxes::of(&document.case.geometry, plane);
        let from = document.slice_index(plane);
        let Some(to) = from.checked_add_signed((by * upwards(document, plane)) as isize) else { return };
        if to < axes.size(&document.case.geometry)[2] {
            out.push(EditCommand::Apply(Operation::CopySlice { axis: axes.through, from, to }).into());
            // On turned planes nothing is copied, and why is said.
            if document.view.oblique.is_none() {
                out.push(ViewCommand::Slice { plane, index: to }.into());
            }
        }
    }

    fn jump(&mut self, last: bool, workspace: &Workspace, out: &mut Vec<Command>) {
        let plane = self.viewer.focus();
        let Some(document) = workspace.active_document() else { return };
        let geometry = &document.case.geometry;
        let count = PlaneAxes::of(geometry, plane).size(geometry)[2];
        out.push(ViewCommand::Slice { plane, index: if last { count - 1 } else { 0 } }.into());
    }

    fn save_project(&mut self, workspace: &Workspace, out: &mut Vec<Command>) {
        let Some(document) = workspace.active_document() else { return };
        // A project that may not be written into, or could not, is saved elsewhere.
        let elsewhere = document.newer_project().is_some() || document.failed_save().is_some();
        if document.project.is_some() && !elsewhere {
            out.push(FileCommand::SaveProject(None).into());
        } else {
            self.dialog.ask(Purpose::SaveProject, suggestion(&document.case.name, "maskwright"));
        }
    }

    /// All slices of the pane that keys act on, in the speed in which they play.
    pub(super) fn stack_export(&mut self, path: std::path::PathBuf, workspace: &Workspace) -> Option<Command> {
        let plane = self.viewer.focus();
        let document = workspace.active_document()?;
        let geometry = &document.case.geometry;
        let last = PlaneAxes::of(geometry, plane).size(geometry)[2] - 1;
        // From the head, the front or the right on, as a reader goes.
        let slices = if upwards(document, plane) > 0 { [last, 0] } else { [0, last] };
        let export = StackExport { path, plane, slices, per_second: *self.viewer.cine_rate() };
        Some(FileCommand::ExportStack(Box::new(export)).into())
    }

    fn export_mask(&mut self, workspace: &Workspace) {
        if let Some(layer) = workspace.active_document().and_then(|d| d.layer()) {
            self.dialog.ask(Purpose::ExportMask, suggestion(&layer.name, "nii.gz"));
        }
    }

    fn export_surface(&mut self, workspace: &Workspace) {
        if let Some(segment) = workspace.active_document().and_then(|d| d.segment()) {
            self.dialog.ask(Purpose::ExportSurface, suggestion(&segment.name, "stl"));
        }
    }
}

/// A folder in the user's home.
fn folder_suggestion(name: &str) -> String {
    std::env::home_dir().unwrap_or_default().join(name).to_string_lossy().into_owned()
}

/// A file in the user's documents folder, named after what is saved.
pub(super) fn suggestion(name: &str, extension: &str) -> String {
    let safe: String =
        name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }).collect();
    let stem = safe.trim_matches(['-', '.']);
    let file = format!("{}.{extension}", if stem.is_empty() { "mask" } else { stem });
    let folder = std::env::home_dir().unwrap_or_default();
    folder.join(file).to_string_lossy().into_owned()
}
