"""The names of all models of a zoo, each with the module that defines it. Nothing is built."""

from collections.abc import Callable

Names = list[tuple[str, str]]


def torchvision_names() -> Names:
    """All that `torchvision.models.get_model` takes."""
    from symfind.load.operators import import_torchvision

    import_torchvision()
    from torchvision import models

    return [(name, models.get_model_builder(name).__module__) for name in models.list_models()]


def timm_names() -> Names:
    """All that `timm.create_model` takes, without tags of weights."""
    from symfind.load.operators import prepare_torchvision

    prepare_torchvision()
    import timm

    found = {
        name: module for module in timm.list_modules() for name in timm.list_models(module=module)
    }
    return [(name, found.get(name, "")) for name in timm.list_models()]


def transformers_names() -> Names:
    """All classes of models with a config; those without a forward pass of their own left out."""
    from symfind.load.operators import prepare_torchvision

    prepare_torchvision()
    import transformers

    # the table of a lazy package: what is in it need not be imported to be named
    homes: dict[str, str] = transformers._class_to_module
    return sorted(
        (name, home) for name, home in homes.items()
        if home.rpartition(".")[2].startswith("modeling_") and home.startswith("models.")
        and not home.startswith("models.auto.")
        and not name.endswith(("PreTrainedModel", "PretrainedModel"))
        and ("Model" in name or "For" in name)
    )  # fmt: skip


ZOOS: dict[str, Callable[[], Names]] = {
    "torchvision": torchvision_names,
    "timm": timm_names,
    "transformers": transformers_names,
}
