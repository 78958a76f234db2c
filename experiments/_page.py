"""Figures on disk, the same on every machine.

Machines differ in the last digits of what they compute. A figure is drawn from it as it is, but written with
coordinates of a hundredth of a point, of which nobody sees the next digit; its PNG is written only where that changes
its SVG.
"""

import importlib.metadata
import io
import re


def write(figure, folder, name, title, source):
    """Write a figure as `name`.svg and `name`.png, in the style that holds; the same figure gives the same bytes.

    `source` says what the figure was made by, after the version of the library.
    """
    vector, picture = folder / f"{name}.svg", folder / f"{name}.png"
    metadata = {"Title": title, "Source": f"kdtheory {importlib.metadata.version('kdtheory')}, {source}"}
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, **metadata})
    new = rounded(text.getvalue()).encode()
    if picture.exists() and vector.exists() and vector.read_bytes() == new:
        return
    vector.write_bytes(new)
    figure.savefig(picture, metadata=metadata)


_COORDINATES = re.compile(r'(?<=[ \n])(?:d|x|y|width|height)="[^"]*"|translate\([^)]*\)')
_FRACTION = re.compile(r"-?\d+\.\d+")
_HASHED = re.compile(r'(?<=["#])(image|[mph]|C\w+_)[0-9a-f]{10}(?=[")])')  # names, by a hash of what they name


def rounded(svg):
    """An SVG of matplotlib with coordinates to a hundredth of a point, and names by the order in which they come.

    Matplotlib has rounded to a millionth before. So what stands just between two hundredths, as things do that have
    round places in a layout, is found there exactly, on every machine, and goes one way. Either way goes only what is,
    but for the last digits, half a millionth off that; nothing stands there but by chance.
    """
    svg = _COORDINATES.sub(lambda found: _FRACTION.sub(_hundredths, found.group()), svg)
    names = dict.fromkeys(found.group() for found in _HASHED.finditer(svg))
    order = {name: number for number, name in enumerate(names)}
    return _HASHED.sub(lambda found: f"{found.group(1)}{order[found.group()]}", svg)


def _hundredths(found):
    return f"{round(float(found.group()), 2) + 0.0:.2f}".rstrip("0").rstrip(".")  # no minus before a zero
