"""Records of `ganzoo eval`, sorted into groups that may be compared."""

from collections.abc import Iterable
from dataclasses import dataclass

from ganzoo.metrics.record import Record, differences

_HIGHER_IS_BETTER = ("is", "psnr", "precision", "recall")


@dataclass(frozen=True)
class Group:
    """Records of one metric and one protocol.

    Attributes:
        records: Records in the order of the file.
        differs: Fields in which their protocol differs from that of the metric's first group, with both
            values; empty for the first.
    """

    records: tuple[Record, ...]
    differs: tuple[str, ...] = ()

    @property
    def metric(self) -> str:
        """The metric that all of them measure."""
        return self.records[0].metric

    def of(self, sha256: str) -> Record | None:
        """The last record of a model, by the hash of its weights."""
        found = [record for record in self.records if record.fake.get("sha256") == sha256]
        return found[-1] if found else None


def groups(records: Iterable[Record]) -> list[Group]:
    """Records by metric, in order of appearance, and within a metric by protocol."""
    metrics: dict[str, list[list[Record]]] = {}
    for record in records:
        found = metrics.setdefault(record.metric, [])
        same = next((group for group in found if not differences(group[0], record)), None)
        if same is None:
            found.append([record])
        else:
            same.append(record)
    return [
        Group(tuple(group), () if i == 0 else tuple(differences(first[0], group[0])))
        for first, *others in metrics.values()
        for i, group in enumerate((first, *others))
    ]


def higher_is_better(metric: str) -> bool:
    """Whether a larger value of the metric is the better one."""
    return metric.split("_")[0] in _HIGHER_IS_BETTER
