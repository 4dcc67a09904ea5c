"""The trained network for PyTorch: `load(folder)` gives a torch.nn.Module in evaluation mode.

Written beside `weights.safetensors` and `model.json`; needs torch alone. The module's parameters have the names of the
file (those of torchvision and segmentation_models_pytorch where the network is theirs). Input: float32
`[batch, 1, size, size]`, slices as a reader sees them (patient's right at the left, anterior at the top), resampled to
`size` x `size` and mapped by `prepare`. Output: logits `[batch, channels, size, size]`; one channel is a sigmoid with
`threshold`, several are a softmax with background first.

    python model.py            prints the network and the answer for a slice of air
"""

import json
import pathlib
import struct

import torch
from torch import nn
from torch.nn import functional as F


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    kinds = {"F32": torch.float32, "I64": torch.int64}
    out = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = bytearray(data[8 + length + begin : 8 + length + end])
        out[name] = torch.frombuffer(raw, dtype=kinds[entry["dtype"]]).reshape(entry["shape"]) if raw else torch.empty(0)
    return out


def variant(value):
    """A name, or a name with fields, as `(name, fields)`."""
    if isinstance(value, dict):
        ((name, fields),) = value.items()
        return name, fields
    return value, {}


# ---- U-Net ----


def activation(value):
    name, fields = variant(value)
    return {
        "Relu": lambda: nn.ReLU(),
        "Selu": lambda: nn.SELU(),
        "LeakyRelu": lambda: nn.LeakyReLU(fields.get("slope", 0.01)),
    }[name]()


def norm(value, channels):
    name, fields = variant(value)
    if name == "Batch":
        return nn.BatchNorm2d(channels)
    if name == "Group":
        return nn.GroupNorm(fields["groups"], channels)
    if name == "Instance":
        return nn.GroupNorm(channels, channels)
    return None


class DoubleConv(nn.Module):
    def __init__(self, i, o, c):
        super().__init__()
        bias = variant(c["norm"])[0] == "None"
        self.conv1 = nn.Conv2d(i, o, 3, padding=1, bias=bias)
        self.conv2 = nn.Conv2d(o, o, 3, padding=1, bias=bias)
        self.bn1, self.bn2 = norm(c["norm"], o), norm(c["norm"], o)
        self.skip = self.bn3 = None
        if c["block"] == "Residual":
            self.skip = nn.Conv2d(i, o, 1, bias=bias)
            self.bn3 = norm(c["norm"], o)
        self.act = activation(c["activation"])

    def forward(self, x):
        use = lambda layer, x: x if layer is None else layer(x)
        beside = None if self.skip is None else use(self.bn3, self.skip(x))
        x = self.act(use(self.bn1, self.conv1(x)))
        x = use(self.bn2, self.conv2(x))
        return self.act(x if beside is None else x + beside)


class UNet(nn.Module):
    def __init__(self, i, o, c):
        super().__init__()
        depth, width = c["depth"], lambda level: c["base_width"] << level
        self.bilinear = c["upsampling"] == "Bilinear"
        grow = lambda l: (
            nn.Conv2d(width(l + 1), width(l), 1) if self.bilinear else nn.ConvTranspose2d(width(l + 1), width(l), 2, 2)
        )
        down = range(depth - 1, -1, -1)
        self.enc = nn.ModuleList(DoubleConv(i if l == 0 else width(l - 1), width(l), c) for l in range(depth + 1))
        self.up = nn.ModuleList(grow(l) for l in down)
        self.dec = nn.ModuleList(DoubleConv(width(l + 1), width(l), c) for l in down)
        self.head = nn.Conv2d(width(0), o, 1)

    def forward(self, x):
        skips = []
        for level, block in enumerate(self.enc):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for up, block in zip(self.up, self.dec):
            if self.bilinear:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = block(torch.cat([skips.pop(), up(x)], 1))
        return self.head(x)


# ---- ResNet, DeepLabV3+, U-Net on a ResNet ----


class Block(nn.Module):
    def __init__(self, i, planes, expansion, stride, dilation, first):
        super().__init__()
        o = planes * expansion
        wide = lambda i, s: nn.Conv2d(i, planes, 3, s, padding=dilation, dilation=dilation, bias=False)
        self.conv3 = self.bn3 = self.downsample = None
        if expansion == 1:
            self.conv1, self.conv2 = wide(i, stride), wide(planes, 1)
        else:
            self.conv1, self.conv2 = nn.Conv2d(i, planes, 1, bias=False), wide(planes, stride)
            self.conv3, self.bn3 = nn.Conv2d(planes, o, 1, bias=False), nn.BatchNorm2d(o)
        self.bn1, self.bn2 = nn.BatchNorm2d(planes), nn.BatchNorm2d(planes)
        if first and (stride != 1 or i != o):
            self.downsample = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        beside = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        if self.conv3 is not None:
            x = self.bn3(self.conv3(F.relu(x)))
        return F.relu(x + beside)


PLANS = {
    "ResNet18": ([2, 2, 2, 2], 1),
    "ResNet34": ([3, 4, 6, 3], 1),
    "ResNet50": ([3, 4, 6, 3], 4),
    "ResNet101": ([3, 4, 23, 3], 4),
}


def channels(kind, width):
    expansion = PLANS[kind][1]
    return [width] + [width * expansion << n for n in range(4)]


