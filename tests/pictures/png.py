"""Pictures small enough to be kept with the code."""

from pathlib import Path

from PIL import Image


def shrink(source: Path, to: Path, *, widest: int, colours: int = 256) -> None:
    """Write `source` to `to` as a PNG of at most `widest` pixels across and so many colours."""
    with Image.open(source) as picture:
        flat = picture.convert("RGB")
        if flat.width > widest:
            flat = flat.resize(
                (widest, round(flat.height * widest / flat.width)), Image.Resampling.LANCZOS
            )
        flat.quantize(colours, dither=Image.Dither.NONE).save(to, optimize=True)
