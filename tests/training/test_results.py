"""Tables and plots of runs."""

import csv
import json
import re
from xml.etree import ElementTree

import pytest

from ganzoo.training.results import read_result, read_results, summary, write_results

SVG = "{http://www.w3.org/2000/svg}"


def result(name="run", **changes):
    """What result.json holds."""
    figures = {
        "l1": {"value": 0.12345, "uncertainty": 0.001},
        "psnr": {"value": 21.0, "uncertainty": 0.25},
        "perceptual_net": {"value": 0.25, "uncertainty": 0.003},
        "fd_net": {"value": 9.5, "uncertainty": None},
    }
    settings = {"teacher": "faces", "student": {"resolution": 256}, "held_out": {"num": 500}}
    return {
        "name": name, "recipe": "mobilestylegan", "kimg": 200.0, "seconds": 5400.0, "kimg_per_hour": 133.3,
        "parameters": 5_200_000, "macs": 430_000_000, "figures": figures, "settings": settings,
        "definitions": {}, **changes,
    }  # fmt: skip


@pytest.fixture
def runs(tmp_path):
    """Writes runs, by folder, and gives the folder of them all."""

    def write(**results):
        for name, data in results.items():
            folder = tmp_path / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "result.json").write_text(data if isinstance(data, str) else json.dumps(data))
        return tmp_path

    return write


def with_figure(name, value, **changes):
    return result(name, figures={"perceptual_net": {"value": value, "uncertainty": 0.01}}, **changes)


# Reading


def test_runs_are_found_at_any_depth(runs):
    runs(a=result("one"))
    results, notes = read_results(runs(**{"sweep/deep/b": result("two")}))
    assert ([r.name for r in results], notes) == (["one", "two"], [])
    assert results[0].figures["l1"].value == 0.12345 and results[0].hours == 1.5


def test_a_run_that_is_not_finished_is_noted(runs):
    folder = runs(a=result())
    (folder / "b").mkdir()
    (folder / "b" / "settings.json").write_text("{}")
    results, notes = read_results(folder)
    assert len(results) == 1 and notes == ["b is left out: it is not finished."]


