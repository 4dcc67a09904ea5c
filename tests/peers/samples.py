"""Images and masks for the round trips, and a CT series as pydicom writes it."""

import numpy as np

from common import affine


def rotation(degrees, axis):
    """A rotation matrix (Rodrigues)."""
    x, y, z = np.asarray(axis, float) / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    t = np.radians(degrees)
    return np.eye(3) + np.sin(t) * k + (1 - np.cos(t)) * k @ k


def grid(size, spacing=(0.8, 0.9, 2.5), origin=(-30.5, 12.25, 101.0), turn=np.eye(3)):
    """A grid of i, j, k sizes: (shape as numpy has it, affine)."""
    return tuple(reversed(size)), affine(origin, [turn[:, a] * spacing[a] for a in range(3)])


SAGITTAL = np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]], float)
CORONAL = np.array([[1, 0, 0], [0, 0, -1], [0, -1, 0]], float) @ np.diag([1, 1, -1])
OBLIQUE = rotation(17, (1, 2, 0.5))


def hu(shape, random):
    """CT-like numbers without any symmetry."""
    return random.integers(-1024, 2000, shape).astype(np.int16)


def mask(shape, random, part=0.3):
    """A mask without any symmetry."""
    return random.random(shape) < part


def write_series(folder, array, matrix, slope=1.0, intercept=-1024.0):
    """A CT series of one file a slice by pydicom; gives the data sets in slice order."""
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    steps = [matrix[:3, a] for a in range(3)]
    spacing = [np.linalg.norm(s) for s in steps]
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    sets = []
    for k, values in enumerate(array):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d = FileDataset(str(folder / f"{k:03}.dcm"), {}, file_meta=meta, preamble=bytes(128))
        d.SOPClassUID, d.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = study, series, frame
        d.PatientID, d.PatientName, d.PatientBirthDate, d.PatientSex = "TEST", "Test^Peer", "", "O"
        d.StudyID, d.StudyDate, d.StudyTime, d.AccessionNumber = "1", "20200101", "120000", ""
        d.ReferringPhysicianName, d.Manufacturer, d.PositionReferenceIndicator = "", "Peers", ""
        d.Modality, d.SeriesNumber, d.InstanceNumber, d.AcquisitionNumber = "CT", 1, k + 1, 1
        d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        d.ImagePositionPatient = [f"{v:.6f}"[:16] for v in matrix[:3, 3] + steps[2] * k]
        d.ImageOrientationPatient = [f"{v:.9f}"[:16] for a in (0, 1) for v in steps[a] / spacing[a]]
        d.PixelSpacing = [f"{spacing[1]:.12g}", f"{spacing[0]:.12g}"]
        d.SliceThickness, d.KVP = f"{spacing[2]:.12g}", "120"
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.Rows, d.Columns = values.shape
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
        d.RescaleSlope, d.RescaleIntercept, d.RescaleType = str(slope), str(intercept), "HU"
        d.PixelData = ((values - intercept) / slope).round().astype("<i2").tobytes()
        d.save_as(folder / f"{k:03}.dcm", enforce_file_format=True)
        sets.append(pydicom.dcmread(folder / f"{k:03}.dcm"))
    return sets
