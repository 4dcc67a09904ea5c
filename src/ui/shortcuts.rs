//! The one table that binds keys. The key sheet, the command palette and the menus read it too.

use super::keys;
use super::layout::Arrangement;
use super::panels::edit_mask::OperationKind;
use crate::core::{Plane, SliceStatus};
use crate::tools::ToolKind;
use egui::{Key, Modifiers};

/// Something a key, a menu entry or the palette can ask for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    Open,
    ImportMask,
    SaveProject,
    ExportMask,
    ExportLayers,
    ExportSurface,
    ExportReviewed,
    ExportDeidentified,
    ToggleReviewed,
    Undo,
    Redo,
    Tool(ToolKind),
    LastTool,
    Preset(usize),
    /// A digit: tool while editing, window preset while viewing.
    Digit(usize),
    HeaderWindow,
    Slices(i64),
    FirstSlice,
    LastSlice,
    /// Chooses the pane that keys act on.
    Plane(Plane),
    Fit,
    ToggleCrosshair,
    Invert,
    ToggleMask,
    OpacityBy(f32),
    ToggleOutline,
    ToggleFill,
    ToggleInterpolation,
    ToggleOutlineWhilePainting,
    StraightPlanes,
    /// Writes a stack of slices as pictures or animation.
    ExportStack,
    SegmentBy(i32),
    AddSegment,
    NewLayer,
    BrushBy(f64),
    ToggleSphere,
    ToggleSquare,
    ToggleAdaptive,
    Cine,
    Maximise,
    /// Puts other panes into the middle.
    Arrange(Arrangement),
    KeySheet,
    Palette,
    Predict,
    PredictInto,
    /// The shown slice goes to the learning loop.
    TeachSlice,
    /// The slice that the loop would have corrected next.
    NextSlice,
    TuneNow,
    Compare,
    ToggleDifference,
    ToggleTheme,
    /// Brings an operation up in the Edit tab.
    Operation(OperationKind),
    PreviewOperation,
    /// Closes the polygon or does what the preview shows.
    Confirm,
    /// Copies the segment to the next slice up (1) or down (-1) and goes there.
    CopySlice(i64),
    /// Next rule of what may be painted over.
    NextPaintOver,
    ToggleHuRule,
    SwapLungs,
    /// Says how far the shown slice is; a slice that is done is followed by the next one that is not.
    SliceDone(SliceStatus),
    /// Next (or previous) slice that is to do.
    NextToDo(bool),
    /// Next (or previous) case with slices to do.
    NextCase(bool),
    /// Lists a folder of projects as the cases to work on.
    ListCases,
    WriteNote,
    ToggleSources,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    pub group: &'static str,
    pub text: &'static str,
    pub action: Action,
    pub modifiers: Modifiers,
    pub key: Option<Key>,
}

/// What a key changes the brush's radius by.
pub const LARGER: f64 = 1.15;
pub const SMALLER: f64 = 1.0 / LARGER;
/// What a key changes the opacity of masks by.
pub const OPACITY_STEP: f32 = 0.1;

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;
const SHIFT: Modifiers = Modifiers::SHIFT;
const CTRL_SHIFT: Modifiers = Modifiers { alt: false, ctrl: false, shift: true, mac_cmd: false, command: true };

const fn bind(
    group: &'static str,
    text: &'static str,
    action: Action,
    modifiers: Modifiers,
    key: Option<Key>,
) -> Binding {
    Binding { group, text, action, modifiers, key }
}

