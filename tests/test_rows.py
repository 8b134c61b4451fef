import io
import weakref

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancegan.data import arraywriting
from balancegan.data.arraywriting import Rows, write_array
from balancegan.data.labelled import LabelledImages, Part, SyntheticImages
from balancegan.data.writing import write_images


@given(st.integers(0, 9), st.lists(st.integers(0, 4), max_size=4), st.integers(1, 5))
def test_what_is_written_part_by_part_is_the_whole(n_first, batches, at_a_time):
    whole = np.arange((n_first + sum(batches)) * 6, dtype="int16").reshape(-1, 2, 3)
    ends = n_first + np.cumsum([0, *batches])
    rest = [whole[a:b] for a, b in zip(ends, ends[1:], strict=False)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arraywriting, "PART", at_a_time)
        file = io.BytesIO()
        written = Rows(len(whole), whole[:n_first], rest)
        write_array(file, written)
    assert (written.shape, written.dtype) == (whole.shape, whole.dtype)
    file.seek(0)
    np.testing.assert_array_equal(np.load(file), whole)


@pytest.mark.parametrize("kind", ["npz", "csv", "folder"])
def test_writing_holds_a_batch_at_a_time(tmp_path, kind):
    held = []

    def batches():
        for _ in range(6):
            batch = np.zeros((2, 4, 4), "uint8")
            held.append(weakref.ref(batch))
            yield batch
            del batch
            assert sum(array() is not None for array in held) <= 1

    no_columns = pd.DataFrame(index=range(3))
    part = Part(np.zeros((3, 4, 4), "uint8"), np.array(list("aab")), no_columns)
    labelled = LabelledImages(tmp_path / "made", {"train": part})
    synthetic = SyntheticImages(batches(), np.full(12, "b"), np.arange(12), "c0ffee")
    out = tmp_path / ("out" if kind == "folder" else f"out.{kind}")
    write_images(out, labelled, synthetic)
    assert len(held) == 6


def test_rows_that_are_missing_are_not_written_as_if_they_were_there():
    with pytest.raises(ValueError, match="5 rows. Received: 3"):
        list(Rows(5, np.zeros(2), [np.zeros(1)]).parts())
