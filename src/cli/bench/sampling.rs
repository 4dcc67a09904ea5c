//! Repeats a piece of work and keeps wall time, CPU time and memory. Called by the groups of `bench`.

use super::held::Held;
use crate::cli::CliError;
use crate::jobs::{CancelToken, JobContext, Waker};
use crossbeam_channel::Receiver;
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Linux counts CPU time in these for user programs, whatever the kernel's own clock is (proc(5), USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;
/// Fewer ticks than these are too coarse: one of them is a twentieth.
const FEWEST_TICKS: u64 = 20;
/// Reading the ticks takes tens of microseconds that are counted too: shorter repetitions get no CPU time.
const SHORTEST_FOR_CPU_S: f64 = 0.005;
/// Repetitions beyond this add nothing.
const MOST_RUNS: usize = 2000;

/// One measured case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Figure {
    pub name: &'static str,
    pub case: String,
    /// Repetitions.
    pub n: usize,
    /// Wall time of a repetition.
    pub median_s: f64,
    /// What 99 of 100 stay below; the longest when there are fewer.
    pub p99_s: f64,
    pub min_s: f64,
    /// User and system time of the whole process per repetition; `None` where it is unknown or too short to count.
    pub cpu_s: Option<f64>,
    /// Largest resident memory of the process during the repetitions, its data included.
    pub peak_rss_mib: Option<f64>,
    /// What of it came on top of what the process held before.
    pub grown_mib: Option<f64>,
    /// What came out, so that a fast wrong answer shows.
    pub note: Option<String>,
}

/// What could not be timed, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Skipped {
    pub name: &'static str,
    pub reason: String,
}

/// What is told while it is measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    /// Before the first figure.
    Machine(super::Machine),
    /// A figure that will not change any more.
    Figure(Figure),
}

/// Times the parts of a repetition that count; what lies between them is preparation.
#[derive(Default)]
pub(super) struct Watch {
    wall: Duration,
    ticks: Option<u64>,
}

impl Watch {
    /// Runs `work` against the clock.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (ticks, begun) = (cpu_ticks(), Instant::now());
        let value = work();
        self.wall += begun.elapsed();
        if let (Some(before), Some(after)) = (ticks, cpu_ticks()) {
            *self.ticks.get_or_insert(0) += after.saturating_sub(before);
        }
        value
    }
}

/// Collects figures.
pub(super) struct Sampler<'a> {
    pub quick: bool,
    pub figures: Vec<Figure>,
    pub memory: Vec<Held>,
    pub skipped: Vec<Skipped>,
    ctx: &'a JobContext<Told>,
    /// Figures that were handed on.
    told: usize,
    /// Memory is counted from the last reset; `None` where the system cannot.
    resets: bool,
    /// Resident memory when the case began.
    before_mib: Option<f64>,
}

impl<'a> Sampler<'a> {
    pub fn new(quick: bool, ctx: &'a JobContext<Told>) -> Self {
        let (figures, memory, skipped) = (Vec::new(), Vec::new(), Vec::new());
        Self { quick, figures, memory, skipped, ctx, told: 0, resets: false, before_mib: None }
    }

    /// Hands on the figures that are complete: notes and what other libraries took may follow on a figure, until the
    /// next case begins or the group ends.
    pub fn tell(&mut self) {
        for figure in self.figures.get(self.told..).unwrap_or_default() {
            self.ctx.send(Told::Figure(figure.clone()));
        }
        self.told = self.figures.len();
    }

    /// The token of the whole measurement.
    pub fn cancel(&self) -> &CancelToken {
        &self.ctx.cancel
    }

    /// Hands on what was measured, says what comes next, resets the memory mark, and stops when the user asked to.
    ///
    /// # Errors
    /// When the measurement was cancelled.
    pub fn begin(&mut self, name: &str, case: &str) -> Result<(), CliError> {
        self.tell();
        self.ctx.progress.say(format!("{name}: {case}"));
        self.resets = reset_peak();
        self.before_mib = resident_mib();
        self.go_on()
    }

