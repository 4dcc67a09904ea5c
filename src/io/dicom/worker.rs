//! Decoding that nobody here can vouch for happens in a process of its own. Called by `frames` in the program, and by
//! the command line in the worker.
//!
//! Decoders of other people read bytes of strangers: one may panic, end the process, loop or take all memory. So the
//! program starts itself again as `maskwright decode-worker` and hands over frame after frame; each gets a bound of
//! address space and of time. What goes wrong there costs the frame and the worker, and nothing else. Decoders of our
//! own, in safe Rust, stay in this process. Where the program did not say what its binary is (a test of the library),
//! or no process can be started, all decoding happens here, with panics caught.

use super::codec::{decode_frame, decode_jpeg2000_here, jpeg2000_codestream, own_decoder};
use super::format::PixelFormat;
use super::j2k_guard;
use crate::jobs::{HelperError, Helpers, Limits, catch_panic, serve_helper};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// The argument that makes the program a worker.
pub const DECODE_WORKER: &str = "decode-worker";

static WORKERS: OnceLock<Helpers> = OnceLock::new();

/// Says which binary can be started as a worker: the program itself. Only the first call counts.
pub fn use_decode_worker(program: &Path) {
    WORKERS.get_or_init(|| Helpers::new(program, DECODE_WORKER));
}

/// What a worker is told of a frame before its bytes.
#[derive(Serialize, Deserialize)]
struct Head {
    syntax: String,
    format: PixelFormat,
}

const DECODED: u8 = 0;
const REFUSED: u8 = 1;
/// Longest reason that is passed on.
const MAX_REASON: usize = 400;

/// [`decode_frame`], in a worker when the decoder is not our own.
///
/// # Errors
/// The reason, as the end of a sentence.
pub(super) fn decode_guarded(syntax: &str, data: Vec<u8>, format: &PixelFormat) -> Result<Vec<u16>, String> {
    let own = own_decoder(syntax, &data);
    if !own && let Some(stream) = jpeg2000_codestream(&data) {
        j2k_guard::check(stream)?;
        if let Some(words) = decode_jpeg2000_here(&data, format) {
            return Ok(words);
        }
    }
    match WORKERS.get() {
        Some(workers) if !own => decode_with(workers, syntax, data, format),
        _ => decode_here(syntax, &data, format),
    }
}

fn decode_here(syntax: &str, data: &[u8], format: &PixelFormat) -> Result<Vec<u16>, String> {
    catch_panic(|| decode_frame(syntax, data, format)).unwrap_or_else(|_| Err("its compressed image is damaged".into()))
}

fn decode_with(workers: &Helpers, syntax: &str, data: Vec<u8>, format: &PixelFormat) -> Result<Vec<u16>, String> {
    let head = Head { syntax: syntax.to_owned(), format: format.clone() };
    let head = serde_json::to_vec(&head).map_err(|e| format!("its header cannot be passed on ({e})"))?;
    let longest = (format.frame_samples() * 2).max(MAX_REASON) as u64 + 1;
    let patience = patience(format);
    let request = vec![(head.len() as u32).to_le_bytes().to_vec(), head, data.clone()];
    match workers.ask(request, longest, patience) {
        Ok(answer) => words(&answer, format),
        Err(HelperError::Unavailable) => decode_here(syntax, &data, format),
        Err(HelperError::TimedOut) => {
            Err(format!("its compressed image was not decoded after {} seconds", patience.as_secs()))
        }
        Err(HelperError::Ended) => {
            Err("its compressed image broke the decoder, or asked it for too much memory".to_owned())
        }
    }
}

/// How long one frame may take: hundreds of times what it should, so that a busy machine refuses nothing.
fn patience(format: &PixelFormat) -> Duration {
    Duration::from_secs(10) + Duration::from_micros(4 * format.frame_samples() as u64)
}

/// Address space for one frame beyond what a worker has at its start: JPEG 2000 keeps a few 32-bit copies of a frame.
fn memory(format: &PixelFormat, data: &[u8]) -> u64 {
    (256 << 20) + 24 * format.frame_samples() as u64 + 4 * data.len() as u64
}

fn words(answer: &[u8], format: &PixelFormat) -> Result<Vec<u16>, String> {
    match answer.split_first() {
        Some((&DECODED, bytes)) if bytes.len() == format.frame_samples() * 2 => {
            let mut words: Vec<u16> = bytemuck::pod_collect_to_vec(bytes);
            words.iter_mut().for_each(|word| *word = u16::from_le(*word));
            Ok(words)
        }
        Some((&REFUSED, reason)) => Err(String::from_utf8_lossy(reason).into_owned()),
        _ => Err("its compressed image broke the decoder".into()),
    }
}

/// Serves as worker until the program that started it is done.
///
/// # Errors
/// When that program ends in the middle of a request.
pub fn serve_decode_worker() -> io::Result<()> {
    let limits = Limits::of_this_process();
    serve_helper(|request| match answer(request, &limits) {
        Ok(mut words) => {
            words.iter_mut().for_each(|word| *word = word.to_le());
            [&[DECODED], bytemuck::cast_slice(&words)].concat()
        }
        Err(reason) => {
            let reason: String = reason.chars().take(MAX_REASON / 4).collect();
            [&[REFUSED], reason.as_bytes()].concat()
        }
    })
}

fn answer(request: Vec<u8>, limits: &Limits) -> Result<Vec<u16>, String> {
    let unreadable = || "the decoder did not understand what it was asked".to_owned();
    let (length, rest) = request.split_first_chunk::<4>().ok_or_else(unreadable)?;
    let (head, data) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(unreadable)?;
    let Head { syntax, format } = serde_json::from_slice(head).map_err(|_| unreadable())?;
    limits.allow(memory(&format, data), patience(&format));
    let mut words = decode_here(&syntax, data, &format)?;
    words.truncate(format.frame_samples());
    Ok(words)
}
