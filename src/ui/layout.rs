//! The arrangement of panes: slices in the middle, patients and viewing at the left, masks and models at the right.
//! What the user docks and resizes is kept between starts.

use super::panels::edit_mask::EditPanel;
use super::panels::layers::LayersPanel;
use super::panels::learn::LearnPanel;
use super::panels::path_dialog::PathDialog;
use super::panels::review::ReviewPanel;
use super::panels::train::TrainPanel;
use super::sides::{self, WIDEST};
use super::viewer::{Shown, SliceSpec, ToolBelt, Viewer};
use crate::core::Plane;
use crate::workspace::{Command, Workspace};
use egui::{Frame, Margin, Ui, WidgetText};
use egui_tiles::{Behavior, Container, EditAction, SimplificationOptions, Tile, TileId, Tiles, Tree, UiResponse};
use serde::{Deserialize, Serialize};

/// What a tile shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pane {
    Slices(Plane),
    Volume,
    /// One of the panes side by side, from 0.
    Cell(u8),
    Patients,
    View,
    Measure,
    Layers,
    Edit,
    Train,
    Learn,
    Review,
}

impl Pane {
    /// Title of its tab.
    pub fn title(self) -> &'static str {
        match self {
            Self::Slices(plane) => plane.name(),
            Self::Volume => "3-D",
            Self::Cell(0) => "Side by side 1",
            Self::Cell(1) => "Side by side 2",
            Self::Cell(2) => "Side by side 3",
            Self::Cell(_) => "Side by side 4",
            Self::Patients => "Patients",
            Self::View => "View",
            Self::Measure => "Measure",
            Self::Layers => "Layers",
            Self::Edit => "Edit mask",
            Self::Train => "Train",
            Self::Learn => "Learn",
            Self::Review => "Review",
        }
    }

    /// Whether it shows the image; such panes can stand alone.
    fn shows_image(self) -> bool {
        matches!(self, Self::Slices(_) | Self::Volume | Self::Cell(_))
    }
}

/// The panes of the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Arrangement {
    /// One plane.
    One,
    #[default]
    Planes,
    PlanesAndVolume,
    /// Two or four cases or layers side by side.
    Two,
    Four,
}

impl Arrangement {
    /// In the order of the menu.
    pub const ALL: [Self; 5] = [Self::One, Self::Planes, Self::PlanesAndVolume, Self::Two, Self::Four];

    /// Number of panes side by side.
    pub fn cells(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
            Self::One | Self::Planes | Self::PlanesAndVolume => 0,
        }
    }

    /// Name for menus.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "One pane",
            Self::Planes => "Three planes",
            Self::PlanesAndVolume => "Three planes and 3-D",
            Self::Two => "Two side by side",
            Self::Four => "Four side by side",
        }
    }

    fn insert(self, tiles: &mut Tiles<Pane>) -> TileId {
        if self.cells() > 0 {
            let cells: Vec<TileId> = (0..self.cells() as u8).map(|n| tiles.insert_pane(Pane::Cell(n))).collect();
            let rows: Vec<TileId> = cells.chunks(2).map(|row| tiles.insert_horizontal_tile(row.to_vec())).collect();
            return if rows.len() == 1 { rows[0] } else { tiles.insert_vertical_tile(rows) };
        }
        let [axial, coronal, sagittal] = Plane::ALL.map(|p| tiles.insert_pane(Pane::Slices(p)));
        match self {
            Self::One | Self::Planes => {
                let others = tiles.insert_vertical_tile(vec![coronal, sagittal]);
                let slices = tiles.insert_horizontal_tile(vec![axial, others]);
                share(tiles, slices, &[(axial, 1.6), (others, 1.0)]);
                slices
            }
            Self::PlanesAndVolume | Self::Two | Self::Four => {
                let volume = tiles.insert_pane(Pane::Volume);
                let upper = tiles.insert_horizontal_tile(vec![axial, volume]);
                let lower = tiles.insert_horizontal_tile(vec![coronal, sagittal]);
                tiles.insert_vertical_tile(vec![upper, lower])
            }
        }
    }
}

/// The tile tree and which pane is alone, if one is.
pub struct Layout {
    tree: Tree<Pane>,
    arrangement: Arrangement,
    maximised: Option<Pane>,
    /// Width of the window in points that the parts of the sides are meant for.
    width: f32,
    /// Something is being moved.
    moving: bool,
    /// Something was moved since the text was taken last.
    changed: bool,
}

/// What is kept between starts.
#[derive(Serialize, Deserialize)]
struct Saved {
    arrangement: Arrangement,
    maximised: Option<Pane>,
    #[serde(default)]
    width: Option<f32>,
    tree: Tree<Pane>,
}

impl Layout {
    /// The arrangement of the first start.
    pub fn new() -> Self {
        Self::of(Arrangement::Planes)
    }

