//! Small files of every other kind that ask for much.

use super::bombs::{Bomb, Open};
use super::elements::{EXPLICIT, Set};
use super::packed::zlib;
use super::seeds::{Kind, seeds};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// All of them, as files to be written.
pub fn other_bombs() -> Vec<Bomb> {
    let mut all = nifti();
    all.extend(nrrd());
    all.extend(pictures());
    all.extend(contours());
    all.extend(own());
    all.extend(weights());
    all
}

/// A gzip stream of `head` and then `megabytes` of zeros, 16 to a member: 1000 to 1.
fn gzip(head: &[u8], megabytes: usize) -> Vec<u8> {
    let pack = |bytes: &[u8]| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    let zeros = pack(&vec![0; 16 << 20]);
    [pack(head), zeros.repeat(megabytes / 16)].concat()
}

/// A NIfTI-1 header of 16-bit samples, and the four bytes after it.
fn nifti_head(dims: [i16; 3], vox_offset: f32) -> Vec<u8> {
    let mut head = vec![0; 352];
    let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_le_bytes());
    for (n, size) in [3, dims[0], dims[1], dims[2], 1, 1, 1, 1].iter().enumerate() {
        put(40 + 2 * n, &size.to_le_bytes());
    }
    put(70, &4i16.to_le_bytes());
    put(72, &16i16.to_le_bytes());
    for n in 0..4 {
        put(76 + 4 * n, &1f32.to_le_bytes());
    }
    put(108, &vox_offset.to_le_bytes());
    put(344, b"n+1\0");
    head
}

fn nifti() -> Vec<Bomb> {
    let packed = |name, head: Vec<u8>, megabytes, words| Bomb::file(name, "x.nii.gz", gzip(&head, megabytes), words);
    let plain = |name, head, words| Bomb::file(name, "x.nii", head, words);
    vec![
        packed(
            "five gigabytes behind a small header",
            nifti_head([64, 64, 64], 352.0),
            5120,
            &["more than the 524288 bytes"],
        ),
        packed("four gigabytes as the header says", nifti_head([1290, 1290, 1290], 352.0), 4096, &["from a file of"]),
        packed("sixty megabytes to skip", nifti_head([64, 64, 64], 6e7), 64, &[]),
        packed("a place that is no number", nifti_head([64, 64, 64], f32::NAN), 16, &["NaN"]),
        plain("a place that is no number, plain", nifti_head([64, 64, 64], f32::NAN), &["NaN"]),
        plain("as many voxels as can be said", nifti_head([32767; 3], 352.0), &["too large"]),
        plain("two gigabytes in no bytes", nifti_head([1000; 3], 352.0), &["2000000000 bytes"]),
        plain("sizes below zero", nifti_head([-4; 3], 352.0), &["size"]),
    ]
}

fn nrrd() -> Vec<Bomb> {
    let head = |sizes: &str, dimension: usize, rest: &str| {
        format!(
            "NRRD0004\ntype: short\ndimension: {dimension}\nsizes: {sizes}\nendian: little\nencoding: gzip\n{rest}\n"
        )
        .into_bytes()
    };
    let gzipped = |rest: &str, megabytes| [head("64 64 64", 3, rest), gzip(&[], megabytes)].concat();
    let lines: String = (0..900_000).map(|n| format!("k{n:x}:\n")).collect();
    let detached = |name: &str| {
        format!(
            "NRRD0004\ntype: short\ndimension: 3\nsizes: 64 64 64\nendian: little\nencoding: raw\ndata file: {name}\n\n"
        )
    };
    vec![
        Bomb::file(
            "a billion bytes to unpack and skip",
            "x.nrrd",
            gzipped("byte skip: 4000000000\n", 4096),
            &["too short"],
        ),
        Bomb::file("more than the header says", "x.nrrd", gzipped("", 4096), &["more than the 524288 bytes"]),
        Bomb::file("two million axes", "x.nrrd", head(&"1 ".repeat(2_000_000), 2_000_000, ""), &["axes"]),
        Bomb::file("a million lines", "x.nrrd", head("4 4 4", 3, &lines), &["header"]),
        Bomb::file("a header without an end", "x.nrrd", head("4 4 4", 3, &"a".repeat(9 << 20)), &["header"]),
        Bomb::file("data in a device", "x.nhdr", detached("/dev/zero").into_bytes(), &["outside its own folder"]),
    ]
}

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(body);
    [&(body.len() as u32).to_be_bytes()[..], kind, body, &crc.sum().to_be_bytes()].concat()
}

