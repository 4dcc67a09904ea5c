//! The window's content: draws the workspace and turns input into commands. It never changes the document itself.
//!
//! Floor 5; the only module besides `app` that knows egui. [`MainWindow::show`] is called once a frame by the
//! application and by UI tests alike.

mod actions;
pub mod keys;
mod layout;
pub mod pacing;
pub mod panels;
pub mod shortcuts;
mod sides;
pub mod theme;
mod toasts;
pub mod viewer;

pub use layout::{Arrangement, Pane};

use crate::core::{CaseId, Plane};
use crate::jobs::Hand;
use crate::learn::Screen;
use crate::workspace::{Command, FileCommand, Level, Notice, OpenCommand, Settings, SettingsCommand, Workspace};
use egui::{Align2, CentralPanel, Context, Panel, RichText, Ui};
use layout::Layout;
use panels::edit_mask::EditPanel;
use panels::key_sheet::KeySheet;
use panels::layers::LayersPanel;
use panels::learn::LearnPanel;
use panels::mask_chooser::MaskChooser;
use panels::menu::MenuRequest;
use panels::palette::Palette;
use panels::path_dialog::{PathDialog, Purpose};
use panels::review::{CohortPanel, ReviewPanel};
use panels::train::TrainPanel;
use std::sync::Arc;
use toasts::{Toasts, Told};
use viewer::{Shown, ToolBelt, Viewer};

/// Something that would lose unsaved work and waits for a yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Quit,
    Close(CaseId),
}

/// All state of the window that is not part of the document.
pub struct MainWindow {
    layout: Layout,
    viewer: Viewer,
    belt: ToolBelt,
    layers: LayersPanel,
    edit: EditPanel,
    train: TrainPanel,
    learn: LearnPanel,
    review: ReviewPanel,
    cohort: CohortPanel,
    dialog: PathDialog,
    palette: Palette,
    toasts: Toasts,
    messages: Vec<Told>,
    key_sheet: KeySheet,
    about: bool,
    settings: bool,
    applied: Option<Settings>,
    message_list: bool,
    chooser: MaskChooser,
    question: Option<Question>,
    quitting: bool,
    /// Commands that the user has confirmed and that are not asked about again.
    confirmed: Vec<Command>,
    device: String,
}

impl MainWindow {
    /// `target_format` is the surface's format; `device` names the graphics device for the About box.
    pub fn new(target_format: viewer::TargetFormat, device: String) -> Self {
        Self {
            layout: Layout::new(),
            viewer: Viewer::new(target_format),
            belt: ToolBelt::default(),
            layers: LayersPanel::default(),
            edit: EditPanel::default(),
            train: TrainPanel::default(),
            learn: LearnPanel::default(),
            review: ReviewPanel::default(),
            cohort: CohortPanel::default(),
            dialog: PathDialog::default(),
            palette: Palette::default(),
            toasts: Toasts::default(),
            messages: Vec::new(),
            key_sheet: KeySheet::default(),
            about: false,
            settings: false,
            applied: None,
            message_list: false,
            chooser: MaskChooser::default(),
            question: None,
            quitting: false,
            confirmed: Vec::new(),
            device,
        }
    }

    /// Where predictions can be shown by the device that computes them, which is this window's.
    pub fn screen(&self, graphics: viewer::Graphics, ctx: &Context) -> Arc<dyn Screen> {
        self.viewer.screen(graphics, ctx.clone())
    }

    /// Who has the keyboard in the coming frame.
    pub fn keyboard(&self, ctx: &Context) -> pacing::Keyboard {
        if self.dialog.is_wanted() || self.palette.is_wanted() || self.layers.slices.is_wanted() {
            pacing::Keyboard::Coming
        } else if shortcuts::is_writing(ctx) {
            pacing::Keyboard::Writing
        } else {
            pacing::Keyboard::Actions
        }
    }

