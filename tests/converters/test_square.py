"""Networks of images that are not square are refused in one line that says how large the images are."""

import sys

import pytest
import snapshots
import torch
from helpers import assert_one_line
from reference import D, G
from test_tensorflow import tensorflow_discriminator, tensorflow_generator, write_tensorflow

import ganzoo
from ganzoo.cli import main

SPEC, JUDGE = G(channels=(4, 4, 4)), D(channels=(4, 4, 4), group_size=None)
STARTS = {"tall": (5, 3), "wide": (4, 8), "square, but not from 4 x 4": (6, 6)}


def line(start, levels=3):
    """What is said of a network that begins at so many rows and columns."""
    height, width = (side * 2 ** (levels - 1) for side in start)
    begins = f"begins at {start[1]} x {start[0]}"
    return rf"images of {width} x {height} \(width x height\): not supported, .*{begins}"


def oblong(start, recorded=True):
    """A generator's tree as forks of stylegan2-ada-pytorch save it, and as those that record nothing."""
    tree = snapshots.generator(SPEC)
    snapshots.tensor("synthesis.b4", "const", torch.randn(4, *start))(tree)
    for level in range(3):
        block = f"synthesis.b{4 * 2**level}"
        sides = [side * 2**level for side in start]
        for conv in ("conv0", "conv1") if level else ("conv1",):
            snapshots.tensor(f"{block}.{conv}", "noise_const", torch.randn(*sides))(tree)
    if recorded:
        tree.attributes["init_res"] = list(start)
    return tree


def judge_of(start, recorded=True):
    tree = snapshots.discriminator(JUDGE)
    snapshots.tensor("b4.fc", "weight", torch.randn(4, 4 * start[0] * start[1]))(tree)
    tree["b4.fc"].attributes["weight_gain"] = 1 / (4 * start[0] * start[1]) ** 0.5
    if recorded:
        tree.attributes.update(init_res=list(start), img_resolution=16)
    return tree


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_snapshot_of_nvidias_forks_is_refused_with_the_size(tmp_path, start, recorded):
    path = snapshots.write_nvidia(tmp_path / "a.pkl", G_ema=oblong(start, recorded))
    with pytest.raises(ValueError, match=line(start)):
        ganzoo.convert(path)


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_tensorflow_file_is_refused_with_the_size(tmp_path, start):
    network = tensorflow_generator(oblong(start), SPEC, resolution=16, init_res=list(start))
    with pytest.raises(ValueError, match=line(start)):
        ganzoo.convert(write_tensorflow(tmp_path / "a.pkl", network))


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_tensorflow_file_whose_levels_have_both_sides_in_their_names_is_refused(tmp_path, start):
    network = tensorflow_generator(oblong(start), SPEC, min_h=start[0], min_w=start[1], res_log2=2)
    part = network.components["synthesis"]
    for level in range(3):
        old, new = f"{4 * 2**level}x{4 * 2**level}/", "x".join(str(side * 2**level) for side in start) + "/"
        part.variables = [(name.replace(old, new), value) for name, value in part.variables]
    with pytest.raises(ValueError, match=line(start)):
        ganzoo.convert(write_tensorflow(tmp_path / "a.pkl", network))


@pytest.mark.parametrize("noises", [True, False])
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_rosinality_file_is_refused_with_the_size_where_noise_tells_it(tmp_path, start, noises):
    state = snapshots.rosinality_generator(oblong(start), SPEC, noises=noises)
    path = snapshots.write_rosinality(tmp_path / "a.pt", {"g_ema": state})
    unknown = f"images that are not square: not supported, .*begins at {start[1]} x {start[0]}"
    with pytest.raises(ValueError, match=line(start) if noises else unknown):
        ganzoo.convert(path)


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_discriminators_are_refused_too(tmp_path, start):
    places = f"images that are not square: not supported, .*has {start[0] * start[1]} places, not 16"
    for recorded in (True, False):
        path = snapshots.write_nvidia(tmp_path / f"{recorded}.pkl", D=judge_of(start, recorded))
        with pytest.raises(ValueError, match=line(start) if recorded else places):
            ganzoo.convert(path, "discriminator")
    network = tensorflow_discriminator(judge_of(start), JUDGE, resolution=16, init_res=list(start))
    with pytest.raises(ValueError, match=line(start)):
        ganzoo.convert(write_tensorflow(tmp_path / "tf.pkl", network, network, network), "discriminator")
    state = snapshots.rosinality_discriminator(judge_of(start), JUDGE)
    path = snapshots.write_rosinality(tmp_path / "a.pt", {"d": state})
    with pytest.raises(ValueError, match=places):
        ganzoo.convert(path, "discriminator")


@pytest.mark.parametrize("sides", [[512, 320], (320, 512)])
def test_a_recorded_resolution_of_two_sides_is_refused(tmp_path, sides):
    tree = snapshots.generator(SPEC)
    tree.attributes["img_resolution"] = sides
    with pytest.raises(ValueError, match=rf"images of {sides[1]} x {sides[0]} \(width x height\)"):
        ganzoo.convert(snapshots.write_nvidia(tmp_path / "a.pkl", G_ema=tree))
    network = tensorflow_generator(snapshots.generator(SPEC), SPEC, resolution=list(sides))
    with pytest.raises(ValueError, match=rf"images of {sides[1]} x {sides[0]} \(width x height\)"):
        ganzoo.convert(write_tensorflow(tmp_path / "b.pkl", network))


def test_a_square_network_that_records_both_sides_is_converted(tmp_path):
    tree = snapshots.generator(SPEC)
    tree.attributes.update(init_res=[4, 4], img_resolution=(16, 16))
    converted = ganzoo.convert(snapshots.write_nvidia(tmp_path / "a.pkl", G_ema=tree))
    assert torch.equal(converted.synthesis.levels[0].const[0], tree["synthesis.b4"].parameters["const"])


def test_the_command_says_it_in_one_line_and_writes_nothing(tmp_path, monkeypatch, capsys):
    path = snapshots.write_nvidia(tmp_path / "a.pkl", G_ema=oblong((5, 8)))
    monkeypatch.setattr(sys, "argv", ["ganzoo", "convert", str(path), str(tmp_path / "out")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert_one_line((stop.value.code, *capsys.readouterr()), "a.pkl: images of 32 x 20 (width x height): not")
    assert not (tmp_path / "out").exists()
