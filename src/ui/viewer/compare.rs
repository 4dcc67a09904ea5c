//! Panes side by side: other cases or layers with one position, zoom and window.

use super::{Shown, SliceSpec, ToolBelt, Viewer};
use crate::core::{CaseId, Geometry, LayerId, Plane};
use crate::render::PaneView;
use crate::workspace::{Command, Document, Workspace};
use egui::{Align, ComboBox, Rect, Ui, UiBuilder, Vec2};
use glam::DVec3;

use super::slice_pane::Linked;

/// The most panes side by side.
pub const CELLS: usize = 4;
/// Part of the smaller grid that must lie in the other for positions in millimetres to mean the same.
const OVERLAP: f64 = 0.5;
/// Widths in points of the list of planes, and of the box that links the panes.
const PLANE_LIST: f32 = 96.0;
const LINK_BOX: f32 = 62.0;

/// What one pane shows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Cell {
    /// `None` until the pane was first shown.
    case: Option<CaseId>,
    /// `None`: no mask yet, or none wanted.
    layer: Option<LayerId>,
    /// The user wants no mask here.
    bare: bool,
    plane: Option<Plane>,
}

/// A zoom and a middle that another pane is to follow.
#[derive(Debug, Clone, Copy)]
struct Follow {
    from: u8,
    plane: Plane,
    /// LPS position at the middle as a voxel of `geometry`.
    middle: DVec3,
    geometry: Geometry,
    zoom: f64,
    /// The frame in which it was set: it holds for one more.
    frame: u64,
}

/// The panes side by side.
pub(super) struct Compare {
    cells: [Cell; CELLS],
    /// How many of them are on the window.
    count: usize,
    linked: bool,
    follow: Option<Follow>,
}

impl Default for Compare {
    fn default() -> Self {
        Self { cells: [Cell::default(); CELLS], count: 0, linked: true, follow: None }
    }
}

impl Compare {
    /// What must be on the device for so many panes.
    pub fn wanted(&mut self, workspace: &Workspace, count: usize) -> Vec<(CaseId, Vec<LayerId>)> {
        self.settle(workspace, count);
        self.count = count;
        let layers = |n| self.shown(workspace, n).layers().into_iter().flatten().collect();
        (0..count).filter_map(|n| Some((self.cells[n].case?, layers(n)))).collect()
    }

    /// A pane with the judged layer shows how it differs from the truth, while that is asked for; one with the truth stays
    /// as it is beside it, and shows the difference where no other does.
    fn shown(&self, workspace: &Workspace, n: usize) -> Shown {
        let Cell { case: Some(case), layer: Some(layer), .. } = self.cells[n] else { return Shown::Nothing };
        let difference = workspace.document(case).and_then(|d| Shown::difference(d, &workspace.review));
        let Some(difference @ Shown::Difference { a, b }) = difference else { return Shown::Layer(layer) };
        let judged_is_seen = self.cells[..self.count].iter().any(|c| (c.case, c.layer) == (Some(case), Some(b.0)));
        if layer == b.0 || (layer == a.0 && !judged_is_seen) { difference } else { Shown::Layer(layer) }
    }

    /// Gives every pane a case that is open and a layer that it has: first the other cases, then other layers.
    fn settle(&mut self, workspace: &Workspace, count: usize) {
        let Some(active) = workspace.active_document() else { return };
        for n in 0..count {
            let known = self.cells[n].case.and_then(|id| workspace.document(id));
            if let Some(document) = known {
                let layer = self.cells[n].layer.filter(|l| document.case.layer(*l).is_some());
                // A mask that was begun here is seen here.
                self.cells[n].layer = layer.or(document.active_layer.filter(|_| !self.cells[n].bare));
                continue;
            }
            let taken = |case: CaseId| self.cells[..n].iter().any(|c| c.case == Some(case));
            let others = workspace.documents().iter().find(|d| !taken(d.case.id));
            let document = if n == 0 { active } else { others.unwrap_or(active) };
            let shown: Vec<LayerId> = self.cells[..n].iter().filter_map(|c| c.layer).collect();
            let layer = document.case.layers.iter().map(|l| l.id).find(|l| !shown.contains(l));
            let layer = if n == 0 { document.active_layer } else { layer };
            self.cells[n] = Cell { case: Some(document.case.id), layer, ..Cell::default() };
        }
    }
}

