"""Weights in packages of npm: fetched by npm itself, and read only if their hash is right."""

import hashlib
import io
import shutil
import sys
import tarfile

import pytest

from ganzoo.models.entries import NpmSource
from ganzoo.models.npm import npm_files
from ganzoo.models.sources import SourceError

CONTENT = b"weights"


def archive(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def source(data, path="package/a.bin", content=CONTENT):
    own, file = (hashlib.sha256(d).hexdigest() for d in (data, content))
    return NpmSource(package="@x/y", version="1.0.0", sha256=own, bytes=len(data), files={path: file})


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Let npm be a script of Python lines."""

    def put(lines):
        program = tmp_path / "npm"
        program.write_text(f"#!{sys.executable}\nimport sys, pathlib\n{lines}")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return put


def packing(tmp_path, data):
    (tmp_path / "data").write_bytes(data)
    return (
        "[folder] = [a.split('=')[1] for a in sys.argv if a.startswith('--pack-destination=')]\n"
        f"data = pathlib.Path({str(tmp_path / 'data')!r}).read_bytes()\n"
        "pathlib.Path(folder, 'x-y-1.0.0.tgz').write_bytes(data)"
    )


def test_files_come_from_the_archive_that_npm_fetches(npm, tmp_path):
    data = archive({"package/a.bin": CONTENT, "package/b.bin": b"other"})
    npm(packing(tmp_path, data))
    assert npm_files(source(data)) == {"package/a.bin": CONTENT}


def test_another_archive_is_not_read(npm, tmp_path):
    npm(packing(tmp_path, archive({"package/a.bin": b"hostile"})))
    with pytest.raises(SourceError, match=r"archive of @x/y 1.0.0 is not the published one.*It was not read"):
        npm_files(source(archive({"package/a.bin": CONTENT})))


def test_an_archive_without_the_file_is_told(npm, tmp_path):
    data = archive({"package/b.bin": b"other"})
    npm(packing(tmp_path, data))
    with pytest.raises(SourceError, match=r"lacks package/a\.bin"):
        npm_files(source(data))


def test_without_npm_it_is_said_where_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("npm") is None
    with pytest.raises(SourceError, match=r"^@x/y 1.0.0 is fetched by npm, and it is not installed"):
        npm_files(source(b""))


def test_npms_own_last_words_are_told_in_one_line(npm):
    npm("print('npm error code E404\\nnpm error 404 Not Found', file=sys.stderr); sys.exit(1)")
    with pytest.raises(SourceError, match=r"404 Not Found\. Check the network") as caught:
        npm_files(source(b""))
    assert "\n" not in str(caught.value)
