"""torchvision whose compiled operators do not load: what imports it by itself gets a second try."""

import pytest

from symfind.load import operators

MISSING = RuntimeError("operator torchvision::nms does not exist")


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the operators were declared; nothing is, in truth."""
    calls: list[bool] = []

    def declare(quiet: bool) -> None:
        calls.append(True)
        operators._libraries.append(None)  # type: ignore[arg-type]

    monkeypatch.setattr(operators, "_libraries", [])
    monkeypatch.setattr(operators, "_declare", declare)
    return calls


def test_a_lazy_import_hides_the_cause(declared: list[bool]) -> None:
    """transformers raises an error of its own, from the one that tells."""

    def imported() -> str:
        if not declared:
            try:
                raise MISSING
            except RuntimeError as error:
                raise ModuleNotFoundError("could not import module") from error
        return "module"

    assert operators.with_operators(imported) == "module"
    assert declared == [True]


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), ImportError("no torchvision")])
def test_other_errors_pass(declared: list[bool], error: Exception) -> None:
    def failing() -> None:
        raise error

    with pytest.raises(type(error), match=str(error)):
        operators.with_operators(failing)
    assert not declared


def test_only_once(declared: list[bool]) -> None:
    """What fails again, with the operators declared, fails for good."""

    def failing() -> None:
        raise MISSING

    with pytest.raises(RuntimeError, match="nms"):
        operators.with_operators(failing)
    with pytest.raises(RuntimeError, match="nms"):
        operators.with_operators(failing)
    assert declared == [True]