    /// Says what happens between two cases of our own, and stops when the user asked to.
    ///
    /// # Errors
    /// When the measurement was cancelled.
    pub fn say(&self, text: &str) -> Result<(), CliError> {
        self.ctx.progress.say(text.to_owned());
        self.go_on()
    }

    fn go_on(&self) -> Result<(), CliError> {
        if self.ctx.is_cancelled() { Err(CliError("Timing was cancelled.".into())) } else { Ok(()) }
    }

    /// Runs `work` once to warm up and then again and again, at least three times, and adds the figure.
    ///
    /// # Errors
    /// Those of `work`, and when the measurement was cancelled.
    pub fn measure(
        &mut self,
        name: &'static str,
        case: &str,
        mut work: impl FnMut(&mut Watch) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        self.begin(name, case)?;
        work(&mut Watch::default())?;
        let budget = Duration::from_millis(if self.quick { 200 } else { 3000 });
        let begun = Instant::now();
        let (mut walls, mut ticks) = (Vec::new(), None);
        while walls.len() < 3 || (begun.elapsed() < budget && walls.len() < MOST_RUNS) {
            self.go_on()?;
            let mut watch = Watch::default();
            work(&mut watch)?;
            walls.push(watch.wall.as_secs_f64());
            ticks = watch.ticks.map(|t| t + ticks.unwrap_or(0));
        }
        self.add(name, case, walls, ticks);
        Ok(())
    }

    /// Adds the figure of repetitions that were timed elsewhere; nothing when there were none.
    pub fn add(&mut self, name: &'static str, case: &str, mut walls: Vec<f64>, ticks: Option<u64>) {
        let p99_s = quantile(&mut walls, 99);
        let n = walls.len();
        let Some((&min_s, &upper)) = walls.first().zip(walls.get(n / 2)) else { return };
        let lower = walls.get((n - 1) / 2).copied().unwrap_or(upper);
        let peak = if self.resets { memory_mib("VmHWM:") } else { None };
        let median_s = (lower + upper) / 2.0;
        self.figures.push(Figure {
            name,
            case: case.to_owned(),
            n,
            median_s,
            p99_s,
            min_s,
            cpu_s: ticks
                .filter(|t| *t >= FEWEST_TICKS && min_s >= SHORTEST_FOR_CPU_S)
                .map(|t| t as f64 / TICKS_PER_SECOND / n as f64),
            peak_rss_mib: peak,
            grown_mib: peak.zip(self.before_mib).map(|(peak, before)| peak - before),
            note: None,
        });
    }

    /// Adds the figure of another program, which told its CPU seconds of a repetition and perhaps its memory, largest and
    /// grown.
    pub fn add_other(
        &mut self,
        name: &'static str,
        case: &str,
        walls: Vec<f64>,
        cpu_s: f64,
        memory_mib: Option<[f64; 2]>,
    ) {
        let count = self.figures.len();
        self.add(name, case, walls, None);
        if let Some(figure) = self.figures.get_mut(count) {
            figure.cpu_s = Some(cpu_s);
            figure.peak_rss_mib = memory_mib.map(|m| m[0]);
            figure.grown_mib = memory_mib.map(|m| m[1]);
        }
    }

    /// Says once that something could not be timed.
    pub fn skip(&mut self, name: &'static str, reason: String) {
        let skipped = Skipped { name, reason };
        if !self.skipped.contains(&skipped) {
            self.skipped.push(skipped);
        }
    }

    /// Adds a note to the last figure.
    pub fn note(&mut self, text: String) {
        if let Some(last) = self.figures.last_mut() {
            last.note = Some(text);
        }
    }
}

