//! The program starts itself again after its window lost the graphics device, with what was open.
//!
//! A window's device cannot be replaced: egui's painter holds it, and burn registers it once for the process. A new
//! process gets a new device, the journals bring back every stroke, and nothing has to be asked. Three starts within a
//! minute mean that it does not help: the third leaves the device to the window alone, and then the program stops.

use crate::nn::DeviceChoice;
use crate::workspace::{Kept, KeptCase, KeptLoop, Resumption};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Losses that are further apart, in seconds, have nothing to do with each other.
const MINUTE: u64 = 60;
/// Starts within it that change nothing; the one after them computes on the processor.
const PLAIN_STARTS: usize = 2;

/// What the program before this one left. Written on the command line by the program itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct AfterLoss {
    /// Why this program follows on another one.
    #[arg(long = "recover-after-device-loss", hide = true, value_name = "REASON")]
    reason: Option<String>,
    /// When such starts happened, in seconds since 1970.
    #[arg(long = "restarted-at", hide = true)]
    restarts: Vec<u64>,
    /// Journals and projects of the cases that were open.
    #[arg(long = "reopen", hide = true)]
    reopen: Vec<PathBuf>,
    /// Those among them whose case nobody had changed.
    #[arg(long = "untouched", hide = true)]
    untouched: Vec<PathBuf>,
    /// Names of cases that could not be written anywhere.
    #[arg(long = "not-kept", hide = true)]
    not_kept: Vec<String>,
    /// Leave the graphics device to the window alone.
    #[arg(long = "compute-on-cpu", hide = true)]
    cpu_only: bool,
    /// The learning loop that ran, where it computed, and whether it was of all open cases.
    #[arg(long = "go-on-learning", hide = true, value_name = "LOOP")]
    learning: Option<String>,
    #[arg(long = "learn-on", hide = true)]
    learn_on: Option<DeviceChoice>,
    #[arg(long = "learn-all-cases", hide = true)]
    learn_all_cases: bool,
}

/// What follows on a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Again,
    AgainOnCpu,
    Stop,
}

/// Decides by when the program started again earlier.
fn next(restarts: &[u64], now: u64) -> Next {
    // A clock that was set back must not let it go on for ever.
    match restarts.iter().filter(|&&at| now.abs_diff(at) < MINUTE).count() {
        n if n < PLAIN_STARTS => Next::Again,
        PLAIN_STARTS => Next::AgainOnCpu,
        _ => Next::Stop,
    }
}

impl AfterLoss {
    /// What the next program is told; `None` when it would only lose the device again.
    pub(super) fn following(&self, reason: &str, kept: Option<Kept>, now: u64) -> Option<Self> {
        let cpu_only = match next(&self.restarts, now) {
            Next::Again => self.cpu_only,
            Next::AgainOnCpu => true,
            Next::Stop => return None,
        };
        let mut following = Self { reason: Some(reason.to_owned()), cpu_only, ..Self::default() };
        following.restarts = self.restarts.iter().copied().filter(|&at| now.abs_diff(at) < MINUTE).collect();
        following.restarts.push(now);
        let Some(kept) = kept else {
            // Lost before anything was open: what was to be opened still is.
            following.reopen.clone_from(&self.reopen);
            following.untouched.clone_from(&self.untouched);
            following.not_kept.clone_from(&self.not_kept);
            following.learning.clone_from(&self.learning);
            (following.learn_on, following.learn_all_cases) = (self.learn_on, self.learn_all_cases);
            return Some(following);
        };
        for case in kept.cases {
            match case {
                KeptCase::Unsaved(path) | KeptCase::Project(path) => following.reopen.push(path),
                KeptCase::Untouched(path) => {
                    following.untouched.push(path.clone());
                    following.reopen.push(path);
                }
            }
        }
        following.not_kept = kept.lost;
        if let Some(KeptLoop { name, device, all_cases }) = kept.learning {
            following.learning = Some(name);
            (following.learn_on, following.learn_all_cases) = (Some(device), all_cases);
        }
        Some(following)
    }

    /// The command line that says so; what starts with a dash is no option there.
    fn arguments(&self) -> Vec<OsString> {
        let option = |name: &str, value: &OsStr| {
            let mut text = OsString::from(format!("--{name}="));
            text.push(value);
            text
        };
        let mut out = Vec::new();
        out.extend(self.reason.iter().map(|text| option("recover-after-device-loss", text.as_ref())));
        out.extend(self.restarts.iter().map(|at| option("restarted-at", at.to_string().as_ref())));
        out.extend(self.reopen.iter().map(|path| option("reopen", path.as_ref())));
        out.extend(self.untouched.iter().map(|path| option("untouched", path.as_ref())));
        out.extend(self.not_kept.iter().map(|name| option("not-kept", name.as_ref())));
        out.extend(self.cpu_only.then(|| OsString::from("--compute-on-cpu")));
        out.extend(self.learning.iter().map(|name| option("go-on-learning", name.as_ref())));
        out.extend(self.learn_on.iter().map(|device| option("learn-on", device.to_string().as_ref())));
        out.extend(self.learn_all_cases.then(|| OsString::from("--learn-all-cases")));
        out
    }

