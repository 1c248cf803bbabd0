"""Images from folders: what is in the files arrives as it is, and what cannot be read is named."""

from __future__ import annotations

import os

import numpy as np
import pytest

mt = pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
Image = pytest.importorskip("PIL.Image")
folders = pytest.importorskip("minidyn.torch.folders", exc_type=ImportError)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(root, counts=(("cat", 6), ("dog", 4)), shape=(5, 7, 3), ending="png", seed=0):
    """Random images, `counts` per class; their pixels in the order in which they are numbered."""
    random, pixels = np.random.RandomState(seed), []
    for name, count in counts:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels.append(random.randint(0, 256, shape).astype(np.uint8))
            Image.fromarray(pixels[-1]).save(root / name / f"{number:03d}.{ending}")
    return np.array(pixels)


def test_every_image_is_there_once_with_its_label(tmp_path):
    pixels = write(tmp_path / "all").transpose(0, 3, 1, 2).astype(np.float32)
    train, validation = mt.image_folder(tmp_path / "all", validation=0.3)
    assert (len(train), len(validation)) == (7, 3)
    assert train.names == validation.names == ("cat", "dog")
    assert train.classes == 2
    assert train.x.shape == (7, 3, 5, 7)
    torch.testing.assert_close(train.x.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(train.x.std(dim=(0, 2, 3), correction=0), torch.ones(3))
    order = np.random.RandomState(0).permutation(10)
    mean, deviation = (f(pixels[order[:7]], axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))
    both = torch.cat([train.x, validation.x])
    np.testing.assert_allclose(both, (pixels[order] - mean) / deviation, rtol=1e-4, atol=1e-5)
    labels = np.array([0] * 6 + [1] * 4)[order]
    np.testing.assert_array_equal(torch.cat([train.labels, validation.labels]), labels)


def test_a_folder_for_validation(tmp_path):
    write(tmp_path / "train")
    write(tmp_path / "test", (("cat", 1), ("dog", 2)), seed=1)
    train, validation = mt.image_folder(tmp_path / "train", validation=tmp_path / "test", train_size=8, seed=3)
    assert (len(train), len(validation)) == (8, 3)
    assert validation.labels.tolist() == [0, 1, 1]
    write(tmp_path / "other", (("cat", 1), ("fish", 2)))
    with pytest.raises(ValueError, match=r"validation must have the classes of root, \('cat', 'dog'\), got .*fish"):
        mt.image_folder(tmp_path / "train", validation=tmp_path / "other")
    write(tmp_path / "large", (("cat", 1), ("dog", 1)), shape=(9, 9, 3))
    with pytest.raises(ValueError, match=r"size of root's, \(5, 7\), got \(9, 9\): give size"):
        mt.image_folder(tmp_path / "train", validation=tmp_path / "large")


@pytest.mark.parametrize(
    ("ending", "shape", "channels"), [("jpg", (8, 8, 3), 3), ("JPEG", (8, 8), 1), ("png", (8, 8), 1)]
)
def test_formats_and_channels(tmp_path, ending, shape, channels):
    write(tmp_path / "all", shape=shape, ending=ending)
    assert mt.image_folder(tmp_path / "all")[0].x.shape[1:] == (channels, 8, 8)


def test_grey_among_coloured_images_has_three_equal_channels(tmp_path):
    write(tmp_path / "all")
    write(tmp_path / "all", (("grey", 1),), shape=(5, 7))
    assert mt.image_folder(tmp_path / "all")[0].x.shape[1] == 3
    pixels, _ = folders._cached(tmp_path / "all", folders._files(tmp_path / "all"), None, None, False)
    assert (pixels[-1] == pixels[-1, :1]).all()


@pytest.mark.parametrize(("size", "shape"), [(4, (4, 4)), ((6, 3), (6, 3))])
def test_images_are_resized(tmp_path, size, shape):
    write(tmp_path / "all")
    write(tmp_path / "all", (("large", 2),), shape=(20, 10, 3))
    assert mt.image_folder(tmp_path / "all", size)[0].x.shape[2:] == shape
    flat = Image.new("RGB", (30, 12), (9, 90, 200))
    flat.save(tmp_path / "flat.png")
    assert (folders._read(tmp_path / "flat.png", shape) == np.array([9, 90, 200])[:, None, None]).all()


def test_other_files_and_hidden_folders_are_left_out(tmp_path):
    write(tmp_path / "all")
    (tmp_path / "all" / "README.md").write_text("about")
    (tmp_path / "all" / "cat" / "notes.txt").write_text("mine")
    (tmp_path / "all" / ".thumbnails").mkdir()
    assert sum(map(len, mt.image_folder(tmp_path / "all"))) == 10


class TestCache:
    def test_decoded_pixels_are_kept_until_a_file_changes(self, tmp_path, monkeypatch):
        write(tmp_path / "all")
        first = mt.image_folder(tmp_path / "all")
        reads, read = [], folders._read
        monkeypatch.setattr(folders, "_read", lambda file, size: reads.append(file) or read(file, size))
        second = mt.image_folder(tmp_path / "all")
        assert reads == []
        for one, other in zip(first, second, strict=True):
            assert torch.equal(one.x, other.x)
            assert torch.equal(one.labels, other.labels)
        mt.image_folder(tmp_path / "all", seed=1)
        assert reads == []
        mt.image_folder(tmp_path / "all", size=4)
        assert len(reads) == 10
        os.utime(tmp_path / "all" / "cat" / "000.png", ns=(1, 1))
        mt.image_folder(tmp_path / "all")
        assert len(reads) == 20

    def test_a_damaged_file_is_decoded_again(self, tmp_path):
        write(tmp_path / "all")
        first = mt.image_folder(tmp_path / "all", cache=tmp_path / "mine")
        [file] = (tmp_path / "mine").iterdir()
        file.write_bytes(file.read_bytes()[:-50])
        assert torch.equal(mt.image_folder(tmp_path / "all", cache=tmp_path / "mine")[0].x, first[0].x)

    def test_without_a_place_to_write_images_are_decoded_and_it_is_said(self, tmp_path):
        write(tmp_path / "all")
        (tmp_path / "file").write_text("in the way")
        with pytest.warns(RuntimeWarning, match="decoded images are not kept"):
            train, _ = mt.image_folder(tmp_path / "all", cache=tmp_path / "file" / "cache")
        assert len(train) == 8


@pytest.mark.parametrize("content", [b"", b"a text", "half"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    write(tmp_path / "all", shape=(40, 40, 3))
    file = tmp_path / "all" / "dog" / "001.png"
    file.write_bytes(file.read_bytes()[:900] if content == "half" else content)
    with pytest.raises(ValueError, match=r"file '.*dog/001\.png' is not an image that can be read"):
        mt.image_folder(tmp_path / "all")


def test_an_image_of_another_size_is_named(tmp_path):
    write(tmp_path / "all")
    Image.new("RGB", (4, 9)).save(tmp_path / "all" / "dog" / "zzz.png")
    says = r"got 5 x 7 pixels \(height x width\) in '.*cat/000\.png' and 9 x 4 in '.*zzz\.png': give size"
    with pytest.raises(ValueError, match=says):
        mt.image_folder(tmp_path / "all")


def test_folders_that_hold_no_task_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent' does not exist"):
        mt.image_folder(tmp_path / "absent")
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"none' must hold a folder for each of at least two classes, got \[\]"):
        mt.image_folder(tmp_path / "none")
    write(tmp_path / "single", (("cat", 3),))
    with pytest.raises(ValueError, match=r"single' must hold .* at least two classes, got \['cat'\]"):
        mt.image_folder(tmp_path / "single")
    (tmp_path / "single" / "dog").mkdir()
    with pytest.raises(ValueError, match=r"dog' must hold images \(\.png, \.jpg, \.jpeg\), got none"):
        mt.image_folder(tmp_path / "single")


@pytest.mark.parametrize(
    ("changed", "kind", "says"),
    [
        ({"size": 0}, ValueError, "size must be an integer >= 1, got 0"),
        ({"size": (3, 4, 5)}, ValueError, "size must be an integer or"),
        ({"size": 2.5}, TypeError, "size must be an integer, got 2.5"),
        ({"validation": 1.0}, ValueError, "validation must be a folder or a fraction between 0 and 1, got 1.0"),
        ({"validation": 0}, ValueError, "validation"),
        ({"validation": None}, TypeError, "validation"),
        ({"train_size": 9}, ValueError, "train_size must be an integer >= 1 and <= 8, got 9"),
        ({"seed": -1}, ValueError, "seed"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_decoded(tmp_path, monkeypatch, changed, kind, says):
    write(tmp_path / "all")
    monkeypatch.setattr(folders, "_read", None)
    with pytest.raises(kind, match=says):
        mt.image_folder(tmp_path / "all", **changed)


def test_a_trainer_takes_them(tmp_path):
    write(tmp_path / "all", shape=(6, 6, 3))
    train, validation = mt.image_folder(tmp_path / "all", validation=0.5)
    loss = mt.DynamicalCrossEntropyLoss(5, 3, train.classes)
    trainer = mt.Trainer(mt.Myrtle5(3, 2, width=2), train, loss, validation=validation, batch_size=3)
    assert trainer.run(4, progress=False).sizes["step"] == 2
