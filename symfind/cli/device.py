from symfind.errors import InputError


def check_device(device: str) -> None:
    """Make sure that torch can compute there.

    Raises:
        InputError: It cannot.
    """
    if device == "cpu":
        return
    import torch

    try:
        kind = torch.device(device).type
        if kind == "meta":
            raise RuntimeError("it holds no values")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"--device {device} cannot be used: {reason}; use cpu, or a device that this torch sees"
        ) from error