/// All bindings. Where two keys do the same, the first is the one that menus show.
pub const BINDINGS: &[Binding] = &[
    bind("File", "Open folder, image, mask or project", Action::Open, CTRL, Some(Key::O)),
    bind("File", "Import a mask into a new layer", Action::ImportMask, CTRL, Some(Key::I)),
    bind("File", "Save project", Action::SaveProject, CTRL, Some(Key::S)),
    bind("File", "Export the active layer", Action::ExportMask, CTRL, Some(Key::E)),
    bind("File", "Export all layers in one file", Action::ExportLayers, NONE, None),
    bind("File", "Export the surface of the active segment", Action::ExportSurface, NONE, None),
    bind("File", "Export all reviewed cases as a data set", Action::ExportReviewed, NONE, None),
    bind("File", "Export without the patient's identity", Action::ExportDeidentified, NONE, None),
    bind("File", "Export slices as GIF or PNG", Action::ExportStack, NONE, None),
    bind("Edit", "Undo", Action::Undo, CTRL, Some(Key::Z)),
    bind("Edit", "Redo", Action::Redo, CTRL, Some(Key::Y)),
    bind("Edit", "Redo", Action::Redo, CTRL_SHIFT, Some(Key::Z)),
    bind("Tools", "Crosshair", Action::Tool(ToolKind::Crosshair), NONE, Some(Key::V)),
    bind("Tools", "Brush", Action::Tool(ToolKind::Brush), NONE, Some(Key::B)),
    bind("Tools", "Eraser", Action::Tool(ToolKind::Eraser), NONE, Some(Key::E)),
    bind("Tools", "Window/level", Action::Tool(ToolKind::WindowLevel), NONE, Some(Key::L)),
    bind("Tools", "Lasso: polygon by clicks, freehand by dragging", Action::Tool(ToolKind::Lasso), NONE, Some(Key::P)),
    bind("Tools", "Grow a region from a click", Action::Tool(ToolKind::Region), NONE, Some(Key::Y)),
    bind("Tools", "Keep or remove the clicked island", Action::Tool(ToolKind::Island), NONE, Some(Key::K)),
    bind("Tools", "Fill a closed area of the slice", Action::Tool(ToolKind::Fill), NONE, Some(Key::H)),
    bind("Tools", "Push the outline", Action::Tool(ToolKind::Push), NONE, Some(Key::Z)),
    bind("Tools", "Edge lasso: a contour that snaps to edges", Action::Tool(ToolKind::Wire), SHIFT, Some(Key::P)),
    bind("Tools", "Measure", Action::Tool(ToolKind::Measure), NONE, Some(Key::Num9)),
    bind("Tools", "Prompt the network: inside, with Ctrl outside", Action::Tool(ToolKind::Prompt), CTRL, Some(Key::U)),
    bind("Tools", "Last tool", Action::LastTool, NONE, Some(Key::Space)),
    bind("Tools", "Smaller brush", Action::BrushBy(SMALLER), NONE, Some(Key::Minus)),
    bind("Tools", "Larger brush", Action::BrushBy(LARGER), NONE, Some(Key::Equals)),
    bind("Tools", "Larger brush", Action::BrushBy(LARGER), NONE, Some(Key::Plus)),
    bind("Tools", "Sphere or disc brush", Action::ToggleSphere, NONE, Some(Key::N)),
    bind("Tools", "Square or round brush", Action::ToggleSquare, SHIFT, Some(Key::K)),
    bind("Tools", "Brush adapts to the image, or not", Action::ToggleAdaptive, SHIFT, Some(Key::A)),
    bind("Edit mask", "Close the polygon, or apply the preview", Action::Confirm, NONE, Some(Key::Enter)),
    bind("Edit mask", "Preview the operation", Action::PreviewOperation, SHIFT, Some(Key::Enter)),
    bind("Edit mask", "Copy the segment one slice up", Action::CopySlice(1), SHIFT, Some(Key::ArrowUp)),
    bind("Edit mask", "Copy the segment one slice down", Action::CopySlice(-1), SHIFT, Some(Key::ArrowDown)),
    bind("Edit mask", "Threshold", Action::Operation(OperationKind::Threshold), SHIFT, Some(Key::T)),
    bind("Edit mask", "Islands", Action::Operation(OperationKind::Islands), SHIFT, Some(Key::I)),
    bind("Edit mask", "Fill holes", Action::Operation(OperationKind::Holes), SHIFT, Some(Key::H)),
    bind("Edit mask", "Fill between slices", Action::Operation(OperationKind::Between), SHIFT, Some(Key::B)),
    bind("Edit mask", "Smooth", Action::Operation(OperationKind::Smooth), SHIFT, Some(Key::S)),
    bind("Edit mask", "Margin", Action::Operation(OperationKind::Margin), SHIFT, Some(Key::M)),
    bind("Edit mask", "Combine segments", Action::Operation(OperationKind::Logic), SHIFT, Some(Key::C)),
    bind("Edit mask", "Grow from seeds", Action::Operation(OperationKind::Seeds), SHIFT, Some(Key::Y)),
    bind("Edit mask", "Fill from a layer", Action::Operation(OperationKind::Adopt), SHIFT, Some(Key::F)),
    bind("Edit mask", "Paint over everything, background, this segment", Action::NextPaintOver, SHIFT, Some(Key::O)),
    bind("Edit mask", "Only values in the paint range, or all", Action::ToggleHuRule, SHIFT, Some(Key::U)),
    bind("Edit mask", "Exchange left and right lung", Action::SwapLungs, SHIFT, Some(Key::X)),
    bind("Progress", "Slice is corrected: to the next", Action::SliceDone(SliceStatus::Corrected), NONE, Some(Key::J)),
    bind("Progress", "Slice is approved: to the next", Action::SliceDone(SliceStatus::Approved), SHIFT, Some(Key::J)),
    bind("Progress", "Slice is to do", Action::SliceDone(SliceStatus::ToDo), NONE, Some(Key::U)),
    bind("Progress", "Next slice to do", Action::NextToDo(false), NONE, Some(Key::Period)),
    bind("Progress", "Previous slice to do", Action::NextToDo(true), NONE, Some(Key::Comma)),
    bind("Progress", "Next case with slices to do", Action::NextCase(false), CTRL, Some(Key::Period)),
    bind("Progress", "Previous case with slices to do", Action::NextCase(true), CTRL, Some(Key::Comma)),
    bind("Progress", "List a folder of projects to work on", Action::ListCases, NONE, None),
    bind("Progress", "Note on this slice", Action::WriteNote, SHIFT, Some(Key::N)),
    bind("Progress", "Show where voxels come from", Action::ToggleSources, SHIFT, Some(Key::G)),
    bind("Segments", "Previous segment", Action::SegmentBy(-1), NONE, Some(Key::Q)),
    bind("Segments", "Next segment", Action::SegmentBy(1), NONE, Some(Key::W)),
    bind("Segments", "Add a segment", Action::AddSegment, CTRL_SHIFT, Some(Key::A)),
    bind("Segments", "New layer", Action::NewLayer, CTRL_SHIFT, Some(Key::N)),
    bind("Segments", "Mark the active layer as reviewed, or not", Action::ToggleReviewed, NONE, None),
    bind("Mask", "Mask on or off", Action::ToggleMask, NONE, Some(Key::S)),
    bind("Mask", "Less opacity", Action::OpacityBy(-OPACITY_STEP), NONE, Some(Key::A)),
    bind("Mask", "More opacity", Action::OpacityBy(OPACITY_STEP), NONE, Some(Key::D)),
    bind("Mask", "Outline on or off", Action::ToggleOutline, NONE, Some(Key::O)),
    bind("Mask", "Fill on or off", Action::ToggleFill, NONE, Some(Key::F)),
    bind("Slices", "One slice up", Action::Slices(1), NONE, Some(Key::ArrowUp)),
    bind("Slices", "One slice down", Action::Slices(-1), NONE, Some(Key::ArrowDown)),
    bind("Slices", "Ten slices up", Action::Slices(10), NONE, Some(Key::PageUp)),
    bind("Slices", "Ten slices down", Action::Slices(-10), NONE, Some(Key::PageDown)),
    bind("Slices", "First slice", Action::FirstSlice, NONE, Some(Key::Home)),
    bind("Slices", "Last slice", Action::LastSlice, NONE, Some(Key::End)),
    bind("Slices", "Keys act on the axial pane", Action::Plane(Plane::Axial), NONE, Some(Key::F2)),
    bind("Slices", "Keys act on the coronal pane", Action::Plane(Plane::Coronal), NONE, Some(Key::F3)),
    bind("Slices", "Keys act on the sagittal pane", Action::Plane(Plane::Sagittal), NONE, Some(Key::F4)),
    bind("Slices", "Play or stop the stack", Action::Cine, NONE, Some(Key::C)),
    bind("View", "Fit the slices to their panes", Action::Fit, NONE, Some(Key::R)),
    bind("View", "Crosshair lines on or off", Action::ToggleCrosshair, NONE, Some(Key::X)),
    bind("View", "Invert grey", Action::Invert, NONE, Some(Key::I)),
    bind("Mask", "Only outlines while painting", Action::ToggleOutlineWhilePainting, SHIFT, Some(Key::L)),
    bind("View", "Voxels, linear or cubic interpolation", Action::ToggleInterpolation, NONE, Some(Key::T)),
    bind("View", "One pane or all", Action::Maximise, NONE, Some(Key::M)),
    bind("View", "Layout: one pane", Action::Arrange(Arrangement::One), CTRL, Some(Key::Num1)),
    bind("View", "Layout: three planes", Action::Arrange(Arrangement::Planes), CTRL, Some(Key::Num2)),
    bind("View", "Layout: planes and 3-D", Action::Arrange(Arrangement::PlanesAndVolume), CTRL, Some(Key::Num3)),
    bind("View", "Layout: two side by side", Action::Arrange(Arrangement::Two), CTRL, Some(Key::Num4)),
    bind("View", "Layout: four side by side", Action::Arrange(Arrangement::Four), CTRL, Some(Key::Num5)),
    bind("View", "Straight planes again", Action::StraightPlanes, SHIFT, Some(Key::R)),
    bind("View", "Light or dark window", Action::ToggleTheme, CTRL_SHIFT, Some(Key::L)),
    bind("Window presets", "Header window", Action::HeaderWindow, Modifiers::ALT, Some(Key::Num0)),
    bind("Window presets", "Soft tissue 400/40", Action::Preset(0), Modifiers::ALT, Some(Key::Num1)),
    bind("Window presets", "Liver 150/90", Action::Preset(1), Modifiers::ALT, Some(Key::Num2)),
    bind("Window presets", "Lung 1500/-600", Action::Preset(2), Modifiers::ALT, Some(Key::Num3)),
    bind("Window presets", "Mediastinum 350/50", Action::Preset(3), Modifiers::ALT, Some(Key::Num4)),
    bind("Window presets", "Bone 2500/480", Action::Preset(4), Modifiers::ALT, Some(Key::Num5)),
    bind("Window presets", "Brain 80/40", Action::Preset(5), Modifiers::ALT, Some(Key::Num6)),
    bind("Window presets", "Angio 600/300", Action::Preset(6), Modifiers::ALT, Some(Key::Num7)),
    bind("Window presets", "Muscle 400/50", Action::Preset(7), Modifiers::ALT, Some(Key::Num8)),
    bind("Digits", "Tool while editing, preset while viewing: 1", Action::Digit(0), NONE, Some(Key::Num1)),
    bind("Digits", "… 2", Action::Digit(1), NONE, Some(Key::Num2)),
    bind("Digits", "… 3", Action::Digit(2), NONE, Some(Key::Num3)),
    bind("Digits", "… 4", Action::Digit(3), NONE, Some(Key::Num4)),
    bind("Digits", "… 5", Action::Digit(4), NONE, Some(Key::Num5)),
    bind("Digits", "… 6", Action::Digit(5), NONE, Some(Key::Num6)),
    bind("Digits", "… 7", Action::Digit(6), NONE, Some(Key::Num7)),
    bind("Digits", "… 8", Action::Digit(7), NONE, Some(Key::Num8)),
    bind("Models", "Predict the open case with the selected model", Action::Predict, CTRL, Some(Key::P)),
    bind("Models", "Predict, then show what it would change", Action::PredictInto, CTRL_SHIFT, Some(Key::P)),
    bind("Learning loop", "This slice is done: learn from it", Action::TeachSlice, CTRL, Some(Key::D)),
    bind("Learning loop", "Go to the next best slice", Action::NextSlice, CTRL, Some(Key::J)),
    bind("Learning loop", "Fine-tune now", Action::TuneNow, CTRL_SHIFT, Some(Key::J)),
    bind("Models", "Compare the two chosen layers", Action::Compare, CTRL, Some(Key::R)),
    bind("Models", "Difference overlay on or off", Action::ToggleDifference, NONE, Some(Key::G)),
    bind("Help", "This key sheet", Action::KeySheet, NONE, Some(Key::F1)),
    bind("Help", "This key sheet", Action::KeySheet, NONE, Some(Key::Questionmark)),
    bind("Help", "Command palette", Action::Palette, CTRL, Some(Key::K)),
];

