//! The rules of the house, checked on the source text: floors, outer crates, module heads, file sizes, panics.
//!
//! The floors are those of `ARCHITECTURE.md`; a module may use the modules listed beside it and nothing else of ours.

mod source;

use source::{Source, is_word};
use std::fs;
use std::path::Path;

/// Module, floor, what it may use. `cli`, `app` and the crate roots may use everything.
const FLOORS: [(&str, u8, &[&str]); 18] = [
    ("core", 0, &[]),
    ("jobs", 0, &[]),
    ("io", 1, &["core", "jobs"]),
    ("edit", 1, &["core"]),
    ("metrics", 1, &["core", "jobs"]),
    ("kernels", 0, &[]),
    ("nn", 1, &["core", "jobs", "kernels"]),
    ("render", 1, &["core"]),
    ("phantom", 1, &["core"]),
    ("train", 2, &["core", "jobs", "io", "edit", "metrics", "nn"]),
    ("predict", 2, &["core", "jobs", "edit", "nn"]),
    ("learn", 2, &["core", "jobs", "io", "nn", "train"]),
    ("report", 2, &["core", "metrics"]),
    (
        "workspace",
        3,
        &["core", "jobs", "io", "edit", "metrics", "nn", "phantom", "train", "predict", "learn", "report"],
    ),
    ("tools", 4, &["core", "edit", "workspace"]),
    (
        "ui",
        5,
        &[
            "core",
            "jobs",
            "io",
            "edit",
            "metrics",
            "nn",
            "render",
            "phantom",
            "train",
            "predict",
            "learn",
            "report",
            "workspace",
            "tools",
        ],
    ),
    ("app", 6, ALL),
    ("cli", 6, ALL),
];

const ALL: &[&str] = &[
    "core",
    "jobs",
    "io",
    "edit",
    "metrics",
    "kernels",
    "nn",
    "render",
    "phantom",
    "train",
    "predict",
    "learn",
    "report",
    "workspace",
    "tools",
    "ui",
    "app",
    "cli",
];

/// Crates that only some places may name: the crate (or, ending in `*`, all that start so) and those places.
const OUTER: [(&str, &[&str]); 7] = [
    ("egui*", &["src/ui", "src/app"]),
    ("eframe", &["src/ui", "src/app"]),
    ("epaint", &["src/ui", "src/app"]),
    ("wgpu", &["src/render", "src/nn/device", "src/ui/viewer", "src/app"]),
    ("burn*", &["src/nn", "src/train", "src/predict"]),
    ("cubecl*", &["src/nn", "src/train", "src/predict"]),
    ("dicom_*", &["src/io"]),
];

const MAX_LINES: usize = 500;

/// One broken rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    path: String,
    line: usize,
    text: String,
}

#[test]
fn the_source_keeps_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "shaders"] {
        read_folder(root, folder, &mut files);
    }
    assert!(files.iter().any(|f| f.path == "src/lib.rs"), "no source under {}", root.display());
    let violations = check(&files);
    let list: String = violations.iter().map(|v| format!("{}:{}: {}\n", v.path, v.line, v.text)).collect();
    assert!(violations.is_empty(), "{} broken rules:\n{list}", violations.len());
}