    /// Draws everything for one frame and applies what the user asked for.
    pub fn show(&mut self, ui: &mut Ui, workspace: &mut Workspace) {
        let ctx = ui.ctx().clone();
        workspace.poll();
        workspace.learning.arbiter.frame(hand(&ctx, workspace));
        self.follow_settings(&ctx, workspace);
        let mut out: Vec<Command> = Vec::new();
        let mut actions = Vec::new();
        let mut requests = Vec::new();

        // Asked before anything is drawn: a dialog that closes in this frame has still eaten this frame's keys.
        keys::follow(&workspace.settings);
        let typing = self.dialog.is_open()
            || self.key_sheet.is_listening()
            || self.palette.is_open()
            || self.question.is_some()
            || workspace.question().is_some();
        if !typing {
            self.key_sheet.close_on_escape(&ctx);
            actions.extend(shortcuts::pressed(&ctx, self.viewer.keyboard_pane()));
        }
        // Carried out before anything is drawn: this frame shows already what a key does.
        let arrangement = self.layout.arrangement();
        for action in std::mem::take(&mut actions) {
            self.act(action, workspace, &mut out);
        }
        for command in std::mem::take(&mut out) {
            self.forward(command, workspace);
        }
        self.take_drops(&ctx, &mut out);
        // The status bar is laid out before the panes and so shows what the last frame found.
        let hover = self.viewer.hover().cloned();
        let shown = self.review.shown(workspace);
        self.viewer.feed(&ctx, workspace, shown, self.layout.arrangement().cells());
        if let Some(command) = self.viewer.play(&ctx, workspace) {
            self.forward(command, workspace);
        }

        Panel::top("menu").show(ui, |ui| {
            panels::menu::show(ui, workspace, &mut actions, &mut requests, &mut out);
        });
        if workspace.active_document().is_some() {
            Panel::top("tools").show(ui, |ui| {
                ui.add_space(2.0);
                panels::toolbar::show(ui, workspace, &mut self.belt, &mut out);
                ui.add_space(2.0);
            });
        }
        Panel::bottom("status").show(ui, |ui| {
            panels::status::show(ui, workspace, hover.as_ref(), &mut out);
        });
        self.cohort.show(ui, workspace, &mut self.dialog, &mut out);
        self.center(ui, workspace, shown, &mut out);
        self.viewer.end_frame();
        if self.viewer.hover() != hover.as_ref() {
            // The status bar is behind by this frame.
            ctx.request_repaint();
        }
        out.extend(self.layout.take_text().map(|text| SettingsCommand::Layout(text).into()));
        self.windows(&ctx, workspace, &mut actions, &mut out);

        for action in actions {
            self.act(action, workspace, &mut out);
        }
        if self.layout.arrangement() != arrangement {
            // The panels are drawn before the panes: what they say of a new pane they know a frame later.
            ctx.request_repaint();
        }
        for request in requests {
            self.fulfil(&ctx, request, workspace);
        }
        self.guard_quit(&ctx, workspace);
        for command in std::mem::take(&mut self.confirmed) {
            workspace.dispatch(command);
        }
        for command in out {
            self.forward(command, workspace);
        }
        self.viewer.catch_up(&ctx, workspace);
        self.tell(&ctx, workspace);
    }

    /// Passes a command on, unless it would lose unsaved work.
    fn forward(&mut self, command: Command, workspace: &mut Workspace) {
        if let Command::Open(OpenCommand::Close(id)) = command
            && workspace.document(id).is_some_and(crate::workspace::Document::is_unsaved)
        {
            self.question = Some(Question::Close(id));
            return;
        }
        workspace.dispatch(command);
    }

    fn center(&mut self, ui: &mut Ui, workspace: &Workspace, shown: Shown, out: &mut Vec<Command>) {
        if workspace.active_document().is_none() {
            if workspace.scan.is_some() || workspace.caseload.folder().is_some() {
                let width = (0.5 * ui.available_width()).min(330.0);
                Panel::left("found").default_size(width).show(ui, |ui| {
                    ui.label(RichText::new("Patients").strong());
                    panels::patients::show(ui, workspace, &mut self.dialog, out);
                });
            }
            CentralPanel::default().show(ui, |ui| {
                self.viewer.warm_up(ui);
                panels::start::show(ui, workspace, &mut self.dialog, out);
            });
            return;
        }
        CentralPanel::default().frame(egui::Frame::NONE).show(ui, |ui| {
            let mut maximise = None;
            let mut behavior = layout::Panes {
                workspace,
                shown,
                viewer: &mut self.viewer,
                belt: &mut self.belt,
                layers: &mut self.layers,
                edit: &mut self.edit,
                train: &mut self.train,
                learn: &mut self.learn,
                review: &mut self.review,
                dialog: &mut self.dialog,
                out,
                maximise: &mut maximise,
                edited: false,
            };
            self.layout.show(ui, &mut behavior);
            if let Some(pane) = maximise {
                self.layout.toggle_maximised(pane);
            }
        });
    }