/// Pointer habits, for the key sheet.
pub const POINTER_HABITS: &[(&str, &str)] = &[
    ("Wheel", "slice"),
    ("Ctrl + wheel", "zoom to the pointer"),
    ("Shift + wheel", "brush size"),
    ("Middle drag", "pan"),
    ("Right drag", "window (across) and level (down)"),
    ("Ctrl held while painting", "erase"),
    ("Ctrl held at the start of a lasso", "remove"),
    ("Ctrl + click with Fill", "empty the part of the segment"),
    ("Double click with a lasso", "close the contour"),
    ("Drag after the click of Grow region", "tolerance"),
    ("Double click on a pane", "one pane or all"),
    ("Escape while painting", "take the stroke back"),
];

impl Binding {
    /// The keys as text, for example `Ctrl+Shift+Z`.
    pub fn keys(&self) -> String {
        let Some(key) = self.key else { return String::new() };
        let mut text = String::new();
        for (on, name) in [
            (self.modifiers.command || self.modifiers.ctrl, "Ctrl+"),
            (self.modifiers.alt, "Alt+"),
            (self.modifiers.shift, "Shift+"),
        ] {
            if on {
                text.push_str(name);
            }
        }
        // The arrows' symbols are in none of the fonts that the window brings along; their names are.
        let is_arrow = matches!(key, Key::ArrowUp | Key::ArrowDown | Key::ArrowLeft | Key::ArrowRight);
        text.push_str(if is_arrow { key.name() } else { key.symbol_or_name() });
        text
    }
}