    fn of(arrangement: Arrangement) -> Self {
        let mut tiles = Tiles::default();
        let middle = arrangement.insert(&mut tiles);
        let tabs = [Pane::Patients, Pane::View, Pane::Measure].map(|p| tiles.insert_pane(p));
        let left = tiles.insert_tab_tile(tabs.to_vec());
        let tabs = [Pane::Layers, Pane::Edit, Pane::Train, Pane::Learn, Pane::Review].map(|p| tiles.insert_pane(p));
        let right = tiles.insert_tab_tile(tabs.to_vec());
        let root = tiles.insert_horizontal_tile(vec![left, middle, right]);
        share(&mut tiles, root, &[(left, 0.19), (middle, 0.56), (right, 0.25)]);
        let tree = Tree::new(egui::Id::unique("panes"), root, tiles);
        let mut layout = Self { tree, arrangement, maximised: None, width: WIDEST, moving: false, changed: false };
        if arrangement == Arrangement::One {
            layout.show_alone(Some(Pane::Slices(Plane::Axial)));
        }
        layout
    }

    /// What [`Self::take_text`] gave in an earlier start; the first arrangement when it is damaged or of another version.
    pub fn restore(text: &str) -> Self {
        let Ok(saved) = ron::from_str::<Saved>(text) else { return Self::new() };
        let wanted = Self::of(saved.arrangement);
        let panes = |tree: &Tree<Pane>| {
            let mut titles: Vec<&str> = tree
                .tiles
                .tiles()
                .filter_map(|t| match t {
                    Tile::Pane(p) => Some(p.title()),
                    Tile::Container(_) => None,
                })
                .collect();
            titles.sort_unstable();
            titles
        };
        let sound = saved.tree.root().is_some_and(|root| saved.tree.tiles.get(root).is_some());
        if !sound || panes(&saved.tree) != panes(&wanted.tree) {
            return wanted;
        }
        Self {
            tree: saved.tree,
            arrangement: saved.arrangement,
            maximised: saved.maximised,
            width: saved.width.filter(|w| w.is_finite() && *w > 0.0).unwrap_or(WIDEST),
            moving: false,
            changed: false,
        }
    }

    /// The arrangement as text for the settings, when it changed since the last call.
    pub fn take_text(&mut self) -> Option<String> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        #[derive(Serialize)]
        #[serde(rename = "Saved")]
        struct Borrowed<'a> {
            arrangement: Arrangement,
            maximised: Option<Pane>,
            width: Option<f32>,
            tree: &'a Tree<Pane>,
        }
        let saved = Borrowed {
            arrangement: self.arrangement,
            maximised: self.maximised,
            width: Some(self.width),
            tree: &self.tree,
        };
        ron::to_string(&saved).ok()
    }

    /// The panes of the middle.
    pub fn arrangement(&self) -> Arrangement {
        self.arrangement
    }

    /// Puts other panes into the middle; the sides keep their width and the tabs that they show.
    pub fn arrange(&mut self, arrangement: Arrangement) {
        let active = self.tree.active_tiles();
        let fronts: Vec<Pane> = active.into_iter().filter_map(|id| self.tree.tiles.get_pane(&id).copied()).collect();
        let (parts, width) = (sides::parts(&self.tree), self.width);
        *self = Self::of(arrangement);
        if let Some(parts) = parts {
            sides::divide(&mut self.tree, parts);
            self.width = width;
        }
        for pane in fronts.into_iter().filter(|p| !p.shows_image()) {
            self.reveal(pane);
        }
        self.changed = true;
    }

    /// Back to the arrangement of the first start.
    pub fn reset(&mut self) {
        *self = Self { changed: true, ..Self::new() };
    }

    /// Shows one pane alone, or all again.
    pub fn toggle_maximised(&mut self, pane: Pane) {
        let alone = if self.maximised.is_some() { None } else { Some(pane) };
        self.show_alone(alone);
        self.changed = true;
    }

    /// Where one pane stands alone, another one takes its place.
    pub fn turn_to(&mut self, pane: Pane) {
        if self.maximised.is_some_and(|alone| alone != pane) && self.contains(pane) {
            self.show_alone(Some(pane));
            self.changed = true;
        }
    }

    fn show_alone(&mut self, alone: Option<Pane>) {
        self.maximised = alone;
        let panes: Vec<(TileId, Pane)> = self
            .tree
            .tiles
            .iter()
            .filter_map(|(id, tile)| match tile {
                Tile::Pane(pane) if pane.shows_image() => Some((*id, *pane)),
                _ => None,
            })
            .collect();
        for (id, pane) in panes {
            self.tree.set_visible(id, alone.is_none_or(|a| a == pane));
        }
    }

    /// Whether a pane can be seen, were its tab in front.
    pub fn contains(&self, pane: Pane) -> bool {
        self.tree.tiles.find_pane(&pane).is_some()
    }

    /// Brings a tab to the front.
    pub fn reveal(&mut self, pane: Pane) {
        self.tree.make_active(|_, tile| matches!(tile, Tile::Pane(p) if *p == pane));
    }

    /// Draws all panes.
    pub fn show(&mut self, ui: &mut Ui, panes: &mut Panes<'_>) {
        let before = std::mem::replace(&mut self.width, ui.available_width().max(1.0));
        sides::fit(&mut self.tree, before, self.width);
        self.tree.ui(panes, ui);
        // A drag changes shares in every frame; it is kept when the hand lets go.
        self.moving |= panes.edited;
        if self.moving && !ui.input(|i| i.pointer.any_down()) {
            self.moving = false;
            self.changed = true;
        }
    }
}

