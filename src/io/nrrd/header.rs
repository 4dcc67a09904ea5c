//! The NRRD header: fields, key/value pairs, and the grid they describe.

use super::HeaderFault;
use super::files::{DataFiles, data_files, is_list};
use crate::core::Geometry;
use crate::io::samples::{SampleFormat, SampleKind, checked_dims};
use crate::io::types::Severity;
use crate::io::volume_file::{NO_ORIENTATION, Remark};
use glam::{DAffine3, DMat3, DVec3};
use std::collections::BTreeMap;
use std::io::{BufRead, Read};

/// Longest header: thousands of segments with their codes fit.
const MAX_HEADER: u64 = 8 << 20;
/// Most lines of it: each takes many times its bytes in memory.
const MAX_LINES: usize = 50_000;
/// Most axes that the format knows.
const MAX_AXES: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Raw,
    Gzip,
    Text,
    Hex,
}

/// What a reader needs from a header.
#[derive(Debug)]
pub struct Header {
    pub geometry: Geometry,
    pub format: SampleFormat,
    pub encoding: Encoding,
    pub files: DataFiles,
    /// Label maps that lie interleaved in the file; 1 but for 3D Slicer's segmentations with overlapping segments.
    pub layers: usize,
    pub line_skip: u64,
    /// `-1`: the data is the end of the file (raw only).
    pub byte_skip: i64,
    /// `key:=value` pairs with escapes undone.
    pub keys: BTreeMap<String, String>,
    pub remarks: Vec<Remark>,
}

/// Reads lines up to the empty one that ends the header, and checks them.
///
/// # Errors
/// [`HeaderFault`]; a read error counts as a header that does not end.
pub fn parse(source: &mut impl BufRead) -> Result<Header, HeaderFault> {
    let mut limited = source.by_ref().take(MAX_HEADER);
    let mut magic = [0; 4];
    limited.read_exact(&mut magic).map_err(|_| HeaderFault::NotNrrd)?;
    if &magic != b"NRRD" {
        return Err(HeaderFault::NotNrrd);
    }
    let version = line(&mut limited)?.unwrap_or_default();
    if !matches!(version.trim_end(), "0001" | "0002" | "0003" | "0004" | "0005") {
        return Err(HeaderFault::NotNrrd);
    }
    let (mut fields, mut keys, mut listed) = (BTreeMap::<String, String>::new(), BTreeMap::new(), None);
    let mut lines = 0;
    // A detached header may end with the file instead of an empty line.
    while let Some(text) = line(&mut limited)? {
        if text.is_empty() {
            break;
        }
        lines += 1;
        if lines > MAX_LINES {
            return Err(HeaderFault::NoEnd);
        }
        if text.starts_with('#') {
            continue;
        }
        if let Some(listed) = &mut listed {
            // After `data file: LIST` there are only names.
            Vec::push(listed, text.trim().to_owned());
            continue;
        }
        // `field: value` or `key:=value`, whichever separator comes first.
        match text.split_once(':') {
            Some((key, value)) if value.starts_with('=') => {
                keys.insert(unescape(key), unescape(&value[1..]));
            }
            Some((field, value)) => {
                let (field, value) = (field.trim().to_ascii_lowercase(), value.trim().to_owned());
                if matches!(field.as_str(), "data file" | "datafile") && is_list(&value) {
                    listed = Some(Vec::new());
                }
                fields.insert(field, value);
            }
            None => return Err(HeaderFault::Field("line")),
        }
    }
    if limited.limit() == 0 {
        return Err(HeaderFault::NoEnd);
    }
    Fields(fields).header(keys, listed.unwrap_or_default())
}

/// One line without its end; `None` at the end of the file.
fn line(source: &mut impl BufRead) -> Result<Option<String>, HeaderFault> {
    let mut bytes = Vec::new();
    source.read_until(b'\n', &mut bytes).map_err(|_| HeaderFault::NoEnd)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    // Names in keys may come in an old 8-bit encoding; the fields themselves are ASCII.
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('n')) => {
                chars.next();
                out.push('\n');
            }
            ('\\', Some('\\')) => {
                chars.next();
                out.push('\\');
            }
            _ => out.push(c),
        }
    }
    out
}

struct Fields(BTreeMap<String, String>);