/// A voxel position of one grid in another: by millimetres where both are of one place in the patient, else at the same
/// part of the way along each of the patient's axes.
pub fn map_voxel(from: &Geometry, to: &Geometry, voxel: DVec3) -> DVec3 {
    let world = from.world_from_voxel().transform_point3(voxel);
    let (a, b) = (bounds(from), bounds(to));
    let size = |[low, high]: [DVec3; 2]| (high - low).max(DVec3::ZERO);
    let common = size([a[0].max(b[0]), a[1].min(b[1])]);
    let volume = |v: DVec3| v.x * v.y * v.z;
    let smaller = volume(size(a)).min(volume(size(b)));
    let place = if volume(common) >= OVERLAP * smaller {
        world
    } else {
        b[0] + (world - a[0]) / size(a).max(DVec3::splat(1e-6)) * size(b)
    };
    to.voxel_from_world().transform_point3(place)
}

/// The box around a grid in LPS.
fn bounds(geometry: &Geometry) -> [DVec3; 2] {
    let corners = (0..8).map(|n| {
        let d = geometry.dims();
        let at = std::array::from_fn(|a| if n >> a & 1 == 1 { d[a] as f64 - 0.5 } else { -0.5 });
        geometry.world_from_voxel().transform_point3(DVec3::from_array(at))
    });
    corners.fold([DVec3::splat(f64::MAX), DVec3::splat(f64::MIN)], |[low, high], p| [low.min(p), high.max(p)])
}

impl Viewer {
    /// Draws pane `n` (from 0) of those side by side, with its choices above it.
    pub fn cell(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        n: usize,
        belt: &mut ToolBelt,
        maximise: &mut bool,
    ) -> Vec<Command> {
        let place = ui.max_rect();
        self.choices(ui, workspace, n);
        // A row of choices that is wider than the pane makes no wider pane: its right edge would be cut off.
        let below = Rect::from_min_max(egui::pos2(place.left(), ui.cursor().top().min(place.bottom())), place.max);
        let cell = self.compare.cells[n];
        let (Some(leader), Some(document)) =
            (workspace.active_document(), cell.case.and_then(|c| workspace.document(c)))
        else {
            return Vec::new();
        };
        let linked = (self.compare.linked && leader.case.id != document.case.id).then(|| link(leader, document));
        let spec = SliceSpec {
            slot: n as u8 + 1,
            case: document.case.id,
            plane: cell.plane.unwrap_or(Plane::Axial),
            shown: self.compare.shown(workspace, n),
            layer: cell.layer,
            linked,
        };
        ui.scope_builder(UiBuilder::new().max_rect(below), |ui| self.pane(ui, workspace, &spec, belt, maximise)).inner
    }

    fn choices(&mut self, ui: &mut Ui, workspace: &Workspace, n: usize) {
        let link = if n == 0 { LINK_BOX } else { 0.0 };
        let gaps = 4.0 * ui.spacing().item_spacing.x;
        let width = ((ui.available_width() - PLANE_LIST - link - gaps - 4.0) / 2.0).clamp(50.0, 170.0);
        ui.horizontal(|ui| {
            ui.add_space(4.0);
            let cell = &mut self.compare.cells[n];
            let document = cell.case.and_then(|c| workspace.document(c));
            let name = document.map_or("No case", |d| d.case.name.as_str());
            let list = within(ui, width, |ui| {
                let list = ComboBox::from_id_salt(("cell case", n)).selected_text(name).width(width).truncate();
                list.show_ui(ui, |ui| {
                    for other in workspace.documents() {
                        if ui.selectable_label(cell.case == Some(other.case.id), &other.case.name).clicked() {
                            cell.case = Some(other.case.id);
                            cell.layer = other.active_layer;
                            cell.bare = false;
                        }
                    }
                })
                .response
            });
            named(&list, format!("Case of pane {}", n + 1), name);
            if let Some(document) = document {
                let layer = cell.layer.and_then(|l| document.case.layer(l));
                let name = layer.map_or("No mask", |l| l.name.as_str());
                let list = within(ui, width, |ui| {
                    let list = ComboBox::from_id_salt(("cell layer", n)).selected_text(name).width(width).truncate();
                    list.show_ui(ui, |ui| {
                        if ui.selectable_label(cell.layer.is_none(), "No mask").clicked() {
                            cell.layer = None;
                            cell.bare = true;
                        }
                        for layer in &document.case.layers {
                            if ui.selectable_label(cell.layer == Some(layer.id), &layer.name).clicked() {
                                cell.layer = Some(layer.id);
                                cell.bare = false;
                            }
                        }
                    })
                    .response
                });
                named(&list, format!("Layer of pane {}", n + 1), name);
            }
            let plane = cell.plane.unwrap_or(Plane::Axial);
            let list = within(ui, PLANE_LIST, |ui| {
                let list = ComboBox::from_id_salt(("cell plane", n)).selected_text(plane.name()).width(PLANE_LIST);
                list.show_ui(ui, |ui| {
                    for other in Plane::ALL {
                        if ui.selectable_label(plane == other, other.name()).clicked() {
                            cell.plane = Some(other);
                        }
                    }
                })
                .response
            });
            named(&list, format!("Plane of pane {}", n + 1), plane.name());
            if n == 0 {
                let link = ui.checkbox(&mut self.compare.linked, "Link");
                link.on_hover_text("One position, zoom and window for all panes");
            }
        });
    }

