//! The arrangement of panes: slices in the middle, patients at the left, layers, training and review at the right.

use super::panels::edit_mask::EditPanel;
use super::panels::layers::LayersPanel;
use super::panels::path_dialog::PathDialog;
use super::panels::review::ReviewPanel;
use super::panels::train::TrainPanel;
use super::viewer::{Shown, ToolBelt, Viewer};
use crate::core::Plane;
use crate::workspace::{Command, Workspace};
use egui::{Frame, Margin, Ui, WidgetText};
use egui_tiles::{Behavior, SimplificationOptions, Tile, TileId, Tiles, Tree, UiResponse};

/// What a tile shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    Slices(Plane),
    Patients,
    Layers,
    Edit,
    Train,
    Review,
}

impl Pane {
    /// Title of its tab.
    pub fn title(self) -> &'static str {
        match self {
            Self::Slices(plane) => plane.name(),
            Self::Patients => "Patients",
            Self::Layers => "Layers",
            Self::Edit => "Edit mask",
            Self::Train => "Train",
            Self::Review => "Review",
        }
    }
}

/// The tile tree and which pane is alone, if one is.
pub struct Layout {
    tree: Tree<Pane>,
    maximised: Option<Plane>,
}

impl Layout {
    /// The arrangement of the first start.
    pub fn new() -> Self {
        let mut tiles = Tiles::default();
        let [axial, coronal, sagittal] = Plane::ALL.map(|p| tiles.insert_pane(Pane::Slices(p)));
        let others = tiles.insert_vertical_tile(vec![coronal, sagittal]);
        let slices = tiles.insert_horizontal_tile(vec![axial, others]);
        share(&mut tiles, slices, &[(axial, 1.6), (others, 1.0)]);
        let patients = tiles.insert_pane(Pane::Patients);
        let left = tiles.insert_tab_tile(vec![patients]);
        let tabs = [Pane::Layers, Pane::Edit, Pane::Train, Pane::Review].map(|p| tiles.insert_pane(p));
        let right = tiles.insert_tab_tile(tabs.to_vec());
        let root = tiles.insert_horizontal_tile(vec![left, slices, right]);
        share(&mut tiles, root, &[(left, 0.19), (slices, 0.56), (right, 0.25)]);
        Self { tree: Tree::new(egui::Id::unique("panes"), root, tiles), maximised: None }
    }

    /// Shows one plane alone, or all again.
    pub fn toggle_maximised(&mut self, plane: Plane) {
        self.maximised = if self.maximised.is_some() { None } else { Some(plane) };
        for other in Plane::ALL {
            if let Some(id) = self.tree.tiles.find_pane(&Pane::Slices(other)) {
                self.tree.set_visible(id, self.maximised.is_none_or(|m| m == other));
            }
        }
    }

    /// Brings a tab to the front.
    pub fn reveal(&mut self, pane: Pane) {
        self.tree.make_active(|_, tile| matches!(tile, Tile::Pane(p) if *p == pane));
    }

    /// Draws all panes.
    pub fn show(&mut self, ui: &mut Ui, panes: &mut Panes<'_>) {
        self.tree.ui(panes, ui);
    }
}

fn share(tiles: &mut Tiles<Pane>, parent: TileId, shares: &[(TileId, f32)]) {
    if let Some(Tile::Container(egui_tiles::Container::Linear(linear))) = tiles.get_mut(parent) {
        for (child, part) in shares {
            linear.shares.set_share(*child, *part);
        }
    }
}

/// Draws the panes; borrows the window's parts for one frame.
pub struct Panes<'a> {
    pub workspace: &'a Workspace,
    pub shown: Shown,
    pub viewer: &'a mut Viewer,
    pub belt: &'a mut ToolBelt,
    pub layers: &'a mut LayersPanel,
    pub edit: &'a mut EditPanel,
    pub train: &'a mut TrainPanel,
    pub review: &'a mut ReviewPanel,
    pub dialog: &'a mut PathDialog,
    pub out: &'a mut Vec<Command>,
    pub maximise: &'a mut Option<Plane>,
}

impl Behavior<Pane> for Panes<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, pane: &mut Pane) -> UiResponse {
        if let Pane::Slices(plane) = *pane {
            let mut maximise = false;
            let commands = self.viewer.pane(ui, self.workspace, plane, self.shown, self.belt, &mut maximise);
            self.out.extend(commands);
            if maximise {
                *self.maximise = Some(plane);
            }
            return UiResponse::None;
        }
        Frame::new().fill(ui.visuals().panel_fill).inner_margin(Margin::same(8)).show(ui, |ui| match *pane {
            Pane::Patients => super::panels::patients::show(ui, self.workspace, self.out),
            Pane::Layers => self.layers.show(ui, self.workspace, self.dialog, self.out),
            Pane::Edit => self.edit.show(ui, self.workspace, self.viewer.focus(), self.out),
            Pane::Train => self.train.show(ui, self.workspace, self.dialog, self.out),
            Pane::Review => self.review.show(ui, self.workspace, self.dialog, self.out),
            Pane::Slices(_) => {}
        });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        pane.title().into()
    }

    fn gap_width(&self, _style: &egui::Style) -> f32 {
        2.0
    }

    fn min_size(&self) -> f32 {
        90.0
    }

    fn simplification_options(&self) -> SimplificationOptions {
        // The side panels keep their tab when they stand alone, so that they can be dragged.
        SimplificationOptions { prune_single_child_tabs: false, ..SimplificationOptions::default() }
    }
}
