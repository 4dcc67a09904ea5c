#!/usr/bin/env python3
"""Looks at a data set as nnU-Net does before it trains: names, numbers, labels, equal grids.

    tests/peers/data_set.py FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np


def verify(root):
    """Asserts what nnU-Net would stumble over."""
    import SimpleITK as sitk

    declared = json.loads((root / "dataset.json").read_text())
    ending, channels = declared["file_ending"], declared["channel_names"]
    assert set(channels) == {str(n) for n in range(len(channels))}
    labels = declared["labels"]
    assert labels["background"] == 0 and sorted(labels.values()) == list(range(len(labels))), labels
    masks = sorted((root / "labelsTr").iterdir())
    assert len(masks) == declared["numTraining"] and all(m.name.endswith(ending) for m in masks)
    identifiers = {m.name[: -len(ending)] for m in masks}
    wanted = {f"{i}_{int(c):04}{ending}" for i in identifiers for c in channels}
    assert {p.name for p in (root / "imagesTr").iterdir()} == wanted
    for mask in masks:
        truth = sitk.ReadImage(str(mask))
        values = set(np.unique(sitk.GetArrayFromImage(truth)).tolist())
        assert values <= set(labels.values()), values
        for channel in channels:
            image = sitk.ReadImage(str(root / "imagesTr" / f"{mask.name[:-len(ending)]}_{int(channel):04}{ending}"))
            assert not np.isnan(sitk.GetArrayFromImage(image)).any()
            assert image.GetSize() == truth.GetSize()
            for a, b in ((image.GetSpacing(), truth.GetSpacing()), (image.GetOrigin(), truth.GetOrigin()),
                         (image.GetDirection(), truth.GetDirection())):
                assert np.allclose(a, b, atol=1e-5), f"{mask.name}: {a} {b}"
    return declared


if __name__ == "__main__":
    print("cases:", verify(Path(sys.argv[1]))["numTraining"])
