//! Runs a job in the foreground: progress bar on a terminal, silence in a pipe, Ctrl-C cancels.

use super::CliError;
use crate::jobs::{self, CancelToken, JobContext, Outcome, Waker};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Display;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

/// How often the bar is brought up to date.
const TICK: Duration = Duration::from_millis(100);

/// The token of the job in the foreground, for the Ctrl-C handler.
static CURRENT: Mutex<Option<CancelToken>> = Mutex::new(None);
static HANDLER: Once = Once::new();

fn install_handler() {
    HANDLER.call_once(|| {
        let set = ctrlc::set_handler(|| {
            let current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
            match current.as_ref() {
                Some(token) if !token.is_cancelled() => token.cancel(),
                // Nothing to stop cleanly, or asked twice.
                _ => std::process::exit(1),
            }
        });
        if let Err(error) = set {
            tracing::warn!(%error, "Ctrl-C will end the program at once");
        }
    });
}

/// Runs `work`, shows its progress on stderr, hands each event to `on_event`.
pub(super) fn foreground<E, T, Err>(
    name: &'static str,
    mut on_event: impl FnMut(E, &ProgressBar),
    work: impl FnOnce(&JobContext<E>) -> Result<T, Err> + Send + 'static,
) -> Result<T, CliError>
where
    E: Send + 'static,
    T: Send + 'static,
    Err: Display + Send + 'static,
{
    install_handler();
    let handle = jobs::spawn(name, Waker::none(), work);
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle.cancel.clone());
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}, {eta} left") {
        bar.set_style(style);
    }
    let outcome = loop {
        let outcome = handle.try_result();
        while let Some(event) = handle.try_event() {
            on_event(event, &bar);
        }
        let (done, total) = handle.progress.counts();
        bar.set_length(total.max(1));
        bar.set_position(done);
        let message = handle.progress.message();
        bar.set_message(if message.is_empty() { name.to_owned() } else { message });
        match outcome {
            Some(outcome) => break outcome,
            None => match handle.events().recv_timeout(TICK) {
                Ok(event) => on_event(event, &bar),
                // The sender goes when the job ends; wait for the result without spinning.
                Err(crossbeam_channel::RecvTimeoutError::Disconnected) => std::thread::sleep(Duration::from_millis(2)),
                Err(crossbeam_channel::RecvTimeoutError::Timeout) => {}
            },
        }
    };
    let cancelled = handle.cancel.is_cancelled();
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = None;
    bar.finish_and_clear();
    match outcome {
        Outcome::Done(value) => Ok(value),
        Outcome::Failed(_) if cancelled => Err(CliError(format!("{name} was cancelled."))),
        Outcome::Failed(error) => Err(CliError::of(error)),
        Outcome::Crashed(text) => Err(CliError(format!("{name} stopped because of a defect in Maskwright: {text}."))),
    }
}

/// Prints to stdout; a closed pipe is not an error.
pub(super) fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints one JSON document.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(CliError::of)?;
    print(&text);
    Ok(())
}
