"""Shares of a batch, and what is measured of a card that is not the first."""

from types import SimpleNamespace

import pytest
import torch

from srgrid.errors import SrgridError
from srgrid.train import loop, recipe
from srgrid.train.team import Team

CPU, SECOND = torch.device("cpu"), torch.device("cuda", 1)


def test_each_process_gets_its_part_of_the_batch():
    assert [Team(rank, 4, CPU).share(8) for rank in range(4)] == [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)]
    with pytest.raises(SrgridError, match="batch: 6 cannot be shared evenly by 4 processes"):
        Team(0, 4, CPU).share(6)


@pytest.mark.parametrize(
    ("rank", "size", "device", "batch", "said"),
    [
        (0, 2, SECOND, 16, "8 patches a GPU leave it waiting for its CPU; a batch of 64"),
        (0, 4, SECOND, 64, "16 patches a GPU leave it waiting for its CPU; a batch of 128"),
        (0, 2, SECOND, 64, ""),
        (0, 1, SECOND, 16, ""),
        (0, 2, CPU, 16, ""),
        (1, 2, SECOND, 16, ""),  # process 0 has said it
    ],
)
def test_a_batch_too_small_for_several_cards_is_told(capsys, rank, size, device, batch, said):
    Team(rank, size, device).share(batch)
    told = capsys.readouterr().err
    assert said in told
    assert bool(told) == bool(said)


@pytest.mark.parametrize(("device", "peak"), [(SECOND, 2000), (torch.device("cuda", 0), 1000), (CPU, None)])
def test_the_peak_is_that_of_the_card_it_ran_on(monkeypatch, device, peak):
    monkeypatch.setattr(
        torch.cuda, "max_memory_allocated", lambda which=None: 1000 * (1 + (which.index if which else 0))
    )
    progress = SimpleNamespace(seconds=2.0, step=10, sessions=1)
    session = SimpleNamespace(progress=progress, recipe=recipe("demo"), team=Team(0, 1, device))
    measured = loop._measured(session)
    assert (measured["device"], measured["peak_gpu_bytes"]) == (str(device), peak)
