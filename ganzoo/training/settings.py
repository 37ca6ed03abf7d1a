"""What every run is told, whatever it trains: frozen records, strict in and complete out."""

from dataclasses import dataclass
from typing import Literal

from ganzoo.blocks import KINDS
from ganzoo.system.validation import check_fields
from ganzoo.training.devices import check_device

GIB = 2**30
# What may change between the start of a run and its resumption: none of it decides on what was learnt so far.
FREE = (
    *("out", "name", "resume", "kimg", "device", "compile", "log_kimg", "sample_kimg", "checkpoint_kimg"),
    *("keep_checkpoints", "eval_every", "accumulate"),
)


def require(holds: bool, what: str, value: object) -> None:
    """Raise ValueError with what should hold."""
    if not holds:
        raise ValueError(f"{what}; got {value}.")


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """An optimiser of timm's by name, and the learning rate over time.

    Args:
        name: Name that `timm.optim` knows.
        lr: Learning rate after the warm-up.
        betas: Decay rates of Adam and its kin: two, for Adan three.
        weight_decay: Share by which weights shrink.
        warmup_kimg: Thousands of images until the learning rate is reached.
        schedule: "cosine" falls to `final` times the learning rate at the run's end; "constant" stays.
        final: Last learning rate as a share of the first; see `schedule`.
    """

    name: str = "adam"
    lr: float = 5e-4
    betas: tuple[float, ...] = (0.0, 0.99)
    weight_decay: float = 0.0
    warmup_kimg: float = 1.0
    schedule: Literal["cosine", "constant"] = "cosine"
    final: float = 0.01

    def __post_init__(self) -> None:
        check_fields(self)
        require(self.lr > 0, "lr is positive", self.lr)
        require(len(self.betas) in (2, 3), "betas are two or three", self.betas)
        require(all(0 <= b < 1 for b in self.betas), "betas are from 0 to below 1", self.betas)
        for name in ("weight_decay", "warmup_kimg", "final"):
            require(getattr(self, name) >= 0, f"{name} is not negative", getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class EMASettings:
    """The moving average of a module's weights (Karras et al. 2018, section 4).

    Args:
        half_life_kimg: Thousands of images after which a weight counts half.
        ramp_up: Largest half life, as a share of what was learnt so far; None for no such limit.
        buffers: What the average has of numbers that are not learnt, such as statistics: "copy", the module's
            own, or "average".
    """

    half_life_kimg: float = 5.0
    ramp_up: float | None = 0.05
    buffers: Literal["copy", "average"] = "copy"

    def __post_init__(self) -> None:
        check_fields(self)
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
        check_fields(self, KINDS)
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