/// Sorts `values` and gives the smallest that `percent` of 100 do not exceed; 0 when there are none.
pub(super) fn quantile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * percent).div_ceil(100).max(1) - 1;
    values.get(at).copied().unwrap_or(0.0)
}

/// A context for work that reports progress and events of its own, stopped by `cancel`.
pub(super) fn attached<E>(cancel: &CancelToken) -> (JobContext<E>, Receiver<E>) {
    JobContext::attached(cancel.clone(), Arc::default(), Waker::none())
}

/// User and system time of the process with all its threads (proc(5), fields 14 and 15 of `stat`).
pub(super) fn cpu_ticks() -> Option<u64> {
    ticks_in(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

fn ticks_in(stat: &str) -> Option<u64> {
    // The name in parentheses may hold anything; field 3 follows its last one.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    Some(user.parse::<u64>().ok()? + system.parse::<u64>().ok()?)
}

/// Lets the peak of the resident memory be counted anew (proc(5), `clear_refs`); false where that is not possible.
fn reset_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Resident memory of the process; `None` where the system does not tell.
pub(super) fn resident_mib() -> Option<f64> {
    memory_mib("VmRSS:")
}

fn memory_mib(field: &str) -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_behind_any_program_name() {
        let stat = "71 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 31 0 0 20 0 4 0 100";
        assert_eq!(ticks_in(stat), Some(281));
        assert_eq!(ticks_in("71 (a) S 1"), None);
    }

    #[test]
    fn quantiles_are_values_that_were_met() {
        let mut many: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|p| quantile(&mut many, p)), [100.0, 198.0, 200.0]);
        assert_eq!([50, 99].map(|p| quantile(&mut [3.0, 1.0, 2.0], p)), [2.0, 3.0]);
        assert_eq!((quantile(&mut [7.0], 50), quantile(&mut [], 99)), (7.0, 0.0));
    }

    #[test]
    fn only_the_timed_part_counts_and_the_median_lies_in_the_middle() {
        let ctx = JobContext::detached();
        let mut sampler = Sampler::new(true, &ctx);
        sampler
            .measure("t", "sleep", |watch| {
                std::thread::sleep(Duration::from_millis(40));
                watch.time(|| std::thread::sleep(Duration::from_millis(2)));
                Ok(())
            })
            .unwrap();
        let figure = &sampler.figures[0];
        assert!(figure.n >= 3 && figure.min_s >= 0.002 && figure.min_s < 0.035, "{figure:?}");
        sampler.add("t", "given", vec![4.0, 1.0, 2.0, 3.0], Some(400));
        let figure = &sampler.figures[1];
        assert_eq!((figure.n, figure.median_s, figure.min_s, figure.cpu_s), (4, 2.5, 1.0, Some(1.0)));
        assert_eq!(figure.p99_s, 4.0);
        sampler.add("t", "short", vec![1.0], Some(FEWEST_TICKS - 1));
        sampler.add("t", "many", vec![SHORTEST_FOR_CPU_S / 2.0; 1000], Some(400));
        assert_eq!((sampler.figures[2].cpu_s, sampler.figures[3].cpu_s), (None, None));
    }

    #[test]
    fn figures_are_told_once_each_with_the_notes_that_followed() {
        let (ctx, told) = attached(&CancelToken::default());
        let mut sampler = Sampler::new(true, &ctx);
        sampler.add("t", "first", vec![1.0], None);
        sampler.note("a note".into());
        assert!(told.is_empty(), "a note may still follow");
        sampler.begin("t", "second").unwrap();
        sampler.add("t", "second", vec![2.0], None);
        sampler.tell();
        sampler.tell();
        let told: Vec<(String, Option<String>)> = told
            .try_iter()
            .map(|told| match told {
                Told::Figure(figure) => (figure.case, figure.note),
                Told::Machine(machine) => panic!("{machine:?}"),
            })
            .collect();
        assert_eq!(told, [("first".into(), Some("a note".into())), ("second".into(), None)]);
    }
}
