"""What arguments and lengths are called in a formula."""

from symfind.family.places import Place


def named(places: list[Place]) -> dict[Place, str]:
    """A name for every place that can be a symbol: as short as tells them apart."""
    parts = {p: _parts(p) for p in places}
    used = dict.fromkeys(places, 1)
    names: dict[Place, str] = {}
    for _ in range(max((len(x) for x in parts.values()), default=0) + 1):
        names = {p: "_".join(parts[p][-used[p]:]) for p in places}  # fmt: skip
        twice = {n for n in names.values() if list(names.values()).count(n) > 1}
        if not twice:
            return names
        used.update({p: used[p] + 1 for p in places if names[p] in twice})
    return {p: f"{name}_{i}" for i, (p, name) in enumerate(names.items())}


def _parts(place: Place) -> list[str]:
    """`config`, `n_embd` of `config.n_embd`; `depths_0` of `depths[0]`."""
    if place[0] == "input":
        inputs = f"inputs_{place[1]}" if str(place[1]).isdigit() else str(place[1])
        return [f"{inputs}_shape_{place[2]}"]
    found: list[str] = []
    for key in place:
        if isinstance(key, int) and found:
            found[-1] += f"_{key}"
        else:
            found += str(key).lstrip(".").split(".")
    return found
