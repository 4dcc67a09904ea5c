//! The program as decode worker: what it decodes, what it is allowed, and what becomes of it.
#![cfg(target_os = "linux")]

use super::alone::alone;
use super::dicom_bombs::jpeg_2000;
use crate::journeys::program::program;
use maskwright::core::Volume;
use maskwright::io::{self, dicom};
use maskwright::jobs::JobContext;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn frame(name: &str) -> Volume {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/frames").join(name);
    io::open_volume(&path, None, &JobContext::detached()).unwrap().0
}

/// Processes that this one started as workers.
fn workers() -> Vec<u32> {
    let own = format!("PPid:\t{}\n", std::process::id());
    let running = fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_string_lossy().parse().ok());
    running
        .filter(|pid: &u32| {
            let read = |what: &str| fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
            read("status").contains(&own) && read("cmdline").contains(dicom::DECODE_WORKER)
        })
        .collect()
}

#[test]
fn foreign_codecs_run_in_a_worker_that_is_kept_and_replaced() {
    alone("hostile::workers::foreign_codecs_run_in_a_worker_that_is_kept_and_replaced", || {
        dicom::use_decode_worker(Path::new(env!("CARGO_BIN_EXE_maskwright")));
        let truth = frame("rle.dcm");
        assert_eq!((truth.geometry().dims(), workers().len()), ([40, 32, 1], 0), "run lengths are decoded here");
        assert_eq!(frame("jpeg2000.dcm").hu(), truth.hu());
        assert_eq!(workers().len(), 0, "and so is the usual JPEG 2000");
        assert_eq!(frame("jpeg2000-causal.dcm").hu(), truth.hu());
        let first = workers();
        assert_eq!(first.len(), 1);
        assert_eq!(frame("jpeg2000-causal.dcm").hu(), truth.hu());
        assert_eq!(workers(), first);
        // SAFETY: a signal to a process of our own.
        assert_eq!(unsafe { libc::kill(first[0] as libc::pid_t, libc::SIGKILL) }, 0);
        let gone = Instant::now();
        // Until it has ended and not only lost its memory: only then can its end be seen by whoever asks next.
        while fs::read_to_string(format!("/proc/{}/status", first[0])).is_ok_and(|text| !text.contains("State:\tZ")) {
            assert!(gone.elapsed() < Duration::from_secs(60));
        }
        assert_eq!(frame("jpeg2000-causal.dcm").hu(), truth.hu());
        assert_eq!((workers().len(), workers() == first), (1, false));
    });
}

fn worker() -> Child {
    program()
        .arg(dicom::DECODE_WORKER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// One message of the worker, or `None` when it has ended.
fn answer(worker: &mut Child) -> Option<Vec<u8>> {
    let output = worker.stdout.as_mut().unwrap();
    let mut length = [0; 8];
    output.read_exact(&mut length).ok()?;
    let mut bytes = vec![0; u64::from_le_bytes(length) as usize];
    output.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// Asks a worker for a frame of `size` squared.
fn ask(worker: &mut Child, size: usize, stream: &[u8]) -> Option<Vec<u8>> {
    let head = format!(
        "{{\"syntax\":\"1.2.840.10008.1.2.4.90\",\"format\":{{\"rows\":{size},\"columns\":{size},\"frames\":1,\
         \"bits_allocated\":16,\"bits_stored\":16,\"high_bit\":15,\"signed\":false,\"photometric\":\"MONOCHROME2\"}}}}"
    );
    let payload = [&(head.len() as u32).to_le_bytes()[..], head.as_bytes(), stream].concat();
    let message = [&(payload.len() as u64).to_le_bytes()[..], &payload].concat();
    // A worker that has ended reads no more.
    let _ = worker.stdin.as_mut().unwrap().write_all(&message);
    answer(worker)
}

#[test]
fn a_worker_keeps_to_its_bounds() {
    // What the program would never pass on: the decoder alone against its limits.
    let tiny = [5, 4, 4, 0, 0, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11];
    let mut worker = worker();
    assert!(answer(&mut worker).unwrap().starts_with(b"maskwright helper"));
    let before = memory(&worker);
    let answered = ask(&mut worker, 4096, &jpeg_2000(4096, 4096, 1, &tiny));
    match answered {
        Some(bytes) => {
            assert_eq!(bytes[0], 1, "refused, in words");
            assert!(String::from_utf8(bytes[1..].to_vec()).unwrap().contains("compressed image"));
            let allowed = (256 << 20) + 24 * 4096 * 4096;
            assert!(memory(&worker) - before < allowed, "{} {}", memory(&worker), before);
        }
        None => assert!(!worker.wait().unwrap().success()),
    }
    let _ = worker.kill();
    let _ = worker.wait();
}

/// Most resident memory so far, in bytes.
fn memory(worker: &Child) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", worker.id())).unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn a_worker_ends_with_its_owner() {
    let mut worker = worker();
    assert!(answer(&mut worker).is_some());
    drop(worker.stdin.take());
    assert!(worker.wait().unwrap().success());
    // Nonsense is answered or ends it, and nothing else.
    for nonsense in [&[0xFF; 64][..], &[8, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4]] {
        let mut worker = self::worker();
        worker.stdin.as_mut().unwrap().write_all(nonsense).unwrap();
        drop(worker.stdin.take());
        worker.wait().unwrap();
    }
}
