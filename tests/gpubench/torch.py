"""The same networks in PyTorch, on its first CUDA device. gpubench starts it:

  torch.py NETWORKS BATCHES PRECISIONS SIDE RUNS

It prints one JSON object: Times (ms, by "network batch precision", copies of
inputs and outputs included, as a recorded CUDA graph) and Rates (TFLOP/s of a
product of SIDE x SIDE matrices, by precision)."""
import json
import sys
import time

import torch
from torch import nn


class Basic(nn.Module):
    out = 1

    def __init__(self, ic, c, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(ic, c, 3, stride, 1), nn.ReLU(inplace=True), nn.Conv2d(c, c, 3, 1, 1))
        self.down = nn.Conv2d(ic, c, 1, stride) if stride != 1 or ic != c else nn.Identity()

    def forward(self, x):
        return torch.relu_(self.body(x) + self.down(x))


class Bottleneck(nn.Module):
    out = 4

    def __init__(self, ic, c, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(ic, c, 1), nn.ReLU(inplace=True), nn.Conv2d(c, c, 3, stride, 1), nn.ReLU(inplace=True),
            nn.Conv2d(c, 4 * c, 1))
        self.down = nn.Conv2d(ic, 4 * c, 1, stride) if stride != 1 or ic != 4 * c else nn.Identity()

    def forward(self, x):
        return torch.relu_(self.body(x) + self.down(x))


def resnet(block, counts):
    """Batch norm is folded into the convolutions, as it is in Teff."""
    layers, ic = [nn.Conv2d(3, 64, 7, 2, 3), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)], 64
    for i, n in enumerate(counts):
        for j in range(n):
            layers.append(block(ic, 64 << i, 2 if i and not j else 1))
            ic = (64 << i) * block.out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(ic, 1000), nn.Softmax(1))


NETWORKS = {"resnet18": lambda: resnet(Basic, [2, 2, 2, 2]), "resnet50": lambda: resnet(Bottleneck, [3, 4, 6, 3])}
TYPES = {"f32": torch.float32, "tf32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def setup(precision):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True


def product(precision, side):
    a = torch.randn(side, side, device="cuda").to(TYPES[precision])
    best = float("inf")
    for _ in range(10):
        torch.cuda.synchronize()
        t = time.perf_counter()
        a @ a
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - t)
    return 2 * side**3 / best / 1e12


def network(name, batch, precision, runs):
    m = NETWORKS[name]().cuda().eval().to(TYPES[precision], memory_format=torch.channels_last)
    host = torch.randn(batch, 3, 224, 224).pin_memory()
    x = torch.empty(batch, 3, 224, 224, device="cuda", dtype=TYPES[precision]).to(memory_format=torch.channels_last)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            y = m(x)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = m(x)
    times = []
    for _ in range(runs + 3):
        torch.cuda.synchronize()
        t = time.perf_counter()
        x.copy_(host, non_blocking=True)
        graph.replay()
        y.cpu()
        times.append(time.perf_counter() - t)
    return sorted(times[3:])[runs // 2] * 1e3


def main():
    networks, batches, precisions, side, runs = sys.argv[1:6]
    if not torch.cuda.is_available():
        sys.exit("PyTorch sees no CUDA device")
    times, rates = {}, {}
    with torch.no_grad():
        for p in precisions.split(","):
            setup(p)
            rates[p] = product(p, int(side))
            for n in networks.split(","):
                for b in batches.split(","):
                    if n in NETWORKS:
                        times[f"{n} {b} {p}"] = network(n, int(b), p, int(runs))
    print(json.dumps({"Times": times, "Rates": rates}))


main()
