"""Two processes, as under torchrun: each image once, and one that speaks."""

import numpy as np
import pytest
from metric_helpers import TinyFeatures, records, run_in_two_processes, tiny_model, write_images
from processes import in_two
from tiny_cli import tiny_main

pytestmark = pytest.mark.processes


@pytest.fixture(params=["forked", pytest.param("torchrun", marks=pytest.mark.slow)])
def evaluated(request, run, monkeypatch, tmp_path):
    """What `ganzoo eval` prints in this process, and in two."""
    monkeypatch.setattr(
        "ganzoo.metrics.evaluation.load_features", lambda name, cache_dir=None: TinyFeatures()
    )

    def call(processes, *arguments):
        if processes == 2 and request.param == "torchrun":
            return records(run_in_two_processes(*arguments))
        if processes == 2:
            (status, out, err), (other, nothing, warned) = in_two(
                tmp_path / "said", tiny_main, "eval", *arguments
            )
            assert (status, other, nothing) == (0, 0, ""), err + warned
            return records(out)
        status, out, err = run("eval", *arguments)
        assert status == 0, err
        return records(out)

    return call


def test_one_and_two_processes_agree_and_the_main_one_alone_speaks_and_writes(tmp_path, evaluated):
    model = tiny_model(tmp_path / "model")
    real = write_images(tmp_path / "real", 70, bias=20)
    found, kept = [], []
    for processes in (1, 2):
        place = tmp_path / str(processes)
        lines = evaluated(
            processes,
            *(model, "--num=130", "--real", real, "--metrics=fd,kid,ppl", "--resamples=2", "--json"),
            *("--out", place / "out.jsonl", "--save", place / "save.npz", "--cache-dir", place),
        )
        assert [line["metric"] for line in lines] == ["fd_tiny", "kid_tiny", "ppl_tiny"]
        assert records((place / "out.jsonl").read_text()) == lines
        assert ("2 processes" in lines[0]["hardware"]) == (processes == 2)
        found.append([(line["value"], line["uncertainty"]) for line in lines])
        names = sorted(path.name for path in place.glob("features/*/*.npz"))
        assert names == ["0000000.npz"] * 2 + ["0000064.npz"] * 2 + ["0000128.npz"]
        with np.load(place / "save.npz") as data:
            kept.append((data["mean"], data["covariance"]))
    assert found[0] == found[1]
    assert all(np.array_equal(one, other) for one, other in zip(*kept, strict=True))


def test_pairs_are_shared_by_two_processes(tmp_path, evaluated):
    models = [tiny_model(tmp_path / name, **options) for name, options in MODELS.items()]
    found = [evaluated(n, models[0], "--teacher", models[1], "--num=7", "--json") for n in (1, 2)]
    assert [r["value"] for r in found[0]] == [r["value"] for r in found[1]] != [0, 0, 0]


MODELS = {"student": {"activation_gain": 1.0}, "teacher": {}}
