"""Runs exported files on an emulated Arm processor, and prints how far its images are from this machine's.

    ganzoo export mobilestylegan_ffhq_64_lite --to onnx litert --out exported
    python tests/benchmarks/arm.py exported [--work arm] [--seeds 4]

It takes Debian with `qemu-user-static` and `debootstrap`, and a package index. The first run puts an aarch64
root with Python and the engines into --work, 0.4 GB. Images and figures only: emulated times say nothing.
"""

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np

PACKAGES = ["numpy", "ai-edge-litert", "protobuf", "flatbuffers", "ml_dtypes", "backports.strenum", "tqdm"]
PACKAGES += ["typing-extensions", "packaging", "onnxruntime"]
SUFFIXES = {"onnx": ".onnx", "litert": ".tflite"}
CPU = "neoverse-n1"  # ARMv8.2 with half arithmetic, as phones have since 2018
# Engines read what processor they run on, and crash at the description of another kind.
CPUINFO = """processor\t: 0
BogoMIPS\t: 50.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="Folder that `ganzoo export` wrote, for onnx or litert.")
    parser.add_argument("--work", type=Path, default=Path("arm"), help="Folder for the root and the images.")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--draw", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.draw:
        draw(arguments.folder, arguments.seeds, arguments.draw)
        return
    work = arguments.work.resolve()
    root, site = root_of(work), site_of(work)
    here, arm = work / "here", work / "aarch64"
    command = [
        Path(__file__).resolve(),
        arguments.folder.resolve(),
        "--seeds",
        str(arguments.seeds),
        "--draw",
    ]
    subprocess.run([sys.executable, *command, here], check=True)
    settings = {"PYTHONHOME": root / "usr", "PYTHONPATH": site}
    variables = [part for name, value in settings.items() for part in ("-E", f"{name}={value}")]
    emulated = ["qemu-aarch64-static", "-cpu", CPU, "-L", root, *variables, root / "usr/bin/python3.11"]
    subprocess.run([*emulated, *command, arm], check=True)
    for path in sorted(arm.glob("*.npy")):
        if (here / path.name).is_file():
            compare(path.stem, np.load(path), np.load(here / path.name), work)


def compare(name: str, images: np.ndarray, expected: np.ndarray, work: Path) -> None:
    """Print a PSNR, range 2, of all images together, and write both rows as one PNG."""
    from PIL import Image

    error = np.square(images.astype(np.float64) - expected).mean()
    psnr = 10 * np.log10(4 / error) if error else np.inf
    rows = [np.concatenate(list(x.transpose(0, 2, 3, 1)), axis=1) for x in (images, expected)]
    pixels = (np.concatenate(rows).clip(-1, 1) + 1) * 127.5
    Image.fromarray(pixels.round().astype(np.uint8)).save(work / f"{name}.png")
    print(
        f"{name}: {psnr:.1f} dB on {len(images)} images, greatest error {np.abs(images - expected).max():.1e}"
    )


def draw(folder: Path, seeds: int, out: Path) -> None:
    """Images of the first seeds, by every file that an engine here can run."""
    entries = json.loads((folder / "manifest.json").read_text())["files"]
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.npy"):
        old.unlink()
    for target, precision in sorted({(e["target"], e["precision"]) for e in entries} & engines_here()):
        runs = {
            e["graph"]: opened(target, folder / next(f for f in e["files"] if f.endswith(SUFFIXES[target])))
            for e in entries
            if (e["target"], e["precision"]) == (target, precision)
        }
        images = []
        for seed in range(seeds):
            z = np.random.RandomState(seed).randn(1, 512).astype(np.float32)
            w = runs["mapping"]([z, np.full(1, 0.7, np.float32)])
            images.append(runs["synthesis"]([w]))
        np.save(out / f"{folder.name}-{target}-{precision}.npy", np.concatenate(images))
        print(f"{platform.machine()}: {seeds} images by {target} in {precision}", flush=True)


def engines_here() -> set[tuple[str, str]]:
    """Targets that can be run, in every precision."""
    import importlib.util

    modules = {"onnx": "onnxruntime", "litert": "ai_edge_litert"}
    found = [name for name, module in modules.items() if importlib.util.find_spec(module)]
    return {(name, precision) for name in found for precision in ("fp32", "fp16", "int8")}


def opened(target: str, path: Path):
    """A function of arrays that runs a file."""
    if target == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [i.name for i in session.get_inputs()]
        return lambda arrays: session.run(None, dict(zip(names, arrays, strict=True)))[0]
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    inputs = sorted(interpreter.get_input_details(), key=lambda i: int(i["name"].rpartition("_")[2]))
    output = interpreter.get_output_details()[0]["index"]

    def run(arrays):
        for i, array in zip(inputs, arrays, strict=True):
            interpreter.set_tensor(i["index"], array)
        interpreter.invoke()
        return interpreter.get_tensor(output)

    return run


def root_of(work: Path) -> Path:
    """An aarch64 root with Python 3.11, unpacked but not configured, whose files qemu shows first."""
    root = work / "root"
    if not (root / "usr/bin/python3.11").is_file():
        packages = "--include=python3,libstdc++6"
        command = [
            "debootstrap",
            "--arch=arm64",
            "--variant=minbase",
            "--foreign",
            packages,
            "bookworm",
            root,
        ]
        subprocess.run(command, check=True)
        for package in sorted((root / "var/cache/apt/archives").glob("*.deb")):
            subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/cpuinfo").write_text(CPUINFO)
    return root


def site_of(work: Path) -> Path:
    """The engines' packages for it."""
    site = work / "site"
    if not site.is_dir():
        platforms = [f"--platform=manylinux{v}_aarch64" for v in ("2014", "_2_17", "_2_27", "_2_28")]
        options = ["--only-binary=:all:", "--python-version=3.11", "--no-deps", f"--target={site}"]
        command = [sys.executable, "-m", "pip", "install", "--quiet", *platforms, *options, *PACKAGES]
        subprocess.run(command, check=True)
    return site


if __name__ == "__main__":
    main()
