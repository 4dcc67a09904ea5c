//! DICOM files that are small and ask for much: memory, time, depth.

use super::bombs::Bomb;
use super::elements::{DEFLATED, EXPLICIT, IMPLICIT, JPEG, JPEG_2000, PIXEL_DATA, RLE, Set, item};
use super::packed;

/// All of them, as files to be written.
pub fn dicom_bombs() -> Vec<Bomb> {
    let mut all = lengths();
    all.extend(nesting());
    all.extend(deflated());
    all.extend(codestreams());
    all.extend(frames());
    all
}

fn bomb(name: &'static str, bytes: Vec<u8>, words: &'static [&'static str]) -> Bomb {
    Bomb::file(name, "x.dcm", bytes, words)
}

fn lengths() -> Vec<Bomb> {
    let private = Set::slice([4, 4], 1, 16).long((0x0009, 0x1010), b"OB", 0xFFFF_FFF0, &[1; 4]);
    let pixels = Set::slice([512, 512], 1, 16).long(PIXEL_DATA, b"OW", 0xFFFF_FFFE, &[1; 4]);
    // Eight bytes each, all of one private tag: a list of a million and more.
    let empty = [0x09, 0, 0x10, 0x10, 0, 0, 0, 0].repeat(1_100_000);
    let frames = Set::slice([4096, 4096], 65_536, 16).bytes(PIXEL_DATA, b"OW", &[0; 64]);
    vec![
        bomb("a length of four gigabytes", private.file(EXPLICIT), &["4294967280 bytes"]),
        bomb("pixels of four gigabytes", pixels.file(EXPLICIT), &["524288 bytes"]),
        bomb("a million elements", Set(empty).file(IMPLICIT), &["more than a million elements"]),
        bomb("two terabytes of frames", frames.file(EXPLICIT), &["4096 x 4096", "65536 frames"]),
    ]
}

fn nesting() -> Vec<Bomb> {
    let open = [0x08, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 255, 255, 255, 255, 0xFE, 0xFF, 0, 0xE0, 255, 255, 255, 255];
    let endless = |depth: usize| Set(open.repeat(depth)).file(EXPLICIT);
    let mut inner = Vec::new();
    for _ in 0..2000 {
        inner = Set::new().bytes((0x0008, 0x1140), b"SQ", &item(&inner)).0;
    }
    // Sequences of eight bytes, each with an item that goes on to the end of the file: read naively, every one doubles
    // the time that the rest takes.
    let doubling = [0x08, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 8, 0, 0, 0, 0xFE, 0xFF, 0, 0xE0, 255, 255, 255, 255];
    let many = Set([&doubling.repeat(60)[..], &[0; 4]].concat());
    vec![
        bomb("two thousand sequences", endless(2000), &["64 deep"]),
        bomb("a hundred thousand sequences", endless(100_000), &["64 deep"]),
        bomb("sequences of known length", Set(inner).file(EXPLICIT), &["64 deep"]),
        bomb("sequences that double", many.file(EXPLICIT), &[]),
    ]
}

/// A deflated file of `set` and then megabytes of nothing.
fn deflate(set: &Set, megabytes: usize) -> Vec<u8> {
    [Set::new().file(DEFLATED), packed::deflate(&set.0, megabytes)].concat()
}

fn deflated() -> Vec<Bomb> {
    // What is not written is not needed: the header alone says how much there would be.
    let header = Set::slice([4, 4], 1, 16).long((0x0009, 0x1010), b"OB", 2 << 30, &[]);
    let small = Set::slice([4, 4], 1, 16).long((0x0009, 0x1010), b"OB", 60 << 20, &[]);
    let pixels = Set::slice([512, 512], 4096, 16).long(PIXEL_DATA, b"OW", 2 << 30, &[]);
    vec![
        bomb("a deflated header of two gigabytes", deflate(&header, 64), &["header asks for"]),
        bomb("a deflated header of 60 megabytes", deflate(&small, 64), &["32 times"]),
        bomb("deflated pixels of two gigabytes", deflate(&pixels, 64), &["2147483648 bytes"]),
    ]
}

/// A JPEG whose frame header claims a size, and nothing else.
fn jpeg([columns, rows]: [u16; 2]) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8];
    bytes.extend([rows.to_be_bytes(), columns.to_be_bytes()].concat());
    bytes.extend([1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
    bytes.extend([0x5A; 32]);
    bytes
}

/// A JPEG 2000 codestream of `size` squared in tiles of `tile`, with a coding style of these bytes.
pub fn jpeg_2000(size: u32, tile: u32, layers: u16, style: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0];
    for value in [size, size, 0, 0, tile, tile, 0, 0] {
        bytes.extend(value.to_be_bytes());
    }
    bytes.extend([0, 1, 15, 1, 1]);
    let flags = u8::from(style.len() > 5);
    bytes.extend(
        [&[0xFF, 0x52][..], &(7 + style.len() as u16).to_be_bytes(), &[flags, 0], &layers.to_be_bytes(), &[0], style]
            .concat(),
    );
    // No quantisation, an exponent for each band.
    let bands = 3 * style[0] + 1;
    bytes.extend([0xFF, 0x5C, 0, 3 + bands, 0x40]);
    bytes.extend(vec![0x80; usize::from(bands)]);
    bytes.extend([0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0x93]);
    bytes.extend([0x80; 200]);
    bytes.extend([0xFF, 0xD9]);
    bytes
}