/// A PNG of RGBA pixels of 16 bits.
fn png(size: [u32; 2], extra: &[u8], data: &[u8]) -> Vec<u8> {
    let header = [&size[0].to_be_bytes()[..], &size[1].to_be_bytes(), &[16, 6, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n", &chunk(b"IHDR", &header)[..], extra, &chunk(b"IDAT", data), &chunk(b"IEND", &[])].concat()
}

fn pictures() -> Vec<Bomb> {
    let profile = chunk(b"iCCP", &[&b"x\0\0"[..], &zlib(&[], 100)].concat());
    let text = chunk(b"zTXt", &[&b"x\0\0"[..], &zlib(&[], 100)].concat());
    let small = || zlib(&[0; 1000], 0);
    vec![
        Bomb::file("a picture of 65500 x 65500", "x.png", png([65500, 65500], &[], &small()), &["65500x65500"]),
        Bomb::file("a picture of 20 x 18 with 100 megabytes behind", "x.png", png([20, 18], &[], &zlib(&[], 100)), &[]),
        Bomb::file("a colour profile of 100 megabytes", "x.png", png([20, 18], &profile, &small()), &["x.png"]),
        Bomb::file("a comment of 100 megabytes", "x.png", png([20, 18], &text, &small()), &["x.png"]),
    ]
    .into_iter()
    .map(|bomb| bomb.of(Open::Picture))
    .collect()
}

/// A structure set of many regions that all take the same many contours.
fn contours() -> Vec<Bomb> {
    let roi = Set::new().text((0x3006, 0x0022), b"IS", "1").text((0x3006, 0x0026), b"LO", "x");
    let contour = Set::new().text((0x3006, 0x0042), b"CS", "CLOSED_PLANAR").text(
        (0x3006, 0x0050),
        b"DS",
        "-5\\5\\11\\4\\5\\11\\4\\12\\11\\-5\\12\\11",
    );
    let drawn = Set::new().sequence((0x3006, 0x0040), &vec![contour; 30_000]).text((0x3006, 0x0084), b"IS", "1");
    let empty = Set::new().text((0x3006, 0x0084), b"IS", "2");
    let set = |contours: &[Set]| {
        Set::new()
            .text((0x0008, 0x0016), b"UI", "1.2.840.10008.5.1.4.1.1.481.3")
            .text((0x0008, 0x0060), b"CS", "RTSTRUCT")
            .sequence((0x3006, 0x0020), &vec![roi.clone(); 255])
            .sequence((0x3006, 0x0039), contours)
            .file(EXPLICIT)
    };
    vec![
        Bomb::file("255 regions with the same 30000 contours", "x.dcm", set(&[drawn]), &[]),
        Bomb::file("300000 empty lists of contours", "x.dcm", set(&vec![empty; 300_000]), &[]),
    ]
}

/// A file that a seed is made of.
fn seed(kind: Kind, ending: &str) -> (String, Vec<u8>) {
    let seed = seeds().iter().find(|s| s.kind == kind && s.file.ends_with(ending)).unwrap();
    (seed.file.clone(), seed.bytes.clone())
}

fn own() -> Vec<Bomb> {
    let (_, manifest) = seed(Kind::Project, ".ron");
    let manifest = String::from_utf8(manifest).unwrap();
    let bricks = seed(Kind::Project, ".bin");
    let image = seed(Kind::Project, ".nrrd");
    let project = |name, text: String, words| Bomb {
        name,
        open: Open::Project,
        files: vec![("project.ron".to_owned(), text.into_bytes()), bricks.clone(), image.clone()],
        words,
    };
    let large = manifest.replacen("dims: (20, 18, 3)", "dims: (32000, 32000, 2)", 1);
    assert_ne!(large, manifest);
    // The list of layers, with its only layer again and again.
    let start = manifest.find("layers: [").unwrap() + "layers: [".len();
    let end = manifest[start..].find("    view:").map(|n| manifest[..start + n].rfind(']').unwrap()).unwrap();
    let repeated = |text: &str, times: usize| {
        let at = text.find("layers: [").unwrap() + "layers: [".len();
        format!("{}{}{}", &text[..at], text[at..at + end - start].repeat(times), &text[at + end - start..])
    };
    let deep = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    let cases = seeds().iter().find(|s| s.kind == Kind::Declaration).unwrap().beside.clone();
    let declared = format!("{{\"labels\": {}}}", deep("{\"a\":", "}", 200_000));
    let file = |name, file: &str, text: String, words| Bomb::file(name, file, text.into_bytes(), words);
    vec![
        project("a project of two thousand large layers", repeated(&large, 2000), &["more layers than can be held"]),
        project("a project of brackets", deep("(", ")", 1_000_000), &["project.ron, line 1"]),
        project(
            "a project with a deep name",
            manifest.replacen("name: \"Case 1\"", &format!("name: {}", deep("[", "]", 500_000)), 1),
            &["line"],
        ),
        journal("a journal of half a million layers", 500_000, b"", 0),
        journal("a journal with bricks of 400 megabytes", 1, &zlib(&[], 400), u32::MAX),
        file("a recipe of brackets", "x.ron", deep("(", ")", 300_000), &["x.ron"]).of(Open::Recipe),
        file("a recipe of two megabytes", "x.ron", " ".repeat(2 << 20), &["larger than 1048576 bytes"])
            .of(Open::Recipe),
        Bomb {
            files: [vec![("dataset.json".into(), declared.into_bytes())], cases].concat(),
            ..file("a declaration of brackets", "", String::new(), &["dataset.json"])
        }
        .of(Open::Declaration),
    ]
}

/// A journal on a grid of four million bricks, with one entry again and again.
fn journal(name: &'static str, entries: usize, bricks: &[u8], count: u32) -> Bomb {
    let frame = |payload: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(payload);
        [&(payload.len() as u32).to_le_bytes()[..], &crc.sum().to_le_bytes(), payload].concat()
    };
    let (_, bytes) = seed(Kind::Journal, "journal.mwj");
    let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let head = String::from_utf8(bytes[16..16 + length].to_vec()).unwrap();
    let large = head.replacen("(20,18,3)", "(32000,32000,2)", 1);
    assert_ne!(head, large);
    let text = format!(
        "(layer:(3),change:Put,meta:Some((id:(3),name:\"x\",segments:[],origin:Human,visible:true)),bricks:{count})"
    );
    let payload = [&(text.len() as u32).to_le_bytes()[..], text.as_bytes(), bricks].concat();
    let file = [&bytes[..8], &frame(large.as_bytes()), &frame(&payload).repeat(entries)].concat();
    Bomb::file(name, "journal.mwj", file, &["torn"]).of(Open::Journal)
}

fn weights() -> Vec<Bomb> {
    let text = br#"{"a":{"dtype":"F32","shape":[1000000000],"data_offsets":[0,4000000000]}}"#;
    let claims = [&(text.len() as u64).to_le_bytes()[..], text].concat();
    let deep = [&[0x80, 2][..], &[b']'; 300_000], b"."].concat();
    vec![
        Bomb::file("weights with a header of exabytes", "x.safetensors", u64::MAX.to_le_bytes().to_vec(), &["damaged"])
            .of(Open::Weights),
        Bomb::file("weights of four gigabytes in a header", "x.safetensors", claims, &["damaged"]).of(Open::Weights),
        Bomb::file("a pickle of brackets", "x.pth", deep, &["x.pth"]).of(Open::Weights),
    ]
}
