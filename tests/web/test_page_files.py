"""The files of the page fit one another."""

import base64
import hashlib
import json
import re

from ganzoo.web.site import PACKAGE, PAGE


def read(name):
    return (PAGE / name).read_text(encoding="utf-8")


def test_the_one_script_inside_of_the_page_is_the_one_that_its_policy_allows():
    (script,) = re.findall(r"<script>(.*?)</script>", read("index.html"), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert re.findall(r"'sha256-([^']*)'", read("index.html")) == [digest]


def test_the_service_worker_knows_every_small_file():
    files = {path.name for folder in (PAGE, PACKAGE) for path in folder.iterdir()}
    needed = {name for name in files if re.search(r"\.(js|css|svg|webmanifest)$", name)} - {
        "service-worker.js"
    }
    (named,) = re.findall(r"SMALL = (\[.*?\]);", read("service-worker.js"), re.DOTALL)
    assert sorted(json.loads(named)) == sorted(needed - {"service-worker.js"})


def test_every_element_that_a_script_asks_for_is_there():
    page = read("index.html")
    asked = {
        name for path in PAGE.glob("*.js") for name in re.findall(r'element\("([\w-]+)"\)', path.read_text())
    }
    assert asked and {name for name in asked if f'id="{name}"' not in page} == set()


def test_no_file_names_another_host():
    texts = [path.read_text(encoding="utf-8") for path in PAGE.iterdir()]
    hosts = {host for text in texts for host in re.findall(r"https?://([\w.:-]+)", text)}
    assert hosts <= {"localhost:8000", "www.w3.org"}  # the second is XML's name for SVG


def test_a_script_of_the_page_is_one_sitting():
    assert not [path.name for path in PAGE.glob("*.js") if len(path.read_text().splitlines()) > 400]