    /// What the workspace takes up; `None` for a program that was started by hand.
    pub(super) fn resumption(&self) -> Option<Resumption> {
        let reason = self.reason.as_ref()?;
        let cases = self.reopen.iter().map(|path| match path {
            path if self.untouched.contains(path) => KeptCase::Untouched(path.clone()),
            path if crate::io::is_project(path) => KeptCase::Project(path.clone()),
            path => KeptCase::Unsaved(path.clone()),
        });
        let mut told = format!(
            "The graphics device was lost ({reason}), for example by a reset of its driver. Maskwright started again \
             with what was open. A training that ran can be resumed in the Train tab."
        );
        let learning = self.learning.clone().map(|name| KeptLoop {
            name,
            device: self.learn_on.unwrap_or_default(),
            all_cases: self.learn_all_cases,
        });
        if let Some(KeptLoop { name, .. }) = &learning {
            told += &format!(" The learning loop {name} goes on.");
        }
        if self.cpu_only {
            told += " Because it happened again and again, the processor computes until you start Maskwright anew.";
        }
        if !self.not_kept.is_empty() {
            told += &format!(" NOT on any disk, and lost: the changes to {}.", self.not_kept.join(", "));
        }
        Some(Resumption { cases: cases.collect(), told, cpu_only: self.cpu_only, learning })
    }
}

/// A start that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    pub(super) following: AfterLoss,
    /// What else was on the command line, where it has not been opened yet.
    pub(super) paths: Vec<PathBuf>,
}

impl Restart {
    /// One sentence for the terminal.
    pub fn sentence(&self) -> String {
        let reason = self.following.reason.as_deref().unwrap_or("for no known reason");
        format!("The graphics device was lost ({reason}): Maskwright starts again with what was open.")
    }

    /// The command line of the next program, without the program.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut out = self.following.arguments();
        if !self.paths.is_empty() {
            out.push("--".into());
            out.extend(self.paths.iter().map(|path| path.clone().into_os_string()));
        }
        out
    }

    /// Starts the next program: in place of this one where the system can do that, else beside it. Call last of all.
    ///
    /// # Errors
    /// Why it could not be started.
    pub fn start(&self) -> io::Result<()> {
        let mut command = Command::new(program()?);
        command.args(self.arguments());
        replace(command)
    }
}

/// The running program; on Linux also after an update replaced its file.
fn program() -> io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    match std::env::current_exe() {
        Ok(path) if path.exists() => Ok(path),
        _ if running.exists() => Ok(running.to_owned()),
        other => other,
    }
}

#[cfg(unix)]
fn replace(mut command: Command) -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    // Returns only when it failed.
    Err(command.exec())
}

#[cfg(not(unix))]
fn replace(mut command: Command) -> io::Result<()> {
    command.spawn().map(drop)
}

