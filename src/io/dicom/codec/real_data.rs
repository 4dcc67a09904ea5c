//! Compressed frames of real files against other readers, skipped by name where the data is missing.

use crate::io::dicom::frames::FrameFile;
use crate::io::dicom::real_data::data;

/// Stored values of all frames, signed as the header says.
fn values(file: &FrameFile) -> Vec<i64> {
    let format = &file.format;
    let unused = 64 - u32::from(format.bits_stored);
    let value = |word: u16| {
        let top = i64::from(word >> (format.high_bit + 1 - format.bits_stored)) << unused;
        if format.signed { top >> unused } else { (top as u64 >> unused) as i64 }
    };
    (0..format.frames).flat_map(|frame| file.read_words(frame).unwrap()).map(value).collect()
}

#[test]
fn compressed_frames_hold_what_pydicom_decodes() {
    // Lowest and highest value, and the sum of all values times (index modulo 251, plus 1), by pydicom 3.0.2 with
    // pyjpegls 1.4.0 (JPEG-LS), python-gdcm 3.2.6 (lossless JPEG) and pylibjpeg-openjpeg 2.3.0 (JPEG 2000).
    for (name, low, high, sum) in [
        ("fodicom-odd/D_CLUNIE_CT1_RLE_FRAGS.dcm", -2000, 2278, 5_019_101_104i64),
        ("fodicom-odd/IM-0001-0001-0001.dcm", 0, 2480, 33_091_054_119),
        ("dicom2nifti-failing/compressed/001/IM-0001-0002-0001.dcm", 0, 254, 1_048_880_556),
        ("dicom2nifti-failing/compressed_jpeg/001/IM-0001-0002-0001.dcm", 0, 254, 1_048_880_556),
        ("dicom2nifti-failing/compressed_jpegls/001/IM-0001-0002-0001.dcm", 0, 254, 1_048_880_556),
        ("dicom2nifti-failing/compressed_rle/001/IM-0001-0002-0001.dcm", 0, 254, 1_048_880_556),
        ("pydicom-odd/693_J2KI.dcm", -2971, 2836, -402_459_398),
        ("pydicom-odd/693_J2KR.dcm", -2000, 2492, -505_973_390),
        ("pydicom-odd/JLSL_16_15_1_1F.dcm", -16384, 16383, -8_109_915_832),
        ("pydicom-odd/JPEG-LL.dcm", 0, 278, 458_584_381),
        ("pydicom-odd/JPEG2000.dcm", -30, 245, 448_826_792),
        ("pydicom-odd/JPEGLSNearLossless_08.dcm", 0, 255, 1_663_255),
        ("pydicom-odd/MR_small_RLE.dcm", 127, 2145, 264_991_985),
        ("pydicom-odd/MR_small_jp2klossless.dcm", 127, 2145, 264_991_985),
        ("pydicom-odd/MR_small_jpeg_ls_lossless.dcm", 127, 2145, 264_991_985),
        ("pydicom-odd/bad_sequence.dcm", 13, 2267, 31_288_268_292),
        ("pydicom-odd/emri_small_RLE.dcm", 0, 467, 565_018_479),
        ("pydicom-odd/emri_small_jpeg_ls_lossless.dcm", 0, 467, 565_018_479),
    ] {
        let Some(path) = data(name) else { continue };
        let values = values(&FrameFile::open(&path).unwrap());
        let weighted: i64 = values.iter().zip(0..).map(|(v, n)| v * (n % 251 + 1)).sum();
        assert_eq!((values.iter().min(), values.iter().max(), weighted), (Some(&low), Some(&high), sum), "{name}");
    }
}

#[test]
fn twelve_bit_jpeg_is_what_dcmtk_decodes_but_for_rounding() {
    // The second says nonsense of the range of coefficients.
    for name in ["pydicom-odd/JPGExtended.dcm", "pydicom-odd/JPEG-lossy.dcm"] {
        let Some(path) = data(name) else { continue };
        let values = values(&FrameFile::open(&path).unwrap());
        let weighted: i64 = values.iter().zip(0..).map(|(v, n)| v * (n % 251 + 1)).sum();
        // DCMTK 3.6.7. Weights are 126 on average: a mean difference of a thousandth of a grey value is rounding.
        let off = (weighted - 480_211_325).abs() as f64 / (values.len() as f64 * 126.0);
        assert!(off < 0.001 && values.iter().max() == Some(&264), "{name}: {off} {:?}", values.iter().max());
    }
}
