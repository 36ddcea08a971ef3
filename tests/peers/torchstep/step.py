"""What torchstep has PyTorch do; it stands behind nets.py."""
import sys
import time
import warnings


def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024


def export(net, x, file):
    """Batch norm stays as it is: it is to learn."""
    mode = torch.onnx.TrainingMode.TRAINING
    torch.onnx.export(net, x, file, opset_version=15, input_names=["x"], output_names=["y"], training=mode, do_constant_folding=False,
                      dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})


def steps(net, x, last, headonly):
    """Answers on standard output, as many steps as standard input asks for in a line:
    the least time of them in milliseconds, the peak of the process's memory in bytes."""
    if last and x.dim() > 3:
        layout = torch.channels_last if x.dim() == 4 else torch.channels_last_3d
        net, x = net.to(memory_format=layout), x.to(memory_format=layout)
    if headonly:
        for p in net.parameters():
            p.requires_grad_(False)
        ends = [m for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv2d, nn.Conv1d, nn.Conv3d))]
        for p in ends[-1].parameters():
            p.requires_grad_(True)
    opt = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=1e-4, momentum=0.9)
    out = net(x)
    classes = out.dim() == 2 and out.shape[1] != 640
    y = torch.arange(len(x)) % min(10, out.shape[1]) if classes else torch.randn_like(out)
    loss = nn.CrossEntropyLoss() if classes else nn.MSELoss()
    del out
    for line in sys.stdin:
        best = float("inf")
        for _ in range(int(line)):
            start = time.perf_counter()
            opt.zero_grad()
            loss(net(x), y).backward()
            opt.step()
            best = min(best, time.perf_counter() - start)
        print(best * 1e3, peak(), flush=True)


def main():
    """ARGS: export NETWORK FILE, or steps NETWORK BATCH THREADS first|last all|head."""
    name = sys.argv[2]
    torch.manual_seed(1)
    make, shape = NETS[name]
    net = make()
    if sys.argv[1] == "export":
        warnings.simplefilter("ignore")
        return export(net, torch.randn(2, *shape), sys.argv[3])
    torch.set_num_threads(int(sys.argv[4]))
    steps(net, torch.randn(int(sys.argv[3]), *shape), sys.argv[5] == "last", sys.argv[6] == "head")


main()
