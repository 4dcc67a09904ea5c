//! Helper processes: this program started again, for work that may crash, hang or take all memory.
//!
//! Owns their start, framing, time limits and replacement; what is asked and answered is the caller's. A helper answers
//! one request at a time and is kept for the next; one that fails is killed, and the next request gets a fresh one. As
//! many run as threads ask at once. A helper ends when its owner does: its standard input is closed then.

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a helper says first: a program of another version would misread what it is asked.
const HELLO: &str = concat!("maskwright helper ", env!("CARGO_PKG_VERSION"));
/// A helper that nobody needed for so long ends.
const IDLE: Duration = Duration::from_secs(30);
/// After so many failed starts in a row no further one is tried.
const MAX_FAILED_STARTS: usize = 3;

/// Why a helper gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HelperError {
    /// None could be started, or what was started is no helper. The request was not looked at.
    #[error("no helper process can be started")]
    Unavailable,
    /// It ended over the request, or answered what makes no sense.
    #[error("the helper process ended")]
    Ended,
    /// It took longer than the caller allowed.
    #[error("the helper process took too long")]
    TimedOut,
}

/// Helpers of one kind.
pub struct Helpers {
    program: PathBuf,
    argument: &'static str,
    idle: Mutex<Vec<Helper>>,
    failed_starts: AtomicUsize,
}

impl Helpers {
    /// Helpers that are `program argument`. None is started before it is needed.
    pub fn new(program: &Path, argument: &'static str) -> Self {
        Self { program: program.to_owned(), argument, idle: Mutex::default(), failed_starts: AtomicUsize::new(0) }
    }

    /// Has a helper answer `request`, whose parts arrive as one, and waits for at most `patience`.
    ///
    /// # Errors
    /// [`HelperError`]; an answer of more than `longest` bytes counts as [`HelperError::Ended`].
    pub fn ask(&self, request: Vec<Vec<u8>>, longest: u64, patience: Duration) -> Result<Vec<u8>, HelperError> {
        let request = Request { parts: request.into(), longest };
        loop {
            let waiting = self.waiting();
            let fresh = waiting.is_none();
            let helper = match waiting {
                Some(helper) => helper,
                None => self.start()?,
            };
            match helper.ask(request.clone(), patience) {
                Answer::Done(bytes) => {
                    self.failed_starts.store(0, Ordering::Relaxed);
                    self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(helper);
                    return Ok(bytes);
                }
                Answer::NoHelper => {
                    self.failed_starts.fetch_add(1, Ordering::Relaxed);
                    return Err(HelperError::Unavailable);
                }
                Answer::TooLate => return Err(HelperError::TimedOut),
                // It had waited too long and left before it saw the request.
                Answer::Gone if !fresh => {}
                Answer::Gone | Answer::Ended => return Err(HelperError::Ended),
            }
        }
    }

    /// A helper that waits, and still lives: the system may have ended one that did nothing wrong.
    fn waiting(&self) -> Option<Helper> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(Helper::is_alive)
    }

    fn start(&self) -> Result<Helper, HelperError> {
        if self.failed_starts.load(Ordering::Relaxed) >= MAX_FAILED_STARTS {
            return Err(HelperError::Unavailable);
        }
        Helper::start(&self.program, self.argument).map_err(|error| {
            tracing::warn!(%error, "no helper process can be started");
            self.failed_starts.fetch_add(1, Ordering::Relaxed);
            HelperError::Unavailable
        })
    }
}

#[derive(Clone)]
struct Request {
    parts: Arc<[Vec<u8>]>,
    longest: u64,
}

enum Answer {
    Done(Vec<u8>),
    /// It ended over the request.
    Ended,
    /// It ended before the request.
    Gone,
    TooLate,
    /// What was started does not greet as a helper does.
    NoHelper,
}

/// One process, and the thread that talks with it: a caller must be able to stop waiting.
struct Helper {
    requests: Sender<Request>,
    answers: Receiver<Answer>,
    child: Arc<Mutex<Child>>,
}

impl Helper {
    fn start(program: &Path, argument: &str) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg(argument).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Ctrl-C is for the program that asks; it ends its helpers.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let child = Arc::new(Mutex::new(child));
        let (requests, received) = bounded(1);
        let (answered, answers) = unbounded();
        let talk = Talk { input, output, greeted: false };
        let process = Ending(child.clone());
        std::thread::Builder::new().name(argument.into()).spawn(move || talk.run(&received, &answered, process))?;
        Ok(Self { requests, answers, child })
    }

    fn is_alive(&self) -> bool {
        matches!(self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait(), Ok(None))
    }

    fn ask(&self, request: Request, patience: Duration) -> Answer {
        if self.requests.send(request).is_err() {
            return Answer::Gone;
        }
        self.answers.recv_timeout(patience).unwrap_or_else(|error| match error {
            RecvTimeoutError::Disconnected => Answer::Gone,
            RecvTimeoutError::Timeout => {
                // Already gone is as good.
                let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).kill();
                Answer::TooLate
            }
        })
    }
}

