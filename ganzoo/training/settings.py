"""What every run is told, whatever it trains: frozen records, strict in and complete out."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, TypeVar

from ganzoo.blocks import KINDS
from ganzoo.registry import checked, unknown
from ganzoo.training.devices import check_device

T = TypeVar("T")

GIB = 2**30
# What may change between the start of a run and its resumption: none of it decides on what was learnt so far.
FREE = (
    *("out", "name", "resume", "kimg", "device", "compile", "log_kimg", "sample_kimg", "checkpoint_kimg"),
    *("keep_checkpoints", "eval_every", "accumulate"),
)


def check(settings: Any) -> None:
    """Complete the blocks of a record and bring its other fields to their types."""
    for f in fields(settings):
        value = getattr(settings, f.name)
        if f.name in KINDS:
            object.__setattr__(settings, f.name, KINDS[f.name].complete(value))
        elif not is_dataclass(f.type):
            object.__setattr__(settings, f.name, checked(value, f.type, f.name))


def require(holds: bool, what: str, value: object) -> None:
    """Raise ValueError with what should hold."""
    if not holds:
        raise ValueError(f"{what}; got {value}.")


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """An optimiser of timm's by name, and the learning rate over time.

    Args:
        name: as `timm.optim` knows it.
        lr: learning rate after the warm-up.
        betas: of Adam and its kin, two or, for Adan, three.
        weight_decay: share by which weights shrink.
        warmup_kimg: thousands of images until the learning rate is reached.
        schedule: "cosine" falls to `final` times the learning rate at the run's end; "constant" stays.
        final: see `schedule`.
    """

    name: str = "adam"
    lr: float = 5e-4
    betas: tuple[float, ...] = (0.0, 0.99)
    weight_decay: float = 0.0
    warmup_kimg: float = 1.0
    schedule: Literal["cosine", "constant"] = "cosine"
    final: float = 0.01

    def __post_init__(self) -> None:
        check(self)
        require(self.lr > 0, "lr is positive", self.lr)
        require(len(self.betas) in (2, 3), "betas are two or three", self.betas)
        require(all(0 <= b < 1 for b in self.betas), "betas are from 0 to below 1", self.betas)
        for name in ("weight_decay", "warmup_kimg", "final"):
            require(getattr(self, name) >= 0, f"{name} is not negative", getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class EMASettings:
    """The moving average of a module's weights (Karras et al. 2018, section 4).

    Args:
        half_life_kimg: thousands of images after which a weight counts half.
        ramp_up: the half life is at most this share of what was learnt so far; None for no such limit.
    """

    half_life_kimg: float = 5.0
    ramp_up: float | None = 0.05

    def __post_init__(self) -> None:
        check(self)
        require(self.half_life_kimg >= 0, "half_life_kimg is not negative", self.half_life_kimg)
        require(self.ramp_up is None or self.ramp_up > 0, "ramp_up is positive, or null", self.ramp_up)


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """What the loop is told; a task's settings add its own, and may have other defaults.

    Args:
        out: Folder of the run.
        name: Name in tables.
        resume: "auto" goes on from the last checkpoint in the folder; "never" refuses a folder that has one.
        kimg: Thousands of images to learn from.
        batch_size: Images of one step, over all processes.
        accumulate: Parts of a process's share, one after another, to save memory.
        seed: Run seed.
        precision: Precision of the forward passes, "fp32", "bf16" or "fp16".
        device: "auto", or the device to take.
        compile: Whether networks are compiled.
        clip: Limit of the gradient's norm; None for none.
        log_kimg: Thousands of images between two lines of the log.
        sample_kimg: Thousands of images between two sheets.
        checkpoint_kimg: Thousands of images between two checkpoints.
        keep_checkpoints: Number of checkpoints to keep.
        eval_every: Thousands of images between two measurements; 0 measures at the end only.
        ema: Moving average of the weights.

    Raises:
        ValueError: for a value out of its range.
    """

    out: str
    name: str = ""
    resume: Literal["auto", "never"] = "auto"
    kimg: float = 1000.0
    batch_size: int = 16
    accumulate: int = 1
    seed: int = 0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    device: str = "auto"
    compile: bool = False
    clip: float | None = 1.0
    log_kimg: float = 0.5
    sample_kimg: float = 20.0
    checkpoint_kimg: float = 20.0
    keep_checkpoints: int = 2
    eval_every: float = 50.0
    ema: EMASettings = EMASettings()

    def __post_init__(self) -> None:
        check(self)
        check_device(self.device)
        for name in ("batch_size", "accumulate", "keep_checkpoints"):
            require(getattr(self, name) >= 1, f"{name} is at least 1", getattr(self, name))
        require(self.steps > 0, "kimg is positive: thousands of images to learn from", self.kimg)
        for name in ("log_kimg", "sample_kimg", "checkpoint_kimg"):
            require(getattr(self, name) > 0, f"{name} is positive", getattr(self, name))
        require(self.eval_every >= 0, "eval_every is not negative; 0 measures at the end", self.eval_every)
        require(0 <= self.seed < 2**32, "seed is a whole number from 0 to 4294967295", self.seed)
        require(self.clip is None or self.clip > 0, "clip is positive, or null for none", self.clip)

    @property
    def steps(self) -> int:
        """Steps of the whole run: the last one reaches kimg."""
        return -(-round(self.kimg * 1000) // self.batch_size)


def record(cls: type[T], data: Mapping[str, Any], where: str) -> T:
    """A settings class, and those within it, from mappings."""
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in data.items():
        if f"{where}{key}" == "loss.perceptual":
            raise ValueError("loss.perceptual is called loss.feature_l1: give that.")
        if key not in known:
            raise ValueError(unknown(f"setting of {where.rstrip('.') or 'a run'}", key, known))
        hint = known[key].type
        if is_dataclass(hint) and isinstance(hint, type) and not isinstance(value, hint):
            if not isinstance(value, Mapping):
                raise ValueError(
                    f"{where}{key} holds settings of its own, such as {where}{key}.{fields(hint)[0].name}."
                )
            default = known[key].default  # what is not given stays as this class has it, not as `hint` has it
            kept = {f.name: getattr(default, f.name) for f in fields(hint)} if is_dataclass(default) else {}
            value = record(hint, {**kept, **value}, f"{where}{key}.")
        values[key] = value
    needed = [f for f in known.values() if dataclasses.MISSING is f.default is f.default_factory]
    if missing := [f.name for f in needed if f.name not in values]:
        raise ValueError(f"A run lacks {', '.join(missing)}.")
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where[:-1]}: {error}" if where else str(error)) from error


def plain(value: Any) -> Any:
    """A value with mappings as dicts and tuples as lists, all the way down."""
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value
