//! The command line: the same functions as the window, with progress on a terminal and one sentence when they fail.
//!
//! Floor 6. Exit status 0 done, 1 failed, 2 wrong usage (which clap reports).

mod bench;
mod convert;
mod demo;
mod doctor;
mod evaluate;
mod export;
mod export_model;
mod info;
mod measure;
mod phantom;
mod predict;
mod run;
mod search;
mod simulate;
mod study;
mod train;

use crate::app::{AfterLoss, AppError, Ending};
use crate::io::dicom;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One sentence for the user: what failed, which file, what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct CliError(String);

impl CliError {
    /// From anything that already speaks in sentences.
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

#[derive(Parser)]
#[command(
    name = "maskwright",
    version,
    about = "See CT, see the predicted mask over it, correct it, retrain the network in place.",
    after_help = "Without a command the window opens, on the given folder, file or project.",
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Folder, image, mask or project to open in the window.
    paths: Vec<PathBuf>,
    #[command(flatten)]
    after: AfterLoss,
}

#[derive(Subcommand)]
enum Command {
    /// The whole loop on generated patients: train, predict, correct, review.
    Demo(demo::DemoArgs),
    /// Devices, drivers, limits, what will run where, and why.
    Doctor(doctor::DoctorArgs),
    /// Patients, studies, series, geometry and every problem found.
    Info(info::InfoArgs),
    /// Write generated CT patients with masks in a data set layout.
    Phantom(phantom::PhantomArgs),
    /// Convert images and masks among the supported kinds.
    Convert(convert::ConvertArgs),
    /// Masks, data sets and de-identified copies from projects and DICOM folders.
    Export(export::ExportArgs),
    /// Train a network from a recipe.
    Train(train::TrainArgs),
    /// Train many networks that differ in some fields of a recipe, and rank them.
    Search(search::SearchArgs),
    /// What a simulated annotator needs with the learning loop, and without.
    Simulate(simulate::SimulateArgs),
    /// Predict a mask with a trained network.
    Predict(predict::PredictArgs),
    /// Dice, Hausdorff and the rest of a prediction against the truth.
    Evaluate(evaluate::EvaluateArgs),
    /// Areas, volumes and densities of masks: body composition, tumour burden, lungs; over time for several studies.
    Measure(measure::MeasureArgs),
    /// One of the five studies on generated patients: data, training, comparison and report.
    Study(study::StudyArgs),
    /// Time loading, drawing, painting, metrics, training and prediction on generated data.
    Bench(bench::BenchArgs),
}

/// Where no session gave a folder for sockets, Mesa's choice of a Vulkan device looks for a Wayland display all the same
/// and complains on stderr, once for each device. Naming a folder that is not there makes it look in silence.
fn hush_wayland() {
    const SOCKETS: &str = "XDG_RUNTIME_DIR";
    if cfg!(target_os = "linux") && std::env::var_os(SOCKETS).is_none() {
        // SAFETY: called first thing by the main thread, before any other thread exists that could read the environment.
        unsafe { std::env::set_var(SOCKETS, "/nonexistent") };
    }
}

/// Serves as decode worker, when the program was started as one; tells the readers where to find one else.
fn decode_worker() -> Option<ExitCode> {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == dicom::DECODE_WORKER) {
        // Its owner catches what goes wrong and tells the user; nobody reads what is said here.
        std::panic::set_hook(Box::new(|_| {}));
        return Some(match dicom::serve_decode_worker() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        });
    }
    // On Linux the running program itself, even after its file was replaced by an update.
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        dicom::use_decode_worker(running);
    } else if let Ok(program) = std::env::current_exe() {
        dicom::use_decode_worker(&program);
    }
    None
}

/// A window that lost its device is followed by another one, in a process of its own.
fn after_window(ended: Result<Ending, AppError>) -> Result<(), CliError> {
    match ended.map_err(CliError::of)? {
        Ending::Closed => Ok(()),
        Ending::Lost(restart) => {
            eprintln!("{}", restart.sentence());
            // The process that follows unpacks again what it needs.
            crate::io::archive::clean_up();
            restart.start().map_err(|error| {
                let reason = crate::io::atomic::plain_reason(&error);
                CliError(format!(
                    "Maskwright could not start itself again: {reason}. Your work is kept and is offered at the next start."
                ))
            })
        }
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    if let Some(code) = decode_worker() {
        return code;
    }
    hush_wayland();
    // Drivers complain about displays that nobody asked for; what matters comes back as an error.
    let filter = tracing_subscriber::EnvFilter::try_from_env("MASKWRIGHT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("maskwright=warn,wgpu_hal=off,error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    crate::jobs::quiet_caught_panics();
    let arguments = Arguments::parse();
    let result = match arguments.command {
        None => after_window(crate::app::run(arguments.paths, &arguments.after)),
        Some(Command::Demo(a)) => demo::run(&a),
        Some(Command::Doctor(a)) => doctor::run(&a),
        Some(Command::Info(a)) => info::run(&a),
        Some(Command::Phantom(a)) => phantom::run(&a),
        Some(Command::Convert(a)) => convert::run(&a),
        Some(Command::Export(a)) => export::run(&a),
        Some(Command::Train(a)) => train::run(&a),
        Some(Command::Search(a)) => search::run(&a),
        Some(Command::Simulate(a)) => simulate::run(&a),
        Some(Command::Predict(a)) => predict::run(&a),
        Some(Command::Evaluate(a)) => evaluate::run(&a),
        Some(Command::Measure(a)) => measure::run(&a),
        Some(Command::Study(a)) => study::run(&a),
        Some(Command::Bench(a)) => bench::run(&a),
    };
    crate::io::archive::clean_up();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_path_opens_the_window_and_a_command_does_not() {
        let parsed = Arguments::parse_from(["maskwright", "/scans/p1"]);
        assert!(parsed.command.is_none());
        assert_eq!(parsed.paths, [PathBuf::from("/scans/p1")]);
        assert!(matches!(Arguments::parse_from(["maskwright", "doctor"]).command, Some(Command::Doctor(_))));
        assert!(Arguments::try_parse_from(["maskwright", "train"]).is_err());
    }

    fn is_a_search(words: &[String]) {
        let parsed = Arguments::try_parse_from(words).unwrap_or_else(|e| panic!("{words:?}: {e}"));
        assert!(matches!(parsed.command, Some(Command::Search(_))), "{words:?}");
    }

    #[test]
    fn the_job_arrays_call_the_search_as_it_is() {
        let script = include_str!("../../packaging/search.slurm");
        let call = script.lines().find_map(|line| line.strip_prefix("exec ")).unwrap().replace('"', "");
        let call = call.replace("$1", "l3-muscle").replace("$2", "data").replace("$3", "run").replace("$4", "48");
        is_a_search(&call.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert!(script.contains("#SBATCH --signal=B:"), "the program is the batch shell itself");

        let manifest = include_str!("../../packaging/search.kubernetes.yaml");
        let list = |key: &str| -> Vec<String> {
            let line = manifest.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap();
            serde_json::from_str(line).unwrap()
        };
        let mut words = list("command: ");
        let named = |word: String| word.replace("$(RECIPE)", "l3-muscle").replace("$(TRIALS)", "48");
        words.extend(list("args: ").into_iter().map(named));
        is_a_search(&words);
        assert!(!manifest.contains('\t'));
    }
}