/// Ends the process and takes note of its end, so that it does not linger.
struct Ending(Arc<Mutex<Child>>);

impl Drop for Ending {
    fn drop(&mut self) {
        let mut child = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

struct Talk {
    input: ChildStdin,
    output: ChildStdout,
    greeted: bool,
}

impl Talk {
    fn run(mut self, requests: &Receiver<Request>, answers: &Sender<Answer>, process: Ending) {
        while let Ok(request) = requests.recv_timeout(IDLE) {
            let answer = self.answer(&request);
            let done = matches!(answer, Answer::Done(_));
            // A failure is told after the process is gone: whoever asks next must not meet it.
            if !done {
                drop(process);
                let _ = answers.send(answer);
                return;
            }
            if answers.send(answer).is_err() {
                return;
            }
        }
    }

    fn answer(&mut self, request: &Request) -> Answer {
        if !self.greeted {
            let hello = read_frame(&mut self.output, HELLO.len() as u64);
            self.greeted = hello.is_ok_and(|bytes| bytes == HELLO.as_bytes());
            if !self.greeted {
                return Answer::NoHelper;
            }
        }
        write_frame(&mut self.input, &request.parts)
            .and_then(|()| read_frame(&mut self.output, request.longest))
            .map_or(Answer::Ended, Answer::Done)
    }
}

fn write_frame(to: &mut impl Write, parts: &[Vec<u8>]) -> io::Result<()> {
    let length: usize = parts.iter().map(Vec::len).sum();
    to.write_all(&(length as u64).to_le_bytes())?;
    for part in parts {
        to.write_all(part)?;
    }
    to.flush()
}

fn read_frame(from: &mut impl Read, longest: u64) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > longest {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::with_capacity(length as usize);
    if from.take(length).read_to_end(&mut bytes)? as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// The helper's side: answers requests from standard input on standard output until there are no more.
///
/// # Errors
/// When the owner is gone in the middle of a request.
pub fn serve_helper(mut answer: impl FnMut(Vec<u8>) -> Vec<u8>) -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    write_frame(&mut output, &[HELLO.as_bytes().to_vec()])?;
    loop {
        match read_frame(&mut input, u64::MAX) {
            Ok(request) => write_frame(&mut output, &[answer(request)])?,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(e) => return Err(e),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::time::Instant;

    /// A shell as helper: greets, then runs `script` with the request's eight bytes of length on its input.
    fn shell(script: &str, dir: &Path) -> Helpers {
        let path = dir.join("helper");
        let hello = format!("\\{:03o}\\0\\0\\0\\0\\0\\0\\0{HELLO}", HELLO.len());
        std::fs::write(&path, format!("#!/bin/sh\nprintf '{hello}'\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Helpers::new(&path, "x")
    }

    fn ask(helpers: &Helpers, patience: Duration) -> Result<Vec<u8>, HelperError> {
        helpers.ask(vec![b"ab".to_vec(), b"cd".to_vec()], 100, patience)
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn one_process_answers_many_requests() {
        let dir = tempfile::tempdir().unwrap();
        // An answer is the request as it came, length and all, and the shell's own number.
        let helpers = shell(
            "while true; do printf '\\012\\0\\0\\0\\0\\0\\0\\0'; head -c 12 | tail -c 4; printf '%06d' $$; done",
            dir.path(),
        );
        let first = ask(&helpers, LONG).unwrap();
        assert_eq!(first[..4], *b"abcd");
        assert_eq!(ask(&helpers, LONG).unwrap(), first);
        assert_eq!(helpers.idle.lock().unwrap().len(), 1);
        // Ended from outside while it waited: the next request gets another.
        helpers.idle.lock().unwrap()[0].child.lock().unwrap().kill().unwrap();
        while helpers.idle.lock().unwrap()[0].is_alive() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_ne!(ask(&helpers, LONG).unwrap(), first);
    }

    #[test]
    fn what_ends_hangs_or_says_nonsense_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ask(&shell("exit 3", dir.path()), LONG), Err(HelperError::Ended));
        assert_eq!(ask(&shell("kill -9 $$", dir.path()), LONG), Err(HelperError::Ended));
        assert_eq!(
            ask(&shell("printf '\\377\\377\\0\\0\\0\\0\\0\\0'; sleep 60", dir.path()), LONG),
            Err(HelperError::Ended)
        );
        let begun = Instant::now();
        let hangs = shell("sleep 60", dir.path());
        for _ in 0..2 {
            assert_eq!(ask(&hangs, Duration::from_millis(200)), Err(HelperError::TimedOut));
        }
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert!(hangs.idle.lock().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_helper_is_not_asked_again_and_again() {
        for program in ["/nonexistent", "/bin/true"] {
            let helpers = Helpers::new(Path::new(program), "x");
            for _ in 0..5 {
                assert_eq!(ask(&helpers, LONG), Err(HelperError::Unavailable), "{program}");
            }
            assert_eq!(helpers.failed_starts.load(Ordering::Relaxed), MAX_FAILED_STARTS);
        }
    }
}
