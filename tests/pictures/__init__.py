"""The pictures of the documentation, each of a program that really runs."""

from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[2]