fn codestreams() -> Vec<Bomb> {
    let one = |size: [u16; 2], bits, stream: &[u8], syntax| Set::slice(size, 1, bits).fragments(&[stream]).file(syntax);
    let j2k = |stream: &[u8]| one([4096, 4096], 16, stream, JPEG_2000);
    let tiny = [5, 4, 4, 0, 0, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11];
    vec![
        bomb("a JPEG of 65500 x 65500", one([65500, 65500], 8, &jpeg([65500, 65500]), JPEG), &["65500 x 65500"]),
        bomb("a JPEG larger than its header says", one([64, 64], 8, &jpeg([65500, 65500]), JPEG), &["65500 x 65500"]),
        bomb(
            "a JPEG of 4096 x 4096 in a few bytes",
            one([4096, 4096], 8, &jpeg([4096, 4096]), JPEG),
            &["compressed image"],
        ),
        bomb("a JPEG 2000 of millions of precincts", j2k(&jpeg_2000(4096, 4096, 1, &tiny)), &["precincts"]),
        bomb("a JPEG 2000 of millions of packets", j2k(&jpeg_2000(4096, 64, 65535, &[5, 4, 4, 0, 1])), &["packets"]),
        bomb("a JPEG 2000 of millions of blocks", j2k(&jpeg_2000(4096, 4096, 1, &[0, 0, 0, 0, 1])), &["blocks"]),
        bomb("a JPEG 2000 of millions of tiles", j2k(&jpeg_2000(4096, 1, 1, &[0, 4, 4, 0, 1])), &["JPEG 2000"]),
        bomb("a run-length frame of 4096 x 4096 in 64 bytes", one([4096, 4096], 16, &[2; 64], RLE), &["damaged"]),
    ]
}

/// An enhanced image with these shared groups and items of its frames, and pixels for none of them.
fn enhanced(extra: Set, shared: &Set, frames: &[u8], count: usize) -> Vec<u8> {
    let mut set = Set::slice([1, 1], count, 8);
    set.0.extend(extra.0);
    set.sequence((0x5200, 0x9229), std::slice::from_ref(shared))
        .bytes((0x5200, 0x9230), b"SQ", frames)
        .bytes(PIXEL_DATA, b"OB", &vec![0; count.next_multiple_of(2)])
        .file(EXPLICIT)
}

fn frames() -> Vec<Bomb> {
    let places = |place: &dyn Fn(usize) -> Set| -> Vec<u8> { (0..65_536).flat_map(|n| item(&place(n).0)).collect() };
    let long = "1\\".repeat(500_000);
    let measures = Set::new().text((0x0028, 0x0030), b"DS", "1\\1").bytes((0x0018, 0x0050), b"UT", long.as_bytes());
    let heavy = Set::new().sequence((0x0028, 0x9110), &[measures]);
    let types = Set::new().bytes((0x0008, 0x0008), b"UC", long.as_bytes());
    let at = |n: usize, cosines: String| {
        let z = (n * n % 65_521) as f64 * 0.37;
        let position = Set::new().text((0x0020, 0x0032), b"DS", &format!("0\\0\\{z}"));
        let orientation = Set::new().text((0x0020, 0x0037), b"DS", &cosines);
        Set::new().sequence((0x0020, 0x9113), &[position]).sequence((0x0020, 0x9116), &[orientation])
    };
    let plain = "1\\0\\0\\0\\1\\0";
    let uneven = places(&|n| at(n, plain.into()));
    let turned = places(&|n| {
        let (sin, cos) = (n as f64 * 0.01).sin_cos();
        at(n, format!("{cos:.6}\\{sin:.6}\\0\\{:.6}\\{cos:.6}\\0", -sin))
    });
    let private = Set([0x09, 0, 0x10, 0x10, b'L', b'O', 0, 0].repeat(300_000));
    let empty = item(&[]);
    let none: Vec<&[u8]> = vec![&[]; 65_536];
    let claims = Set::slice([181, 181], 65_536, 16).fragments(&none).file(RLE);
    let cut = Set::slice([64, 64], 1, 16).fragments(&vec![&[][..]; 1_100_000]).file(RLE);
    vec![
        bomb("more places than frames", enhanced(private, &Set::new(), &empty.repeat(300_000), 2), &["says where"]),
        bomb("frames that share a long text", enhanced(types, &heavy, &empty.repeat(65_536), 65_536), &[]),
        bomb("frames at 65536 places", enhanced(Set::new(), &heavy, &uneven, 65_536), &[]),
        bomb("frames in as many directions", enhanced(Set::new(), &heavy, &turned, 65_536), &[]),
        bomb("four gigabytes of frames in empty fragments", claims, &["181 x 181"]),
        bomb("a million fragments", cut, &["fragments"]),
    ]
}
