"""What files and facts hold, as hashes that other versions and machines find again."""

import hashlib

import pytest

from ganzoo.system import files
from ganzoo.system.files import facts_digest, replacing, sha256, size


def test_a_files_hash_is_that_of_its_bytes_however_many_blocks_they_fill(tmp_path):
    for data in (b"", b"x", b"ab" * (1 << 20)):
        (tmp_path / "file").write_bytes(data)
        assert sha256(tmp_path / "file") == hashlib.sha256(data).hexdigest()
        assert size(tmp_path / "file") == len(data)


def test_a_folders_hash_changes_with_a_byte_and_with_a_name(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    file = tmp_path / "a" / "b" / "file"
    file.write_bytes(b"1")
    before = sha256(tmp_path / "a")
    assert size(tmp_path / "a") == 1
    file.write_bytes(b"2")
    changed = sha256(tmp_path / "a")
    file.rename(file.with_name("other"))
    assert len({before, changed, sha256(tmp_path / "a")}) == 3


def test_facts_have_one_hash_whatever_the_order_of_their_keys():
    facts = {"seed": 3, "of": {"b": [1, 2.5, None], "a": "x"}}
    assert facts_digest(facts) == facts_digest({"of": {"a": "x", "b": (1, 2.5, None)}, "seed": 3})
    # Folders of caches carry it: another way to compute it would orphan them.
    assert facts_digest(facts)[:16] == "337a8350bce7cf8b"
    assert facts_digest({**facts, "seed": 4}) != facts_digest(facts)


@pytest.mark.parametrize("step", ["close", "stat"])
def test_an_interruption_as_the_file_is_made_leaves_nothing(tmp_path, monkeypatch, step):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    owner = files.os if step == "close" else files.Path
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(owner, step, interrupted)
        with replacing(tmp_path / "image.png"):
            pass
    assert list(tmp_path.iterdir()) == []
