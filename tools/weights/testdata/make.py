"""Makes state.pth, protocol4.pth, checkpoint.pth, old.pth and module.pth, as PyTorch saves them.

The numbers of every tensor are i/8 - 1 for its i-th element in row-major order.
"""
import os
import torch
from torch import nn

net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(4, 2))
for t in net.state_dict().values():
    if t.is_floating_point():
        t.copy_((torch.arange(t.numel()) / 8 - 1).reshape(t.shape))
net[0].to(memory_format=torch.channels_last)  # its weight is strided in the file
here = os.path.dirname(os.path.abspath(__file__))
torch.save(net.state_dict(), here + '/state.pth')
torch.save(net.state_dict(), here + '/protocol4.pth', pickle_protocol=4)
torch.save(net.state_dict(), here + '/old.pth', _use_new_zipfile_serialization=False)
torch.save(net, here + '/module.pth')
half = nn.DataParallel(net).half()
optimizer = torch.optim.SGD(half.parameters(), 0.1, momentum=0.9)
torch.save({'epoch': 3, 'best': 0.5, 'state_dict': half.state_dict(), 'optimizer': optimizer.state_dict()}, here + '/checkpoint.pth')