pub use super::keys::keys_of;

/// Keys that a button, a list or a slider uses itself while it has the focus.
const OF_WIDGETS: [Key; 6] = [Key::Space, Key::Enter, Key::ArrowUp, Key::ArrowDown, Key::ArrowLeft, Key::ArrowRight];

/// Whether a text or a number is being typed, so that no key is a shortcut.
pub fn is_writing(ctx: &egui::Context) -> bool {
    ctx.text_edit_focused()
}

/// Actions asked for by keys in this frame; none while something is being typed. `pane` is the pane of the image that
/// has the focus, if one has: it uses no key itself. Any other widget that was reached by Tab keeps the few keys that it
/// works with.
pub fn pressed(ctx: &egui::Context, pane: Option<egui::Id>) -> Vec<Action> {
    if is_writing(ctx) {
        return Vec::new();
    }
    let focused = ctx.memory(egui::Memory::focused);
    let on_widget = focused.is_some() && focused != pane;
    let mut actions = Vec::new();
    ctx.input_mut(|input| {
        for binding in keys::table().iter() {
            let Some(key) = binding.key.filter(|key| !(on_widget && OF_WIDGETS.contains(key))) else { continue };
            let count = input.count_and_consume_exact(binding.modifiers, key);
            if count > 0 {
                let (action, times) = pressed_often(binding.action, count);
                actions.extend(std::iter::repeat_n(action, times));
            }
        }
    });
    actions
}

