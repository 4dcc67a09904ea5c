//! The Edit tab: paint rules for every tool, and operations on the active segment with preview.

use super::edit_history::HistoryList;
use super::edit_joint::Joint;
use super::edit_rules::{hu_range, length, rules, segment_list, warn_of_skew};
use crate::core::{LabelId, LayerId, Plane, PlaneAxes};
use crate::edit::{Connectivity, Extent, Islands, Logic, Operation, Smoothing};
use crate::ui::keys::keys_of;
use crate::ui::shortcuts::Action;
use crate::workspace::{Command, Document, EditCommand, HU_RANGES, Workspace};
use egui::{CollapsingHeader, DragValue, RichText, Ui};

/// What can be chosen in the panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    Threshold,
    Islands,
    Holes,
    Between,
    Smooth,
    Margin,
    Logic,
    /// All segments spread until they meet.
    Seeds,
    /// Takes over another layer where nobody touched this one.
    Adopt,
}

impl OperationKind {
    /// In the order of the panel.
    pub const ALL: [Self; 9] = [
        Self::Threshold,
        Self::Islands,
        Self::Holes,
        Self::Between,
        Self::Smooth,
        Self::Margin,
        Self::Logic,
        Self::Seeds,
        Self::Adopt,
    ];

    /// Name for buttons and screen readers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Threshold => "Threshold",
            Self::Islands => "Small islands",
            Self::Holes => "Fill holes",
            Self::Between => "Fill between slices",
            Self::Smooth => "Smooth",
            Self::Margin => "Margin",
            Self::Logic => "Combine",
            Self::Seeds => "Grow from seeds",
            Self::Adopt => "Fill from a layer",
        }
    }
}

/// Which part of the volume an operation looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Volume,
    Slice,
    EverySlice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IslandChoice {
    KeepLargest,
    RemoveSmall,
    Split,
}

/// Logical operators: with another segment, or on the active one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Combining {
    With(Logic),
    Invert,
    Clear,
}

/// What was chosen and typed; the document knows nothing of it before it is asked for.
pub struct EditPanel {
    chosen: OperationKind,
    reach: Reach,
    range: [i16; 2],
    island: IslandChoice,
    corners: bool,
    smallest_mm3: f64,
    smoothing: Smoothing,
    radius_mm: f64,
    margin_mm: f64,
    logic: Combining,
    other: Option<(LayerId, LabelId)>,
    live: bool,
    pub(super) joint: Joint,
    history: HistoryList,
}

impl Default for EditPanel {
    fn default() -> Self {
        Self {
            chosen: OperationKind::Threshold,
            reach: Reach::Volume,
            range: HU_RANGES[0].1,
            island: IslandChoice::KeepLargest,
            corners: true,
            smallest_mm3: 100.0,
            smoothing: Smoothing::Median,
            radius_mm: 3.0,
            margin_mm: 3.0,
            logic: Combining::With(Logic::Union),
            other: None,
            live: true,
            joint: Joint::default(),
            history: HistoryList::default(),
        }
    }
}

impl EditPanel {
    /// Brings an operation up, as its key does.
    pub fn choose(&mut self, kind: OperationKind) {
        self.chosen = kind;
    }

    /// Asks for a preview of what is set, as its key does.
    pub fn preview(&mut self, workspace: &Workspace, plane: Plane) -> Option<Command> {
        let document = workspace.active_document()?;
        self.joint.shown(document);
        self.command(document, plane, false)
    }

    /// What is set, to be shown or (with `apply`) done; `None` while something is still to be chosen.
    fn command(&self, document: &Document, plane: Plane, apply: bool) -> Option<Command> {
        if self.chosen == OperationKind::Adopt {
            return self.joint.fill(document, apply);
        }
        let operation = self.operation(document, plane)?;
        Some(if apply { EditCommand::Apply(operation) } else { EditCommand::Preview(operation) }.into())
    }

