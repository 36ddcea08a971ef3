"""ONNX files of one operator each, at sizes that networks have:

  operators.py DIR [PREFIX...]

writes DIR/CASE.onnx, and for images DIR/CASE.net.onnx with a factor a channel before
and after, which keeps the layout that an engine has inside of a network."""
import sys
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(1)
cases = {}


class Call(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


class Inside(nn.Module):
    def __init__(self, m, c, oc):
        super().__init__()
        self.a, self.m = nn.Conv2d(c, c, 1, groups=c, bias=False), m
        self.b = nn.Conv2d(oc, oc, 1, groups=oc, bias=False) if oc else nn.Identity()

    def forward(self, x):
        return self.b(self.m(self.a(x)))


def add(shape, **kinds):
    for name, f in kinds.items():
        cases[name] = (f if isinstance(f, nn.Module) else Call(f)).eval(), shape


A, B, S, SEG = (1, 64, 56, 56), (1, 256, 28, 28), (1, 197, 192), (1, 21, 128, 128)
C1, C2, C3, T1, T2, T3 = nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d

add(A, group_norm32=nn.GroupNorm(32, 64), lrn=nn.LocalResponseNorm(5))
add(B, group_norm8=nn.GroupNorm(8, 256), group_norm1=nn.GroupNorm(1, 256))
add((1, 64, 128, 128), instance_norm=nn.InstanceNorm2d(64, affine=True))
add((1, 512, 28, 28), l2_norm_channels=lambda x: F.normalize(x, dim=1))
add((64, 512), l2_norm=lambda x: F.normalize(x, dim=1))
for name, axes in dict(c=1, h=2, w=3, hw=(2, 3)).items():
    add(A, **{"mean_" + name: lambda x, a=axes: x.mean(a, keepdim=True), "max_" + name: lambda x, a=axes: x.amax(a, keepdim=True)})
add(S, sum_last=lambda x: x.sum(-1), l2_last=lambda x: x.norm(dim=-1), max_last=lambda x: x.amax(-1), logsumexp=lambda x: torch.logsumexp(x, -1),
    cumsum_middle=lambda x: torch.cumsum(x, 1), cumsum_last=lambda x: torch.cumsum(x, -1), argmax_last=lambda x: x.argmax(-1))
add(SEG, argmax_channels=lambda x: x.argmax(1), softmax_channels=lambda x: F.softmax(x, 1), log_softmax_channels=lambda x: F.log_softmax(x, 1))
add((1, 2, 256, 256), softmax_of_2=lambda x: F.softmax(x, 1))
add((1, 64, 8400), softmax_boxes=lambda x: F.softmax(x.view(1, 4, 16, 8400), 2))
add((1, 1000), softmax=lambda x: F.softmax(x, 1), log_softmax=lambda x: F.log_softmax(x, 1), topk5=lambda x: torch.topk(x, 5)[0])
add((1, 256, 96), log_softmax_rows=lambda x: F.log_softmax(x, -1))
add((1, 8400), topk100=lambda x: torch.topk(x, 100)[0])

add((1, 64, 111, 111), max_pool_ceil=nn.MaxPool2d(3, 2, ceil_mode=True))
add((1, 192, 28, 28), avg_pool_padded=nn.AvgPool2d(3, 1, 1), avg_pool_ceil=nn.AvgPool2d(3, 2, 1, ceil_mode=True))
add((1, 512, 13, 13), max_pool13=nn.MaxPool2d(13, 1, 6))
add(A, lp_pool=nn.LPPool2d(2, 3, 2))
add((1, 64, 8000), max_pool_1d=nn.MaxPool1d(4))
add((1, 32, 16, 28, 28), max_pool_3d=nn.MaxPool3d(2))

for f in (F.gelu, F.relu, F.relu6, F.elu, F.selu, F.celu, F.silu, F.mish, F.softplus, F.hardswish, F.hardsigmoid, F.softsign, F.logsigmoid, F.hardshrink, F.leaky_relu,
          torch.erf, torch.sigmoid, torch.tanh, torch.exp, torch.abs, torch.sin, torch.cos, torch.floor, torch.round, torch.sign, torch.atan):
    add(A, **{f.__name__: f})
add(A, sqrt=lambda x: x.abs().sqrt(), rsqrt=lambda x: (x.abs() + 1).rsqrt(), log=lambda x: (x.abs() + 1).log(), reciprocal=lambda x: 1 / (x + 3), power=lambda x: x.abs()**2.2,
    prelu=nn.PReLU(64), where=lambda x: torch.where(x > 0, x, x * 0.3), compare_chain=lambda x: ((x > -0.5) & (x < 0.5)).float() * x, threshold=lambda x: (x > 0.5).float(),
    min_max=lambda x: torch.minimum(torch.maximum(x, x * 0.1), x + 1))
add((1, 3, 197, 197), mask=lambda x: x.masked_fill(torch.tril(torch.ones(197, 197)) == 0, -1e9))

rows, places = torch.randperm(64), torch.randint(0, 197, (49,))
add(A, gather_channels=lambda x: x[:, rows], slice2=lambda x: x[:, :, ::2, ::2], flip=lambda x: torch.flip(x, [3]), pad_channels=lambda x: F.pad(x, (0, 0, 0, 0, 16, 16)),
    unshuffle=nn.PixelUnshuffle(2), down=lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear", recompute_scale_factor=False))
add(S, gather_rows=lambda x: x[:, places], gather_elements=lambda x: torch.gather(x, 1, places[None, :, None].expand(1, 49, 192)),
    scatter=lambda x: torch.zeros(1, 197, 192).scatter(1, torch.arange(196, -1, -1)[None, :, None].expand(1, 197, 192), x))
add((1, 256, 56, 56), shuffle2=nn.PixelShuffle(2))
add((1, 27, 100, 100), shuffle3=nn.PixelShuffle(3))
add((1, 64, 64, 64), pad_reflect=nn.ReflectionPad2d(1), pad_edge=nn.ReplicationPad2d(1), pad_zero=nn.ZeroPad2d(1))
add((1, 16, 56, 56), unfold=lambda x: F.unfold(x, 3, padding=1))
add((1, 64, 28, 28), tile=lambda x: x.repeat(1, 1, 2, 2), nearest=lambda x: F.interpolate(x, scale_factor=2), bilinear=lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    bicubic=lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), up_depthwise=T2(64, 64, 4, 2, 1, groups=64, bias=False))
add((1, 16, 8, 16, 16), trilinear=lambda x: F.interpolate(x, scale_factor=2, mode="trilinear"))

add((1, 21, 16, 16), up16_depthwise=T2(21, 21, 32, 16, 8, groups=21, bias=False), up16=T2(21, 21, 32, 16, 8, bias=False))
add((1, 128, 28, 28), up_groups=T2(128, 64, 4, 2, 1, groups=4), up2=T2(128, 64, 2, 2), up3=T2(128, 64, 3, 2, 1, 1))
add((1, 64, 64, 64), up_image=T2(64, 3, 4, 2, 1))
add((1, 128, 200), up_1d=T1(128, 64, 16, 8, 4))
add((1, 32, 8, 14, 14), up_3d=T3(32, 16, 2, 2))
for g in (2, 3, 4, 6, 8, 12, 16, 24):
    add((1, 16 * g, 28, 28), **{f"conv_groups_of_{g}": C2(16 * g, 16 * g, 3, 1, 1, groups=16)})
add((1, 256, 28, 28), conv_dilated2=C2(256, 256, 3, 1, 2, 2), conv_dilated12=C2(256, 256, 3, 1, 12, 12))
add((1, 3, 224, 224), conv11=C2(3, 64, 11, 4, 2), conv16=C2(3, 192, 16, 16))
add((1, 192, 17, 17), conv_1x7=C2(192, 192, (1, 7), 1, (0, 3)), conv_7x1=C2(192, 192, (7, 1), 1, (3, 0)))
add((1, 64, 27, 27), conv5=C2(64, 192, 5, 1, 2))
add(A, conv7=C2(64, 64, 7, 1, 3), depthwise7_dilated=C2(64, 64, 7, 1, 9, 3, groups=64), depthwise13=C2(64, 64, 13, 1, 6, groups=64), depthwise31=C2(64, 64, 31, 1, 15, groups=64))
add((1, 32, 56, 56), depthwise_times2=C2(32, 64, 3, 1, 1, groups=32))
add((1, 1, 16000), conv_1d_80=C1(1, 64, 80, 4), conv_1d_400=C1(1, 64, 400, 160))
add((1, 64, 4000), conv_1d_dilated=C1(64, 64, 3, 1, 512, 512), conv_1d_15=C1(64, 64, 15, 1, 7))
add((1, 256, 500), depthwise_1d_31=C1(256, 256, 31, 1, 15, groups=256))
add((1, 64, 8, 28, 28), conv_3d_depthwise=C3(64, 64, 3, 1, 1, groups=64), conv_3d_spatial=C3(64, 64, (1, 3, 3), 1, (0, 1, 1)), conv_3d_time=C3(64, 64, (3, 1, 1), 1, (1, 0, 0)))

# What heads of detectors and segmenters are made of: shape operators one after the other.


def yolo_decode(x):  # [1, 3 * 85, 20, 20]
    y = x.view(1, 3, 85, 20, 20).permute(0, 1, 3, 4, 2).sigmoid()
    grid = torch.stack(torch.meshgrid(torch.arange(20.0), torch.arange(20.0)), 2)
    return torch.cat(((y[..., 0:2] * 2 - 0.5 + grid) * 32, (y[..., 2:4] * 2) ** 2 * 16, y[..., 4:]), -1).view(1, -1, 85)


def boxes_of(x):  # [1, 8400, 4], centre and size
    c, s = x[..., :2], x[..., 2:] / 2
    return torch.cat((c - s, c + s), -1)


def best(x):  # [1, 8400, 84]
    score, at = torch.topk(x[..., 4:].amax(-1), 300)
    return torch.cat((torch.gather(x, 1, at[..., None].expand(1, 300, 84)), score[..., None]), -1)


def put(x):  # [1, 64, 28, 28]
    y = x.clone()
    y[:, :, ::2, 1::2] = x[:, :, 1::2, ::2]
    return y


where, corner = torch.randint(0, 28, (300,)), torch.randint(0, 28, (300,))
add((1, 255, 20, 20), detect_yolo=yolo_decode)
add((1, 8400, 4), detect_boxes=boxes_of)
add((1, 8400, 84), detect_best=best, detect_argmax=lambda x: x[..., 4:].argmax(-1), detect_transposed=lambda x: torch.cat((x[..., :4] * 2, x[..., 4:]), -1).transpose(1, 2))
add((1, 64, 28, 28), index_put=put, gather_nd=lambda x: x.permute(0, 2, 3, 1)[:, where, corner])
add((1, 21, 65, 65), segment=lambda x: F.interpolate(x, size=(260, 260), mode="bilinear").argmax(1))
add((1, 3, 64, 64), fake_quantise=lambda x: torch.clamp(torch.round(x / 0.02), -128, 127) * 0.02)

w = torch.randn(8, 1, 64, 32)
add((1, 4, 49, 64), matmul_broadcast=lambda x: x @ w)
add((1, 3, 197, 64), matmul_self=lambda x: x @ x.transpose(-1, -2), einsum=lambda x: torch.einsum("bhid,bhjd->bhij", x, x))


def write(path, m, shape):
    torch.onnx.export(m, torch.randn(*shape), path, opset_version=13, input_names=["x"], output_names=["y"])


for name, (m, shape) in cases.items():
    if len(sys.argv) > 2 and not name.startswith(tuple(sys.argv[2:])):
        continue
    with torch.no_grad():
        y = m(torch.randn(*shape))
        write(f"{sys.argv[1]}/{name}.onnx", m, shape)
        if len(shape) == 4 and not name.startswith(("matmul", "einsum", "mask")):
            write(f"{sys.argv[1]}/{name}.net.onnx", Inside(m, shape[1], y.shape[1] if y.dim() == 4 and y.is_floating_point() else 0), shape)
