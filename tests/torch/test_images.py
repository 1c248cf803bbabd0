"""Myrtle5, the digits and CIFAR-10: their definitions, and what is said when something is missing."""

from __future__ import annotations

import ast
import functools
import hashlib
import http.server
import io
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

import minidyn as md

mt = pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
images = pytest.importorskip("minidyn.torch.images")
F = torch.nn.functional


def test_myrtle5_has_five_layers_with_weights_and_the_poolings_of_its_family():
    net, x = mt.Myrtle5(width=7, seed=4), torch.randn(2, 3, 32, 32)
    layers = [
        (p.shape, net.state_dict()[name.replace("weight", "bias")]) for name, p in net.named_parameters() if p.ndim > 1
    ]
    assert [tuple(shape) for shape, _ in layers] == [(7, 3, 3, 3)] + 3 * [(7, 7, 3, 3)] + [(10, 7)]
    weights = [p for p in net.parameters() if p.ndim > 1]
    z = x
    for weight, poolings in zip(weights[:4], (0, 1, 1, 3), strict=True):
        z = F.conv2d(z, weight, padding=1).relu()
        for _ in range(poolings):
            z = F.avg_pool2d(z, 2)
    assert z.shape == (2, 7, 1, 1)
    torch.testing.assert_close(net(x), z.flatten(1) @ weights[4].T)


def test_myrtle5_draws_its_weights_from_numpy():
    random, net = np.random.RandomState(9), mt.Myrtle5(1, 4, width=2, seed=9)
    for name, p in net.named_parameters():
        if name.endswith("bias"):
            assert not p.any()
        else:
            wanted = random.randn(*p.shape) * np.sqrt(2 / np.prod(p.shape[1:]))
            np.testing.assert_allclose(p.detach(), wanted, rtol=1e-6)


def test_myrtle5_names_bad_arguments():
    for bad in ({"in_channels": 0}, {"num_classes": 1}, {"width": 0}, {"seed": -1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            mt.Myrtle5(**bad)
    with pytest.raises(ValueError, match=r"images must be .* got \(1, 3, 2, 32\)"):
        mt.Myrtle5()(torch.zeros(1, 3, 2, 32))


# Digits


def test_digits():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    train, validation = mt.digits(train_size=300)
    assert repr(train) == "Images(300 of 1 x 8 x 8, 10 classes)"
    assert (train.x.dtype, train.labels.dtype, len(validation)) == (torch.float32, torch.int64, 797)
    torch.testing.assert_close(train.x.mean(), torch.tensor(0.0), atol=1e-5, rtol=0)
    torch.testing.assert_close(train.x.std(correction=0), torch.tensor(1.0))
    fewer, same = mt.digits(train_size=200)
    assert torch.equal(fewer.labels, train.labels[:200])
    assert torch.equal(same.labels, validation.labels)
    other, _ = mt.digits(train_size=300, seed=1)
    assert not torch.equal(other.labels, train.labels)


def test_no_digit_is_in_both_sets():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    train, validation = mt.digits()
    both = torch.cat([train.x, validation.x]).flatten(1)
    assert len(torch.unique(both, dim=0)) == 1797


@pytest.mark.parametrize("size", [0, 1001, 2.0, True])
def test_digits_names_a_bad_size(size):
    with pytest.raises((TypeError, ValueError), match="train_size"):
        mt.digits(train_size=size)


# CIFAR-10, from a small archive of its format on a server of this machine

TRAIN, TEST = 50, 10


def archive():
    """Like CIFAR-10's, with 10 images a file: image i has label i % 10 and all its pixels in colour c are i + 60 c."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for number, name in enumerate([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]):
            rows = np.zeros((10, 3073), np.uint8)
            index = np.arange(10 * number, 10 * number + 10)
            rows[:, 0] = index % 10
            rows[:, 1:] = np.repeat(index[:, None] + 60 * np.arange(3), 1024, axis=1)
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = rows.nbytes
            tar.addfile(info, io.BytesIO(rows.tobytes()))
    return buffer.getvalue()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of the small archive, known to minidyn by its checksum; the folder that it serves."""
    pytest.importorskip("pooch", reason="pooch fetches CIFAR-10")
    folder = tmp_path / "server"
    folder.mkdir()
    content = archive()
    (folder / "cifar-10-binary.tar.gz").write_bytes(content)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(images, "CIFAR10_TRAIN", TRAIN)
    monkeypatch.setattr(images, "CIFAR10_SHA256", hashlib.sha256(content).hexdigest())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        url = f"http://127.0.0.1:{server.server_port}/cifar-10-binary.tar.gz"
        monkeypatch.setattr(images, "CIFAR10_URL", url)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder
        server.shutdown()


def test_cifar10_is_fetched_once_and_read(server, tmp_path):
    train, test = mt.cifar10(folder=tmp_path / "cache")
    assert (train.x.shape, test.x.shape) == ((TRAIN, 3, 32, 32), (TEST, 3, 32, 32))
    order = np.random.RandomState(0).permutation(TRAIN)
    np.testing.assert_array_equal(train.labels, order % 10)
    np.testing.assert_array_equal(test.labels, np.arange(TEST))
    scaled = (np.arange(TRAIN) - np.mean(np.arange(TRAIN))) / np.std(np.arange(TRAIN))
    np.testing.assert_allclose(train.x, np.broadcast_to(scaled[order, None, None, None], train.x.shape), rtol=1e-5)
    (server / "cifar-10-binary.tar.gz").unlink()
    fewer, _ = mt.cifar10(train_size=20, folder=tmp_path / "cache")
    np.testing.assert_array_equal(fewer.labels, train.labels[:20])


def test_another_file_is_refused(server, tmp_path):
    (server / "cifar-10-binary.tar.gz").write_bytes(b"something else")
    with pytest.raises(ValueError, match="hash"):
        mt.cifar10(folder=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_offline_the_message_says_what_to_do(server, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "CIFAR10_URL", "http://127.0.0.1:9/cifar-10-binary.tar.gz")
    with pytest.raises(
        OSError, match=r"cache and could not be fetched from .*put cifar-10-binary.tar.gz there .* digits"
    ):
        mt.cifar10(folder=tmp_path / "cache")


def test_the_known_checksum_is_that_of_the_published_file():
    assert images.CIFAR10_URL == "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    assert len(bytes.fromhex(images.CIFAR10_SHA256)) == 32


# Without the optional packages


@pytest.mark.parametrize(
    ("missing", "load", "says"), [("sklearn.datasets", mt.digits, "scikit-learn"), ("pooch", mt.cifar10, "pooch")]
)
def test_a_missing_package_is_named(monkeypatch, missing, load, says):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"needs? {says}: pip install 'minidyn\[images\]'"):
        load()


def test_without_torch_the_message_says_what_to_do():
    code = "import sys; sys.modules['torch'] = None; import minidyn; import minidyn.torch"
    call = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180)
    wanted = "ImportError: minidyn.torch needs PyTorch 2.6 or later: pip install 'minidyn[torch]'"
    assert call.stderr.splitlines()[-1] == wanted


def test_only_its_own_rooms_import_torch():
    """No module outside minidyn/torch and ensembles/torch*.py imports it, or that room, as it is loaded."""
    package = Path(md.__file__).parent
    for file in package.rglob("*.py"):
        if package / "torch" in file.parents or file.match("ensembles/torch*.py"):
            continue
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith(("torch", "minidyn.torch"))], file