    /// The panel; `plane` is the pane that slices are meant of.
    pub fn show(&mut self, ui: &mut Ui, workspace: &Workspace, plane: Plane, out: &mut Vec<Command>) {
        let Some(document) = workspace.active_document() else {
            ui.weak("Open a case to edit its mask.");
            return;
        };
        super::scrolled(ui, |ui| {
            CollapsingHeader::new(RichText::new("Paint rules").strong()).default_open(true).show(ui, |ui| {
                rules(ui, document, workspace.rules, out);
            });
            ui.add_space(4.0);
            ui.separator();
            let segment = document.segment().map_or("a new segment", |s| s.name.as_str());
            ui.label(RichText::new(format!("Operations on {segment}")).strong());
            ui.add_space(2.0);
            ui.horizontal_wrapped(|ui| {
                for kind in OperationKind::ALL {
                    let keys = keys_of(Action::Operation(kind));
                    if super::framed(ui, self.chosen == kind, kind.name()).on_hover_text(keys).clicked() {
                        self.chosen = kind;
                        self.joint.rest();
                        out.push(EditCommand::CancelPreview.into());
                    }
                }
            });
            ui.add_space(6.0);
            let changed = self.parameters(ui, document, plane);
            ui.add_space(6.0);
            let again = self.chosen == OperationKind::Seeds && self.joint.seeds_changed(document);
            if (changed || again) && self.live {
                self.show_preview(document, plane, out);
            }
            self.buttons(ui, document, plane, out);
            ui.add_space(4.0);
            ui.separator();
            CollapsingHeader::new(RichText::new("History").strong()).show(ui, |ui| {
                self.history.show(ui, document, true, out);
                for other in workspace.documents().iter().filter(|d| d.case.id != document.case.id) {
                    ui.label(RichText::new(&other.case.name).weak());
                    self.history.show(ui, other, false, out);
                }
            });
        });
    }

    fn show_preview(&mut self, document: &Document, plane: Plane, out: &mut Vec<Command>) {
        self.joint.shown(document);
        out.extend(self.command(document, plane, false));
    }

