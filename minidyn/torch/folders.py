"""Images of your own: a folder per class, PNG or JPEG, decoded once and kept."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn import _progress, storage
from minidyn.torch.images import Images, standardised

ENDINGS = (".png", ".jpg", ".jpeg")
Size = tuple[int, int]  # height, width


def image_folder(
    root: str | os.PathLike[str],
    size: int | tuple[int, int] | None = None,
    *,
    validation: str | os.PathLike[str] | float = 0.2,
    train_size: int | None = None,
    seed: int = 0,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> tuple[Images, Images]:
    """Images from folders, one per class, as users of torchvision expect them: (training, validation).

    A class is a folder in `root`, and its images are all PNG and JPEG files in it, at any depth. Classes are numbered
    in the order of their names. If all images are grey they have one channel, else three.

    Parameters
    ----------
    root : path-like
        The folder of the classes, at least two.
    size : int or (height, width), optional
        Resize all images to it, an int to a square. Default: leave them as they are; then all must have one size.
    validation : path-like or float
        A folder like `root` with the same classes, or the fraction of the images in `root` to set apart, between 0 and
        1.
    train_size : int, optional
        Number of training images, the first of the shuffled ones; default all.
    seed : int
        Of `numpy.random.RandomState`, which shuffles the images of `root`.
    cache : path-like, optional
        Where decoded pixels are kept, so that the next call need not decode. Default: the user's cache for minidyn.
        They are decoded anew if a file has changed.
    progress : bool
        Show a progress bar if decoding takes longer than a second.

    Returns
    -------
    train, validation : Images
        With the classes' names in `.names`.

    Raises
    ------
    ImportError
        If Pillow is not installed.
    FileNotFoundError
        If a folder does not exist.
    TypeError, ValueError
        If a folder has fewer than two classes, a class no image, a file cannot be read or has another size than the
        first, `validation` has other classes, or an argument is out of its range. The message names the file.

    Examples
    --------
    >>> from minidyn.torch import image_folder
    >>> train, validation = image_folder("photos", size=32)  # doctest: +SKIP
    """
    wanted = _checked_size(size)
    fraction = None if isinstance(validation, str | os.PathLike) else _checked_fraction(validation)
    seed = check.integer("seed", seed, least=0, most=2**32 - 1)
    folders = [Path(root)] if fraction is not None else [Path(root), Path(validation)]  # type: ignore[arg-type]
    classes = [_files(folder) for folder in folders]
    names = tuple(classes[0])
    if tuple(classes[-1]) != names:
        raise ValueError(f"validation must have the classes of root, {names}, got {tuple(classes[-1])}")
    total = sum(map(len, classes[0].values()))
    held_out = 0 if fraction is None else min(max(1, round(fraction * total)), total - 1)
    trained = total - held_out
    if train_size is not None:
        trained = check.integer("train_size", train_size, least=1, most=trained)
    pairs = zip(folders, classes, strict=True)
    pixels, labels = _joined([_cached(folder, files, wanted, cache, progress) for folder, files in pairs])
    order = np.random.RandomState(seed).permutation(total)
    rest = order[total - held_out :] if held_out else slice(total, None)
    return standardised(pixels, labels, order[:trained], rest, names)


def _files(root: Path) -> dict[str, list[Path]]:
    """The image files of each class, in the order of their names."""
    if not root.is_dir():
        raise FileNotFoundError(f"folder {str(root)!r} does not exist")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(folders) < 2:
        names = [folder.name for folder in folders]
        raise ValueError(f"folder {str(root)!r} must hold a folder for each of at least two classes, got {names}")
    classes = {folder.name: _images_in(folder) for folder in folders}
    for name, files in classes.items():
        if not files:
            raise ValueError(f"folder {str(root / name)!r} must hold images ({', '.join(ENDINGS)}), got none")
    return classes


def _images_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())


def _joined(parts: Sequence[tuple[NDArray, NDArray]]) -> tuple[NDArray, NDArray]:
    """Training images, then validation images; all in colour if some are."""
    shapes = [pixels.shape[2:] for pixels, _ in parts]
    if shapes[0] != shapes[-1]:
        raise ValueError(f"validation must have images of the size of root's, {shapes[0]}, got {shapes[-1]}: give size")
    channels = max(pixels.shape[1] for pixels, _ in parts)
    coloured = [np.broadcast_to(pixels, (len(pixels), channels, *pixels.shape[2:])) for pixels, _ in parts]
    return np.concatenate(coloured), np.concatenate([labels for _, labels in parts])


def _cached(
    root: Path, classes: dict[str, list[Path]], size: Size | None, cache: Any, progress: bool
) -> tuple[NDArray, NDArray]:
    """Pixels (P, channels, height, width), uint8, and labels: from the cache, or decoded and kept there."""
    folder = Path(cache) if cache is not None else _user_cache()
    path = folder / f"images-{_fingerprint(root, classes, size)}.npz"
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in classes.values()])
    try:
        storage.check_sealed(path)
        with np.load(io.BytesIO(path.read_bytes())) as kept:
            return kept["pixels"], labels
    except (FileNotFoundError, ValueError):
        pixels = _decoded([file for files in classes.values() for file in files], size, progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        storage.atomically(path, lambda temporary: _write(temporary, pixels))
    except OSError as error:
        warnings.warn(f"decoded images are not kept: {error}", RuntimeWarning, stacklevel=3)
    return pixels, labels


def _write(path: Path, pixels: NDArray) -> None:
    with open(path, "wb") as file:
        np.savez(file, pixels=pixels)
    storage.seal(path)


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minidyn"


def _fingerprint(root: Path, classes: dict[str, list[Path]], size: Size | None) -> str:
    """Changes if a file does: its name, its length or its time."""
    digest = sha256(repr((str(root.resolve()), size)).encode())
    for file in (file for files in classes.values() for file in files):
        about = file.stat()
        digest.update(repr((str(file.relative_to(root)), about.st_size, about.st_mtime_ns)).encode())
    return digest.hexdigest()[:24]


def _decoded(files: Sequence[Path], size: Size | None, progress: bool) -> NDArray:
    """All images as one array, in colour if any is."""
    images: list[NDArray] = []
    with _progress.bar(len(files), "decoding", "images", shown=progress) as bar:
        for file in files:
            images.append(_read(file, size))
            if images[-1].shape[1:] != images[0].shape[1:]:
                sizes = [" x ".join(map(str, image.shape[1:])) for image in (images[0], images[-1])]
                raise ValueError(
                    f"images must have one size, got {sizes[0]} pixels (height x width) in {str(files[0])!r} and "
                    f"{sizes[1]} in {str(file)!r}: give size to resize them"
                )
            bar.update(1)
    channels = max(len(image) for image in images)
    return np.stack([np.broadcast_to(image, (channels, *image.shape[1:])) for image in images])


def _read(file: Path, size: Size | None) -> NDArray:
    """An image as (channels, height, width): 1 channel if it is grey, else 3."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise ImportError("image_folder() needs Pillow: pip install 'minidyn[images]'") from error
    try:
        with Image.open(file) as opened:
            image = opened.convert("L" if opened.mode in ("1", "L") else "RGB")
    except (OSError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"file {str(file)!r} is not an image that can be read: {error}") from error
    if size is not None:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _checked_size(size: Any) -> Size | None:
    if size is None:
        return None
    pair = size if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2:
        raise ValueError(f"size must be an integer or (height, width), got {size!r}")
    height, width = (check.integer("size", length, least=1) for length in pair)
    return height, width


def _checked_fraction(validation: Any) -> float:
    fraction = check.real("validation", validation, above=0)
    if fraction >= 1:
        raise ValueError(f"validation must be a folder or a fraction between 0 and 1, got {validation!r}")
    return fraction