    /// Remembers what a pane was moved or zoomed to, for the others.
    pub(super) fn link_view(&mut self, spec: &SliceSpec, view: &PaneView, geometry: &Geometry) {
        if spec.slot == 0 || !self.compare.linked {
            return;
        }
        let middle = view.voxel_from_screen(geometry, view.size / 2.0);
        self.compare.follow = Some(Follow {
            from: spec.slot,
            plane: spec.plane,
            middle,
            geometry: *geometry,
            zoom: view.zoom,
            frame: self.frame,
        });
    }

    /// Takes over what another pane of the same plane was moved or zoomed to.
    pub(super) fn follow_linked_view(&mut self, spec: &SliceSpec, workspace: &Workspace, view: &mut PaneView) {
        let Some(follow) = self.compare.follow.filter(|f| f.frame + 1 >= self.frame) else { return };
        if spec.slot == 0 || follow.from == spec.slot || follow.plane != spec.plane {
            return;
        }
        let Some(document) = workspace.document(spec.case) else { return };
        let geometry = &document.case.geometry;
        let slice = view.slice;
        view.look_at(geometry, map_voxel(&follow.geometry, geometry, follow.middle));
        view.slice = slice;
        view.zoom = follow.zoom;
    }
}

/// What a pane of another case takes over.
fn link(leader: &Document, document: &Document) -> Linked {
    let last = DVec3::from_array(document.case.geometry.dims().map(|n| n as f64 - 1.0));
    let there = map_voxel(&leader.case.geometry, &document.case.geometry, leader.view.crosshair);
    // A window over HU says nothing of other values.
    let own = leader.is_overlay() || document.is_overlay();
    let window = if own { document.view.window } else { leader.view.window };
    Linked { crosshair: there.clamp(DVec3::ZERO, last), window, oblique: leader.view.oblique }
}

/// A list no wider than that: its own width is the least that it takes, and a long name is cut at the end of the room.
fn within(ui: &mut Ui, width: f32, add: impl FnOnce(&mut Ui) -> egui::Response) -> egui::Response {
    let size = Vec2::new(width, ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(size, egui::Layout::left_to_right(Align::Center), add).inner
}

/// Names a list, and says all of what it shows where that is cut.
fn named(list: &egui::Response, name: String, shown: &str) {
    list.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, name.as_str()));
    list.clone().on_hover_text(format!("{name}: {shown}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_follow_the_patient_or_the_part_of_the_way() {
        let grid = |dims, spacing: f64, x: f64| {
            Geometry::axis_aligned(dims, DVec3::splat(spacing), DVec3::new(x, 0.0, 0.0)).unwrap()
        };
        let fine = grid([100, 100, 40], 1.0, 0.0);
        let coarse = grid([40, 40, 20], 2.0, 10.0);
        let there = map_voxel(&fine, &coarse, DVec3::new(30.0, 20.0, 10.0));
        assert!((there - DVec3::new(10.0, 10.0, 5.0)).length() < 1e-9, "by millimetres: {there}");
        let elsewhere = grid([50, 50, 20], 2.0, 5000.0);
        let there = map_voxel(&fine, &elsewhere, DVec3::new(49.5, 24.5, 19.5));
        assert!((there - DVec3::new(24.5, 12.0, 9.5)).length() < 1e-9, "by parts: {there}");
    }
}
