"""An axis: from values to places on a drawing, with round numbers beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_LOG_SPAN = 6.0  # of the values on an axis, from where on it is logarithmic
_LOG_PAD, _PAD = 1.5, 0.12
_MOST_TICKS = 7


@dataclass(frozen=True)
class Axis:
    """A range of values on a stretch of a drawing.

    Attributes:
        low, high: The range.
        start, end: Coordinates of the two.
        logarithmic: Whether equal ratios are equally far apart.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    @classmethod
    def linear(cls, values: Sequence[float], start: float, end: float) -> "Axis":
        """A little more than the values' range, and never empty; it begins at 0 where it would pass it."""
        low, high = min(values), max(values)
        pad = (high - low) * _PAD or abs(high) * _PAD or 1.0
        return cls(0.0 if low >= 0 and low - pad < 0 else low - pad, high + pad, start, end)

    @classmethod
    def fitting(cls, values: Sequence[float], start: float, end: float) -> "Axis":
        """A linear axis, or a logarithmic one where positive values are far apart."""
        low, high = min(values), max(values)
        if low > 0 and high / low > _LOG_SPAN:
            return cls(low / _LOG_PAD, high * _LOG_PAD, start, end, logarithmic=True)
        return cls.linear(values, start, end)

    def place(self, value: float) -> float:
        """The coordinate of a value, to a tenth."""
        part = (value - self.low) / (self.high - self.low)
        if self.logarithmic:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + part * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Round numbers on the axis."""
        return log_ticks(self.low, self.high) if self.logarithmic else ticks(self.low, self.high)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from low to high, about `count` of them."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten from low to high, with others between them where there is room."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [m * 10.0**p for p in powers for m in factors if low <= m * 10.0**p <= high]
        if len(found) <= _MOST_TICKS:
            break
    return found[:: max(1, math.ceil(len(found) / _MOST_TICKS))]
