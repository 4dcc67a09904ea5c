// Reads a DICOM SEG or RTSTRUCT as viewers in a browser do, with dcmjs, and prints what it holds as JSON.
// Usage: node dicom_in_browser.cjs FILE
const fs = require("fs");
const dcmjs = require("dcmjs");

dcmjs.log.setLevel(dcmjs.log.levels.ERROR);
const list = (v) => (v === undefined ? [] : Array.isArray(v) ? v : [v]);
const first = (v) => list(v)[0];

const bytes = fs.readFileSync(process.argv[2]);
const file = dcmjs.data.DicomMessage.readFile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const set = dcmjs.data.DicomMetaDictionary.naturalizeDataset(file.dict);

if (set.Modality === "SEG") {
    const packed = new Uint8Array(first(set.PixelData));
    const bits = dcmjs.data.BitArray.unpack(packed);
    const size = set.Rows * set.Columns;
    const frames = list(set.PerFrameFunctionalGroupsSequence).map((group, n) => {
        const ones = [];
        for (let p = 0; p < size; p++) if (bits[n * size + p]) ones.push(p);
        return {
            segment: first(group.SegmentIdentificationSequence).ReferencedSegmentNumber,
            position: list(first(group.PlanePositionSequence).ImagePositionPatient),
            ones,
        };
    });
    const segments = list(set.SegmentSequence).map((s) => s.SegmentLabel);
    const references = list(first(set.ReferencedSeriesSequence)?.ReferencedInstanceSequence).length;
    console.log(JSON.stringify({ rows: set.Rows, columns: set.Columns, segments, frames, references }));
} else {
    const names = list(set.StructureSetROISequence).map((r) => [r.ROINumber, r.ROIName]);
    const contours = list(set.ROIContourSequence).map((roi) => ({
        roi: roi.ReferencedROINumber,
        contours: list(roi.ContourSequence).map((c) => ({
            kind: c.ContourGeometricType,
            image: first(c.ContourImageSequence)?.ReferencedSOPInstanceUID,
            points: list(c.ContourData).map(Number),
        })),
    }));
    console.log(JSON.stringify({ names, contours }));
}
