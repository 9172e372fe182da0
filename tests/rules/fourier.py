"""Fourier transforms between trained layers, and filters in the frequencies."""

from typing import Any

import torch
from torch import Tensor

from tests.rules.harness import Case, linear, of, sequences, weight


def between(transform: Any, back: Any, *dims: Any) -> Any:
    def run(z: Tensor) -> Tensor:
        return torch.relu(back(transform(z)))

    return sequences(run, 3)


def long_convolution(m: Any, x: Tensor) -> Tensor:
    u = torch.tanh(m.a(x)).transpose(1, 2)
    y = torch.fft.irfft(torch.fft.rfft(u, n=8) * torch.fft.rfft(m.k, n=8), n=8)[..., :4]
    return torch.tanh(m.b(y.transpose(1, 2)))


def filtered(m: Any, x: Tensor) -> Tensor:
    f = torch.fft.rfft(m.a(x), dim=1) * m.g
    return torch.tanh(torch.fft.irfft(f, n=4, dim=1))


f = torch.fft
C = torch.complex(torch.randn(4, 2), torch.randn(4, 2))
CASES = [
    Case("fft along positions", "fft_fft fft_ifft real", between(
        lambda z: f.fft(z, dim=1), lambda z: f.ifft(z, dim=1).real)),
    Case("rfft along positions", "fft_rfft fft_irfft", between(
        lambda z: f.rfft(z, dim=1, norm="ortho"), lambda z: f.irfft(z, n=4, dim=1))),
    Case("fft2", "fft_fft2 fft_ifft2", between(
        lambda z: f.fft2(z, dim=(0, 1)), lambda z: f.ifft2(z, dim=(0, 1)).real)),
    Case("rfft2", "fft_rfft2 fft_irfft2", of(
        lambda m, x: torch.tanh(m.b(f.irfft2(f.rfft2(m.a(x), dim=(1, 2)), s=(3, 4), dim=(1, 2)))),
        (2, 3, 4, 2), a=lambda: linear(2, 2, False), b=lambda: linear(2, 2))),
    Case("complex numbers of two parts", "view_as_complex view_as_real", sequences(
        lambda z: torch.relu(torch.view_as_real(torch.view_as_complex(z.view(4, 4, 2, 2)) * C)
                             .flatten(-2)))),
    Case("fftn", "fft_fftn fft_ifftn", between(
        lambda z: f.fftn(z, dim=(1,)), lambda z: f.ifftn(z, dim=(1,)).real)),
    Case("rfftn", "fft_rfftn fft_irfftn", between(
        lambda z: f.rfftn(z, dim=(1,)), lambda z: f.irfftn(z, s=(4,), dim=(1,)))),
    Case("long convolution", "fft_rfft fft_irfft", of(
        long_convolution, (3, 4, 2), a=lambda: linear(2, 3), b=lambda: linear(3, 2),
        k=lambda: weight(3, 4))),
    Case("real filter in the frequencies", "fft_rfft fft_irfft", of(
        filtered, (3, 4, 2), a=lambda: linear(2, 3), g=lambda: weight(3, 3))),
]  # fmt: skip
