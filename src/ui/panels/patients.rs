//! What the last scan found: patients, studies, series, their problems, and the masks beside them.

use super::path_dialog::PathDialog;
use crate::io::{Finding, Series, Severity, VolumeSource};
use crate::workspace::{Command, FileCommand, OpenCommand, Workspace};
use egui::{Color32, RichText, Ui};

/// The panel.
pub fn show(ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
    super::scrolled(ui, |ui| {
        open_cases(ui, workspace, out);
        super::cases::show(ui, workspace, dialog, out);
        masks(ui, workspace, out);
        let Some(scan) = &workspace.scan else {
            if workspace.documents().is_empty() {
                ui.weak("Nothing scanned yet. Open a folder to list its patients.");
            }
            return;
        };
        for (p, patient) in scan.patients.iter().enumerate() {
            let title = if patient.id.is_empty() {
                patient.label.clone()
            } else {
                format!("{} ({})", patient.label, patient.id)
            };
            egui::CollapsingHeader::new(RichText::new(title).strong()).id_salt(("patient", p)).default_open(true).show(
                ui,
                |ui| {
                    for (s, study) in patient.studies.iter().enumerate() {
                        ui.label(RichText::new(study_line(&study.label, &study.date, &study.description)).small());
                        for (n, series) in study.series.iter().enumerate() {
                            let open = OpenCommand::Series { patient: p, study: s, series: n };
                            series_card(ui, workspace, series, open, out);
                        }
                    }
                },
            );
        }
        findings(ui, "", &scan.findings);
    });
}

/// What was noticed while an open series was read, unless the scan knew it already.
fn noticed<'w>(workspace: &'w Workspace, series: &Series) -> Vec<&'w Finding> {
    let read = workspace.documents().iter().filter(|d| !d.load_findings.is_empty() && d.shows(series));
    let mut told: Vec<&Finding> = Vec::new();
    for finding in read.flat_map(|d| &d.load_findings) {
        if !series.findings.contains(finding) && !told.contains(&finding) {
            told.push(finding);
        }
    }
    told
}

fn study_line(label: &str, date: &str, description: &str) -> String {
    let date = readable(date);
    [label, &date, told(description)].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(", ")
}

/// A description, unless it tells nothing: anonymisers write "None" where one was.
fn told(description: &str) -> &str {
    if description.trim().eq_ignore_ascii_case("none") { "" } else { description }
}

/// A date of DICOM (`YYYYMMDD`, PS3.5 section 6.2) with its parts apart; anything else as it is.
fn readable(date: &str) -> String {
    match (date.get(..4), date.get(4..6), date.get(6..8)) {
        (Some(year), Some(month), Some(day)) if date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{year}-{month}-{day}")
        }
        _ => date.to_owned(),
    }
}

fn open_cases(ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
    if workspace.documents().is_empty() {
        return;
    }
    ui.label(RichText::new("Open cases").strong());
    let active = workspace.active_document().map(|d| d.case.id);
    for document in workspace.documents() {
        ui.horizontal(|ui| {
            let mark = if document.is_unsaved() { " •" } else { "" };
            let own = document.source.as_ref().and_then(VolumeSource::name_in_archive);
            let text = format!("{}{mark}", own.as_ref().unwrap_or(&document.case.name));
            if ui.selectable_label(active == Some(document.case.id), text).clicked() {
                out.push(OpenCommand::Activate(document.case.id).into());
            }
        });
        // Otherwise they stand with the series.
        let is_listed = || workspace.scan.as_ref().is_some_and(|scan| scan.series().any(|s| document.shows(s)));
        if !document.load_findings.is_empty() && !is_listed() {
            findings(ui, &document.case.name, &document.load_findings);
        }
    }
    ui.separator();
}

fn masks(ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
    let found = workspace.found_masks();
    if found.is_empty() {
        return;
    }
    ui.label(RichText::new("Masks beside this series").strong());
    for (n, mask) in found.iter().enumerate() {
        ui.horizontal(|ui| {
            let name = mask.shown_name();
            if ui.button("Load").on_hover_text(format!("Read {name} into a new layer")).clicked() {
                out.push(FileCommand::ImportFound(vec![(n, mask.name.clone())]).into());
            }
            ui.label(&*name);
        });
    }
    if found.len() > 1 && ui.button("Choose several…").clicked() {
        super::mask_chooser::ask(ui.ctx());
    }
    ui.separator();
}

fn series_card(ui: &mut Ui, workspace: &Workspace, series: &Series, open: OpenCommand, out: &mut Vec<Command>) {
    let label = series.shown_label();
    let noticed = noticed(workspace, series);
    let active = workspace.active_document().filter(|d| d.shows(series));
    let opened = active.or_else(|| workspace.documents().iter().find(|d| d.shows(series)));
    ui.group(|ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            // The button first: a long name must not push it out of a narrow panel.
            let (name, command) = match (opened, series.can_open_somehow(), series.can_lay_over()) {
                (Some(document), ..) => ("Show", OpenCommand::Activate(document.case.id)),
                (None, true, _) => ("Open", open),
                (None, false, true) => ("Lay over", open),
                (None, false, false) => ("", open),
            };
            if active.is_some() {
                ui.label(RichText::new("shown").small().weak());
            } else if !name.is_empty() && ui.button(name).clicked() {
                out.push(command.into());
            }
            ui.label(RichText::new(&*label).strong());
            ui.label(RichText::new(&series.modality).small().weak());
        });
        let description = told(&series.description);
        if !description.is_empty() {
            ui.label(RichText::new(description).small());
        }
        let mut line = format!("{} slices", series.slices);
        if let Some(g) = &series.geometry {
            let (d, s) = (g.dims(), g.spacing());
            line = format!("{} × {} × {}, {:.2} × {:.2} × {:.2} mm", d[0], d[1], d[2], s.x, s.y, s.z);
        }
        ui.label(RichText::new(line).small());
        if !series.masks.is_empty() {
            let text = match series.masks.len() {
                1 => "1 mask beside it".to_owned(),
                count => format!("{count} masks beside it"),
            };
            ui.label(RichText::new(text).small());
        }
        findings(ui, &label, series.findings.iter().chain(noticed.iter().copied()));
    });
}

/// Findings under a title, which names the file of some.
fn findings<'f>(ui: &mut Ui, title: &str, findings: impl IntoIterator<Item = &'f Finding>) {
    for finding in findings {
        let color = match finding.severity {
            Severity::Note => ui.visuals().weak_text_color(),
            Severity::Warning => warning_color(ui),
            Severity::Error => ui.visuals().error_fg_color,
        };
        ui.label(RichText::new(finding.told(title)).small().color(color));
    }
}

/// Amber that can be read on both themes.
pub fn warning_color(ui: &Ui) -> Color32 {
    if ui.visuals().dark_mode { Color32::from_rgb(240, 180, 80) } else { Color32::from_rgb(150, 90, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_easily_and_odd_ones_left_alone() {
        assert_eq!(study_line("Study 1", "20060101", "None"), "Study 1, 2006-01-01");
        assert_eq!(study_line("Study 1", "", "Chest"), "Study 1, Chest");
        assert_eq!([" NONE", "None of both", "Chest"].map(told), ["", "None of both", "Chest"]);
        for odd in ["2006.01.01", "2006", "äöüß"] {
            assert_eq!(readable(odd), odd);
        }
    }
}