    fn windows(
        &mut self,
        ctx: &Context,
        workspace: &Workspace,
        actions: &mut Vec<shortcuts::Action>,
        out: &mut Vec<Command>,
    ) {
        self.key_sheet.show(ctx, out);
        panels::about::show(ctx, &mut self.about, &self.device);
        panels::settings::show(ctx, &mut self.settings, workspace, out);
        actions.extend(self.palette.show(ctx));
        if let Some((purpose, path)) = self.dialog.show(ctx) {
            match purpose {
                Purpose::Open => out.push(OpenCommand::Path(path).into()),
                Purpose::ImportMask => out.push(FileCommand::ImportMask(path).into()),
                Purpose::ExportMask => out.push(FileCommand::ExportMask(path).into()),
                Purpose::ExportLayers => out.push(FileCommand::ExportLayers(path).into()),
                Purpose::ExportVolume => out.push(FileCommand::ExportVolume(path).into()),
                Purpose::ExportStack => out.extend(self.stack_export(path, workspace)),
                Purpose::ExportSurface => out.push(FileCommand::ExportSurface(path).into()),
                Purpose::ExportReviewed => out.push(FileCommand::ExportReviewed(path).into()),
                Purpose::ExportDeidentified => out.push(FileCommand::ExportDeidentified(path).into()),
                Purpose::SaveProject => out.push(FileCommand::SaveProject(Some(path)).into()),
                Purpose::ExportReport => out.push(crate::workspace::ReviewCommand::Export(path).into()),
                Purpose::TrainingData | Purpose::Recipe | Purpose::Weights => self.train.take_path(purpose, path),
                Purpose::ExportCohort => out.push(crate::workspace::CohortCommand::Export(path).into()),
                Purpose::CohortTruth | Purpose::CohortJudged(_) | Purpose::CohortImages => {
                    self.cohort.take_path(purpose, &path);
                }
                Purpose::LearnReport => out.push(crate::workspace::LearnCommand::Report(path).into()),
                Purpose::ExportModel => out.push(crate::workspace::LearnCommand::ExportModel(path).into()),
                Purpose::EarlierData => self.learn.take_path(path),
                Purpose::Cases => out.push(crate::workspace::WorkCommand::ListCases(path).into()),
            }
        }
        let messages = &self.messages;
        panels::centred("Messages", ctx).open(&mut self.message_list).default_width(520.0).show(ctx, |ui| {
            egui::ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
                for message in messages.iter().rev() {
                    let color = match message.notice.level {
                        Level::Info => ui.visuals().text_color(),
                        Level::Warning => panels::patients::warning_color(ui),
                        Level::Error => ui.visuals().error_fg_color,
                    };
                    ui.label(RichText::new(message.text()).color(color));
                }
                if messages.is_empty() {
                    ui.weak("Nothing has been said yet.");
                }
            });
        });
        self.ask(ctx, workspace);
        panels::resample::show(ctx, workspace, out);
        panels::mirror::show(ctx, workspace, out);
        self.chooser.show(ctx, workspace, out);
    }

    /// The question before unsaved work would be lost.
    fn ask(&mut self, ctx: &Context, workspace: &Workspace) {
        let Some(question) = self.question else { return };
        let mut answered = false;
        egui::Window::new("Unsaved changes")
            .collapsible(false)
            .resizable(false)
            .anchor(Align2::CENTER_CENTER, [0.0; 2])
            .show(ctx, |ui| {
                ui.label("There are changes that are not saved in a project.");
                ui.horizontal(|ui| {
                    if ui.button("Keep working").clicked() {
                        answered = true;
                    }
                    if ui.button("Discard changes").clicked() {
                        answered = true;
                        match question {
                            Question::Quit => {
                                self.quitting = true;
                                // Discarding is a decision: the next start must not offer the work back.
                                let ids = workspace.documents().iter().map(|d| d.case.id);
                                self.confirmed.extend(ids.map(|id| OpenCommand::Close(id).into()));
                                ctx.send_viewport_cmd(egui::ViewportCommand::Close);
                            }
                            Question::Close(id) => self.confirmed.push(OpenCommand::Close(id).into()),
                        }
                    }
                });
            });
        if answered {
            self.question = None;
        }
    }

    /// Brings theme, scale and default device in line with the settings, whoever changed them.
    fn follow_settings(&mut self, ctx: &Context, workspace: &mut Workspace) {
        let before = self.applied.take();
        let scale = ctx.zoom_factor();
        if before.as_ref().is_some_and(|b| b.zoom == workspace.settings.zoom) && scale != workspace.settings.zoom {
            // Changed by egui's own keys (Ctrl and plus or minus): kept, within what can be chosen.
            workspace.dispatch(SettingsCommand::Scale(scale));
        }
        let now = &workspace.settings;
        if before.is_none() {
            self.layout = Layout::restore(&now.layout);
        }
        if before.as_ref().is_none_or(|b| b.theme != now.theme) {
            theme::apply(ctx, now.theme);
        }
        if before.as_ref().is_none_or(|b| b.device != now.device) {
            self.train.set_device(now.device);
            self.learn.set_device(now.device);
        }
        ctx.set_zoom_factor(now.zoom);
        self.applied = Some(now.clone());
    }

    fn guard_quit(&mut self, ctx: &Context, workspace: &Workspace) {
        let closing = ctx.input(|i| i.viewport().close_requested());
        let unsaved = workspace.documents().iter().any(crate::workspace::Document::is_unsaved);
        if closing && unsaved && !self.quitting {
            ctx.send_viewport_cmd(egui::ViewportCommand::CancelClose);
            self.question = Some(Question::Quit);
        }
    }

    fn fulfil(&mut self, ctx: &Context, request: MenuRequest, workspace: &Workspace) {
        match request {
            MenuRequest::ExportVolume => {
                let name = workspace.active_document().map_or("image", |d| d.case.name.as_str());
                self.dialog.ask(Purpose::ExportVolume, actions::suggestion(name, "nii.gz"));
            }
            MenuRequest::About => self.about = true,
            MenuRequest::Settings => self.settings = true,
            MenuRequest::Messages => self.message_list = true,
            MenuRequest::ResetLayout => self.layout.reset(),
            MenuRequest::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
        }
    }

    fn take_drops(&mut self, ctx: &Context, out: &mut Vec<Command>) {
        let dropped = ctx.input(|i| i.raw.dropped_files.clone());
        out.extend(dropped.into_iter().map(|f| OpenCommand::Path(f.path().to_owned()).into()));
    }

    /// Shows the workspace's notices as toasts and keeps them for the message list.
    fn tell(&mut self, ctx: &Context, workspace: &mut Workspace) {
        for error in self.viewer.take_errors() {
            workspace.notify(Notice::error(error));
        }
        let now = ctx.input(|i| i.time);
        for notice in workspace.take_notices() {
            self.toasts.tell(notice.clone(), now);
            toasts::keep(&mut self.messages, notice);
        }
        self.toasts.show(ctx);
    }

    /// The pane that keys act on, for tests.
    pub fn focus(&self) -> Plane {
        self.viewer.focus()
    }
}

/// What the hand does in this frame, for whoever computes beside it.
fn hand(ctx: &Context, workspace: &Workspace) -> Hand {
    if workspace.active_document().is_some_and(crate::workspace::Document::is_painting) {
        return Hand::Paints;
    }
    let moves = ctx.input(|i| {
        i.pointer.is_moving()
            || i.pointer.any_down()
            || i.smooth_scroll_delta() != egui::Vec2::ZERO
            || !i.keys_down.is_empty()
    });
    if moves { Hand::Moves } else { Hand::Still }
}