    fn buttons(&mut self, ui: &mut Ui, document: &Document, plane: Plane, out: &mut Vec<Command>) {
        ui.horizontal(|ui| {
            if ui.button("Preview").on_hover_text(keys_of(Action::PreviewOperation)).clicked() {
                self.show_preview(document, plane, out);
            }
            let hint = match keys_of(Action::Confirm) {
                keys if keys.is_empty() => String::new(),
                keys => format!("{keys}, while a preview is shown"),
            };
            if ui.button(RichText::new("Apply").strong()).on_hover_text(hint).clicked() {
                let shown = document.preview().is_some();
                let apply = self.command(document, plane, true);
                out.extend(if shown { Some(EditCommand::ApplyPreview.into()) } else { apply });
                self.joint.rest();
            }
            if document.preview().is_some() && ui.button("Drop").on_hover_text("Escape").clicked() {
                out.push(EditCommand::CancelPreview.into());
                self.joint.rest();
            }
            ui.checkbox(&mut self.live, "Live").on_hover_text("Preview while values change");
        });
        if let Some(preview) = document.preview() {
            ui.label(would_change(preview.changed, preview.changed_ml));
        } else if document.is_operating() {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label("Computing…");
            });
        }
    }

    fn parameters(&mut self, ui: &mut Ui, document: &Document, plane: Plane) -> bool {
        match self.chosen {
            OperationKind::Threshold => {
                let changed = hu_range(ui, &mut self.range, "Threshold");
                self.reach(ui, plane, false) | changed
            }
            OperationKind::Islands => {
                let mut changed = false;
                for (choice, text) in [
                    (IslandChoice::KeepLargest, "Keep the largest"),
                    (IslandChoice::RemoveSmall, "Remove small ones"),
                    (IslandChoice::Split, "Split into segments"),
                ] {
                    changed |= ui.radio_value(&mut self.island, choice, text).changed();
                }
                if self.island != IslandChoice::KeepLargest {
                    ui.horizontal(|ui| {
                        let label = ui.label("Smaller than");
                        let value = DragValue::new(&mut self.smallest_mm3).speed(1.0).range(0.0..=1e9).suffix(" mm³");
                        changed |= ui.add(value).labelled_by(label.id).changed();
                        let voxels = self.smallest_voxels(document);
                        ui.weak(format!("{voxels} voxels"));
                    });
                }
                changed |= ui.checkbox(&mut self.corners, "Corners connect (26 neighbours)").changed();
                self.reach(ui, plane, false) | changed
            }
            OperationKind::Holes => self.reach(ui, plane, true),
            OperationKind::Between => {
                let name = plane.name().to_lowercase();
                ui.label(format!("Fills the empty {name} slices between those that are drawn."));
                ui.weak("The pane that keys act on decides the plane.");
                warn_of_skew(ui, document, Extent::Volume);
                false
            }
            OperationKind::Smooth => {
                let mut changed = false;
                for (how, text) in [
                    (Smoothing::Median, "Median: even out the outline"),
                    (Smoothing::Closing, "Closing: fill dents and gaps"),
                    (Smoothing::Opening, "Opening: take off spikes"),
                    (Smoothing::Joint, "Joint: all segments at once, no gaps"),
                ] {
                    changed |= ui.radio_value(&mut self.smoothing, how, text).changed();
                }
                changed |= length(ui, "Radius", &mut self.radius_mm, 0.5..=20.0);
                changed |= self.reach(ui, plane, false);
                warn_of_skew(ui, document, self.extent(document, plane));
                changed
            }
            OperationKind::Margin => {
                let mut changed = length(ui, "Margin", &mut self.margin_mm, -20.0..=20.0);
                ui.weak("Negative lengths shrink the segment.");
                changed |= self.reach(ui, plane, false);
                warn_of_skew(ui, document, self.extent(document, plane));
                changed
            }
            OperationKind::Logic => {
                let mut changed = false;
                for (how, text) in [
                    (Combining::With(Logic::Union), "Add the other (union)"),
                    (Combining::With(Logic::Intersect), "Keep what lies in the other (intersect)"),
                    (Combining::With(Logic::Subtract), "Take the other away (subtract)"),
                    (Combining::With(Logic::Xor), "Become what lies in one alone (exclusive or)"),
                    (Combining::With(Logic::Copy), "Become what the other is (copy)"),
                    (Combining::Invert, "Become all that it is not (invert)"),
                    (Combining::Clear, "Become empty (clear)"),
                ] {
                    changed |= ui.radio_value(&mut self.logic, how, text).changed();
                }
                if matches!(self.logic, Combining::With(_)) {
                    changed |= segment_list(ui, document, "Other segment", "Choose…", false, &mut self.other);
                }
                changed
            }
            OperationKind::Seeds => self.joint.seed_choices(ui, document),
            OperationKind::Adopt => self.joint.fill_choices(ui, document),
        }
    }

    fn reach(&mut self, ui: &mut Ui, plane: Plane, every: bool) -> bool {
        if self.reach == Reach::EverySlice && !every {
            self.reach = Reach::Volume;
        }
        let slice = format!("This {} slice", plane.name().to_lowercase());
        let all = format!("Every {} slice", plane.name().to_lowercase());
        let before = self.reach;
        ui.radio_value(&mut self.reach, Reach::Volume, "Whole volume");
        ui.radio_value(&mut self.reach, Reach::Slice, slice);
        if every {
            ui.radio_value(&mut self.reach, Reach::EverySlice, all);
        }
        self.reach != before
    }

    fn smallest_voxels(&self, document: &Document) -> u64 {
        (self.smallest_mm3 / document.case.geometry.voxel_volume()).ceil() as u64
    }

    /// The volume, or the slice that is shown of this plane, or what it cuts when it is turned.
    fn extent(&self, document: &Document, plane: Plane) -> Extent {
        let axis = PlaneAxes::of(&document.case.geometry, plane).through;
        let slice = Extent::Slice { axis, index: document.slice_index(plane) };
        let slice = document.turned_plane(plane).map_or(slice, Extent::Turned);
        if self.reach == Reach::Slice { slice } else { Extent::Volume }
    }

    /// What is set, as an operation; `None` while something is still to be chosen.
    fn operation(&self, document: &Document, plane: Plane) -> Option<Operation> {
        let axis = PlaneAxes::of(&document.case.geometry, plane).through;
        let extent = self.extent(document, plane);
        let voxels = self.smallest_voxels(document);
        Some(match self.chosen {
            OperationKind::Threshold => Operation::Threshold { range: self.range, extent },
            OperationKind::Islands => {
                let what = match self.island {
                    IslandChoice::KeepLargest => Islands::KeepLargest,
                    IslandChoice::RemoveSmall => Islands::RemoveSmaller { voxels },
                    IslandChoice::Split => Islands::Split { labels: free_labels(document), voxels },
                };
                let connectivity = if self.corners { Connectivity::Corners } else { Connectivity::Faces };
                Operation::Islands { what, connectivity, extent }
            }
            OperationKind::Holes => {
                Operation::FillHoles { extent, planes: (self.reach == Reach::EverySlice).then_some(axis) }
            }
            OperationKind::Between => Operation::Interpolate { axis },
            OperationKind::Smooth => Operation::Smooth { how: self.smoothing, radius_mm: self.radius_mm, extent },
            OperationKind::Margin => Operation::Margin { mm: self.margin_mm, extent },
            OperationKind::Seeds => Operation::Seeds { background: self.joint.background(document) },
            OperationKind::Adopt => return None,
            OperationKind::Logic => match self.logic {
                Combining::Invert => Operation::Invert,
                Combining::Clear => Operation::Clear,
                Combining::With(how) => {
                    let (layer, label) = self.other?;
                    Operation::Combine { how, other: document.case.layer(layer)?.labels.clone(), label }
                }
            },
        })
    }
}

