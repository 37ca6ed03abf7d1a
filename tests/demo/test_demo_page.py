"""The page, asked by Gradio's own client."""

import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from demo_helpers import expected, pixels
from helpers import assert_one_line

from ganzoo.demo import actions
from ganzoo.demo.serving import serving
from ganzoo.demo.stopping import Stopped
from ganzoo.latent.look import Look
from ganzoo.system.images import read_settings

pytest.importorskip("gradio")
import httpx
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import ganzoo.demo

LOOKS = {"psi": 0.5, "cutoff": 6, "noise": "const", "label": None}
LOOK = tuple(LOOKS.values())


@pytest.fixture(scope="module")
def page(demo_model, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        yield ganzoo.demo.app(demo_model)


@pytest.fixture(scope="module")
def address(page):
    with serving(page) as address:
        yield address
    with pytest.raises(httpx.ConnectError):  # closed
        httpx.get(address)


@pytest.fixture(scope="module")
def client(address, tmp_path_factory):
    return Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("client")))


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_seeds_give_the_files_of_generate(client, demo_folder, tmp_path):
    drawn = client.predict("3,8", *LOOK, api_name="/draw")
    made = ganzoo.generate_images(demo_folder, [3, 8], tmp_path / "made", truncation_psi=0.5)
    for got, file in zip(drawn, made.images, strict=True):
        assert np.array_equal(pixels(got["image"]), pixels(file))
        assert read_settings(got["image"]) == read_settings(file)


def test_visitors_at_once_get_their_own_images(address, demo_model, tmp_path):
    seeds = range(2)

    def visit(seed):
        visitor = Client(address, verbose=False, download_files=str(tmp_path / str(seed)))
        return pixels(visitor.predict(str(seed), *LOOK, api_name="/draw")[0]["image"])

    with ThreadPoolExecutor(len(seeds)) as visitors:
        got = list(visitors.map(visit, seeds))
    for seed, image in zip(seeds, got, strict=True):
        w = Look(0.5).w(demo_model.generator, [seed])
        assert np.array_equal(image, expected(demo_model.generator, w))


def test_mix_and_edit_are_those_of_the_functions(client, demo_model, tmp_path):
    mixed = client.predict(0, 1, 2, *LOOK, api_name="/mix")[2]["image"]
    assert np.array_equal(pixels(mixed), pixels(actions.mix(demo_model, tmp_path, 0, 1, 2, Look(0.5))[2]))
    edited = client.predict(4, None, *LOOK, 1.5, -2, api_name="/edit")[1]["image"]
    moves = {"turn": 1.5, "wave": -2}
    assert np.array_equal(pixels(edited), pixels(actions.edit(demo_model, tmp_path, 4, moves, Look(0.5))[1]))
    assert read_settings(edited)["edits"] == moves
    by_name = client.predict(seed=4, w=None, **LOOKS, **moves, api_name="/edit")
    assert np.array_equal(pixels(by_name[1]["image"]), pixels(edited))


def test_a_projection_goes_on_to_an_edit(client, demo_model, tmp_path):
    [photo] = actions.draw(demo_model, tmp_path, [5], Look())
    pair, w = client.predict(handle_file(photo), "w+", 2, False, api_name="/project")
    before, _ = client.predict(None, handle_file(w), *LOOK, 0, 0, api_name="/edit")
    difference = pixels(before["image"]).astype(int) - pixels(pair)[:, 16:]
    assert np.abs(difference).max() <= 1


def test_a_walk_comes_as_a_film(client):
    assert client.predict("0,1", 1, *LOOK, api_name="/walk").endswith(".webp")


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (["5-2", *LOOK, "/draw"], "runs backwards; write 2-5"),
        pytest.param(["0-99", *LOOK, "/draw"], "more than 32 seeds", marks=pytest.mark.slow),
        (["0", 0.5, 6, "const", 1, "/draw"], "not conditional"),
        pytest.param([-1, 1, 2, *LOOK, "/mix"], "0 to 4294967295", marks=pytest.mark.slow),
        ([None, None, *LOOK, 0, 0, "/edit"], "Give a seed"),
        pytest.param(["0", 1, *LOOK, "/walk"], "two at least", marks=pytest.mark.slow),
        ([None, "w", 2, False, "/project"], "Upload an image first"),
    ],
)
def test_a_mistake_is_a_sentence_and_the_page_lives_on(client, call, part):
    *arguments, name = call
    with pytest.raises(AppError, match=part):
        client.predict(*arguments, api_name=name)
    assert len(client.predict("0", *LOOK, api_name="/draw")) == 1


def test_a_stopped_projection_ends(client, page, demo_model, tmp_path, monkeypatch):
    started, ended, project = threading.Event(), threading.Event(), actions.project

    def watched(*arguments, **more):
        started.set()
        try:
            return project(*arguments, **more)
        except Stopped:
            ended.set()
            raise

    monkeypatch.setattr(actions, "project", watched)
    [photo] = actions.draw(demo_model, tmp_path, [5], Look())
    long = client.submit(handle_file(photo), "w", actions.MOST_STEPS, False, api_name="/project")
    assert started.wait(20)
    [number] = [number for number, fn in page.fns.items() if fn.api_name == "project"]
    where = {"session_hash": client.session_hash, "fn_index": number, "event_id": long.communicator.event_id}
    assert httpx.post(f"{client.src_prefixed}cancel", json=where).json() == {"success": True}
    assert ended.wait(20)


def test_the_page_asks_nothing_of_other_hosts(address, page):
    assert page.analytics_enabled is False
    theme, html = (httpx.get(f"{address}{path}").text for path in ("theme.css", ""))
    assert "@font-face" in theme and not re.search(r"https?://(?!www\.w3\.org/2000/svg)", theme)
    assert not re.search(r"<(script|link)[^>]+https?://", html)


def test_the_command_serves_until_ctrl_c(run, capsys, demo_folder, free_port):
    answers, out = [], []

    def visit_and_interrupt():
        deadline = time.monotonic() + 60
        while "until Ctrl-C." not in "".join(out) and time.monotonic() < deadline:
            out.append(capsys.readouterr().out)
            time.sleep(0.05)
        with suppress(httpx.TransportError):
            answers.append(httpx.get(f"http://127.0.0.1:{free_port}/").status_code)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # as Ctrl-C does

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    visitor = threading.Thread(target=visit_and_interrupt)
    visitor.start()
    status, _, err = run("demo", demo_folder, "--port", free_port, "--runtime", "torch")
    visitor.join()
    signal.signal(signal.SIGINT, before)
    assert answers == [200] and status == 130 and err == "ganzoo: Interrupted: the demo is closed.\n"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{free_port}/")


def test_a_taken_port_is_told_before_a_model_is_opened(run, address):
    port = address.rstrip("/").rpartition(":")[2]
    assert_one_line(run("demo", "x", "--port", port), f"127.0.0.1, port {port}", "Choose another --port")
