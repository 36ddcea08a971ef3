"""The networks of torchstep in PyTorch: those that teff new makes, and others that
users bring, which torchstep exports and Teff imports."""
import torch
import torch.nn.functional as F
from torch import nn


def conv(i, o, k=3, s=1, g=1, act=nn.ReLU, pad=None, bias=False):
    layers = [nn.Conv2d(i, o, k, s, k // 2 if pad is None else pad, groups=g, bias=bias), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, act(inplace=True)) if act else nn.Sequential(*layers)


def head(c, classes, drop=0):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(drop), nn.Linear(c, classes))


class Add(nn.Module):
    """A body beside a shortcut."""

    def __init__(self, body, short=None, act=False):
        super().__init__()
        self.body, self.short, self.act = body, short, act

    def forward(self, x):
        y = self.body(x)
        y += self.short(x) if self.short else x
        return F.relu_(y) if self.act else y


class Cat(nn.Module):
    """Branches side by side."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([b(x) for b in self.branches], 1)


def resnet8():
    layers, ic = [conv(3, 16, bias=True)], 16
    for i, c in enumerate([16, 32, 64]):
        s = 2 if i else 1
        body = nn.Sequential(conv(ic, c, 3, s, bias=True), conv(c, c, act=None, bias=True))
        layers.append(Add(body, nn.Conv2d(ic, c, 1, s) if i else None, True))
        ic = c
    return nn.Sequential(*layers, head(64, 10))


def resnet(depths, bottleneck=False, wide=None):
    """He et al. 2015; wide: ResNeXt's, of 32 groups."""
    layers, ic = [conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
    for i, (n, c) in enumerate(zip(depths, [64, 128, 256, 512])):
        for j in range(n):
            s, o, w = 2 if i and not j else 1, 4 * c if bottleneck else c, 2 * c if wide else c
            if bottleneck:
                body = nn.Sequential(conv(ic, w, 1), conv(w, w, 3, s, 32 if wide else 1), conv(w, o, 1, act=None))
            else:
                body = nn.Sequential(conv(ic, c, 3, s), conv(c, c, act=None))
            layers.append(Add(body, conv(ic, o, 1, s, act=None) if s > 1 or ic != o else None, True))
            ic = o
    return nn.Sequential(*layers, head(ic, 1000))


def vgg11():
    layers, ic = [], 3
    for c in [64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0]:
        layers += [nn.Conv2d(ic, c, 3, 1, 1), nn.ReLU(inplace=True)] if c else [nn.MaxPool2d(2)]
        ic = c or ic
    layers.append(nn.Flatten())
    for i in (25088, 4096):
        layers += [nn.Linear(i, 4096), nn.ReLU(inplace=True), nn.Dropout()]
    return nn.Sequential(*layers, nn.Linear(4096, 1000))


def mobilenetv1():
    layers, ic = [conv(3, 8, 3, 2)], 8
    for c, s in [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)] + [(128, 1)] * 5 + [(256, 2), (256, 1)]:
        layers += [conv(ic, ic, 3, s, ic), conv(ic, c, 1)]
        ic = c
    return nn.Sequential(*layers, head(256, 2))


class Squeeze(nn.Module):
    """Squeeze and excite (Hu et al. 2018)."""

    def __init__(self, c, r, act, gate):
        super().__init__()
        self.f = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, r, 1), act(inplace=True), nn.Conv2d(r, c, 1), gate())

    def forward(self, x):
        return x * self.f(x)


def inverted(i, e, o, k, s, act, se=None):
    body = [conv(i, e, 1, act=act)] if e != i else []
    body += [conv(e, e, k, s, e, act)] + ([se] if se else []) + [conv(e, o, 1, act=None)]
    body = nn.Sequential(*body)
    return Add(body) if s == 1 and i == o else body


