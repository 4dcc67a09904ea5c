//! Compressed zeros: streams of megabytes that unpack to gigabytes, made without compressing gigabytes.

use flate2::{Compress, Compression, FlushCompress};

/// A raw deflate stream of `head` and then so many megabytes of zeros: 1000 to 1.
pub fn deflate(head: &[u8], megabytes: usize) -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut step = |bytes: &[u8]| {
        let mut out = Vec::with_capacity(bytes.len() / 2 + (1 << 12));
        compress.compress_vec(bytes, &mut out, FlushCompress::Sync).unwrap();
        out
    };
    let zeros = vec![0; 1 << 20];
    let mut out = step(head);
    if megabytes > 0 {
        out.extend(step(&zeros));
        // Ends on a byte and refers to nothing but zeros before it: it can follow itself.
        let again = step(&zeros);
        out.extend(again.repeat(megabytes - 1));
    }
    // A last block that is empty.
    out.extend([3, 0]);
    out
}

/// The same as a zlib stream, whose sum at the end is wrong: nobody should read that far.
pub fn zlib(head: &[u8], megabytes: usize) -> Vec<u8> {
    [&[0x78, 0xDA][..], &deflate(head, megabytes), &[0; 4]].concat()
}

#[test]
fn zeros_come_out() {
    let packed = deflate(b"head", 3);
    let mut inflate = flate2::read::DeflateDecoder::new(packed.as_slice());
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut inflate, &mut bytes).unwrap();
    assert_eq!((bytes.len(), &bytes[..5]), (4 + (3 << 20), &b"head\0"[..]));
    assert!(deflate(&[], 1000).len() < 1100 << 10);
}