/// What several presses of a key ask for that came in one frame, and how often: where frames take long, no step may be lost.
/// Switches turn once: nobody turns them twice so fast on purpose.
fn pressed_often(action: Action, count: usize) -> (Action, usize) {
    let power = i32::try_from(count).unwrap_or(i32::MAX);
    match action {
        // These say what comes of the present state, which is the same for all actions of a frame.
        Action::BrushBy(factor) => (Action::BrushBy(factor.powi(power)), 1),
        Action::OpacityBy(by) => (Action::OpacityBy(by * power as f32), 1),
        Action::Undo
        | Action::Redo
        | Action::Slices(_)
        | Action::SegmentBy(_)
        | Action::NextToDo(_)
        | Action::SliceDone(SliceStatus::Corrected | SliceStatus::Approved) => (action, count),
        _ => (action, 1),
    }
}

/// egui's own shortcut matching ignores extra Shift and Alt; here a key with a modifier is another key.
trait ExactKeys {
    fn count_and_consume_exact(&mut self, modifiers: Modifiers, key: Key) -> usize;
}

impl ExactKeys for egui::InputState {
    fn count_and_consume_exact(&mut self, modifiers: Modifiers, key: Key) -> usize {
        let before = self.events.len();
        self.events.retain(|event| {
            // `?` and `+` need Shift on most keyboards; for them Shift is part of the key.
            let shifted = matches!(key, Key::Questionmark | Key::Plus);
            !matches!(event, egui::Event::Key { key: k, modifiers: m, pressed: true, .. }
                if *k == key
                    && m.alt == modifiers.alt
                    && (m.shift == modifiers.shift || shifted)
                    && (m.command || m.ctrl) == (modifiers.command || modifiers.ctrl))
        });
        before - self.events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_key_is_bound_twice() {
        let mut seen = HashSet::new();
        for b in BINDINGS.iter().filter(|b| b.key.is_some()) {
            assert!(seen.insert(b.keys()), "{} is bound twice", b.keys());
        }
    }

    #[test]
    fn presses_that_come_in_one_frame_all_count() {
        let asked = |modifiers: Modifiers, key: Key, times: usize| {
            let press = egui::Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers };
            let input = egui::RawInput { events: vec![press; times], ..egui::RawInput::default() };
            let mut found = Vec::new();
            egui::Context::default().run_ui(input, |ui| found.extend(pressed(ui.ctx(), None))).textures_delta.clear();
            found
        };
        assert_eq!(asked(CTRL, Key::Z, 3), [Action::Undo; 3]);
        assert_eq!(asked(NONE, Key::W, 2), [Action::SegmentBy(1); 2]);
        assert_eq!(asked(NONE, Key::J, 2), [Action::SliceDone(SliceStatus::Corrected); 2]);
        let [Action::BrushBy(factor)] = asked(NONE, Key::Minus, 8)[..] else { panic!("one change of the brush") };
        assert!((factor / SMALLER.powi(8) - 1.0).abs() < 1e-9, "{factor}");
        assert_eq!(asked(NONE, Key::A, 3), [Action::OpacityBy(-OPACITY_STEP * 3.0)]);
        assert_eq!(asked(NONE, Key::S, 2), [Action::ToggleMask]);
        assert_eq!(asked(NONE, Key::Minus, 1), [Action::BrushBy(SMALLER)]);
    }

    #[test]
    fn the_habits_of_other_programs_are_kept() {
        let bound = |keys: &str| BINDINGS.iter().find(|b| b.keys() == keys).map(|b| b.action);
        assert_eq!(bound("Ctrl+Z"), Some(Action::Undo));
        assert_eq!(bound("Ctrl+Shift+Z"), Some(Action::Redo));
        assert_eq!(bound("Ctrl+Y"), Some(Action::Redo));
        assert_eq!(bound("S"), Some(Action::ToggleMask));
        assert_eq!(bound("Ctrl+K"), Some(Action::Palette));
        assert_eq!(bound("Alt+3"), Some(Action::Preset(2)));
        for (n, preset) in crate::core::PRESETS.iter().enumerate() {
            let text = BINDINGS.iter().find(|b| b.action == Action::Preset(n)).unwrap().text;
            let window = preset.window;
            assert_eq!(text, format!("{} {}/{}", preset.name, window.window_width, window.window_center));
        }
    }
}
