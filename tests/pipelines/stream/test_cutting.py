"""Files are cut by a pure function of how many records are landed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamill_infra.model.errors import ConfigurationError
from datamill_pipelines.stream.cutting import Block, Cutting

cuttings = st.builds(
    lambda grain, fan_in, power: Cutting(grain * fan_in**power, fan_in, grain),
    st.integers(1, 5),
    st.integers(2, 4),
    st.integers(0, 3),
)


@given(cuttings, st.integers(0, 2_000))
def test_blocks_cover_every_record_once_in_order(cutting: Cutting, landed: int) -> None:
    blocks = cutting.blocks(landed)

    assert [0, *(block.end for block in blocks)] == [*(block.start for block in blocks), landed]


@given(cuttings, st.integers(0, 2_000))
def test_a_block_is_aligned_to_its_size_and_full_unless_it_is_the_last(cutting: Cutting, landed: int) -> None:
    for block in cutting.blocks(landed)[:-1]:
        size = block.end - block.start

        assert 0 == block.start % size
        assert size in {cutting.grain * cutting.fan_in**power for power in range(12)}


@given(cuttings, st.integers(0, 1_000), st.integers(0, 1_000))
def test_a_change_leads_from_one_state_to_the_other(cutting: Cutting, before: int, more: int) -> None:
    going, coming = cutting.change(before, before + more)

    assert set(cutting.blocks(before + more)) == set(cutting.blocks(before)) - set(going) | set(coming)
    assert not set(going) & set(coming)
    # What goes is the end of what there was, and what comes begins where it began.
    rewritten = [*going, Block(before, before + more)] if more else going
    if coming:
        assert coming[0].start == rewritten[0].start
        assert [block.end for block in rewritten[:-1]] == [block.start for block in rewritten[1:]]


def test_a_record_is_written_once_per_size_and_not_once_per_commit() -> None:
    cutting = Cutting(window=4_096, fan_in=8, grain=8)
    written = sum(block.end - block.start for n in range(4_096) for block in cutting.change(n, n + 1)[1])

    # Once per record into the last block of up to 8 (4.5 records on average), once into each of 8, 64, 512, 4096.
    assert written / 4_096 < 4.5 + 4


def test_a_partition_has_few_files_whatever_is_landed() -> None:
    cutting = Cutting()

    assert max(len(cutting.blocks(landed)) for landed in range(0, cutting.window, 2_047)) <= 15


@pytest.mark.parametrize("sizes", [(100, 3, 10), (0, 8, 0), (10, 1, 5)])
def test_sizes_that_do_not_nest_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigurationError, match="is not"):
        Cutting(*sizes)


def test_names_sort_as_numbers_do() -> None:
    assert "000000000000-000000131072" == Block(0, 131_072).name
