//! The program itself on hostile files: status, one sentence, little memory. The time is printed, the worst last.
#![cfg(target_os = "linux")]

use super::alone::{alone, alone_on};
use super::bombs::{MEMORY, Open, Worst, bombs};
use crate::journeys::program::{Ended, program, tree};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

/// How a run of the program ended, and what it took.
struct Run {
    ended: Ended,
    /// Largest resident memory in bytes, of the program and of the processes it waited for.
    memory: usize,
    /// Time of the processor.
    time: Duration,
}

/// Runs the program and looks at what it took. To be called in a process that is itself small: a process begins with
/// the memory of the one that it came from.
#[expect(clippy::zombie_processes, reason = "wait4 waits for it, and says what it took")]
fn run(arguments: &[&OsStr]) -> Run {
    let mut child = program().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| std::io::Read::read_to_end(&mut err, &mut stderr).unwrap());
        std::io::Read::read_to_end(&mut out, &mut stdout).unwrap();
    });
    let mut status = 0;
    // SAFETY: all zeros are a value of this plain structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the process is ours and not yet waited for; both pointers lead to places that outlive the call.
    let waited = unsafe { libc::wait4(child.id() as libc::pid_t, &mut status, 0, &mut usage) };
    assert_eq!(waited, child.id() as libc::pid_t);
    let output = Output { status: std::process::ExitStatus::from_raw(status), stdout, stderr };
    let spent = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    let time = spent(usage.ru_utime) + spent(usage.ru_stime);
    Run { ended: Ended::of(&output), memory: usage.ru_maxrss as usize * 1024, time }
}

/// Lists and converts `path`; what is wrong is added to `wrong`. Tells whether it was converted.
fn survives(name: &str, path: &Path, wrong: &mut Vec<String>, worst: &mut Worst) -> bool {
    let target = tempfile::tempdir().unwrap();
    let out = target.path().join("o.nii.gz");
    let mut converted = false;
    for command in ["info", "convert"] {
        let arguments: Vec<&OsStr> = match command {
            "info" => vec![command.as_ref(), path.as_ref()],
            _ => vec![command.as_ref(), path.as_ref(), out.as_ref()],
        };
        let Run { ended, memory, time } = run(&arguments);
        println!("{:5} ms {:4} MiB, status {:?}: {command} {name}", time.as_millis(), memory >> 20, ended.status);
        worst.add(&format!("{command} {name}"), time, memory);
        let sentence = ended.err.trim_end();
        let ok = match ended.status {
            Some(0) => true,
            Some(1) => sentence.lines().count() == 1 && !sentence.is_empty() && ended.out.is_empty(),
            _ => false,
        };
        let broken = ["panicked", "defect", "overflow"].iter().any(|word| sentence.contains(word));
        if !ok || broken {
            wrong.push(format!("{command} {name}: status {:?}, said {sentence:?}", ended.status));
        }
        if command == "convert" {
            converted = ended.status == Some(0);
            if !converted && !tree(target.path()).is_empty() {
                wrong.push(format!("{command} {name}: left {:?}", tree(target.path())));
            }
        }
        let size = fs::metadata(path).unwrap().len() as usize;
        if memory > MEMORY.max(4 * size) {
            wrong.push(format!("{command} {name}: {} MiB", memory >> 20));
        }
    }
    converted
}

#[test]
fn the_program_refuses_bombs() {
    let prepare = |folder: &Path| {
        for (n, bomb) in bombs().iter().filter(|b| matches!(b.open, Open::Path | Open::Picture)).enumerate() {
            // What must be refused is told apart by the folder's name.
            let kind = if bomb.words.is_empty() { "odd" } else { "bomb" };
            let place = folder.join(format!("{n:03} {kind} {}", bomb.name));
            fs::create_dir(&place).unwrap();
            bomb.write(&place);
        }
    };
    alone_on("hostile::journeys::the_program_refuses_bombs", prepare, |folder| {
        let (mut wrong, mut worst) = (Vec::new(), Worst::default());
        let files: Vec<_> = tree(folder).into_iter().filter(|f| folder.join(f).is_file()).collect();
        assert!(files.len() > 30);
        for file in files {
            let name = file.iter().next().unwrap().to_string_lossy().into_owned();
            let converted = survives(&name, &folder.join(&file), &mut wrong, &mut worst);
            if converted && name.contains(" bomb ") {
                wrong.push(format!("{name}: was converted"));
            }
        }
        println!("{worst}");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn the_program_survives_the_hostile_files() {
    alone("hostile::journeys::the_program_survives_the_hostile_files", || {
        let Some(root) = crate::journeys::real_data::data("hostile-derived") else { return };
        let (mut wrong, mut worst) = (Vec::new(), Worst::default());
        for file in tree(&root) {
            survives(&file.to_string_lossy(), &root.join(&file), &mut wrong, &mut worst);
        }
        println!("{worst}");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn pipes_and_devices_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.nii");
    let path = std::ffi::CString::new(pipe.to_string_lossy().as_bytes()).unwrap();
    // SAFETY: the path is a string that ends in zero and outlives the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let header =
        "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 4 4\nendian: little\nencoding: raw\ndata file: pipe.nii\n\n";
    fs::write(dir.path().join("x.nhdr"), header).unwrap();
    let out = dir.path().join("o.nii.gz");
    for place in [pipe.as_path(), Path::new("/dev/zero"), Path::new("/dev/null"), &dir.path().join("x.nhdr")] {
        maskwright!("info", place).refused(&[]);
        maskwright!("convert", place, out).refused(&[]);
        maskwright!("convert", place, out, "--mask").refused(&[]);
    }
    for ending in ["safetensors", "pth"] {
        let weights = dir.path().join(format!("w.{ending}"));
        std::os::unix::fs::symlink("/dev/zero", &weights).unwrap();
        maskwright!("predict", "--weights", weights, "--recipe", "demo", "--input", dir.path(), "--output", out)
            .refused(&[]);
    }
}
