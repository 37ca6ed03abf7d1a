"""Which published models may take a projection's first steps, for a model of the same family."""

from ganzoo.models.published import list_models, model_entry
from ganzoo.models.reference import Name, reference

SIDES = (64, 256)  # of the first steps: between them, a member saves less than it costs to change


def smaller_members(name: Name) -> list[str]:
    """Published models of a published model's family that are smaller, from low to high; for others none.

    A family is a model and those with it as their `base`: they share its mapping network, so w means the same
    to all of them. Of several members of one side, it is the one with the most parameters.
    """
    entry = reference(name).entry
    if entry is None:
        return []
    root = entry.base or entry.name
    found: dict[int, tuple[int, str]] = {}
    for member in map(model_entry, list_models()):
        side = reference(member.name).config().resolution
        if (member.base or member.name) == root and side in SIDES:
            found[side] = max(found.get(side, (0, "")), (sum(member.parameters.values()), member.name))
    own = reference(name).config().resolution
    return [found[side][1] for side in sorted(found) if side < own]