fn read_folder(root: &Path, folder: &str, files: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    for entry in entries.map(|e| e.unwrap()) {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            read_folder(root, &path, files);
        } else if path.ends_with(".rs") || path.ends_with(".wgsl") {
            files.push(Source::new(path, fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

fn check(files: &[Source]) -> Vec<Violation> {
    let test_files = test_files(files);
    let mut found = Vec::new();
    for file in files {
        let all_tests = test_files.iter().any(|t| under(&file.path, t));
        let mut report = |at: usize, text: String| {
            found.push(Violation { path: file.path.clone(), line: file.line(at), text });
        };
        let lines = file.text.lines().count();
        if lines > MAX_LINES {
            report(file.text.len(), format!("{lines} lines; split what is above {MAX_LINES}"));
        }
        if !file.path.ends_with(".rs") {
            continue;
        }
        if !file.text.starts_with("//!") {
            report(0, "does not start with `//!`: say what the module owns and who may call it".into());
        }
        if file.path.starts_with("src/") {
            check_floors(file, all_tests, &mut report);
            check_outer_crates(file, &mut report);
            if !all_tests {
                check_panics(file, &mut report);
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Paths, without `.rs`, of modules that only tests compile.
fn test_files(files: &[Source]) -> Vec<String> {
    let mut paths = Vec::new();
    for file in files {
        let stem = file.path.trim_end_matches(".rs");
        let parent = match stem.rsplit_once('/') {
            Some((folder, "mod" | "lib" | "base" | "main")) => folder,
            _ => stem,
        };
        paths.extend(file.test_files.iter().map(|name| format!("{parent}/{name}")));
    }
    paths
}

/// Whether `path` is the module `place` (a path without `.rs`) or lies within it.
fn under(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn check_floors(file: &Source, all_tests: bool, report: &mut impl FnMut(usize, String)) {
    let Some(module) = file.path["src/".len()..].split_once('/').map(|(folder, _)| folder).or_else(|| top_file(file))
    else {
        return;
    };
    let Some(&(_, floor, allowed)) = FLOORS.iter().find(|(name, ..)| *name == module) else {
        report(0, format!("`{module}` is on no floor: add it to ARCHITECTURE.md and to FLOORS here"));
        return;
    };
    for (at, used) in crate_paths(file) {
        let Some(&(_, used_floor, _)) = FLOORS.iter().find(|(name, ..)| *name == used) else {
            report(at, format!("`crate::{used}` is none of the modules of the house"));
            continue;
        };
        // Tests may take their material from any module that is not above.
        let test = all_tests || file.is_test(at);
        if used != module && !allowed.contains(&used.as_str()) && !(test && used_floor <= floor) {
            let upward = if used_floor > floor { "upward import" } else { "import beside the floor table" };
            report(at, format!("{upward}: `{module}` (floor {floor}) must not use `{used}` (floor {used_floor})"));
        }
    }
    check_supers(file, report);
}

/// `src/name.rs` is the module `name`; the crate roots are none.
fn top_file(file: &Source) -> Option<&str> {
    let name = file.path["src/".len()..].strip_suffix(".rs")?;
    (!["lib", "base", "main"].contains(&name)).then_some(name)
}

/// The first part behind each `crate::`, those in braces one by one.
fn crate_paths(file: &Source) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    for word in file.words().iter().filter(|w| w.text == "crate") {
        let Some(behind) = file.follows(word.at + word.text.len(), "::") else { continue };
        let start = file.skip_space(behind);
        if file.code.get(start) != Some(&b'{') {
            paths.push((word.at, word_at(file, start)));
            continue;
        }
        let end = file.close(start) - 1;
        let mut at = start + 1;
        while at < end {
            let item = file.skip_space(at);
            if is_word(*file.code.get(item).unwrap_or(&b' ')) {
                paths.push((item, word_at(file, item)));
            }
            at = item;
            while at < end && file.code[at] != b',' {
                at = if file.code[at] == b'{' { file.close(at) } else { at + 1 };
            }
            at += 1;
        }
    }
    paths
}

fn word_at(file: &Source, at: usize) -> String {
    file.code[at..].iter().take_while(|&&b| is_word(b)).map(|&b| char::from(b)).collect()
}

/// `super::super::…` must not climb out of the top module: such an import would escape the floor table.
fn check_supers(file: &Source, report: &mut impl FnMut(usize, String)) {
    let parts = file.path["src/".len()..].trim_end_matches(".rs").split('/');
    let depth = parts.filter(|p| *p != "mod").count();
    for word in file.words().iter().filter(|w| w.text == "super" && !file.precedes(w.at, "::")) {
        let mut supers = 0;
        let mut at = word.at;
        while let Some(next) = file.follows(at, "super").and_then(|a| file.follows(a, "::")) {
            supers += 1;
            at = next;
        }
        if supers >= depth + file.inline_depth(word.at) {
            report(word.at, "`super` reaches the crate's root: write `crate::…`".into());
        }
    }
}

fn check_outer_crates(file: &Source, report: &mut impl FnMut(usize, String)) {
    for word in file.words() {
        let named = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => word.text.starts_with(start),
            None => word.text == pattern,
        };
        let Some((_, places)) = OUTER.iter().find(|(pattern, _)| named(pattern)) else { continue };
        let is_path = file.follows(word.at + word.text.len(), "::").is_some() || file.precedes(word.at, "use");
        // `a::wgpu::b` names an item of ours; `::wgpu` and `wgpu` name the crate.
        let before = file.code[..word.at].trim_ascii_end();
        let is_first = before.strip_suffix(b"::").is_none_or(|b| !b.last().is_some_and(|&b| is_word(b)));
        if is_path && is_first && !places.iter().any(|p| under(&file.path, p)) {
            report(word.at, format!("`{}` is used outside {}", word.text, places.join(", ")));
        }
    }
}

fn check_panics(file: &Source, report: &mut impl FnMut(usize, String)) {
    for word in file.words().iter().filter(|w| !file.is_test(w.at)) {
        let behind = word.at + word.text.len();
        let method = file.precedes(word.at, ".");
        let panics = match word.text {
            "unwrap" => method && file.follows(behind, "()").is_some(),
            "expect" => method && file.follows(behind, "(").is_some(),
            "todo" | "unimplemented" | "dbg" => file.follows(behind, "!").is_some(),
            _ => false,
        };
        if panics {
            report(word.at, format!("`{}` outside tests: give back an error instead", word.text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        check(&[Source::new(path, text)]).into_iter().map(|v| (v.line, v.text)).collect()
    }

    fn lines(path: &str, text: &str) -> Vec<usize> {
        found(path, text).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn imports_keep_to_the_floor_table() {
        assert!(found("src/io/a.rs", "//! A.\nuse crate::core::Volume;\nuse crate::io::b;\n").is_empty());
        assert_eq!(
            found("src/io/a.rs", "//! A.\n\nuse crate::ui::Panel;\n"),
            [(3, "upward import: `io` (floor 1) must not use `ui` (floor 5)".to_owned())]
        );
        assert_eq!(lines("src/edit/a.rs", "//! A.\nuse crate::jobs::spawn;\n"), [2]);
        assert_eq!(lines("src/core/a.rs", "//! A.\nfn f() -> crate::jobs::X {}\n"), [2]);
        let group = "//! A.\nuse crate::{\n    core::{Volume, ui},\n    train::{self, a::b},\n    app,\n};\n";
        assert_eq!(lines("src/io/mod.rs", group), [4, 5]);
        assert_eq!(lines("src/io.rs", "//! A.\nuse crate::cli;\n"), [2]);
        assert_eq!(lines("src/shed/a.rs", "//! A.\n"), [1]);
        assert_eq!(lines("src/io/a.rs", "//! A.\nuse crate::shed::X;\n"), [2]);
        assert!(found("src/main.rs", "//! A.\nuse crate::ui::X;\n").is_empty());
    }

    #[test]
    fn supers_stay_within_the_module() {
        assert!(found("src/io/a/b.rs", "//! A.\nuse super::super::x;\nuse super::y;\n").is_empty());
        assert_eq!(lines("src/io/a.rs", "//! A.\nuse super::super::ui::X;\n"), [2]);
        assert_eq!(lines("src/io/mod.rs", "//! A.\nuse super::core::X;\n"), [2]);
        assert!(found("src/io/mod.rs", "//! A.\nmod a {\n    use super::b;\n}\n").is_empty());
    }

    #[test]
    fn comments_literals_and_tests_do_not_count() {
        let text = "//! A: crate::ui.\n/* crate::ui /* nested */ .unwrap() */\nconst A: &str = \"crate::ui \\\" .unwrap()\";\n\
                    const B: &str = r#\"\" crate::app .unwrap()\"#;\nfn f<'a>(x: &'a str) -> char { '\"' }\n\
                    #[cfg(test)]\nmod tests {\n    fn g() { a.unwrap(); todo!(); use crate::metrics::x; }\n}\n";
        assert!(found("src/io/a.rs", text).is_empty(), "{:?}", found("src/io/a.rs", text));
        let above = "//! A.\n#[cfg(test)]\nmod tests {\n    use crate::train::x;\n}\nfn f() { a.unwrap() }\n";
        assert_eq!(lines("src/io/a.rs", above), [4, 6]);
        assert_eq!(lines("src/io/a.rs", "//! A.\n#[cfg(not(test))]\nfn f() { a.unwrap() }\n"), [3]);
        let after_a_quote = "//! A.\nconst Q: char = '\\'';\nconst U: char = 'µ';\nfn f() { a.unwrap() }\n";
        assert_eq!(lines("src/io/a.rs", after_a_quote), [4]);
    }

    #[test]
    fn files_of_test_modules_are_tests() {
        let files = [
            Source::new("src/io/mod.rs", "//! A.\n#[cfg(test)]\nmod tests;\nmod plain;\n"),
            Source::new("src/io/tests.rs", "//! A.\nfn f() { a.unwrap(); use crate::edit::x; }\n"),
            Source::new("src/io/tests/deep.rs", "//! A.\nfn f() { a.expect(\"b\"); }\n"),
            Source::new("src/io/plain.rs", "//! A.\nfn f() { a.expect(\"b\"); }\n"),
        ];
        let found: Vec<_> = check(&files).into_iter().map(|v| v.path).collect();
        assert_eq!(found, ["src/io/plain.rs"]);
    }

    #[test]
    fn outer_crates_have_their_places() {
        let egui = "//! A.\nuse egui::Ui;\n";
        assert!(found("src/ui/a.rs", egui).is_empty());
        assert_eq!(lines("src/workspace/a.rs", egui), [2]);
        assert_eq!(lines("src/cli/a.rs", "//! A.\nfn f(x: egui_plot::Plot) {}\n"), [2]);
        assert_eq!(lines("src/metrics/a.rs", "//! A.\nuse burn;\n"), [2]);
        assert_eq!(lines("src/ui/a.rs", "//! A.\nfn f(d: &wgpu::Device) {}\n"), [2]);
        assert!(found("src/ui/viewer/a.rs", "//! A.\nfn f(d: &wgpu::Device) {}\n").is_empty());
        assert!(found("src/nn/device.rs", "//! A.\nfn f(d: &wgpu::Device) {}\n").is_empty());
        assert_eq!(lines("src/train/a.rs", "//! A.\nfn f(d: dicom_object::Tag, e: self::wgpu::X) {}\n"), [2]);
        assert_eq!(lines("src/train/a.rs", "//! A.\nuse ::wgpu::X;\n"), [2]);
    }

    #[test]
    fn heads_sizes_and_panics() {
        assert_eq!(lines("src/io/a.rs", "use std::fs;\n"), [1]);
        assert_eq!(lines("shaders/a.wgsl", &"\n".repeat(501)), [502]);
        assert_eq!(lines("tests/a.rs", &format!("//! A.\n{}", "\n".repeat(500))), [502]);
        let panics = "//! A.\nfn f() {\n    a.unwrap();\n    b.expect(\"c\");\n    todo!()\n}\nfn expect(unwrap: u8) {}\nfn g() { a.unwrap_or(1) }\n";
        assert_eq!(lines("src/io/a.rs", panics), [3, 4, 5]);
    }
}
