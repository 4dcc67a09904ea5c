"""Networks that our program trained, exported and run by PyTorch and, where the layout is theirs, loaded key by key into
segmentation_models_pytorch: the same masks, and the same answers."""

import importlib.util
import json

import numpy as np

import samples
from common import with_sitk
from round_trips import check, need

SIZE = 64


def exported(folder):
    """The written `model.py` as a module."""
    spec = importlib.util.spec_from_file_location("exported_model", folder / "model.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def same_mask(desk, network, peer=None):
    """Trains, exports, and compares masks of noise; `peer` makes the same network with another library."""
    torch = need("torch")
    need("pydicom"), need("SimpleITK")
    if peer:
        smp = need("segmentation_models_pytorch")
    data, run, out = desk.scratch / "data", desk.scratch / "run", desk.scratch / "torch"
    desk.run("phantom", "--kind", "chest", "--layout", "ircadb", "--patients", 5, "--size", SIZE, "--slices", 4,
             "--out", data)
    desk.run("train", "--recipe", "demo", "--data", data, "--run", run, "--device", "cpu", "--epochs", 8,
             "--set", f"network={json.dumps(network)}", "--set", "batch_size=2", "--set", "optimizer.lr=0.0003")
    desk.run("export", "--to", "pytorch", "--out", out, run)
    model = exported(out)
    net = model.load(out)

    shape, matrix = samples.grid((SIZE, SIZE, 5))
    hu, folder = samples.hu(shape, desk.random), desk.folder("ct")
    samples.write_series(folder, hu, matrix)
    x = model.prepare(torch.tensor(hu[:, None].astype(np.float32)), out)
    with torch.no_grad():
        logits = net(x)[:, 0].numpy()
        if peer:
            other = peer(smp)
            other.load_state_dict(net.state_dict(), strict=True)
            theirs = other.eval()(x)[:, 0].numpy()
            off = np.linalg.norm(theirs - logits) / np.linalg.norm(logits)
            assert off < 1e-5, f"segmentation_models_pytorch answers otherwise: {off:.1e}"
    # Noise holds no lungs: with the middle of the answers as the limit, half of the voxels are foreground. Far from 0 the
    # sigmoid has too few digits left for a limit.
    limit = float(np.clip(np.median(logits), -4, 4))
    mask = desk.scratch / "mask.nii.gz"
    desk.run("predict", "--run", run, "--input", folder, "--output", mask, "--device", "cpu", "--flips", "none",
             "--window", "whole", "--keep-largest", "all", "--fill-holes", "false",
             "--threshold", f"{1 / (1 + np.exp(-limit)):.7f}")
    got = with_sitk(mask)[0].array[0] > 0
    sure = np.abs(logits - limit) > 2e-3 * np.std(logits)
    wrong = (got != (logits > limit)) & sure
    assert not wrong.any(), f"{wrong.sum()} of {wrong.size} voxels differ"
    assert sure.mean() > 0.9 and 0.05 < got.mean() < 0.95, f"nothing compared: {sure.mean():.2f}, {got.mean():.2f}"
    return f"{sure.sum()} voxels compared" + (f", answers {off:.1e} from theirs" if peer else "")


@check
def unet(desk):
    """U-Net with batch norm and transposed convolutions: its export in PyTorch gives our mask"""
    return same_mask(desk, {"UNet": {"base_width": 8, "depth": 3}})


@check
def unet_of_options(desk):
    """U-Net with residual blocks, group norm, leaky ReLU, bilinear upsampling: its export in PyTorch gives our mask"""
    options = {"block": "Residual", "norm": {"Group": {"groups": 4}}, "activation": {"LeakyRelu": {"slope": 0.1}}}
    return same_mask(desk, {"UNet": {"base_width": 8, "depth": 3, "upsampling": "Bilinear", **options}})


@check
def self_normalising_unet(desk):
    """U-Net of 23 convolutions, SELU, alpha dropout, no norm: its export in PyTorch gives our mask"""
    options = {"norm": "None", "activation": "Selu", "dropout": 0.1, "dropout_kind": "Alpha", "init": "LeCun"}
    return same_mask(desk, {"UNet": {"base_width": 8, "depth": 4, **options}})


@check
def unet_on_resnet(desk):
    """U-Net on ResNet18 is segmentation_models_pytorch's Unet, key by key, and gives our mask"""
    def peer(smp):
        return smp.Unet("resnet18", encoder_weights=None, in_channels=1, classes=1)

    return same_mask(desk, {"ResNetUNet": {"encoder": "ResNet18"}}, peer)


@check
def unet_on_bottlenecks(desk):
    """U-Net on ResNet50 is segmentation_models_pytorch's Unet, key by key, and gives our mask"""
    def peer(smp):
        return smp.Unet("resnet50", encoder_weights=None, in_channels=1, classes=1)

    return same_mask(desk, {"ResNetUNet": {"encoder": "ResNet50"}}, peer)


@check
def deeplab(desk):
    """DeepLabV3+ on ResNet18, output stride 8, is segmentation_models_pytorch's, key by key, and gives our mask"""
    def peer(smp):
        return smp.DeepLabV3Plus("resnet18", encoder_weights=None, encoder_output_stride=8, in_channels=1, classes=1)

    return same_mask(desk, {"DeepLabV3Plus": {"encoder": "ResNet18", "output_stride": 8}}, peer)
