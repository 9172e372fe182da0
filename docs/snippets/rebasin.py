"""The permutations of a small network: where they act, drawn, applied, and as whole axes."""

import torch
from torch import nn

import symfind

layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)]
model = nn.Sequential(*layers).eval()
image = torch.randn(8, 3, 4, 4)

spec = symfind.permutations(model, image)
for name, axes in spec.axes_to_perm.items():
    print(name, axes)

perms = spec.sample(torch.Generator().manual_seed(0))
before = model(image)
model.load_state_dict(spec.apply(model.state_dict(), perms))
print(torch.allclose(model(image), before, atol=1e-6))
print(perms["P_0"])
print(spec.expand(perms)["P_0*4"])
