//! The Edit tab's operations on several segments: growing from seeds, and filling from another layer.

use super::edit_rules::named;
use crate::core::{LabelId, LayerId, Origin};
use crate::workspace::{Command, Document, WorkCommand};
use egui::{ComboBox, Ui};

/// What was chosen for them.
#[derive(Default)]
pub(super) struct Joint {
    /// Segment that stands for everything else; `Some(None)` when there is none on purpose.
    background: Option<Option<LabelId>>,
    source: Option<LayerId>,
    everything: bool,
    /// Revision that the last preview of seeds was asked for, while it is to follow the seeds.
    followed: Option<u64>,
}

impl Joint {
    /// The segment taken for the background: the chosen one, else one that is called so.
    pub fn background(&self, document: &Document) -> Option<LabelId> {
        let layer = document.layer()?;
        match self.background {
            Some(chosen) => chosen.filter(|l| layer.segment(*l).is_some()),
            None => layer.segments.iter().find(|s| s.name.to_lowercase().contains("background")).map(|s| s.id),
        }
    }

    /// The preview is no longer to follow.
    pub fn rest(&mut self) {
        self.followed = None;
    }

    /// A preview of what is drawn now was asked for.
    pub fn shown(&mut self, document: &Document) {
        self.followed = Some(document.revision());
    }

    /// Whether a preview that is to follow the seeds is out of date.
    pub fn seeds_changed(&self, document: &Document) -> bool {
        let idle = document.stroke_radius().is_none() && !document.is_operating();
        idle && self.followed.is_some_and(|r| r != document.revision())
    }

    pub fn seed_choices(&mut self, ui: &mut Ui, document: &Document) -> bool {
        let Some(layer) = document.layer() else { return false };
        ui.label("Draw a stroke of each segment, then preview: they grow until they meet.");
        let before = self.background(document);
        let mut chosen = before;
        let name =
            |l: Option<LabelId>| l.and_then(|l| layer.segment(l)).map_or_else(|| "None".to_owned(), |s| s.name.clone());
        ui.horizontal(|ui| {
            ui.label("Background");
            let list =
                ComboBox::from_id_salt("background").selected_text(name(chosen)).width(150.0).show_ui(ui, |ui| {
                    ui.selectable_value(&mut chosen, None, "None");
                    for segment in &layer.segments {
                        ui.selectable_value(&mut chosen, Some(segment.id), &segment.name);
                    }
                });
            named(&list.response, "Background");
        });
        ui.weak("What the background segment reaches first stays empty.");
        if chosen != before {
            self.background = Some(chosen);
        }
        chosen != before
    }

    /// Other layers, predictions first, the newest of them at the top.
    fn sources(document: &Document) -> Vec<LayerId> {
        let others = || document.case.layers.iter().rev().filter(|l| Some(l.id) != document.active_layer);
        let model = |l: &&crate::core::Layer| matches!(l.origin, Origin::Model { .. });
        let rest = others().filter(|l| !model(l));
        others().filter(model).chain(rest).map(|l| l.id).collect()
    }

    fn source(&self, document: &Document) -> Option<LayerId> {
        let sources = Self::sources(document);
        self.source.filter(|s| sources.contains(s)).or_else(|| sources.first().copied())
    }

    pub fn fill_choices(&mut self, ui: &mut Ui, document: &Document) -> bool {
        let Some(now) = self.source(document) else {
            ui.weak("A second layer is needed: predict the case, or import a mask.");
            return false;
        };
        let mut chosen = now;
        let name = |id: LayerId| document.case.layer(id).map_or_else(String::new, |l| l.name.clone());
        ui.horizontal(|ui| {
            ui.label("From");
            let list = ComboBox::from_id_salt("fill from").selected_text(name(now)).width(190.0).truncate().show_ui(
                ui,
                |ui| {
                    for id in Self::sources(document) {
                        ui.selectable_value(&mut chosen, id, name(id));
                    }
                },
            );
            named(&list.response, "Fill from");
        });
        let hint = "What a person changed, slices that are done and segments the other layer lacks";
        let mut changed = ui.checkbox(&mut self.everything, "Also over what people did").on_hover_text(hint).changed();
        if chosen != now {
            self.source = Some(chosen);
            changed = true;
        }
        changed
    }

    /// The command for what is chosen.
    pub fn fill(&self, document: &Document, apply: bool) -> Option<Command> {
        let source = self.source(document)?;
        Some(WorkCommand::FillFrom { source, everything: self.everything, apply }.into())
    }
}
