"""Models of ganzoo on the Hub."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from ganzoo.models.hub_client import hub_call
from ganzoo.models.hub_names import SCHEME

TAG = "ganzoo"


def hub_models(owner: str | None, pattern: str = "*", tags: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Models that are tagged as ganzoo's, as the Hub describes them, sorted by name.

    Args:
        owner: Owner of the repositories, or None for all that may be seen.
        pattern: Pattern of the name after the owner's, with wildcards.
        tags: Tags that they must bear.

    Raises:
        HubError: if the Hub cannot be asked.
    """
    from huggingface_hub import HfApi

    with hub_call(f"The models of {owner or 'all owners'} cannot be listed"):
        infos = list(HfApi().list_models(author=owner, filter=[TAG, *tags], full=True, cardData=True))
    rows = []
    for info in infos:
        if not fnmatchcase(info.id.partition("/")[2], pattern):
            continue
        card: Any = info.card_data or {}
        base = card.get("base_model") or ""
        rows.append(
            {
                "name": f"{SCHEME}{info.id}",
                "commit": info.sha,
                "license": str(card.get("license_name") or card.get("license") or "none named"),
                "base_model": ", ".join(map(str, base)) if isinstance(base, list) else str(base),
                "private": bool(info.private),
                "downloads": info.downloads or 0,
                "changed": info.last_modified.isoformat() if info.last_modified else "",
                "tags": list(info.tags or []),
            }
        )
    return sorted(rows, key=lambda row: row["name"])