fn free_labels(document: &Document) -> Vec<LabelId> {
    let used = |id: &LabelId| document.layer().is_some_and(|l| l.segment(*id).is_some());
    (1..=LabelId::MAX).filter(|id| !used(id)).collect()
}

/// What a preview would add and take away, in a unit that shows it: what changes is never told as 0.0.
fn would_change(voxels: [u64; 2], ml: [f64; 2]) -> String {
    let amount = |n: usize| match (voxels[n], ml[n]) {
        (0, _) => "nothing".to_owned(),
        (_, ml) if ml >= 0.1 => format!("{ml:.1} ml"),
        (_, ml) if ml >= 1e-4 => format!("{:.1} mm³", ml * 1000.0),
        (1, _) => "1 voxel".to_owned(),
        (count, _) => format!("{count} voxels"),
    };
    if voxels == [0, 0] {
        return "Would change nothing.".to_owned();
    }
    format!("Would add {} and remove {}.", amount(0), amount(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_never_told_as_nothing() {
        assert_eq!(would_change([0, 0], [0.0, 0.0]), "Would change nothing.");
        assert_eq!(would_change([9000, 0], [14.4, 0.0]), "Would add 14.4 ml and remove nothing.");
        assert_eq!(would_change([1, 40], [0.0016, 0.064]), "Would add 1.6 mm³ and remove 64.0 mm³.");
        assert_eq!(would_change([1, 7], [1e-9, 7e-9]), "Would add 1 voxel and remove 7 voxels.");
        assert_eq!(would_change([0, 50], [0.0, 0.0999]), "Would add nothing and remove 99.9 mm³.");
    }
}