fn share(tiles: &mut Tiles<Pane>, parent: TileId, shares: &[(TileId, f32)]) {
    if let Some(Tile::Container(Container::Linear(linear))) = tiles.get_mut(parent) {
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
    pub learn: &'a mut LearnPanel,
    pub review: &'a mut ReviewPanel,
    pub dialog: &'a mut PathDialog,
    pub out: &'a mut Vec<Command>,
    pub maximise: &'a mut Option<Pane>,
    /// Set by the tiles when the user moved, resized or chose something.
    pub edited: bool,
}

impl Behavior<Pane> for Panes<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, pane: &mut Pane) -> UiResponse {
        let mut maximise = false;
        match *pane {
            Pane::Slices(plane) => {
                let Some(case) = self.workspace.active_document().map(|d| d.case.id) else { return UiResponse::None };
                let spec = SliceSpec { slot: 0, case, plane, shown: self.shown, layer: None, linked: None };
                self.out.extend(self.viewer.pane(ui, self.workspace, &spec, self.belt, &mut maximise));
            }
            Pane::Volume => {
                self.out.extend(self.viewer.volume_pane(ui, self.workspace, self.shown, &mut maximise));
            }
            Pane::Cell(n) => {
                self.out.extend(self.viewer.cell(ui, self.workspace, n.into(), self.belt, &mut maximise));
            }
            side => {
                Frame::new()
                    .fill(ui.visuals().panel_fill)
                    .inner_margin(Margin::same(8))
                    .show(ui, |ui| self.side(ui, side));
            }
        }
        if maximise {
            *self.maximise = Some(*pane);
        }
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

    fn on_edit(&mut self, _action: EditAction) {
        self.edited = true;
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions {
            // The side panels keep their tab when they stand alone, so that they can be dragged.
            prune_single_child_tabs: false,
            // The panes of the middle stay together: when one stands alone it takes their place, not some of the sides'.
            join_nested_linear_containers: false,
            ..SimplificationOptions::default()
        }
    }
}

impl Panes<'_> {
    fn side(&mut self, ui: &mut Ui, pane: Pane) {
        match pane {
            Pane::Patients => super::panels::patients::show(ui, self.workspace, self.dialog, self.out),
            Pane::View => super::panels::view::show(ui, self.workspace, self.viewer, self.out),
            Pane::Layers => self.layers.show(ui, self.workspace, self.dialog, self.out),
            Pane::Edit => self.edit.show(ui, self.workspace, self.viewer.focus(), self.out),
            Pane::Train => self.train.show(ui, self.workspace, self.dialog, self.out),
            Pane::Learn => self.learn.show(ui, self.workspace, self.dialog, self.out),
            Pane::Review => self.review.show(ui, self.workspace, self.dialog, self.out),
            Pane::Measure => super::panels::measure::show(ui, self.workspace, self.belt, self.out),
            Pane::Slices(_) | Pane::Volume | Pane::Cell(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrangement_survives_a_round_trip_and_damage() {
        for arrangement in Arrangement::ALL {
            let mut layout = Layout::new();
            assert_eq!(layout.take_text(), None, "nothing was changed yet");
            layout.arrange(arrangement);
            layout.reveal(Pane::Train);
            let text = layout.take_text().unwrap();
            assert_eq!(layout.take_text(), None);
            let mut back = Layout::restore(&text);
            assert_eq!(back.arrangement(), arrangement);
            assert_eq!(back.contains(Pane::Volume), arrangement == Arrangement::PlanesAndVolume);
            assert_eq!(back.tree, layout.tree);
            assert_eq!(back.maximised.is_some(), arrangement == Arrangement::One);
            back.reset();
            assert_eq!(back.arrangement(), Arrangement::Planes);
            // A pane fewer, or no text at all: the first arrangement, not an empty window.
            let damaged = Layout::restore(&text.replace("Train", "Review"));
            assert!(damaged.contains(Pane::Train));
        }
        assert_eq!(Layout::restore("(").arrangement(), Arrangement::Planes);
    }

    #[test]
    fn another_arrangement_keeps_the_width_of_the_sides() {
        let has = |layout: &Layout, wanted: [f32; 3]| {
            sides::parts(&layout.tree).unwrap().iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-3)
        };
        let mut layout = Layout::new();
        sides::divide(&mut layout.tree, [0.3, 0.5, 0.2]);
        layout.width = 2000.0;
        for arrangement in Arrangement::ALL {
            layout.arrange(arrangement);
            assert!(has(&layout, [0.3, 0.5, 0.2]) && layout.width == 2000.0, "{arrangement:?}");
        }
        let mut back = Layout::restore(&layout.take_text().unwrap());
        assert!(has(&back, [0.3, 0.5, 0.2]) && back.width == 2000.0, "after the next start");
        back.reset();
        assert!(has(&back, [0.19, 0.56, 0.25]));
    }
}
