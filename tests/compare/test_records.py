import pytest
from compare_helpers import comparison, page, record

from ganzoo.compare.records import groups, higher_is_better
from ganzoo.compare.tables import quality, records


def test_records_of_one_protocol_stand_together():
    [group] = groups([record(value=1.0), record(value=2.0)])
    assert [r.value for r in group.records] == [1.0, 2.0] and group.differs == ()


def test_records_of_other_protocols_stand_apart_and_say_in_which_field():
    first, other, third = groups([record(), record(num_fake=50), record(resizer="s"), record(num_fake=50)])
    assert first.differs == () and len(other.records) == 2
    assert other.differs == ("num_fake: 100 and 50",) and third.differs == ("resizer: 'r' and 's'",)


def test_metrics_are_never_mixed():
    assert [g.metric for g in groups([record("kid_x"), record("fd_x")])] == ["kid_x", "fd_x"]


def test_a_page_sets_records_of_other_protocols_apart():
    found = page(groups=groups([record(value=11.5), record(value=22.5, sampling={"truncation_psi": 0.5})]))
    assert "Stands apart, not to be compared with the fd_x above" in found.text
    assert "sampling.truncation_psi: 1.0 and 0.5" in found.text
    between = found.html[found.html.index("11.5") : found.html.index("22.5")]
    assert "</table>" in between and "<table" in between


def test_a_record_belongs_to_the_model_of_its_weights():
    models = comparison()
    sha256 = models.models[1].sha256
    found = page(
        models, groups=groups([record(sha256=sha256, fake={"name": "other name", "sha256": sha256})])
    )
    assert '<span class="badge m1">B</span>other name' in found.html


def test_quality_is_the_first_metric_that_two_models_share():
    models = comparison()
    a, b = (m.sha256 for m in models.models)
    lonely = [record("kid_x", sha256=a), record("kid_x", sha256=b, num_fake=50)]
    shared = [record("precision_x", 0.5, sha256=a), record("precision_x", 0.7, sha256=b)]
    found = quality(models, groups([*lonely, *shared]))
    assert found.label == "precision_x (higher is better)"
    assert found.points == ((0, 0.5, 0.1), (1, 0.7, 0.1))


def test_without_records_quality_is_the_distance_to_the_first_model():
    models = comparison()
    found = quality(models, [])
    assert "mean L1 to A" in found.label
    assert found.points[0] == (0, 0.0, None)
    assert abs(found.points[1][1] - sum(r.differences[1].l1 for r in models.rows) / 2) < 1e-6


def test_the_better_direction_follows_the_metric():
    assert not any(
        map(higher_is_better, ["fd_efficientnet_lite0", "fid", "kid", "l1", "ppl", "perceptual_x"])
    )
    assert all(map(higher_is_better, ["is", "is_x", "precision_x", "recall", "psnr"]))


@pytest.mark.parametrize("value", [[], {}, "x", None, 3, [[1]]])
@pytest.mark.parametrize("field", ["features", "sampling", "real", "date", "resizer", "num_real"])
def test_a_field_of_another_kind_is_shown_or_left_out(field, value):
    sections = records(groups([record(**{field: value}), record()]), [])
    assert {section["metric"] for section in sections} == {"fd_x"}


def test_a_figure_that_is_no_number_is_not_plotted():
    models = comparison()
    a, b = (m.sha256 for m in models.models)
    nan = float("nan")
    assert "L1" in quality(models, groups([record(value=nan, sha256=a), record(sha256=b)])).label
    found = quality(models, groups([record(uncertainty=nan, sha256=a), record(sha256=b)]))
    assert found.points == ((0, 1.0, None), (1, 1.0, 0.1))
