#!/usr/bin/env python3
"""Makes the golden files beside it. Run by hand, with Debian's python3-torch:

    go run ./tools/teff draw build/train -n 12000 --seed 1 --idx
    go run ./tools/teff draw build/test -n 1000 --seed 2 --idx
    /usr/bin/python3 tests/golden/make.py build/train build/test tests/golden

It trains a small residual network on the drawn glyphs, exports it with batch
norm kept, and records what a trainer must reproduce: from the freshly
initialised network, one batch, the first step's logits, loss and every
gradient, ten losses of SGD, and the running statistics after them.
"""
import gzip
import json
import sys

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F


def idx(folder):
    images = gzip.open(folder + "/glyphs-images-idx3-ubyte.gz").read()
    labels = gzip.open(folder + "/glyphs-labels-idx1-ubyte.gz").read()
    n = int.from_bytes(images[4:8], "big")
    x = np.frombuffer(images, np.uint8, offset=16).reshape(n, 1, 28, 28)
    return torch.from_numpy(x.astype(np.float32) / np.float32(255)), torch.from_numpy(np.frombuffer(labels, np.uint8, offset=8).astype(np.int64))


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.down = None
        if stride != 1 or cin != cout:
            self.down = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.down is None else self.down(x)))


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.block1 = Block(width, width, 1)
        self.block2 = Block(width, 2 * width, 2)
        self.block3 = Block(2 * width, 4 * width, 2)
        self.fc = nn.Linear(4 * width, 10)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        x = self.block3(self.block2(self.block1(x)))
        return self.fc(x.mean((2, 3)))


def export(net, path):
    net.eval()
    torch.onnx.export(net, torch.zeros(1, 1, 28, 28), path, input_names=["image"], output_names=["logits"],
                      dynamic_axes={"image": {0: "n"}, "logits": {0: "n"}}, opset_version=13,
                      training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)


def main(train, test, out):
    torch.manual_seed(1)
    torch.set_num_threads(2)
    x, y = idx(train)
    tx, ty = idx(test)
    net = Net(8)
    opt = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
    epochs, batch = 6, 64
    steps = epochs * (len(x) // batch)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
    for epoch in range(epochs):
        net.train()
        order = torch.randperm(len(x))
        for i in range(len(x) // batch):
            b = order[i * batch:(i + 1) * batch]
            loss = F.cross_entropy(net(x[b]), y[b])
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
        net.eval()
        with torch.no_grad():
            print("epoch", epoch, "test", (net(tx).argmax(1) == ty).float().mean().item())
    export(net, out + "/glyphs.onnx")
    with torch.no_grad():
        np.save(out + "/glyphs_input.npy", tx[:8].numpy())
        np.save(out + "/glyphs_logits.npy", net(tx[:8]).numpy())
        top1 = (net(tx).argmax(1) == ty).float().mean().item()

    torch.manual_seed(2)
    net = Net(4)
    export(net, out + "/train_init.onnx")
    xb, yb = x[:16], y[:16]
    np.save(out + "/train_input.npy", xb.numpy())
    np.save(out + "/train_labels.npy", yb.numpy().astype(np.int32))
    net.train()
    opt = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=5e-4)
    losses, grads = [], {}
    for step in range(10):
        logits = net(xb)
        loss = F.cross_entropy(logits, yb)
        opt.zero_grad()
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            np.save(out + "/train_logits.npy", logits.detach().numpy())
            grads = {n: p.grad.detach().clone() for n, p in net.named_parameters()}
        opt.step()
    names = list(grads)
    np.save(out + "/train_grads.npy", np.concatenate([grads[n].numpy().ravel() for n in names]))
    stats = {n: b for n, b in net.named_buffers() if b.dtype == torch.float32}
    np.save(out + "/train_stats.npy", np.concatenate([b.numpy().ravel() for b in stats.values()]))
    json.dump({
        "torch": torch.__version__, "glyphs_top1": top1,
        "sgd": {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4, "decays": "every parameter"},
        "losses": losses,
        "grads": [{"name": n, "shape": list(grads[n].shape)} for n in names],
        "stats": [{"name": n, "shape": list(b.shape)} for n, b in stats.items()],
    }, open(out + "/train.json", "w"), indent=1)


main(*sys.argv[1:])
