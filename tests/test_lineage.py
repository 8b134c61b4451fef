from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancegan.data.filewriting import encode_image
from balancegan.data.fitting import FITS
from balancegan.data.lineage import Lineage, read_lineage
from balancegan.errors import DataError

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
SIDES = st.tuples(st.integers(1, 20), st.integers(1, 20))
LINEAGES = st.builds(
    Lineage,
    TEXT,
    st.integers(0, 10**12),
    st.text("0123456789abcdef", min_size=16, max_size=16),
    st.dictionaries(TEXT, TEXT, max_size=3),
)


RANGES = st.lists(st.integers(0, 2**16 - 1), min_size=2, max_size=2, unique=True)


@given(
    LINEAGES,
    st.none() | st.tuples(SIDES, st.sampled_from(FITS)),
    st.none() | RANGES.map(sorted).map(tuple),
)
def test_a_file_says_where_it_comes_from(tmp_path_factory, lineage, resized, ends):
    lineage = replace(lineage, file_range=ends)
    if resized is not None:
        size, fit = resized
        lineage = Lineage(**{**vars(lineage), "size": size, "fit": fit})
    path = tmp_path_factory.mktemp("lineage") / "image.png"
    path.write_bytes(encode_image(np.zeros((6, 4), "uint8"), lineage))
    assert read_lineage(path) == lineage


@pytest.mark.parametrize(
    "change",
    [
        {"balancegan:class": None},
        {"balancegan:number": "-1"},
        {"balancegan:number": "9" * 40},
        {"balancegan:model": None},
        {"balancegan:size": "1e9x3 pad"},
        {"balancegan:size": "10x10 twist"},
        {"balancegan:range": "9 8"},
        {"balancegan:range": "0 70000"},
        {"balancegan:range": "0 -1"},
        {"balancegan:attributes": "{"},
        {"balancegan:attributes": "[" * 100_000},
        {"balancegan:attributes": '["shade"]'},
        {"balancegan:attributes": '{"shade": 1}'},
    ],
)
def test_what_a_stranger_wrote_is_refused(change):
    texts = Lineage("bag", 3, "c0ffee", size=(8, 8), fit="pad").texts() | change
    texts = {key: text for key, text in texts.items() if text is not None}
    with pytest.raises(DataError, match="no balancegan provenance metadata"):
        Lineage.from_texts(texts)


def test_files_without_lineage_are_refused(tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(encode_image(np.zeros((6, 4, 3), "uint8")))
    with pytest.raises(DataError, match=r"image.png.*Received: nothing"):
        read_lineage(path)
    for content in (b"", b"no image", path.read_bytes()[:20]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot be read as an image"):
            read_lineage(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_lineage(tmp_path / "missing.png")
