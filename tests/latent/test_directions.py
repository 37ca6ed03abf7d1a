"""Directions: their files, the two ways to find them without scores, and which of them go with a model."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import NETWORKS, tiny, trained

import ganzoo
from ganzoo.generators.deploy import deploy
from ganzoo.latent import directions as files
from ganzoo.latent.direction import Direction, Directions
from ganzoo.latent.directions import read_directions, read_file, write_directions
from ganzoo.latent.ganspace import ganspace, principal
from ganzoo.latent.samples import sampled_w
from ganzoo.latent.saved import fingerprint
from ganzoo.latent.sefa import sefa, sefa_vectors

FACTS = {"changes": "how old: a face looks", "origin": "this test", "license": "mit"}


def axis(i, name="age", **settings):
    return Direction(name, torch.eye(8)[i], 0.5, **settings)


@pytest.fixture(scope="module")
def generator():
    return trained(tiny("wavelet"))


@pytest.fixture
def found(generator):
    two = (axis(0, rows=(0, 3), facts=FACTS), axis(1, "smile"))
    return Directions(two, fingerprint(generator), "faces")


def test_directions_come_back_as_they_were_written(tmp_path, found):
    back = read_directions(tmp_path, None) if write_directions(tmp_path, found) else None
    assert back.names == ["age", "smile"] and back.mapping == found.mapping and back.model == "faces"
    assert torch.equal(back["age"].vector, found["age"].vector) and back["age"].rows == (0, 3)
    assert back["age"].facts == FACTS and back["smile"].facts == {} and back["smile"].deviation == 0.5


def test_one_vector_may_be_two_directions_of_different_rows(tmp_path, found):
    two = Directions((found["age"], replace(found["age"], name="skin", rows=(3, 6))), found.mapping)
    back = read_file(write_directions(tmp_path, two))
    assert torch.equal(back["skin"].vector, back["age"].vector) and back["skin"].rows == (3, 6)


def test_a_direction_may_be_renamed_and_another_deleted_in_the_file(tmp_path, found):
    file = write_directions(tmp_path, found)
    kept = file.read_text().replace("- name: age\n", "- name: years\n  vector: age\n")
    start = kept.index("- name: smile")
    file.write_text(kept[:start] + kept[kept.index("mapping:") :])
    [direction] = read_file(file)
    assert direction.name == "years" and torch.equal(direction.vector, found["age"].vector)
    again = read_file(write_directions(tmp_path, read_file(file)))  # which needs no `vector` any more
    assert again.names == ["years"] and "vector" not in file.read_text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("deviation: 0.5", "deviation: 0.5\n  colour: red"), "'colour'"),
        (("deviation: 0.5", "deviation: wide"), "deviation must be float"),
        (("deviation: 0.5", "deviation: -1.0"), "is positive"),
        (("- name: smile", "- name: smirk"), "Did you mean 'smile'"),
        (("- name: smile", "- name: age"), "age come twice"),
        (("rows: 0-2", "rows: 3-1"), "age"),
        (("rows: 0-2", "rows: coarse"), "such as 0-6"),
        (("rows: 0-2", "rows: [0, 3]"), "rows must be"),
        (("model: faces", "model: &x faces\nx: *x"), "refers to parts of itself"),
        (("model: faces\n", "[\n"), "cannot be read"),
    ],
)
def test_a_file_with_a_mistake_is_refused_by_one_line(tmp_path, found, change, told):
    file = write_directions(tmp_path, found)
    assert change[0] in file.read_text()
    file.write_text(file.read_text().replace(*change, 1))
    with pytest.raises(ValueError, match=told) as error:
        read_file(tmp_path)
    assert str(file) in str(error.value) and "\n" not in str(error.value)


def test_vectors_that_are_missing_are_told(tmp_path, found):
    write_directions(tmp_path, found).with_suffix(".safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"directions\.safetensors"):
        read_file(tmp_path)


@pytest.mark.parametrize(
    ("other", "told"), [(lambda: trained(tiny(w_dim=12)), "8 wide and this model's w 12"),
                        (lambda: trained(tiny(), seed=1), "of another model, faces")]
)  # fmt: skip
def test_directions_of_another_model_are_refused(tmp_path, found, other, told):
    write_directions(tmp_path, found)
    with pytest.raises(ValueError, match=told):
        read_directions(tmp_path, other())


def test_an_unknown_direction_gets_a_near_match(found):
    with pytest.raises(ValueError, match="Did you mean 'smile'"):
        found["smiles"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": "a,b"}, "letters, digits"),
        ({"name": "../a"}, "letters, digits"),
        ({"vector": torch.ones(8)}, "of length 1"),
        ({"vector": torch.full([8], float("nan"))}, "of length 1"),
        ({"deviation": float("nan")}, "positive"),
        ({"facts": {"licence": "mit"}}, "Did you mean 'license'"),
    ],
)
def test_what_is_no_direction_is_refused(given, told):
    with pytest.raises(ValueError, match=told):
        Direction(**{"name": "age", "vector": torch.eye(8)[0], "deviation": 1.0, **given})


def test_a_model_finds_its_own_directions_and_those_that_come_for_its_mapping_network(
    tmp_path, found, generator, monkeypatch
):
    monkeypatch.setattr(files, "SHIPPED", tmp_path)
    monkeypatch.setattr(files, "BUNDLED", tmp_path)
    write_directions(tmp_path / "faces.yaml", found)
    others = Directions((axis(2, "smile"), axis(3, "pose")), fingerprint(generator), "mine")
    ganzoo.save(generator, tmp_path / "model")
    with pytest.raises(ValueError, match=r"ganzoo directions .* --method ganspace"):
        read_directions(tmp_path / "model")
    assert read_directions(tmp_path / "model", generator).names == ["age", "smile"]
    write_directions(tmp_path / "model", others)
    both = read_directions(tmp_path / "model", deploy(generator))
    assert both.names == ["age", "smile", "pose"] and both["smile"].vector[2] == 1
    ganzoo.save(trained(tiny(), seed=1), tmp_path / "stranger")
    with pytest.raises(ValueError, match="no directions of"):
        read_directions(tmp_path / "stranger", ganzoo.load(tmp_path / "stranger"))


# Finding them


def same_up_to_sign(got, expected):
    signs = np.sign((got.numpy() * expected).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(got.numpy() * signs, expected, atol=1e-5)


def test_principal_components_are_those_of_numpy():
    w = torch.randn(500, 8, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 9) + 100
    vectors, deviations = principal(w.split([1, 299, 200]))
    values, expected = np.linalg.eigh(np.cov(w.double().numpy().T))
    same_up_to_sign(vectors, expected.T[::-1])
    np.testing.assert_allclose(deviations, np.sqrt(values[::-1]), rtol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_closed_form_directions_are_those_of_numpy(network):
    generator = trained(tiny(network))
    names = [name for name in generator.state_dict() if name.endswith("modulation.weight")]
    last = max(int(name.split(".")[3]) for name in names if ".head." in name)
    used = [name for name in names if ".head." not in name or f"to_image.{last}." in name]
    matrix = np.concatenate([generator.state_dict()[name].double().numpy() for name in used])
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    _, values, expected = np.linalg.svd(matrix)
    assert np.diff(values**2).max() < -1e-3  # no two axes alike
    same_up_to_sign(sefa_vectors(generator), expected)


def test_closed_form_directions_of_some_rows_are_of_the_layers_that_read_them():
    generator = trained(tiny())
    layer = generator.synthesis.levels[1].upsample.conv.conv.modulation
    weight = layer.weight.detach().double().numpy()
    weight /= np.linalg.norm(weight, axis=1, keepdims=True)
    same_up_to_sign(sefa_vectors(generator, (1, 2)), np.linalg.svd(weight)[2])
    assert sefa(generator, 2, rows=(1, 2), samples=10).directions[0].rows == (1, 2)


@pytest.mark.parametrize("find", [sefa, ganspace])
def test_the_deviation_is_that_of_w_along_the_direction(generator, find):
    found = find(generator, 3, samples=1500, seed=4)
    w = torch.cat(list(sampled_w(generator, 1500, seed=4)))
    assert [d.name for d in found] == [f"{find.__name__}-{i}" for i in (1, 2, 3)]
    for direction in found:
        assert direction.deviation == pytest.approx(float((w @ direction.vector).std()), rel=1e-3)
    found.check(generator)


def test_a_conditional_model_and_one_whose_rows_differ_have_principal_components(second_architecture):
    classes = trained(tiny(label_dim=3))
    one, every = (ganspace(classes, 1, samples=300, label=label) for label in (2, None))
    assert not torch.equal(one["ganspace-1"].vector, every["ganspace-1"].vector)
    waves = ganzoo.create("waves")
    assert len(ganspace(waves, 2, samples=300)) == 2
    with pytest.raises(ValueError, match="the method ganspace"):
        sefa(waves)


def test_mistakes_in_finding_directions_are_told(generator):
    for find in (sefa, ganspace):
        with pytest.raises(ValueError, match="1 to 8 for this model; got 9"):
            find(generator, 9)
    with pytest.raises(ValueError, match="More than 8 samples"):
        ganspace(generator, 1, samples=8)
    with pytest.raises(ValueError, match="as create"):
        sefa(deploy(generator), 1)
    with pytest.raises(ValueError, match="no style of the rows 40-49"):
        sefa(generator, 1, rows=(40, 50))
