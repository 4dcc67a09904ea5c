//! The settings window: theme, scale and where training computes. Each choice holds at once and is kept.

use crate::nn::DeviceChoice;
use crate::workspace::{Command, GpuSharing, Settings, SettingsCommand, ThemeChoice, Workspace};
use egui::{ComboBox, Context, Grid, Ui};

/// Steps of the interface scale in percent; a list and no slider, because a slider would move under the pointer.
const SCALES: [u32; 7] = [100, 125, 150, 175, 200, 225, 250];

/// Draws it while `open`.
pub fn show(ctx: &Context, open: &mut bool, workspace: &Workspace, out: &mut Vec<Command>) {
    super::centred("Settings", ctx).open(open).collapsible(false).resizable(false).show(ctx, |ui| {
        Grid::new("settings").num_columns(2).spacing([16.0, 8.0]).show(ui, |ui| {
            let now = &workspace.settings;
            for command in [theme(ui, now), scale(ui, now), device(ui, now), sharing(ui, now)].into_iter().flatten() {
                out.push(command.into());
            }
        });
        ui.weak("The device and its sharing hold from the next training or prediction on.");
        if let Some(device) = workspace.models.computes_on() {
            ui.weak(format!("The last one: {device}."));
        }
    });
}

/// One labelled list; gives the value that was chosen in this frame.
fn choice<T: PartialEq + Copy>(ui: &mut Ui, name: &str, now: T, text: String, options: &[(T, String)]) -> Option<T> {
    let mut chosen = None;
    let label = ui.label(name);
    ComboBox::from_id_salt(("setting", name))
        .selected_text(text)
        .width(230.0)
        .show_ui(ui, |ui| {
            for (value, text) in options {
                if ui.selectable_label(*value == now, text).clicked() {
                    chosen = Some(*value);
                }
            }
        })
        .response
        .labelled_by(label.id);
    ui.end_row();
    chosen
}

fn theme(ui: &mut Ui, now: &Settings) -> Option<SettingsCommand> {
    let name = |t| if t == ThemeChoice::Dark { "Dark" } else { "Light" }.to_owned();
    let options = [ThemeChoice::Dark, ThemeChoice::Light].map(|t| (t, name(t)));
    choice(ui, "Theme", now.theme, name(now.theme), &options).map(SettingsCommand::Theme)
}

fn scale(ui: &mut Ui, now: &Settings) -> Option<SettingsCommand> {
    let percent = (now.zoom * 100.0).round() as u32;
    let options = SCALES.map(|p| (p, format!("{p} %")));
    let chosen = choice(ui, "Interface scale", percent, format!("{percent} %"), &options)?;
    Some(SettingsCommand::Scale(chosen as f32 / 100.0))
}

fn device(ui: &mut Ui, now: &Settings) -> Option<SettingsCommand> {
    let name = |d| match d {
        DeviceChoice::Auto => "Automatic: a real GPU, else CPU".to_owned(),
        DeviceChoice::Gpu => "GPU".to_owned(),
        DeviceChoice::Cpu => "CPU".to_owned(),
    };
    let options = [DeviceChoice::Auto, DeviceChoice::Gpu, DeviceChoice::Cpu].map(|d| (d, name(d)));
    choice(ui, "Compute on", now.device, name(now.device), &options).map(SettingsCommand::Device)
}

fn sharing(ui: &mut Ui, now: &Settings) -> Option<SettingsCommand> {
    let name = |s| match s {
        GpuSharing::Auto => "Automatic: of its own on a real GPU".to_owned(),
        GpuSharing::Shared => "Shared with the window".to_owned(),
        GpuSharing::Dedicated => "A device of its own".to_owned(),
    };
    let options = [GpuSharing::Auto, GpuSharing::Shared, GpuSharing::Dedicated].map(|s| (s, name(s)));
    choice(ui, "GPU for training", now.gpu_sharing, name(now.gpu_sharing), &options).map(SettingsCommand::GpuSharing)
}
