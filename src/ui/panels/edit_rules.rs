//! Parts of the Edit tab that stand beside the operations: paint rules, and fields that several of them share.

use crate::core::{LabelId, Layer, LayerId};
use crate::edit::Over;
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
    ui.checkbox(&mut rules.hu_only, "Only values in this range").on_hover_text("Shift+U");
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
            let button = ui.selectable_label(*range == preset, RichText::new(name).small()).on_hover_text(text);
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
        ui.add(slider).labelled_by(label.id).changed()
    })
    .inner
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
