"""Images of a set as training meets them: in which order, mirrored, labelled, and what is told of them."""

import io
import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.data import ImageSet, prepare
from ganzoo.data.resize import resize, to_uint8
from ganzoo.training.images import TrainingImages

SIDE = 8


def drawn(seed, mode="RGB", size=(SIDE, SIDE)):
    """Bytes of a PNG that no other seed gives."""
    shape = (size[1], size[0], {"L": 1, "RGB": 3, "RGBA": 4}[mode])
    array = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(array.squeeze(2) if mode == "L" else array).save(buffer, "PNG")
    return buffer.getvalue()


def folder_of(path, files):
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def zip_of(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


TEN = {f"{i}.png": drawn(i) for i in range(10)}
CLASSES = {"b/0.png": drawn(0), "a/0.png": drawn(1), "c/0.png": drawn(2), "b/1.png": drawn(3)}


@pytest.fixture
def ten(tmp_path):
    return folder_of(tmp_path / "ten", TEN)


def opened(path, resolution=SIDE, **options):
    pictures = TrainingImages(path, resolution, folder=str(path.parent / "cache"), **options)
    pictures.fill(workers=1)
    return pictures


def expected(path, name, mode="RGB"):
    with Image.open(path / name) as image:
        array = np.asarray(image.convert(mode)).reshape(SIDE, SIDE, -1)
    return torch.from_numpy(array.transpose(2, 0, 1) / 127.5 - 1).float()


def test_images_are_those_of_the_files_between_minus_one_and_one(ten):
    pictures = opened(ten)
    found = pictures.samples(range(10))
    assert found.shape == (10, 3, SIDE, SIDE) and found.dtype == torch.float32
    assert found.min() == -1 and found.max() == 1
    for number in range(10):
        torch.testing.assert_close(found[number], expected(ten, pictures.name(number)))


@pytest.mark.parametrize("channels, mode", [(1, "L"), (4, "RGBA")])
def test_grey_and_alpha_are_kept_where_they_are_asked_for(tmp_path, channels, mode):
    path = folder_of(tmp_path / "set", {"a.png": drawn(0, mode)})
    found = opened(path, img_channels=channels).samples([0])[0]
    torch.testing.assert_close(found, expected(path, "a.png", mode))


def test_a_photo_gives_the_square_in_its_middle(tmp_path):
    path = folder_of(tmp_path / "set", {"a.png": drawn(0, size=(48, 16))})
    middle = Image.open(path / "a.png").crop((16, 0, 32, 16))
    found = opened(path).samples([0])[0] * 127.5 + 127.5
    torch.testing.assert_close(
        found, torch.from_numpy(to_uint8(resize(middle, SIDE))).permute(2, 0, 1).float()
    )
    squeezed = opened(path, crop="none").samples([0])[0] * 127.5 + 127.5
    assert not torch.equal(squeezed, found)


def test_each_epoch_meets_each_image_once_in_an_order_of_its_own(ten):
    pictures = opened(ten)
    epochs = [[pictures.number(epoch * 10 + i) for i in range(10)] for epoch in range(3)]
    assert all(sorted(epoch) == [*range(10)] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_order_is_the_seeds_however_it_is_cut_into_batches(ten):
    whole = opened(ten, mirror=True, seed=3).images(range(30))
    for size in (1, 4, 7):
        parts = [range(start, min(start + size, 30)) for start in range(0, 30, size)]
        again = opened(ten, mirror=True, seed=3)
        backwards = [again.images(part) for part in reversed(parts)]
        assert torch.equal(torch.cat(backwards[::-1]), whole)
    assert not torch.equal(opened(ten, mirror=True, seed=4).images(range(30)), whole)


def test_half_of_the_positions_are_mirrored_and_samples_never_are(ten):
    plain, mirrored = opened(ten), opened(ten, mirror=True)
    positions = range(200)
    a, b = plain.images(positions), mirrored.images(positions)
    same = (a == b).flatten(1).all(1)
    flipped = (a.flip(-1) == b).flatten(1).all(1)
    assert (same ^ flipped).all() and 70 < flipped.sum() < 130
    assert len({bool(flipped[k * 10 + i]) for k in range(20) for i in range(10)}) == 2
    assert torch.equal(plain.samples(range(10)), mirrored.samples(range(10)))


def test_folders_are_classes(tmp_path):
    pictures = opened(folder_of(tmp_path / "set", CLASSES), labels="folders")
    assert pictures.class_names == ("a", "b", "c") and pictures.label_dim == 3
    assert [pictures.name(i) for i in range(4)] == ["a/0.png", "b/0.png", "b/1.png", "c/0.png"]
    assert pictures.labels_of(range(4)).tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_labels_follow_their_images(tmp_path):
    path = folder_of(tmp_path / "set", CLASSES)
    pictures = opened(path, labels="folders")
    for image, label in zip(pictures.images(range(8)), pictures.labels(range(8)), strict=True):
        folder = pictures.class_names[int(label.argmax())]
        files = [name for name in CLASSES if name.startswith(f"{folder}/")]
        assert any(torch.allclose(image, expected(path, name), atol=1e-6) for name in files)


def test_a_zip_for_stylegan_keeps_its_labels_and_names(tmp_path):
    out = tmp_path / "out.zip"
    prepare(folder_of(tmp_path / "set", CLASSES), out, resolution=SIDE, labels="folders", workers=1)
    pictures = opened(out)
    assert pictures.class_names == ("a", "b", "c")
    assert pictures.labels_of(range(4)).argmax(1).tolist() == [0, 1, 1, 2]
    assert opened(out, labels="none").labels(range(4)) is None


def test_labels_may_be_vectors(tmp_path):
    labels = {"labels": [["0.png", [0.5, -1.0]], ["1.png", [0.25, 2.0]]]}
    files = {"0.png": drawn(0), "1.png": drawn(1), "dataset.json": json.dumps(labels).encode()}
    pictures = opened(zip_of(tmp_path / "set.zip", files))
    assert pictures.label_dim == 2
    assert pictures.labels_of([1, 0]).tolist() == [[0.25, 2.0], [0.5, -1.0]]


def test_a_set_without_labels_has_none(ten):
    pictures = opened(ten)
    assert pictures.label_dim == 0 and pictures.labels(range(3)) is None and pictures.class_names == ()


def test_the_record_gets_the_sets_hash(ten):
    assert opened(ten).sha256 == ImageSet(ten).sha256


def test_a_corrupt_image_in_the_middle_stops_by_its_name_or_is_left_out(ten):
    (ten / "4.png").write_bytes(TEN["4.png"][:100])
    with pytest.raises(ValueError) as error:
        opened(ten)
    told = str(error.value)
    assert "1 of 10 images cannot be used (1 corrupt)" in told and "4.png: " in told
    assert told.endswith("skip=true leaves them out.") and "\n" not in told
    pictures = opened(ten, skip=True)
    assert pictures.count == 9 and "4.png" not in {pictures.name(i) for i in range(9)}
    assert sorted(pictures.number(i) for i in range(9)) == [*range(9)]
    torch.testing.assert_close(pictures.samples([4])[0], expected(ten, "5.png"))
    assert any("1 corrupt, left out, such as 4.png" in line for line in pictures.lines())


def test_labels_stay_with_their_images_where_one_is_left_out(tmp_path):
    path = folder_of(tmp_path / "set", {**CLASSES, "b/0.png": b"damaged"})
    pictures = opened(path, labels="folders", skip=True)
    assert pictures.labels_of(range(3)).argmax(1).tolist() == [0, 1, 2]


def test_small_images_stop_by_name_or_are_enlarged(ten):
    with pytest.raises(ValueError, match=r"10 too small\).*0\.png: 8 x 8 is smaller than 16\. upscale=true"):
        opened(ten, 16)
    pictures = opened(ten, 16, upscale=True)
    assert pictures.samples([0]).shape == (1, 3, 16, 16)
    assert "  10 were smaller and were enlarged" in pictures.lines()


@pytest.mark.parametrize(
    "files, options, told",
    [
        ({}, {}, "holds no image"),
        ({"notes.txt": b"hello"}, {}, "holds no image among 1 files, such as 'notes.txt'"),
        ({"a.png": b"x", "b.png": b"y"}, {"skip": True}, r"2 of 2 images cannot be used .*it is no image\.$"),
        ({"a.png": drawn(0)}, {"labels": "folders"}, "'a.png' lies in no folder that could be its class"),
        ({"a.png": drawn(0)}, {"labels": "classes"}, "labels is keep, folders or none; got 'classes'"),
        ({"a.png": drawn(0), "b.png": drawn(1), "dataset.json": b'{"labels": [["a.png", 0]]}'}, {},
         "has no label for 1 images, such as 'b.png'"),
        ({"a.png": drawn(0), "dataset.json": b'{"labels": [["a.png", "cat"]]}'}, {},
         "labels are all whole numbers from 0, or all lists of one length"),
    ],
    ids=["empty", "no image", "none whole", "no classes", "unknown labels", "label missing", "label a word"],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line(tmp_path, files, options, told):
    (tmp_path / "set").mkdir()
    with pytest.raises(ValueError, match=told) as error:
        opened(folder_of(tmp_path / "set", files), **options)
    assert "\n" not in str(error.value)


def test_a_path_that_leads_nowhere_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="does not exist: there is no photos in"):
        TrainingImages(tmp_path / "photos", SIDE)


@pytest.mark.parametrize("names", [["a/0.png"], ["a/0.png", "c/0.png"]], ids=["one", "two"])
def test_a_class_folder_without_an_image_is_refused(tmp_path, names):
    path = folder_of(tmp_path / "set", {name: drawn(i) for i, name in enumerate(names)})
    (path / "b").mkdir()
    with pytest.raises(ValueError, match=r"set/b would be a class, and holds no image: remove the folder"):
        opened(path, labels="folders")
    assert opened(path).count == len(names)


def test_a_class_that_no_image_has_is_told(tmp_path):
    files = {"0.png": drawn(0), "dataset.json": b'{"labels": [["0.png", 1]]}'}
    pictures = opened(zip_of(tmp_path / "set.zip", files))
    assert pictures.label_dim == 2
    assert any("No image has the class 0" in line for line in pictures.lines())


def test_a_handful_of_images_is_allowed_with_a_warning(tmp_path):
    pictures = opened(folder_of(tmp_path / "set", {f"{i}.png": drawn(i) for i in range(3)}))
    assert pictures.count == 3 and len(pictures.images(range(8))) == 8
    assert any(
        "3 images are so few that the generator will learn them by heart" in x for x in pictures.lines()
    )


def test_a_set_of_a_hundred_is_not_warned_of(tmp_path):
    pictures = opened(folder_of(tmp_path / "set", {f"{i}.png": drawn(i) for i in range(100)}))
    assert len(pictures.lines()) == 1


def test_folders_that_could_be_classes_are_told_of(tmp_path):
    path = folder_of(tmp_path / "set", CLASSES)
    assert "(labels=folders makes a class of each of 3 folders)" in opened(path).lines()[0]
    assert "labels=folders" not in opened(path, labels="none").lines()[0]
    assert "labels=folders" not in opened(path, labels="folders").lines()[0]


def test_folders_of_a_thousand_are_no_classes(tmp_path):
    files = {"00000/img0.png": drawn(0), "00001/img1.png": drawn(1)}
    assert "labels=folders" not in opened(folder_of(tmp_path / "set", files)).lines()[0]


def test_what_was_cropped_is_told_with_the_way_out(tmp_path):
    path = folder_of(tmp_path / "set", {"a.png": drawn(0, size=(9, 8)), "b.png": drawn(1)})
    told = "1 are not square: the square in the middle counts (crop=none squeezes them)"
    assert any(told in line for line in opened(path).lines())


def test_a_folder_that_cannot_be_made_names_the_setting(ten):
    (ten.parent / "cache").write_text("mine")
    with pytest.raises(OSError, match=r"cannot be written.*Choose another: cache\.folder="):
        opened(ten)


def test_progress_is_told_to_a_pipe_and_not_for_what_is_decoded(ten, capsys):
    opened(ten)
    assert "Images decoded: 1 of 10" in capsys.readouterr().err
    opened(ten)
    assert capsys.readouterr().err == ""
