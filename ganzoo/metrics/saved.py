"""Statistics of features in a file: mean and covariance, with what they were measured by."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo.data.resize import RESIZER
from ganzoo.features.networks import FeatureNetwork
from ganzoo.metrics.extract import UNREADABLE, Features
from ganzoo.metrics.figures import Statistics, statistics
from ganzoo.metrics.sets import Samples
from ganzoo.system.files import replacing
from ganzoo.system.kinds import kind_of
from ganzoo.system.paths import missing, user_path

SUFFIX = ".npz"


class SavedStatistics:
    """Mean and covariance of features that were kept in a file.

    Attributes:
        statistics: Statistics of the images.
        features: Feature network that they were measured in.
        protocol: Protocol of the images.
        resizer: Method that brought them to the network's size.
        name: Name of the file.

    Raises:
        ValueError: if the file holds none, or is damaged.
        FileNotFoundError: if there is no such file.
    """

    statistics: Statistics
    features: dict[str, Any]
    protocol: dict[str, Any]
    resizer: str

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fspath(path)
        path = user_path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"{self.name} is no file of statistics." if path.exists() else missing(self.name)
            )
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                mean, covariance = data["mean"], data["covariance"]
                header = json.loads(str(data["header"]))
            dim, num = header["features"]["dim"], header["num"]
            self.features, self.protocol = dict(header["features"]), dict(header["protocol"])
            self.resizer = str(header["resizer"])
            _ = self.features["name"], self.features["sha256"]
            fits = mean.shape == (dim,) and covariance.shape == (dim, dim) and type(num) is int and num > 1
        except UNREADABLE as error:
            what = kind_of(Path(path))
            told = f"is {what}, and holds" if what else "holds"
            raise ValueError(f"{self.name} {told} no statistics that ganzoo eval --save wrote.") from error
        if not fits or {mean.dtype, covariance.dtype} != {np.dtype(np.float64)}:
            raise ValueError(f"{self.name} is damaged: its mean, covariance and header do not fit.")
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise ValueError(f"{self.name} is damaged: it holds numbers that are not finite.")
        self.statistics = Statistics(mean, covariance, num)

    def check(self, network: FeatureNetwork) -> None:
        """Raise ValueError if they were measured in another network or way."""
        own = network.info.to_dict()
        if self.features["name"] != own["name"]:
            raise ValueError(
                f"{self.name} holds statistics of {self.features['name']!r}, not of {own['name']!r}: "
                f"use --features {self.features['name']}."
            )
        if self.features != own:
            keys = sorted(key for key in {*self.features, *own} if self.features.get(key) != own.get(key))
            raise ValueError(
                f"{self.name} holds statistics of another {own['name']!r}: it differs in {', '.join(keys)}."
            )
        if self.resizer != RESIZER:
            raise ValueError(f"{self.name} was resized by {self.resizer}; this version resizes by {RESIZER}.")


def save_statistics(
    path: str | os.PathLike[str], features: Features, samples: Samples, network: FeatureNetwork
) -> None:
    """Write the mean and covariance of a set's features, with what they were measured by.

    Raises:
        OSError: if the file cannot be written.
    """
    found = statistics(features.features)
    header = {
        "num": found.num,
        "features": network.info.to_dict(),
        "protocol": samples.protocol,
        "resizer": RESIZER,
    }
    path = user_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, mean=found.mean, covariance=found.covariance, header=np.array(json.dumps(header)))
