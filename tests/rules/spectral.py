"""Complex weights between transforms: filters of which parts are not seen, and whole ones."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of, weight

f = torch.fft


def line(n: int, modes: int) -> Any:
    """A filter of some modes of n places, from two channels to two (Fourier neural operators)."""

    def run(m: Any, x: Tensor) -> Tensor:
        z, w = f.rfft(x), torch.view_as_complex(m.w)
        y = torch.zeros(len(x), 2, n // 2 + 1, dtype=z.dtype)
        y[:, :, :modes] = torch.einsum("bix,iox->box", z[:, :, :modes], w)
        return m.q(F.gelu(f.irfft(y, n=n) + m.l(x)))

    return of(run, (4, 2, n), w=lambda: weight(2, 2, modes, 2), l=lambda: nn.Conv1d(2, 2, 1),
              q=lambda: nn.Conv1d(2, 1, 1))  # fmt: skip


def plane(h: int, w: int) -> Any:
    """A filter of pictures (global filter networks)."""

    def run(m: Any, x: Tensor) -> Tensor:
        z = f.rfft2(x, dim=(1, 2), norm="ortho") * torch.view_as_complex(m.w)
        return m.q(F.gelu(f.irfft2(z, s=(h, w), dim=(1, 2), norm="ortho")))

    return of(run, (3, h, w, 2), w=lambda: weight(h, w // 2 + 1, 2, 2), q=lambda: linear(2, 2))


def filtered(end: Any, n: int = 6) -> Any:
    """A filter of all frequencies, seen through a function."""
    return of(lambda m, x: end(f.fft(x) * torch.view_as_complex(m.w)), (9, n),
              w=lambda: weight(n, 2))  # fmt: skip


def parts(m: Any, x: Tensor) -> Tensor:
    """Real and imaginary parts of a filter as weights of their own."""
    return f.irfft(f.rfft(x) * torch.complex(m.a, m.b), n=x.shape[-1])


CASES = [
    *(Case(f"{modes} modes of {n} places", "view_as_complex fft_irfft", line(n, modes))
      for n, modes in ((6, 2), (6, 3), (5, 2))),
    *(Case(f"a filter of {h} by {w}", "fft_irfft2", plane(h, w))
      for h, w in ((4, 4), (3, 5), (2, 3))),
    Case("a filter of which the real part is seen", "fft_ifft", filtered(lambda z: f.ifft(z).real)),
    Case("a filter of which all is seen", "view_as_real", filtered(
        lambda z: torch.view_as_real(f.ifft(z)))),
    *(Case(f"two parts of a filter of {n}", "complex", of(
        parts, (9, n), a=lambda n=n: weight(n // 2 + 1), b=lambda n=n: weight(n // 2 + 1)))
      for n in (4, 5)),
    Case("a filter that is read as it is as well", "view_as_complex", of(
        lambda m, x: (f.irfft(f.rfft(x) * torch.view_as_complex(m.w), n=4),
                      F.linear(x[:, :2], m.w)), (9, 4), w=lambda: weight(3, 2))),
]  # fmt: skip