class ResNet(nn.Module):
    def __init__(self, kind, i, width, output_stride):
        super().__init__()
        blocks, expansion = PLANS[kind]
        steps = {8: [(1, 1), (2, 1), (1, 2), (1, 4)], 16: [(1, 1), (2, 1), (2, 1), (1, 2)]}
        steps = steps.get(output_stride, [(1, 1), (2, 1), (2, 1), (2, 1)])
        self.conv1 = nn.Conv2d(i, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        at = width
        for n, (stride, dilation) in enumerate(steps):
            stage = []
            for b in range(blocks[n]):
                stage.append(Block(at, width << n, expansion, stride if b == 0 else 1, dilation, b == 0))
                at = (width << n) * expansion
            setattr(self, f"layer{n + 1}", nn.Sequential(*stage))

    def forward(self, x):
        out = [F.relu(self.bn1(self.conv1(x)))]
        x = F.max_pool2d(out[0], 3, 2, 1)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            out.append(x)
        return out


def conv_norm(i, o, kernel):
    return nn.Sequential(nn.Conv2d(i, o, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(o), nn.ReLU())


def separable(i, o, dilation):
    return nn.Sequential(
        nn.Conv2d(i, i, 3, padding=dilation, dilation=dilation, groups=i, bias=False), nn.Conv2d(i, o, 1, bias=False)
    )


def separable_norm(i, o, dilation):
    return nn.Sequential(separable(i, o, dilation), nn.BatchNorm2d(o), nn.ReLU())


class Pyramid(nn.Module):
    def __init__(self, deep, width, rates):
        super().__init__()
        pooling = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(deep, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        branches = [conv_norm(deep, width, 1)] + [separable_norm(deep, width, r) for r in rates] + [pooling]
        self.convs = nn.ModuleList(branches)
        self.project = conv_norm(5 * width, width, 1)

    def forward(self, x):
        return self.project(torch.cat([conv(x).expand(-1, -1, *x.shape[2:]) for conv in self.convs], 1))


class DeepLabDecoder(nn.Module):
    def __init__(self, low, deep, width, rates):
        super().__init__()
        self.aspp = nn.Sequential(Pyramid(deep, width, rates), separable(width, width, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.block1 = conv_norm(low, 48, 1)
        self.block2 = separable_norm(48 + width, width, 1)

    def forward(self, low, deep):
        x = F.interpolate(self.aspp(deep), size=low.shape[2:], mode="bilinear", align_corners=True)
        return self.block2(torch.cat([x, self.block1(low)], 1))


class DeepLabV3Plus(nn.Module):
    def __init__(self, i, o, c):
        super().__init__()
        at = channels(c["encoder"], c["encoder_width"])
        self.encoder = ResNet(c["encoder"], i, c["encoder_width"], c["output_stride"])
        self.decoder = DeepLabDecoder(at[1], at[4], c["decoder_width"], c["atrous_rates"])
        self.segmentation_head = nn.Sequential(nn.Conv2d(c["decoder_width"], o, 1))

    def forward(self, x):
        features = self.encoder(x)
        y = self.segmentation_head(self.decoder(features[1], features[4]))
        return F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=True)


class ResNetUNet(nn.Module):
    def __init__(self, i, o, c):
        super().__init__()
        at = channels(c["encoder"], c["encoder_width"])
        self.encoder = ResNet(c["encoder"], i, c["encoder_width"], 32)
        self.decoder = nn.Module()
        blocks, deep = [], at[4]
        for n in range(5):
            skip, width = (at[3 - n] if n < 4 else 0), c["decoder_width"] << (4 - n)
            block = nn.Module()
            block.conv1, block.conv2 = conv_norm(deep + skip, width, 3), conv_norm(width, width, 3)
            blocks.append(block)
            deep = width
        self.decoder.blocks = nn.ModuleList(blocks)
        self.segmentation_head = nn.Sequential(nn.Conv2d(c["decoder_width"], o, 3, padding=1))

    def forward(self, x):
        *skips, x = self.encoder(x)
        for block in self.decoder.blocks:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            if skips:
                x = torch.cat([x, skips.pop()], 1)
            x = block.conv2(block.conv1(x))
        return self.segmentation_head(x)


NETWORKS = {"UNet": UNet, "DeepLabV3Plus": DeepLabV3Plus, "ResNetUNet": ResNetUNet}


def describe(folder):
    return json.loads((pathlib.Path(folder) / "model.json").read_text())


def load(folder="."):
    """The network with its weights, in evaluation mode."""
    network = describe(folder)["network"]
    name, config = variant(network["config"])
    model = NETWORKS[name](network["in_channels"], network["out_channels"], config)
    model.load_state_dict(read_safetensors(pathlib.Path(folder) / "weights.safetensors"))
    return model.eval()


def prepare(hu, folder="."):
    """HU to network input."""
    name, fields = variant(describe(folder)["preprocessing"]["intensity"])
    if name == "Window":
        return ((hu - fields["low"]) / (fields["high"] - fields["low"])).clamp(0, 1)
    return hu / fields["by"]


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    net, size = load(here), describe(here)["preprocessing"]["size"]
    print(net)
    with torch.no_grad():
        print(net(prepare(torch.full((1, 1, size, size), -1000.0), here)).flatten()[:4])
