//! What the user chose for the program as a whole, and where the program keeps its own files.

use super::task::JobTask;
use super::{KeyCommand, SettingsCommand, Workspace};
use crate::io::atomic::write_atomic_bytes;
use crate::jobs::{self, JobContext};
use crate::nn::DeviceChoice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders of the program's own files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// `settings.ron`.
    pub config: PathBuf,
    /// `runs/`, `journals/`.
    pub data: PathBuf,
}

impl Home {
    /// The user's folders, or one folder named by `MASKWRIGHT_HOME`.
    pub fn of_user() -> Self {
        if let Some(root) = std::env::var_os("MASKWRIGHT_HOME").filter(|v| !v.is_empty()) {
            return Self::under(Path::new(&root));
        }
        match directories::ProjectDirs::from("", "", "maskwright") {
            Some(dirs) => Self { config: dirs.config_dir().to_owned(), data: dirs.data_local_dir().to_owned() },
            None => Self::under(&std::env::temp_dir().join("maskwright")),
        }
    }

    /// Everything under one folder.
    pub fn under(root: &Path) -> Self {
        Self { config: root.join("config"), data: root.join("data") }
    }

    /// Folder of training runs.
    pub fn runs(&self) -> PathBuf {
        self.data.join("runs")
    }

    /// Folder of crash journals.
    pub fn journals(&self) -> PathBuf {
        self.data.join("journals")
    }
}

/// Light or dark window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ThemeChoice {
    #[default]
    Dark,
    Light,
}

/// Whether training shares the window's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum GpuSharing {
    /// What leaves the window fluid: a device of its own on a real GPU, whose single step can take longer than a frame;
    /// the window's device elsewhere.
    #[default]
    Auto,
    /// Burn computes on the device that draws the window.
    Shared,
    /// Burn opens a device of its own.
    Dedicated,
}

impl GpuSharing {
    /// Whether burn gets a device of its own beside the window's; `software` is a CPU that plays a GPU.
    pub(super) fn own_device(self, software: bool) -> bool {
        match self {
            Self::Auto => !software,
            Self::Shared => false,
            Self::Dedicated => true,
        }
    }
}

/// Kept in `settings.ron`. Unknown fields of a newer version are ignored, missing ones take their default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub theme: ThemeChoice,
    pub device: DeviceChoice,
    pub gpu_sharing: GpuSharing,
    /// Interface scale.
    pub zoom: f32,
    /// Last opened paths, newest first.
    pub recent: Vec<PathBuf>,
    /// Data set folders that runs were trained on, by the run's name: a loop that begins with one replays them. Here and
    /// not in the run's folder, which names no place of this computer.
    pub trained_on: BTreeMap<String, PathBuf>,
    /// Keys that were changed: line of the table of keys, and what it is bound to now.
    pub keys: BTreeMap<String, String>,
    /// Where the window's panes are, in the window's own words; empty at the first start.
    pub layout: String,
}

const RECENT_LIMIT: usize = 10;

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::default(),
            device: DeviceChoice::Auto,
            gpu_sharing: GpuSharing::default(),
            zoom: 1.0,
            recent: Vec::new(),
            trained_on: BTreeMap::new(),
            keys: BTreeMap::new(),
            layout: String::new(),
        }
    }
}

impl Settings {
    /// Interface scales that can be chosen: 1 is 100 %.
    pub const SCALES: std::ops::RangeInclusive<f32> = 1.0..=2.5;

    /// The user's settings; a missing or unreadable file gives the defaults.
    pub fn load(home: &Home) -> Self {
        let path = home.config.join("settings.ron");
        let mut settings = match std::fs::read_to_string(&path) {
            Ok(text) => ron::from_str(&text).unwrap_or_else(|error| {
                tracing::warn!(%error, "settings.ron could not be read; defaults are used");
                Self::default()
            }),
            Err(_) => Self::default(),
        };
        settings.zoom = plain_scale(settings.zoom);
        settings
    }

    /// Writes the settings.
    ///
    /// # Errors
    /// One sentence when the folder cannot be written.
    pub fn save(&self, home: &Home) -> Result<(), String> {
        let text = ron::ser::to_string_pretty(self, ron::ser::PrettyConfig::default()).map_err(|e| e.to_string())?;
        std::fs::create_dir_all(&home.config)
            .and_then(|()| write_atomic_bytes(&home.config.join("settings.ron"), text.as_bytes()))
            .map_err(|e| format!("Your settings could not be saved to {}: {e}.", home.config.display()))
    }

