"""Norms as people spell them, by the operations that make them up."""

import torch
from torch import Tensor


def rms_pow(z: Tensor, eps: float = 0.0) -> Tensor:
    return z * torch.rsqrt(z.pow(2).mean(-1, keepdim=True) + eps)


def rms_square(z: Tensor) -> Tensor:
    return z / z.square().mean(-1, keepdim=True).sqrt()


def rms_product(z: Tensor) -> Tensor:
    return z / torch.sqrt((z * z).sum(-1, keepdim=True) / z.shape[-1])


def rms_norm_op(z: Tensor) -> Tensor:
    return z / (z.norm(dim=-1, keepdim=True) * z.shape[-1] ** -0.5)


def rms_power(z: Tensor) -> Tensor:
    return z * torch.pow(z.pow(2).mean(-1, keepdim=True) + 0.1, -0.5)


def layer_mean(z: Tensor, eps: float = 0.0) -> Tensor:
    d = z - z.mean(-1, keepdim=True)
    return d / torch.sqrt(d.pow(2).mean(-1, keepdim=True) + eps)


def layer_var(z: Tensor) -> Tensor:
    mean, var = z.mean(-1, keepdim=True), z.var(-1, unbiased=False, keepdim=True)
    return (z - mean) * torch.rsqrt(var + 0.1)


def layer_moments(z: Tensor) -> Tensor:
    mean = z.mean(-1, keepdim=True)
    var = (z - mean).pow(2).mean(-1, keepdim=True)
    return (z - mean) / (var + 0.1).sqrt()


def layer_std(z: Tensor) -> Tensor:
    return (z - z.mean(-1, keepdim=True)) / (z.std(-1, keepdim=True) + 0.1)


def layer_var_mean(z: Tensor) -> Tensor:
    var, mean = torch.var_mean(z, -1, keepdim=True, correction=0)
    return (z - mean) * torch.rsqrt(var + 0.1)
