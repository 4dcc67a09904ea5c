//! A log of frame times for whoever measures: the file that `MASKWRIGHT_FRAME_LOG` names, one line a frame.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Instant;

/// The log, when one was asked for.
pub struct FrameLog(Option<Open>);

struct Open {
    file: BufWriter<File>,
    origin: Instant,
    last: Option<Instant>,
}

impl FrameLog {
    /// Opens the file that the environment names; none where it names none, or where it cannot be written.
    pub fn from_environment() -> Self {
        let open = std::env::var_os("MASKWRIGHT_FRAME_LOG").and_then(|path| match File::create(path) {
            Ok(file) => Some(Open { file: BufWriter::new(file), origin: Instant::now(), last: None }),
            Err(error) => {
                tracing::warn!(%error, "the frame log cannot be written");
                None
            }
        });
        let mut log = Self(open);
        log.line("seconds,frame_ms,since_last_ms,training,waiting");
        log
    }

    /// A frame is done: `cpu` seconds it took to draw, whether a network learned meanwhile, and whether input waits for
    /// the next one.
    pub fn frame(&mut self, cpu: Option<f32>, training: bool, waiting: bool) {
        let Some(open) = &mut self.0 else { return };
        let now = Instant::now();
        let since = open.last.map_or(0.0, |last| (now - last).as_secs_f64() * 1000.0);
        open.last = Some(now);
        let at = (now - open.origin).as_secs_f64();
        let text = format!(
            "{at:.4},{:.2},{since:.2},{},{}",
            cpu.unwrap_or(0.0) * 1000.0,
            u8::from(training),
            u8::from(waiting)
        );
        self.line(&text);
    }

    fn line(&mut self, text: &str) {
        if let Some(open) = &mut self.0 {
            // A measuring aid: a full disk costs the log and nothing else.
            let _ = writeln!(open.file, "{text}").and_then(|()| open.file.flush());
        }
    }
}