DAMAGED = {
    "cut off": '{"name": "x", ',
    "a list": "[1]",
    "a key too few": json.dumps({k: v for k, v in result().items() if k != "macs"}),
    "no figures": json.dumps(result(figures={})),
    "figures that are numbers": json.dumps(result(figures={"l1": 0.1})),
    "a value that is a word": json.dumps(result(figures={"l1": {"value": "low", "uncertainty": None}})),
    "no operations": json.dumps(result(macs=0)),
    "a null": json.dumps(result(kimg=None)),
    "bytes": "\udcff",
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_run_is_left_out_with_a_note(runs, case):
    folder = runs(good=result(), bad="")
    (folder / "bad" / "result.json").write_bytes(DAMAGED[case].encode("utf-8", "surrogateescape"))
    results, [note] = read_results(folder)
    assert [r.folder.name for r in results] == ["good"]
    assert note.startswith("bad is left out: result.json ") and note.count("\n") == 0


def test_runs_of_one_name_are_told_apart_by_their_folders(runs):
    written = write_results(runs(a=result("same"), b=result("same"), c=result("other")))
    assert [r.name for r in written.results] == ["same (a)", "same (b)", "other"]


def test_a_folder_without_finished_runs_is_an_error_that_says_what_lies_there(runs, tmp_path):
    with pytest.raises(ValueError, match="No finished run lies below"):
        write_results(tmp_path)
    with pytest.raises(ValueError, match=r"No finished run.*a is left out: result\.json is damaged"):
        write_results(runs(a="{"))
    with pytest.raises(ValueError, match="is no folder"):
        write_results(tmp_path / "nowhere")


def test_the_summary_of_a_run_is_one_line(runs):
    line = summary(read_result(runs(a=result()) / "a"))
    figures = "l1 0.1235 ± 0.001, psnr 21 ± 0.25, perceptual_net 0.25 ± 0.003, fd_net 9.5"
    assert line == f"200 kimg in 1.50 h, 430 M MACs; {figures}."


# Tables


def test_the_csv_holds_every_number_as_it_is(runs):
    folder = runs(a=result('a, "quoted" name'), b=with_figure("b", 0.5))
    write_results(folder)
    with (folder / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ['a, "quoted" name', "b"]
    assert (rows[0]["l1"], rows[0]["l1_uncertainty"], rows[0]["fd_net_uncertainty"]) == (
        "0.12345",
        "0.001",
        "",
    )
    assert (rows[0]["parameters"], rows[0]["macs"], rows[0]["hours"]) == ("5200000", "430000000", "1.5")
    assert (rows[1]["perceptual_net"], rows[1]["l1"], rows[1]["folder"]) == ("0.5", "", "b")


def test_the_markdown_table_is_aligned_and_marks_the_best_of_each_figure(runs):
    better = result("other|name")
    better["figures"]["psnr"]["value"] = 22.0
    better["figures"]["fd_net"]["value"] = 10.5
    folder = runs(a=result(), b=better)
    write_results(folder)
    head, rule, *rows = (folder / "table.md").read_text(encoding="utf-8").splitlines()
    assert len({len(line) for line in (head, rule, *rows)}) == 1
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in (head, *rows)]
    assert cells[0] == [
        "name", "parameters", "MACs", "kimg", "hours", "l1 (↓)", "psnr (↑)",
        "perceptual_net (↓)", "fd_net (↓)",
    ]  # fmt: skip
    assert cells[1][:6] == ["run", "5.2 M", "430 M", "200", "1.50", "**0.1235 ± 0.001**"]
    assert cells[2][0] == r"other\|name"
    assert (cells[1][6], cells[2][6]) == ("21 ± 0.25", "**22 ± 0.25**")  # higher is better
    assert (cells[1][8], cells[2][8]) == ("**9.5**", "10.5")  # lower is better


def test_a_figure_that_was_not_measured_is_an_empty_cell_and_nan_is_never_the_best(runs):
    folder = runs(a=with_figure("a", float("nan")), b=with_figure("b", 3.0), c=result())
    write_results(folder)
    table = (folder / "table.md").read_text(encoding="utf-8")
    assert "nan ± 0.01" in table and "**nan" not in table and "**0.25 ± 0.003**" in table


def test_runs_that_cannot_be_compared_are_noted_in_the_table(runs):
    other = result("b", settings={**result()["settings"], "teacher": "cats"})
    folder = runs(a=result("a"), b=other)
    [note] = write_results(folder).notes
    assert note.startswith("teacher differs (cats, faces)")
    assert note in (folder / "table.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("key", "value"), [("teacher", "cats"), ("noise", "random")])
def test_among_runs_that_cannot_be_compared_no_winner_is_marked(runs, key, value):
    folder = runs(a=result("a"), b=with_figure("b", 0.1))
    write_results(folder)
    assert "**" in (folder / "table.md").read_text(encoding="utf-8")
    changed = with_figure("b", 0.1, settings={**result()["settings"], key: value})
    folder = runs(a=result("a"), b=changed)
    [note] = write_results(folder).notes
    assert "no best one is marked" in note
    assert "**" not in (folder / "table.md").read_text(encoding="utf-8")


def test_the_files_of_an_earlier_table_are_replaced(runs):
    folder = runs(a=result("a"))
    write_results(folder)
    write_results(runs(b=result("b")))
    assert "| b " in (folder / "table.md").read_text(encoding="utf-8")
    assert {path.name for path in folder.iterdir()} == {"a", "b", "table.csv", "table.md", "plot.svg"}


# Seeds


def of_seed(seed, value, name="wide", **changes):
    settings = {**result()["settings"], "seed": seed, "out": f"runs/{name}-{seed}", **changes}
    return with_figure(f"{name}+seed-{seed}", value, settings=settings)


def rows_of(folder):
    """Cells of the table, by the row's name."""
    head, _, *rows = (folder / "table.md").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in (head, *rows)]
    return {row[0]: dict(zip(cells[0], row, strict=True)) for row in cells[1:]}


def test_runs_that_differ_by_their_seed_alone_are_a_row_of_mean_and_spread(runs):
    narrow = {"student": {"resolution": 256, "channels": [8]}}
    folder = runs(
        a=of_seed(0, 1.0), b=of_seed(1, 3.0), c=of_seed(2, 5.0), d=of_seed(0, 2.0, "narrow", **narrow)
    )
    written = write_results(folder)
    rows = rows_of(folder)
    assert list(rows) == ["wide", "narrow+seed-0"] and written.runs == 4
    assert (rows["wide"]["seeds"], rows["wide"]["perceptual_net (↓)"]) == ("3", "3 ± 2")
    assert (rows["narrow+seed-0"]["seeds"], rows["narrow+seed-0"]["perceptual_net (↓)"]) == (
        "1",
        "**2 ± 0.01**",
    )
    assert any("standard deviation over seeds" in note for note in written.notes)


def test_the_plot_shows_the_spread_over_seeds(runs):
    folder = runs(a=of_seed(0, 1.0), b=of_seed(1, 3.0), c=of_seed(0, 9.0, "other", teacher="faces", kimg=3))
    write_results(folder)
    root = ElementTree.fromstring((folder / "plot.svg").read_text(encoding="utf-8"))
    panel = root.find(f"{SVG}g")
    bars = [x for x in panel.iter(f"{SVG}line") if x.get("class", "").startswith("spread")]
    long, short = (abs(float(bar.get("y1")) - float(bar.get("y2"))) for bar in bars)
    assert long > 50 * short  # sqrt(2) against 0.01


def test_the_csv_keeps_every_seed(runs):
    folder = runs(a=of_seed(0, 1.0), b=of_seed(1, 3.0))
    write_results(folder)
    with (folder / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["seed"], row["perceptual_net"]) for row in rows] == [
        ("wide+seed-0", "0", "1.0"),
        ("wide+seed-1", "1", "3.0"),
    ]


