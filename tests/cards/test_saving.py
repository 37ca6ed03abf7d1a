"""A converted checkpoint becomes a model directory from Python, as `ganzoo convert` writes it."""

from pathlib import Path

import pytest

import ganzoo
from ganzoo.cards.saving import save_conversion
from ganzoo.converters.conversion import convert_with_account
from ganzoo.models.weights import weights_digest

CHECKPOINT = Path(__file__).parents[1] / "golden" / "nvidia_pkl" / "ada_uncond_skip_32.pkl"


@pytest.fixture(scope="module")
def conversion():
    return convert_with_account(CHECKPOINT)


def test_one_line_of_python_writes_the_whole_model_directory(tmp_path, conversion):
    names = save_conversion(conversion, tmp_path / "models" / "new", license="Apache-2.0")
    assert sorted(path.name for path in (tmp_path / "models" / "new").iterdir()) == sorted(names)
    assert {"README.md", "config.json", "model.safetensors"} <= set(names)
    assert "\nlicense: apache-2.0\n" in (tmp_path / "models" / "new" / "README.md").read_text()
    loaded = ganzoo.load(tmp_path / "models" / "new")
    assert weights_digest(loaded) == weights_digest(conversion.module)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["new"]


def test_a_model_is_replaced_only_when_told_to(tmp_path, conversion):
    (tmp_path / "config.json").write_text("mine")
    with pytest.raises(ValueError, match=r"holds config\.json.*--overwrite"):
        save_conversion(conversion, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    save_conversion(conversion, tmp_path, overwrite=True)
    assert weights_digest(ganzoo.load(tmp_path)) == weights_digest(conversion.module)


def test_a_license_that_is_no_identifier_is_refused(tmp_path, conversion):
    with pytest.raises(ValueError, match=r"identifier such as apache-2\.0.*'my own'"):
        save_conversion(conversion, tmp_path / "new", license="my own")
    assert list(tmp_path.iterdir()) == []
