"""Pictures small enough to be kept with the code."""

from pathlib import Path

from PIL import Image


def shrink(source: Path, to: Path, *, widest: int) -> None:
    """Write `source` to `to` as a PNG of at most `widest` pixels across and 256 colours."""
    with Image.open(source) as picture:
        flat = picture.convert("RGB")
        if flat.width > widest:
            flat = flat.resize(
                (widest, round(flat.height * widest / flat.width)), Image.Resampling.LANCZOS
            )
        # Of the ways to choose colours, the one that keeps a rare one: the frame around a plate.
        palette = flat.quantize(method=Image.Quantize.MAXCOVERAGE, kmeans=1)
        few = flat.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        few.save(to, optimize=True)
