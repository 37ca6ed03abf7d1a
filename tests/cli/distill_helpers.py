"""What tests of `ganzoo distill` share."""

from ganzoo.generators.config import generator_keys

# Of no quality, in two steps, without a feature network.
TINY = ("training=debug", "device=cpu", "kimg=0.004", "batch_size=2", "loss.feature_l1.weight=0")
TINY += ("held_out={num: 2, metrics: [l1], best: l1}",)

PRESET = (
    "Preset cpu (PyTorch finds no GPU here): images of the teacher made once, no discriminator. "
    "training=gpu or training=distillation chooses another.\n"
)


def student(data):
    keys = generator_keys()
    return {key: value for key, value in data.items() if key in keys}


def distilled(run, told, *arguments):
    """What the trainer was told by a command that went well."""
    status, _, err = run("distill", *arguments)
    named = any(argument.startswith("training=") for argument in arguments)
    assert status == 0 and err == ("" if named else PRESET)
    return told[-1]
