//! Parts of the Edit tab that stand beside the operations: paint rules, and fields that several of them share.

use super::patients::warning_color;
use crate::core::{Geometry, LabelId, Layer, LayerId};
use crate::edit::{Extent, Over};
use crate::ui::keys::keys_of;
use crate::ui::shortcuts::Action;
use crate::workspace::{Command, Document, EditCommand, EditRules, HU_RANGES, SegmentCommand};
use egui::{ComboBox, DragValue, Response, RichText, Slider, Ui};

/// What may be painted over, in which range of values, and inside of what.
pub(super) fn rules(ui: &mut Ui, document: &Document, now: EditRules, out: &mut Vec<Command>) {
    let mut rules = now;
    let name = |label: LabelId| {
        document.layer().and_then(|l| l.segment(label)).map_or_else(|| format!("Segment {label}"), |s| s.name.clone())
    };
    ui.horizontal(|ui| {
        ui.label("Paint over");
        let text = match now.over {
            Over::All => "Everything".into(),
            Over::Background => "Background".into(),
            Over::Segment(label) => format!("Only {}", name(label)),
        };
        let list = ComboBox::from_id_salt("paint over").selected_text(text).width(150.0).show_ui(ui, |ui| {
            ui.selectable_value(&mut rules.over, Over::All, "Everything");
            ui.selectable_value(&mut rules.over, Over::Background, "Background");
            for segment in document.layer().map_or(&[][..], |l| &l.segments) {
                let text = format!("Only {}", segment.name);
                ui.selectable_value(&mut rules.over, Over::Segment(segment.id), text);
            }
        });
        named(&list.response, "Paint over");
    });
    segment_list(ui, document, "Only inside", "Anywhere", true, &mut rules.inside);
    ui.checkbox(&mut rules.hu_only, "Only values in this range").on_hover_text(keys_of(Action::ToggleHuRule));
    if rules.hu_only {
        hu_range(ui, &mut rules.hu, "Paint");
    }
    if rules != now {
        out.push(EditCommand::Rules(rules).into());
    }
}

/// Two typed values and the presets; `what` tells the fields of several such rows apart. Whether something changed.
pub(super) fn hu_range(ui: &mut Ui, range: &mut [i16; 2], what: &str) -> bool {
    let before = *range;
    ui.horizontal(|ui| {
        for (n, (word, name)) in [("from", "from"), ("to", "to")].into_iter().enumerate() {
            ui.label(word);
            let bounds = if n == 0 { i16::MIN..=range[1] } else { range[0]..=i16::MAX };
            let field = ui.add(DragValue::new(&mut range[n]).speed(1.0).range(bounds));
            field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::SpinButton, true, format!("{what} {name}")));
        }
        ui.label("HU");
    });
    ui.horizontal(|ui| {
        for (name, preset) in HU_RANGES {
            let text = format!("{} to {} HU", preset[0], preset[1]);
            let button = super::framed(ui, *range == preset, RichText::new(name).small()).on_hover_text(text);
            button.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Button, true, format!("{what} range {}", name.to_lowercase()))
            });
            if button.clicked() {
                *range = preset;
            }
        }
    });
    *range != before
}

pub(super) fn length(ui: &mut Ui, name: &str, mm: &mut f64, range: std::ops::RangeInclusive<f64>) -> bool {
    ui.horizontal(|ui| {
        let label = ui.label(name);
        ui.spacing_mut().slider_width = 110.0;
        let slider = Slider::new(mm, range).suffix(" mm").max_decimals(1);
        ui.add(slider).labelled_by(label.id).accessible_name(name).changed()
    })
    .inner
}

/// Degrees that a grid's axes may be away from right angles before lengths in mm are told to be wrong.
const STRAIGHT: f64 = 0.5;

