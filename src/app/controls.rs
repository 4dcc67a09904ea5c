//! Where each named control of the window is, for scripts that drive it by pointer and keys: the file that
//! `MASKWRIGHT_CONTROLS` names, a line for each, replaced when it changes. Places come from what is told to screen readers.

use egui::accesskit::{Node, NodeId, Role};
use egui::{Context, FullOutput};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Writes the file at the end of a frame.
pub struct ControlLog {
    path: PathBuf,
    last: String,
}

impl ControlLog {
    /// The log that the environment asks for.
    pub fn from_environment() -> Option<Self> {
        let path = std::env::var_os("MASKWRIGHT_CONTROLS")?;
        Some(Self { path: path.into(), last: String::new() })
    }

    /// Role, name, left, top, right, bottom in points, and whether it can be used; by tabs.
    fn lines(output: &FullOutput) -> Option<String> {
        let update = output.platform_output.accesskit_update.as_ref()?;
        let mut text = String::new();
        // A field is known by the text beside it, not by what it holds.
        let labels: HashMap<NodeId, &Node> =
            update.nodes.iter().filter(|(_, node)| node.role() == Role::Label).map(|(id, node)| (*id, node)).collect();
        for (_, node) in &update.nodes {
            let beside = || node.labelled_by().iter().find_map(|id| labels.get(id)?.value());
            let told = node.label().or_else(beside);
            let (Some(name), Some(at)) = (told.or(node.value()), node.bounds()) else { continue };
            // Texts may name what is open; what is typed is nobody's.
            if matches!(
                node.role(),
                Role::Label | Role::TextRun | Role::Unknown | Role::GenericContainer | Role::Window
            ) {
                continue;
            }
            let name = if is_typed(node.role()) { told.unwrap_or_default() } else { name };
            let usable = u8::from(!node.is_disabled());
            let name = name.replace(['\t', '\n'], " ");
            let _ = writeln!(
                text,
                "{:?}\t{name}\t{:.0}\t{:.0}\t{:.0}\t{:.0}\t{usable}",
                node.role(),
                at.x0,
                at.y0,
                at.x1,
                at.y1
            );
        }
        Some(text)
    }
}

fn is_typed(role: Role) -> bool {
    matches!(role, Role::TextInput | Role::MultilineTextInput)
}

impl egui::Plugin for ControlLog {
    fn debug_name(&self) -> &'static str {
        "places of controls"
    }

    fn setup(&mut self, ctx: &Context) {
        ctx.enable_accesskit();
    }

    fn output_hook(&mut self, _: &Context, output: &mut FullOutput) {
        let Some(text) = Self::lines(output).filter(|t| *t != self.last) else { return };
        let half = self.path.with_extension("half");
        // An aid for tests: where it cannot be written nothing else is lost. A reader never sees half of it.
        if std::fs::write(&half, &text).and_then(|()| std::fs::rename(&half, &self.path)).is_ok() {
            self.last = text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_found_by_their_names_and_texts_are_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("controls");
        let ctx = Context::default();
        ctx.add_plugin(ControlLog { path: path.clone(), last: String::new() });
        let (mut typed, mut number) = ("secret".to_owned(), 1234);
        for _ in 0..2 {
            let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
                ui.label("A text");
                let _ = ui.button("Start");
                ui.add_enabled(false, egui::Button::new("Stop"));
                ui.text_edit_singleline(&mut typed);
                let label = ui.label("Epochs");
                ui.add(egui::DragValue::new(&mut number)).labelled_by(label.id);
                let label = ui.label("Run");
                ui.text_edit_singleline(&mut typed).labelled_by(label.id);
                let label = ui.label("Shown");
                ui.add(egui::DragValue::new(&mut number)).labelled_by(label.id).accessible_name("Heard");
            });
            output.textures_delta.clear();
        }
        let told = std::fs::read_to_string(&path).unwrap();
        let of = |name: &str| -> Vec<&str> {
            told.lines().find(|l| l.contains(name)).unwrap_or_else(|| panic!("{told}")).split('\t').collect()
        };
        let (start, stop) = (of("Start"), of("Stop"));
        assert_eq!((start[0], start[6], stop[6]), ("Button", "1", "0"));
        assert!(start[2].parse::<f64>().unwrap() < start[4].parse().unwrap());
        assert!(!told.contains("secret") && !told.contains("A text"), "{told}");
        // A field has the name of the text beside it, unless it has its own; never that of what it holds.
        assert_eq!((of("Epochs")[0], of("Epochs")[1]), ("SpinButton", "Epochs"));
        assert_eq!((of("Run")[0], of("Run")[1]), ("TextInput", "Run"));
        assert_eq!((of("Heard")[0], of("Heard")[1]), ("SpinButton", "Heard"));
        assert!(!told.contains("1234") && !told.contains("Shown"), "{told}");
    }
}