@pytest.mark.parametrize("changes", [{"teacher": "cats"}, {"kimg": 2.0}, {"init": "teacher"}])
def test_runs_that_differ_by_more_than_their_seed_stay_apart(runs, changes):
    folder = runs(a=of_seed(0, 1.0), b=of_seed(1, 3.0, **changes))
    assert [r.runs for r in write_results(folder).results] == [1, 1]
    assert "seeds" not in (folder / "table.md").read_text(encoding="utf-8")


def test_a_seed_that_was_run_twice_is_a_row_of_its_own(runs):
    folder = runs(a=of_seed(0, 1.0), b=of_seed(1, 3.0), c=of_seed(0, 7.0))
    assert [(r.name, r.runs) for r in write_results(folder).results] == [("wide", 2), ("wide+seed-0", 1)]


def test_runs_that_are_named_by_their_seed_alone_are_called_by_their_recipe(runs):
    named = {seed: {**of_seed(seed, 1.0), "name": f"seed-{seed}"} for seed in (0, 1)}
    assert [r.name for r in write_results(runs(a=named[0], b=named[1])).results] == ["mobilestylegan"]


def test_a_figure_that_is_not_finite_in_one_seed_has_no_spread(runs):
    folder = runs(a=of_seed(0, 1.0), b=of_seed(1, float("nan")), c=with_figure("other", 2.0))
    write_results(folder)
    assert rows_of(folder)["wide"]["perceptual_net (↓)"] == "nan"


# The plot


def test_the_plot_shows_the_perceptual_distance_or_what_it_is_told_to(runs):
    folder = runs(a=result("a"), b=result("b"))
    assert write_results(folder).figure == "perceptual_net"
    assert "perceptual_net, lower is better" in (folder / "plot.svg").read_text(encoding="utf-8")
    assert write_results(folder, "psnr").figure == "psnr"
    assert "psnr, higher is better" in (folder / "plot.svg").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="Unknown figure: 'psnrs'"):
        write_results(folder, "psnrs")


def test_the_plot_has_a_point_for_every_run_against_operations_and_parameters(runs):
    folder = runs(
        a=with_figure("a & b", 0.2, macs=1_000_000, parameters=5000),
        b=with_figure("b", 0.1, macs=10_000_000, parameters=50_000),
        c=with_figure("c", float("nan")),
    )
    write_results(folder)
    root = ElementTree.fromstring((folder / "plot.svg").read_text(encoding="utf-8"))
    panels = root.findall(f"{SVG}g")
    assert len(panels) == 2
    for panel, axis in zip(panels, ("MACs, logarithmic", "parameters, logarithmic"), strict=True):
        texts = [text.text for text in panel.iter(f"{SVG}text")]
        assert axis in texts and {"a & b", "b"} <= set(texts) and "c" not in texts
        (xa, ya), (xb, yb) = [(float(c.get("cx")), float(c.get("cy"))) for c in panel.iter(f"{SVG}circle")]
        assert xa < xb and ya < yb  # the dearer one to the right, the worse one, which is higher, above