impl Fields {
    fn get(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|n| self.0.get(*n)).map(String::as_str)
    }

    fn header(&self, keys: BTreeMap<String, String>, listed: Vec<String>) -> Result<Header, HeaderFault> {
        let kind = sample_kind(self.get(&["type"]).ok_or(HeaderFault::Missing("type"))?)?;
        let encoding = match self.get(&["encoding"]).map(str::to_ascii_lowercase).as_deref() {
            Some("raw") => Encoding::Raw,
            Some("gz" | "gzip") => Encoding::Gzip,
            Some("txt" | "text" | "ascii") => Encoding::Text,
            Some("hex") => Encoding::Hex,
            Some(_) => return Err(HeaderFault::Encoding),
            None => return Err(HeaderFault::Missing("encoding")),
        };
        let mut remarks = Vec::new();
        let big_endian = match self.get(&["endian"]).map(str::to_ascii_lowercase).as_deref() {
            Some("big") => true,
            Some("little") => false,
            None => {
                if kind.bytes() > 1 && encoding != Encoding::Text {
                    let text = "it does not say its byte order; little-endian was assumed";
                    remarks.push((Severity::Warning, "endian", text.to_owned()));
                }
                false
            }
            Some(_) => return Err(HeaderFault::Field("byte order")),
        };
        let (geometry, layers) = self.grid(&mut remarks)?;
        if layers > 1 && !keys.keys().any(|k| k.starts_with("Segment") && k.ends_with("_LabelValue")) {
            return Err(HeaderFault::Axes(4));
        }
        let number = |names: &[&str], what| {
            self.get(names).map_or(Ok(0), |v| v.parse::<i64>().map_err(|_| HeaderFault::Field(what)))
        };
        let line_skip = number(&["line skip", "lineskip"], "line skip")?;
        let byte_skip = number(&["byte skip", "byteskip"], "byte skip")?;
        if !(0..=1_000_000).contains(&line_skip) || byte_skip < -1 || (byte_skip < 0 && encoding != Encoding::Raw) {
            return Err(HeaderFault::Field("skip"));
        }
        Ok(Header {
            geometry,
            format: SampleFormat { kind, big_endian, slope: 1.0, intercept: 0.0 },
            encoding,
            files: data_files(self.get(&["data file", "datafile"]), listed)?,
            layers,
            line_skip: line_skip as u64,
            byte_skip,
            keys,
            remarks,
        })
    }

    /// The grid, and the number of layers where the fastest axis is a list of them.
    fn grid(&self, remarks: &mut Vec<Remark>) -> Result<(Geometry, usize), HeaderFault> {
        let sizes = self.get(&["sizes"]).ok_or(HeaderFault::Missing("sizes"))?;
        let mut sizes: Vec<u64> = sizes
            .split_whitespace()
            .map(|v| v.parse().map_err(|_| HeaderFault::Field("size")))
            .collect::<Result<_, _>>()?;
        let said = self.get(&["dimension"]).ok_or(HeaderFault::Missing("dimension"))?;
        if said.parse() != Ok(sizes.len()) {
            return Err(HeaderFault::Field("dimension"));
        }
        let mut directions = match self.get(&["space directions"]) {
            Some(text) => Some(vectors(text).ok_or(HeaderFault::Field("space direction"))?),
            None => None,
        };
        let mut spacings = match self.get(&["spacings"]) {
            Some(text) => {
                let parsed = text.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>();
                Some(parsed.map_err(|_| HeaderFault::Field("spacing"))?)
            }
            None => None,
        };
        let count = sizes.len();
        if count > MAX_AXES {
            return Err(HeaderFault::Axes(count));
        }
        if directions.as_ref().is_some_and(|d| d.len() != count) || spacings.as_ref().is_some_and(|s| s.len() != count)
        {
            return Err(HeaderFault::Field("number of axes"));
        }
        // An axis of one sample that is no direction in space (one layer, one component) says nothing.
        let mut axis = 0;
        while sizes.len() > 3 && axis < sizes.len() {
            if sizes[axis] == 1 && directions.as_ref().is_none_or(|d| d[axis].is_none()) {
                sizes.remove(axis);
                directions.as_mut().map(|d| d.remove(axis));
                spacings.as_mut().map(|s| s.remove(axis));
            } else {
                axis += 1;
            }
        }
        let mut layers = 1;
        if let ([listed @ 1..=255, _, _, _], Some([None, Some(_), Some(_), Some(_)])) =
            (&sizes[..], directions.as_deref())
        {
            layers = *listed as usize;
            sizes.remove(0);
            directions.as_mut().map(|d| d.remove(0));
        }
        if !(2..=3).contains(&sizes.len()) {
            return Err(HeaderFault::Axes(count));
        }
        let flat = sizes.len() == 2;
        if flat {
            sizes.push(1);
        }
        let dims = checked_dims([sizes[0], sizes[1], sizes[2]]).map_err(|_| HeaderFault::Sizes)?;
        let affine = match directions {
            Some(d) => self.directed(&d, remarks)?,
            None => self.undirected(spacings.as_deref(), remarks)?,
        };
        Ok((Geometry::new(dims, affine).map_err(HeaderFault::Orientation)?, layers))
    }

    /// Transform from `space`, `space directions` and `space origin`.
    fn directed(&self, directions: &[Option<DVec3>], remarks: &mut Vec<Remark>) -> Result<DAffine3, HeaderFault> {
        let mut columns =
            directions.iter().map(|d| d.ok_or(HeaderFault::Field("space direction"))).collect::<Result<Vec<_>, _>>()?;
        if let [a, b] = columns[..] {
            // A picture in space: its slice is 1 mm thick along the normal.
            columns.push(a.cross(b).normalize_or_zero());
        }
        let origin = match self.get(&["space origin"]) {
            Some(text) => match vectors(text).as_deref() {
                Some([Some(origin)]) => *origin,
                _ => return Err(HeaderFault::Field("space origin")),
            },
            None => DVec3::ZERO,
        };
        let lps = match self.get(&["space"]) {
            Some(name) => match lps_from_space(name) {
                Some(m) => m,
                None => return Err(HeaderFault::Field("space")),
            },
            None => {
                let text = "it does not name its space; left, posterior and up were assumed";
                remarks.push((Severity::Warning, NO_ORIENTATION, text.into()));
                DMat3::IDENTITY
            }
        };
        match columns[..] {
            [a, b, c] => Ok(DAffine3 { matrix3: lps * DMat3::from_cols(a, b, c), translation: lps * origin }),
            _ => Err(HeaderFault::Axes(columns.len())),
        }
    }

    /// Transform from `spacings` alone.
    fn undirected(&self, spacings: Option<&[f64]>, remarks: &mut Vec<Remark>) -> Result<DAffine3, HeaderFault> {
        let text = "it does not say how the patient lies; its axes are taken as left, posterior and up";
        remarks.push((Severity::Warning, NO_ORIENTATION, text.into()));
        if spacings.is_none() {
            let text = "it does not say its spacing; 1 mm was assumed, so lengths and volumes are in voxels";
            remarks.push((Severity::Warning, "no-spacing", text.into()));
        }
        // "nan" stands for "not known", as do axes beyond those listed.
        let step = |a: usize| spacings.and_then(|s| s.get(a)).copied().filter(|s| !s.is_nan()).unwrap_or(1.0).abs();
        Ok(DAffine3 { matrix3: DMat3::from_diagonal(DVec3::new(step(0), step(1), step(2))), translation: DVec3::ZERO })
    }
}

