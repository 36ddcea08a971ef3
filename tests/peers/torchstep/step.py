"""Training steps of PyTorch, as many as are asked for. torchstep starts it:

  step.py NETWORK THREADS LAYOUT

It reads one count of steps a line and answers with the least time of them in
milliseconds and the peak of the process's memory in bytes."""
import sys, time
import torch
from torch import nn


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, as in He et al. 2015."""

    def __init__(self, ic, c, stride, bias, project):
        super().__init__()
        self.conv1 = nn.Conv2d(ic, c, 3, stride, 1, bias=bias)
        self.bn1 = nn.BatchNorm2d(c)
        self.conv2 = nn.Conv2d(c, c, 3, 1, 1, bias=bias)
        self.bn2 = nn.BatchNorm2d(c)
        self.down = None
        if stride != 1 or ic != c:
            self.down = nn.Conv2d(ic, c, 1, stride, bias=bias)
            if not bias:
                self.down = nn.Sequential(self.down, nn.BatchNorm2d(c))

    def forward(self, x):
        y = torch.relu_(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x if self.down is None else self.down(x)
        return torch.relu_(y)


def resnet8():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(inplace=True),
        Block(16, 16, 1, True, False), Block(16, 32, 2, True, True), Block(32, 64, 2, True, True),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def resnet18():
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    ic = 64
    for i, c in enumerate([64, 128, 256, 512]):
        for j in range(2):
            layers.append(Block(ic, c, 2 if i and not j else 1, False, False))
            ic = c
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024


def main():
    network, threads, layout = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    net, batch, size, classes = (resnet8(), 32, 32, 10) if network == "resnet8" else (resnet18(), 16, 224, 1000)
    x, y = torch.randn(batch, 3, size, size), torch.randint(classes, (batch,))
    if layout == "last":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    loss = nn.CrossEntropyLoss()
    for line in sys.stdin:
        best = float("inf")
        for _ in range(int(line)):
            start = time.perf_counter()
            opt.zero_grad()
            loss(net(x), y).backward()
            opt.step()
            best = min(best, time.perf_counter() - start)
        print(best * 1e3, peak(), flush=True)


main()