/// Why the window ended, if it was the graphics device: the watch's word, or that of the panic that wgpu made of it.
pub(super) fn cause(lost: Option<&str>, panic: Option<&str>) -> Option<String> {
    const WORDS: [&str; 5] = [
        "wgpu error",
        "Parent device is lost",
        "Failed to create staging buffer",
        "Error in Surface",
        "Error in Queue",
    ];
    let panic = panic.filter(|text| WORDS.iter().any(|words| text.contains(words)));
    let of_panic = || panic.map(|text| text.lines().next().unwrap_or_default().trim().trim_end_matches('.').to_owned());
    lost.map(str::to_owned).or_else(of_panic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        after: AfterLoss,
        paths: Vec<PathBuf>,
    }

    fn read(restart: &Restart) -> CommandLine {
        let program = std::iter::once(OsString::from("maskwright"));
        CommandLine::try_parse_from(program.chain(restart.arguments())).unwrap()
    }

    #[test]
    fn two_starts_in_a_minute_then_the_processor_then_no_more() {
        assert_eq!(next(&[], 1000), Next::Again);
        assert_eq!(next(&[990], 1000), Next::Again);
        assert_eq!(next(&[980, 990], 1000), Next::AgainOnCpu);
        assert_eq!(next(&[970, 980, 990], 1000), Next::Stop);
        // Long ago is another matter.
        assert_eq!(next(&[900, 910, 940], 1000), Next::Again);
        // So it is when the clock jumps, but not by a little.
        assert_eq!(next(&[1010, 1020], 1000), Next::AgainOnCpu);
        let mut program = AfterLoss::default();
        let cpu: Vec<bool> = [100, 110, 120]
            .into_iter()
            .map(|now| {
                program = program.following("reset", None, now).unwrap();
                program.cpu_only
            })
            .collect();
        assert_eq!(cpu, [false, false, true]);
        assert_eq!(program.following("reset", None, 130), None);
        // Much later it is worth a try, still on the processor.
        let later = program.following("reset", None, 1000).unwrap();
        assert!(later.cpu_only);
        assert_eq!(later.restarts, [1000]);
    }

    #[test]
    fn the_next_program_reads_what_this_one_wrote() {
        let kept = Kept {
            cases: vec![
                KeptCase::Untouched("/data/journals/1-2-3".into()),
                KeptCase::Project("-odd name.maskwright".into()),
                KeptCase::Unsaved("/data/journals/1-2-4".into()),
            ],
            lost: vec!["CT 3".into()],
            learning: Some(KeptLoop { name: "-lungs 2".into(), device: DeviceChoice::Cpu, all_cases: true }),
        };
        let learning = kept.learning.clone();
        let following = AfterLoss::default().following("it is gone", Some(kept), 77).unwrap();
        let restart = Restart { following, paths: vec!["--scan".into()] };
        let there = read(&restart);
        assert_eq!(there.after, restart.following);
        assert_eq!(there.paths, restart.paths);
        let resumption = there.after.resumption().unwrap();
        let order: Vec<bool> = resumption.cases.iter().map(|c| matches!(c, KeptCase::Untouched(_))).collect();
        assert_eq!(order, [true, false, false]);
        assert_eq!(resumption.cases[2], KeptCase::Unsaved("/data/journals/1-2-4".into()));
        assert!(resumption.told.contains("it is gone") && resumption.told.contains("CT 3"), "{}", resumption.told);
        assert!(!resumption.cpu_only && !resumption.told.contains("processor"));
        assert_eq!(resumption.learning, learning);
        assert!(resumption.told.contains("The learning loop -lungs 2 goes on."), "{}", resumption.told);
        // Without a loop nothing is said of one.
        let none = AfterLoss::default().following("gone", Some(Kept::default()), 1).and_then(|a| a.resumption());
        assert!(none.is_some_and(|r| r.learning.is_none() && !r.told.contains("loop")));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_survive() {
        use std::os::unix::ffi::OsStrExt;
        let path = PathBuf::from(OsStr::from_bytes(b"/data/\xff\xfe"));
        let kept = Kept { cases: vec![KeptCase::Unsaved(path.clone())], ..Kept::default() };
        let following = AfterLoss::default().following("gone", Some(kept), 1).unwrap();
        let there = read(&Restart { following, paths: Vec::new() });
        assert_eq!(there.after.reopen, [path]);
    }

    #[test]
    fn a_start_by_hand_takes_up_nothing() {
        let there = read(&Restart { following: AfterLoss::default(), paths: vec!["/scans/p1".into()] });
        assert_eq!(there.after.resumption(), None);
        assert_eq!(there.paths, [PathBuf::from("/scans/p1")]);
    }

    #[test]
    fn what_was_to_be_opened_is_not_forgotten_by_a_second_loss() {
        let learning = Some(KeptLoop { name: "loop-1".into(), device: DeviceChoice::Gpu, all_cases: false });
        let cases = vec![KeptCase::Unsaved("/data/journals/1".into())];
        let kept = Kept { cases, lost: vec!["CT 3".into()], learning: learning.clone() };
        let first = AfterLoss::default().following("gone", Some(kept), 1).unwrap();
        let second = first.following("gone", None, 2).unwrap();
        assert_eq!((&second.reopen, &second.not_kept), (&first.reopen, &first.not_kept));
        assert_eq!(second.restarts, [1, 2]);
        assert_eq!(second.resumption().and_then(|r| r.learning), learning);
    }

    #[test]
    fn only_the_graphics_device_starts_the_program_again() {
        assert_eq!(cause(None, None), None);
        assert_eq!(cause(None, Some("index out of bounds")), None);
        assert_eq!(cause(Some("gone"), None).as_deref(), Some("gone"));
        assert_eq!(cause(Some("gone"), Some("index out of bounds")).as_deref(), Some("gone"));
        let panic = "wgpu error: Out of Memory\n\nCaused by: more";
        assert_eq!(cause(None, Some(panic)).as_deref(), Some("wgpu error: Out of Memory"));
    }
}
