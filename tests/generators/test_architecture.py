"""An architecture of another package lives wherever ours do: no line of the library names it."""

import json

import pytest
import torch
from helpers import trained
from typer.testing import CliRunner

import ganzoo
from ganzoo.cli import app
from ganzoo.export.exporting import export
from ganzoo.runtimes import load as load_runtime

pytestmark = pytest.mark.usefixtures("second_architecture")


@pytest.fixture(scope="module")
def waves(second_architecture):
    return trained(ganzoo.create("waves").config)


def run(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.output


def test_it_is_listed_among_the_recipes():
    assert "waves" in ganzoo.list_recipes()


def test_it_is_created_with_its_own_settings():
    generator = ganzoo.create("waves", depth=5, resolution=32)
    assert generator(generator.sample_z(2)).shape == (2, 3, 32, 32)
    assert generator.num_ws == 5


def test_an_unknown_setting_of_it_gets_a_near_match():
    with pytest.raises(ValueError, match="Did you mean 'depth'"):
        ganzoo.create("waves", dept=5)


def test_its_rows_of_w_differ_and_are_truncated_row_by_row(waves):
    w = waves.mapping(waves.sample_z(1))
    assert not torch.equal(w[:, 0], w[:, 1])
    assert torch.equal(waves.mapping(waves.sample_z(1), None, 0.5, 1)[:, 1:], w[:, 1:])


def test_it_comes_back_from_a_folder(waves, tmp_path):
    ganzoo.save(waves, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["config"]["generator"] == "waves"
    z = waves.sample_z(2)
    assert torch.equal(ganzoo.load(tmp_path)(z), waves(z))


def test_its_deploy_form_gives_the_same_images(waves):
    deployed = ganzoo.deploy(waves)
    assert type(deployed.mapping.layer) is torch.nn.Linear
    torch.testing.assert_close(deployed(deployed.sample_z(2)), waves(waves.sample_z(2)))


@pytest.mark.usefixtures("operators_of_onnx_are_read_once")
def test_it_runs_in_onnxruntime(waves, tmp_path):
    export(waves, ["onnx"], tmp_path, name="waves")
    engine = load_runtime(str(tmp_path), "onnxruntime")
    z = waves.sample_z(2)
    torch.testing.assert_close(engine(z), waves(z), rtol=0, atol=1e-4)


def test_info_shows_what_it_costs():
    assert "mapping" in run("info", "waves")
