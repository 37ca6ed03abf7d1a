"""What can be wrong before a site is there: other files in the folder, another engine, other images."""

import gzip
import hashlib

import pytest
from helpers import assert_one_line, tiny, trained

from ganzoo.export.exporting import export
from ganzoo.models.sources import SourceError
from ganzoo.web.engine import ENGINES, LITERT, ONNXRUNTIME, engine_files, which_engine, write_engine
from ganzoo.web.site import worst_psnr, write_site

MODEL = "mobilestylegan_ffhq_64_lite"


@pytest.fixture
def generator():
    return trained(tiny(resolution=16, channel_max=64, w_dim=64))  # large enough to be packed


def test_files_of_others_are_not_replaced(tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(ValueError, match=r"holds index\.html, which is no site of ganzoo"):
        write_site(MODEL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert (tmp_path / "index.html").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "web", "--batch", "2"], "A page takes no --parts"),
        (["--to", "web", "--space", "w"], "A page takes no --parts"),
        (["--to", "web", "--precision", "int8"], "Choose from: fp16, fp32, packed"),
        (["--to", "onnx", "--engine", "litert"], "--engine is for --to web"),
        (["--to", "web", "--engine", "nowhere"], "nowhere does not exist"),
    ],
)
def test_what_a_page_does_not_take_is_one_line(run, tmp_path, arguments, told):
    assert_one_line(run("export", MODEL, *arguments, "--out", tmp_path / "site"), told)
    assert not (tmp_path / "site").exists()


def test_an_engine_is_known_by_its_files(tmp_path):
    assert [which_engine(name) for name in ENGINES] == [ONNXRUNTIME, LITERT]
    (tmp_path / "@litertjs" / "core").mkdir(parents=True)
    (tmp_path / "@litertjs" / "core" / LITERT.builds["threads"][2]).touch()
    assert which_engine(tmp_path) is LITERT
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds neither the files of onnxruntime-web 1\.30\.0 nor"):
        which_engine(tmp_path / "empty")


def test_an_engines_file_of_another_version_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"does not hold ort\.wasm\.min\.mjs of onnxruntime-web"):
        engine_files(ONNXRUNTIME, tmp_path)
    for name in {name for build in ONNXRUNTIME.builds.values() for name in build}:
        (tmp_path / name).write_bytes(b"of another version")
    with pytest.raises(SourceError, match=r"onnxruntime-web 1\.30\.0"):
        engine_files(ONNXRUNTIME, tmp_path)


def test_an_engine_is_written_zipped_with_the_hashes_of_what_is_served(tmp_path):
    names = {*LITERT.beside, *(name for build in LITERT.builds.values() for name in build)}
    files = {name: f'{name} from "@litertjs/wasm-utils"'.encode() for name in names}
    facts = write_engine(LITERT, files, tmp_path / "engine")
    for build, (script, _, binary) in LITERT.builds.items():
        entry = facts["builds"][build]
        served = (tmp_path / "engine" / entry["binary"]["path"]).read_bytes()
        assert gzip.decompress(served) == files[binary]
        assert hashlib.sha256(served).hexdigest() == entry["binary"]["sha256"]
        assert b'from "./bundle.js"' in (tmp_path / "engine" / script).read_bytes()
    assert (tmp_path / "engine" / "LICENSE").read_text().strip()


@pytest.mark.usefixtures("operators_of_onnx_are_read_once")
def test_images_of_both_networks_together_are_compared(generator, tmp_path):
    export(generator, ["web"], tmp_path, name="tiny")
    assert 45 < worst_psnr(generator, "web", tmp_path, 3) < 90  # packed
    other = trained(generator.config, seed=1)
    with pytest.raises(ValueError, match=r"The image of seed \d is at .* dB from PyTorch's, at least 40"):
        worst_psnr(other, "web", tmp_path, 3)