def mobilenetv2():
    layers, ic = [conv(3, 32, 3, 2, act=nn.ReLU6)], 32
    for t, c, n, s in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
        for j in range(n):
            layers.append(inverted(ic, ic * t, c, 3, 1 if j else s, nn.ReLU6))
            ic = c
    return nn.Sequential(*layers, conv(320, 1280, 1, act=nn.ReLU6), head(1280, 1000, 0.2))


def efficientnet():
    layers, ic = [conv(3, 32, 3, 2, act=nn.SiLU)], 32
    for t, c, n, s, k in [(1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)]:
        for j in range(n):
            layers.append(inverted(ic, ic * t, c, k, 1 if j else s, nn.SiLU, Squeeze(ic * t, max(1, ic // 4), nn.SiLU, nn.Sigmoid)))
            ic = c
    return nn.Sequential(*layers, conv(320, 1280, 1, act=nn.SiLU), head(1280, 1000, 0.2))


def mobilenetv3():
    """The small one."""
    h, r = nn.Hardswish, nn.ReLU
    layers, ic = [conv(3, 16, 3, 2, act=h)], 16
    for k, e, o, q, act, s in [(3, 16, 16, 8, r, 2), (3, 72, 24, 0, r, 2), (3, 88, 24, 0, r, 1), (5, 96, 40, 24, h, 2), (5, 240, 40, 64, h, 1), (5, 240, 40, 64, h, 1),
                               (5, 120, 48, 32, h, 1), (5, 144, 48, 40, h, 1), (5, 288, 96, 72, h, 2), (5, 576, 96, 144, h, 1), (5, 576, 96, 144, h, 1)]:
        layers.append(inverted(ic, e, o, k, s, act, Squeeze(e, q, r, nn.Hardsigmoid) if q else None))
        ic = o
    last = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(576, 1024), h(inplace=True), nn.Dropout(0.2), nn.Linear(1024, 1000)]
    return nn.Sequential(*layers, conv(96, 576, 1, act=h), *last)


def squeezenet():
    layers, ic = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True)], 64
    for q, e in [(16, 64), (16, 64), (0, 0), (32, 128), (32, 128), (0, 0), (48, 192), (48, 192), (64, 256), (64, 256)]:
        if not q:
            layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            continue
        branches = [nn.Sequential(nn.Conv2d(q, e, k, 1, k // 2), nn.ReLU(inplace=True)) for k in (1, 3)]
        layers += [nn.Conv2d(ic, q, 1), nn.ReLU(inplace=True), Cat(*branches)]
        ic = 2 * e
    return nn.Sequential(*layers, nn.Dropout(), nn.Conv2d(512, 1000, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def dscnn():
    layers = [nn.Conv2d(1, 64, (10, 4), 2, (5, 1)), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.Dropout(0.2)]
    for _ in range(4):
        layers += [conv(64, 64, 3, 1, 64, bias=True), conv(64, 64, 1, bias=True)]
    return nn.Sequential(*layers, nn.Dropout(0.4), head(64, 12))


def autoencoder():
    layers, i = [], 640
    for o in [128, 128, 128, 128, 8, 128, 128, 128, 128]:
        layers += [nn.Linear(i, o), nn.BatchNorm1d(o), nn.ReLU(inplace=True)]
        i = o
    return nn.Sequential(*layers, nn.Linear(i, 640))


class Same(nn.Module):
    """A layer, and its input before it."""

    def __init__(self, *layers):
        super().__init__()
        self.f = nn.Sequential(*layers)

    def forward(self, x):
        return torch.cat([x, self.f(x)], 1)


def densenet():
    """DenseNet-121 (Huang et al. 2017)."""
    layers, c = [conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
    norm = lambda c: [nn.BatchNorm2d(c), nn.ReLU(inplace=True)]
    for b, n in enumerate([6, 12, 24, 16]):
        for _ in range(n):
            layers.append(Same(*norm(c), nn.Conv2d(c, 128, 1, bias=False), *norm(128), nn.Conv2d(128, 32, 3, 1, 1, bias=False)))
            c += 32
        if b < 3:
            layers += [*norm(c), nn.Conv2d(c, c // 2, 1, bias=False), nn.AvgPool2d(2)]
            c //= 2
    return nn.Sequential(*layers, *norm(c), head(c, 1000))


class Shuffle(nn.Module):
    """A unit of ShuffleNetV2 (Ma et al. 2018)."""

    def __init__(self, i, o, s):
        super().__init__()
        h = o // 2
        self.short = nn.Sequential(conv(i, i, 3, s, i, None), conv(i, h, 1)) if s > 1 else None
        self.body = nn.Sequential(conv(i if s > 1 else h, h, 1), conv(h, h, 3, s, h, None), conv(h, h, 1))

    def forward(self, x):
        a, b = (self.short(x), x) if self.short else x.chunk(2, 1)
        y = torch.cat([a, self.body(b)], 1)
        n, c, h, w = y.shape
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def shufflenet():
    layers, ic = [conv(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1)], 24
    for c, n in [(116, 4), (232, 8), (464, 4)]:
        for j in range(n):
            layers.append(Shuffle(ic, c, 1 if j else 2))
            ic = c
    return nn.Sequential(*layers, conv(464, 1024, 1), head(1024, 1000))


class LastNorm(nn.LayerNorm):
    """Layer norm of the channels of an image."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Next(nn.Module):
    """A block of ConvNeXt (Liu et al. 2022)."""

    def __init__(self, c):
        super().__init__()
        self.wide = nn.Conv2d(c, c, 7, 1, 3, groups=c)
        self.f = nn.Sequential(nn.LayerNorm(c, eps=1e-6), nn.Linear(c, 4 * c), nn.GELU(), nn.Linear(4 * c, c))
        self.scale = nn.Parameter(torch.ones(c) * 0.1)

    def forward(self, x):
        return x + (self.f(self.wide(x).permute(0, 2, 3, 1)) * self.scale).permute(0, 3, 1, 2)


def convnext():
    layers, c = [nn.Conv2d(3, 96, 4, 4), LastNorm(96, eps=1e-6)], 96
    for i, (n, o) in enumerate([(3, 96), (3, 192), (9, 384), (3, 768)]):
        layers += [LastNorm(c, eps=1e-6), nn.Conv2d(c, o, 2, 2)] if i else []
        layers += [Next(o) for _ in range(n)]
        c = o
    return nn.Sequential(*layers, head(768, 1000))


class Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.q, self.o, self.heads = nn.Linear(d, 3 * d), nn.Linear(d, d), heads

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = self.q(x).reshape(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        a = ((q @ k.transpose(-2, -1)) * (d // self.heads) ** -0.5).softmax(-1)
        return self.o((a @ v).transpose(1, 2).reshape(n, t, d))


class Vit(nn.Module):
    """ViT-Ti (Dosovitskiy et al. 2021, Touvron et al. 2021)."""

    def __init__(self, d=192, heads=3, depth=12):
        super().__init__()
        self.patch = nn.Conv2d(3, d, 16, 16)
        self.token, self.place = nn.Parameter(torch.zeros(1, 1, d)), nn.Parameter(torch.zeros(1, 197, d))
        layers = []
        for _ in range(depth):
            layers += [Add(nn.Sequential(nn.LayerNorm(d), Attention(d, heads)))]
            layers += [Add(nn.Sequential(nn.LayerNorm(d), nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d)))]
        self.body, self.norm, self.fc = nn.Sequential(*layers), nn.LayerNorm(d), nn.Linear(d, 1000)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
        return self.fc(self.norm(self.body(x))[:, 0])


class UNet(nn.Module):
    """Ronneberger et al. 2015 with batch norm, from 32 channels."""

    def __init__(self, b=32, depth=4):
        super().__init__()
        two = lambda i, o: nn.Sequential(conv(i, o), conv(o, o))
        c = [b << i for i in range(depth + 1)]
        self.down = nn.ModuleList([two(i, o) for i, o in zip([3] + c, c)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(2 * o, o, 2, 2) for o in c[-2::-1]])
        self.join = nn.ModuleList([two(2 * o, o) for o in c[-2::-1]])
        self.out = nn.Conv2d(b, 2, 1)

    def forward(self, x):
        kept = []
        for d in self.down[:-1]:
            kept.append(d(x))
            x = F.max_pool2d(kept[-1], 2)
        x = self.down[-1](x)
        for up, join in zip(self.up, self.join):
            x = join(torch.cat([kept.pop(), up(x)], 1))
        return self.out(x)


class Deeplab(nn.Module):
    """Dilated convolutions beside each other, and bilinear enlargement (Chen et al. 2017)."""

    def __init__(self):
        super().__init__()
        body, ic = [conv(3, 32, 3, 2, act=nn.ReLU6)], 32
        for e, o, s in [(32, 16, 1), (96, 24, 2), (144, 32, 2), (192, 64, 2), (384, 96, 1)]:
            body.append(inverted(ic, e, o, 3, s, nn.ReLU6))
            ic = o
        wide = lambda d: nn.Sequential(nn.Conv2d(96, 128, 3, 1, d, d, bias=False), nn.BatchNorm2d(128), nn.ReLU(inplace=True))
        self.f = nn.Sequential(*body, Cat(conv(96, 128, 1), wide(3), wide(6), wide(9)), conv(512, 128, 1), nn.Conv2d(128, 21, 1))

    def forward(self, x):
        return F.interpolate(self.f(x), scale_factor=16.0, mode="bilinear", align_corners=False)


def audio():
    """M5 on a second of sound (Dai et al. 2017)."""
    layers, ic = [nn.Conv1d(1, 64, 80, 4), nn.BatchNorm1d(64), nn.ReLU(inplace=True), nn.MaxPool1d(4)], 64
    for o in (64, 128, 256):
        layers += [nn.Conv1d(ic, o, 3), nn.BatchNorm1d(o), nn.ReLU(inplace=True), nn.MaxPool1d(4)]
        ic = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(256, 35))


def c3d():
    layers = []
    for i, o, pool in [(3, 32, (1, 2, 2)), (32, 64, 2), (64, 128, 2)]:
        layers += [nn.Conv3d(i, o, 3, 1, 1), nn.ReLU(inplace=True), nn.MaxPool3d(pool)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(128, 10))


# What makes a network, and the shape of its input without the minibatch.
NETS = {
    "resnet8": (resnet8, (3, 32, 32)), "resnet18": (lambda: resnet([2, 2, 2, 2]), (3, 224, 224)),
    "resnet50": (lambda: resnet([3, 4, 6, 3], True), (3, 224, 224)), "vgg11": (vgg11, (3, 224, 224)),
    "mobilenetv1": (mobilenetv1, (3, 96, 96)), "mobilenetv2": (mobilenetv2, (3, 224, 224)),
    "squeezenet": (squeezenet, (3, 224, 224)), "dscnn": (dscnn, (1, 49, 10)), "autoencoder": (autoencoder, (640,)),
    "resnext50": (lambda: resnet([3, 4, 6, 3], True, True), (3, 224, 224)), "efficientnet": (efficientnet, (3, 224, 224)),
    "mobilenetv3": (mobilenetv3, (3, 224, 224)), "densenet": (densenet, (3, 224, 224)), "shufflenet": (shufflenet, (3, 224, 224)),
    "convnext": (convnext, (3, 224, 224)), "vit": (Vit, (3, 224, 224)), "unet": (UNet, (3, 128, 128)),
    "deeplab": (Deeplab, (3, 256, 256)), "audio": (audio, (1, 16000)), "c3d": (c3d, (3, 8, 56, 56)),
}