/// `(a,b,c)` and `none`, separated by spaces; two components get a third of 0.
fn vectors(text: &str) -> Option<Vec<Option<DVec3>>> {
    let (mut out, mut rest) = (Vec::new(), text.trim_start());
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("none") {
            out.push(None);
            rest = after.trim_start();
            continue;
        }
        let (inside, after) = rest.strip_prefix('(')?.split_once(')')?;
        let numbers: Vec<f64> = inside.split(',').map(|v| v.trim().parse().ok()).collect::<Option<_>>()?;
        out.push(Some(match numbers[..] {
            [x, y] => DVec3::new(x, y, 0.0),
            [x, y, z] => DVec3::new(x, y, z),
            _ => return None,
        }));
        rest = after.trim_start();
    }
    Some(out)
}

/// Matrix that turns coordinates of a named space into LPS; `None` for a name that is no patient space.
///
/// Takes the names of the format (`right-anterior-superior`, `RAS`, `LAS`, `LPS`, …) and every other order and sense
/// of the three patient axes. Scanner spaces say nothing about the patient.
fn lps_from_space(name: &str) -> Option<DMat3> {
    let lower = name.trim().to_ascii_lowercase();
    let letters: Vec<char> = if lower.contains('-') {
        lower.split('-').filter_map(|word| word.chars().next()).collect()
    } else {
        lower.chars().collect()
    };
    let [a, b, c] = letters[..] else { return None };
    let column = |letter| {
        Some(match letter {
            'l' => DVec3::X,
            'r' => -DVec3::X,
            'p' => DVec3::Y,
            'a' => -DVec3::Y,
            's' => DVec3::Z,
            'i' => -DVec3::Z,
            _ => return None,
        })
    };
    let m = DMat3::from_cols(column(a)?, column(b)?, column(c)?);
    (m.determinant() != 0.0).then_some(m)
}

fn sample_kind(name: &str) -> Result<SampleKind, HeaderFault> {
    Ok(match name.trim().to_ascii_lowercase().as_str() {
        "signed char" | "int8" | "int8_t" => SampleKind::I8,
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => SampleKind::U8,
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => SampleKind::I16,
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => SampleKind::U16,
        "int" | "signed int" | "int32" | "int32_t" => SampleKind::I32,
        "uint" | "unsigned int" | "uint32" | "uint32_t" => SampleKind::U32,
        "longlong"
        | "long long"
        | "long long int"
        | "signed long long"
        | "signed long long int"
        | "int64"
        | "int64_t" => SampleKind::I64,
        "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => SampleKind::U64,
        "float" => SampleKind::F32,
        "double" => SampleKind::F64,
        _ => return Err(HeaderFault::NumberType),
    })
}