/// What to say where lengths in mm, which are counted along the voxel axes, are not those of the patient.
fn skew_warning(geometry: &Geometry, extent: Extent) -> Option<String> {
    let skew = geometry.skew();
    let degrees = match extent {
        Extent::Slice { axis, .. } => *skew.get(axis)?,
        Extent::Volume | Extent::Turned(_) => skew.into_iter().fold(0.0, f64::max),
    };
    (degrees > STRAIGHT).then(|| {
        format!(
            "The axes of this image are {degrees:.1}° away from right angles, as a kept gantry tilt leaves them: lengths \
             in mm are only roughly right here."
        )
    })
}

/// Says so in the panel of an operation that counts in mm.
pub(super) fn warn_of_skew(ui: &mut Ui, document: &Document, extent: Extent) {
    if let Some(text) = skew_warning(&document.case.geometry, extent) {
        ui.label(RichText::new(text).color(warning_color(ui)));
    }
}

/// A list of all segments of all layers; whether another one was chosen.
pub(super) fn segment_list(
    ui: &mut Ui,
    document: &Document,
    name: &str,
    none: &str,
    can_be_none: bool,
    chosen: &mut Option<(LayerId, LabelId)>,
) -> bool {
    let before = *chosen;
    let title = |layer: &Layer, label: LabelId| {
        let segment = layer.segment(label).map_or_else(|| "?".to_owned(), |s| s.name.clone());
        format!("{segment} of {}", layer.name)
    };
    ui.horizontal(|ui| {
        ui.label(name);
        let text = chosen
            .and_then(|(id, label)| Some(title(document.case.layer(id)?, label)))
            .unwrap_or_else(|| none.to_owned());
        let list = ComboBox::from_id_salt(name).selected_text(text).width(150.0).truncate().show_ui(ui, |ui| {
            if can_be_none {
                ui.selectable_value(chosen, None, none);
            }
            for layer in &document.case.layers {
                for segment in &layer.segments {
                    ui.selectable_value(chosen, Some((layer.id, segment.id)), title(layer, segment.id));
                }
            }
        });
        named(&list.response, name);
    });
    *chosen != before
}

pub(super) fn named(list: &Response, name: &str) {
    list.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, name.to_owned()));
}

/// The other way to reach what has a key: copying slices, exchanging lungs, merging.
pub fn menu_entries(ui: &mut Ui, document: &Document, out: &mut Vec<Command>) {
    let (Some(layer), Some(active)) = (document.layer(), document.segment()) else { return };
    if layer.segments.len() > 1 {
        ui.menu_button(format!("Merge {} into", active.name), |ui| {
            for other in layer.segments.iter().filter(|s| s.id != active.id) {
                if ui.button(&other.name).clicked() {
                    out.push(SegmentCommand::Merge { from: active.id, into: other.id }.into());
                    ui.close();
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{DAffine3, DMat3, DVec3};

    #[test]
    fn sheared_grids_are_told_of_where_lengths_suffer() {
        let tilted = |degrees: f64| {
            let axes = DMat3::from_cols(DVec3::X, DVec3::Y, DVec3::new(0.0, degrees.to_radians().tan(), 1.0));
            Geometry::new([8, 8, 8], DAffine3 { matrix3: axes, translation: DVec3::ZERO }).unwrap()
        };
        let slice = |axis| Extent::Slice { axis, index: 2 };
        for (degrees, extent, said) in [
            (0.0, Extent::Volume, false),
            (0.4, Extent::Volume, false),
            (0.6, Extent::Volume, true),
            (-18.0, Extent::Volume, true),
            // The slices themselves are straight; only the planes along the tilt are not.
            (-18.0, slice(2), false),
            (-18.0, slice(1), false),
            (-18.0, slice(0), true),
        ] {
            let text = skew_warning(&tilted(degrees), extent);
            assert_eq!(text.is_some(), said, "{degrees} {extent:?}");
            assert!(text.is_none_or(|t| t.contains(&format!("{:.1}°", f64::abs(degrees)))));
        }
    }
}
