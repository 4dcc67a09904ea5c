# Times a training step or a prediction in PyTorch, on one thread of the CPU or through CUDA with TF32. Arguments:
# train|predict BASE_WIDTH SIZE BATCH STEPS cpu|cuda; a base width of 0 means DeepLabV3+ on ResNet50 of segmentation_models_pytorch. Prints one JSON object: wall seconds of each
# repetition, CPU seconds of one, largest memory, and what it grew by.
import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

what, width, size, batch, steps, device = sys.argv[1], *map(int, sys.argv[2:6]), sys.argv[6]
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
torch.backends.cudnn.benchmark = True
torch.set_num_threads(1)
torch.manual_seed(0)


def double(i, o):
    def conv(i):
        return [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True)]

    return nn.Sequential(*conv(i), *conv(o))


class UNet(nn.Module):
    def __init__(self, base, depth=4):
        super().__init__()
        c = [base << level for level in range(depth + 1)]
        self.enc = nn.ModuleList(double(c[n - 1] if n else 1, c[n]) for n in range(depth + 1))
        self.up = nn.ModuleList(nn.ConvTranspose2d(c[n + 1], c[n], 2, stride=2) for n in reversed(range(depth)))
        self.dec = nn.ModuleList(double(c[n + 1], c[n]) for n in reversed(range(depth)))
        self.head = nn.Conv2d(base, 1, 1)

    def forward(self, x):
        skips = []
        for n, block in enumerate(self.enc):
            x = block(F.max_pool2d(x, 2) if n else x)
            skips.append(x)
        skips.pop()
        for up, block in zip(self.up, self.dec):
            x = block(torch.cat([skips.pop(), up(x)], 1))
        return self.head(x)


if width:
    net = UNet(width)
else:
    import segmentation_models_pytorch as smp

    net = smp.DeepLabV3Plus("resnet50", encoder_weights=None, in_channels=1, classes=1, encoder_output_stride=16)
net = net.to(device, memory_format=torch.channels_last)
x = torch.randn(batch, 1, size, size, device=device).contiguous(memory_format=torch.channels_last)
y = (torch.rand(batch, 1, size, size, device=device) > 0.7).float()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)


def step():
    if what == "train":
        optimizer.zero_grad(set_to_none=True)
        F.binary_cross_entropy_with_logits(net(x), y).backward()
        optimizer.step()
    else:
        with torch.inference_mode():
            torch.sigmoid(net(x))
    if device == "cuda":
        torch.cuda.synchronize()


def memory(field):
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith(field)).split()[1]) / 1024


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


net.train(what == "train")
before = memory("VmRSS")
step()
if device == "cuda":
    for _ in range(3):
        step()
walls = []
started = cpu()
for _ in range(max(steps, 3) if what == "predict" else steps):
    begun = time.perf_counter()
    step()
    walls.append(time.perf_counter() - begun)
spent = (cpu() - started) / len(walls)
peak = memory("VmHWM") if device == "cpu" else torch.cuda.max_memory_allocated() / 2**20
print(json.dumps({"walls": walls, "cpu_s": spent, "peak_mib": peak, "grown_mib": peak - (before if device == "cpu" else 0)}))