    /// Puts a path at the top of the recent list.
    pub fn remember(&mut self, path: &Path) {
        self.recent.retain(|p| p != path);
        self.recent.insert(0, path.to_owned());
        self.recent.truncate(RECENT_LIMIT);
    }
}

/// A scale that can be chosen; anything else a file may say becomes the nearest, or 100 %.
fn plain_scale(scale: f32) -> f32 {
    if scale.is_finite() { scale.clamp(*Settings::SCALES.start(), *Settings::SCALES.end()) } else { 1.0 }
}

/// Saves run one after the other, so that an older one never overwrites a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SettingsSave {
    #[default]
    Idle,
    Running,
    /// The settings changed again while they were being written.
    RunningAndStale,
}

impl Workspace {
    pub(super) fn apply_settings(&mut self, command: SettingsCommand) {
        let before = self.settings.clone();
        match command {
            SettingsCommand::Theme(theme) => self.settings.theme = theme,
            SettingsCommand::Scale(scale) => self.settings.zoom = plain_scale(scale),
            SettingsCommand::Device(device) => self.settings.device = device,
            SettingsCommand::GpuSharing(sharing) => self.settings.gpu_sharing = sharing,
            SettingsCommand::Layout(layout) => self.settings.layout = layout,
        }
        if self.settings != before {
            self.save_settings();
        }
    }

    pub(super) fn apply_keys(&mut self, command: KeyCommand) {
        match command {
            KeyCommand::Bind { line, keys } => {
                self.settings.keys.insert(line, keys);
            }
            KeyCommand::Reset => self.settings.keys.clear(),
        }
        self.save_settings();
    }

    /// Writes the settings in the background; a failure is told, nothing else changes.
    pub fn save_settings(&mut self) {
        if self.settings_save != SettingsSave::Idle {
            self.settings_save = SettingsSave::RunningAndStale;
            return;
        }
        self.settings_save = SettingsSave::Running;
        let (settings, home) = (self.settings.clone(), self.home.clone());
        let handle = jobs::spawn("Saving settings", self.waker.clone(), move |_: &JobContext<()>| settings.save(&home));
        let task = JobTask::new(
            handle,
            |_, ()| {},
            |w, _| {
                let stale = std::mem::take(&mut w.settings_save) == SettingsSave::RunningAndStale;
                if stale {
                    w.save_settings();
                }
            },
        );
        self.start(task.unlisted());
    }

    /// Whether settings are on their way to the disk.
    pub(super) fn is_saving_settings(&self) -> bool {
        self.settings_save != SettingsSave::Idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_a_round_trip_and_damage() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::under(dir.path());
        assert_eq!(Settings::load(&home), Settings::default());
        let mut s = Settings { theme: ThemeChoice::Light, ..Settings::default() };
        for n in 0..20 {
            s.remember(Path::new(&format!("/scans/{n}")));
        }
        s.remember(Path::new("/scans/15"));
        s.save(&home).unwrap();
        let back = Settings::load(&home);
        assert_eq!(back, s);
        assert_eq!((back.recent.len(), back.recent[0].as_path()), (10, Path::new("/scans/15")));
        std::fs::write(home.config.join("settings.ron"), "(theme: Purple").unwrap();
        assert_eq!(Settings::load(&home), Settings::default());
    }

    #[test]
    fn the_window_does_not_list_that_settings_are_saved() {
        let dir = tempfile::tempdir().unwrap();
        let mut w = Workspace::new(Home::under(dir.path()), crate::jobs::Waker::none(), None);
        w.dispatch(SettingsCommand::Scale(1.5));
        let listed: Vec<&str> = w.tasks().iter().filter(|task| !task.unlisted).map(|task| task.name).collect();
        assert!(w.tasks().len() > listed.len() && !listed.contains(&"Saving settings"), "{listed:?}");
        while w.is_busy() {
            w.poll();
        }
        assert_eq!(Settings::load(&w.home).zoom, 1.5);
    }
}
