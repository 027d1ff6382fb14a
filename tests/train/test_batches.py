"""Batches: pure functions of the step, aligned, uniform, the same from every source."""

import numpy as np
import pytest
import torch

from srgrid.data.hrpack import pack_hr
from srgrid.data.pack import Pack, pack
from srgrid.errors import SrgridError
from srgrid.resize import imresize
from srgrid.train import recipe
from srgrid.train.batches import Mapped, Planner, Resident, Streamed, source, split

CPU = torch.device("cpu")


def _planner(path, held_out=0, **changes):
    pack = Pack.open(path)
    config = recipe("demo", **({"batch": 8, "patch": 16} | changes))
    return pack, Planner(pack, split(pack, held_out)[0], config)


def test_a_step_is_always_the_same_batch_whatever_came_before(packs):
    pack, planner = _planner(packs[2])
    first = [Mapped(pack, planner, slice(None))(step, 16) for step in (5, 6)]
    pack, planner = _planner(packs[2])
    again = [Mapped(pack, planner, slice(None))(step, 16) for step in (6, 5)][::-1]
    for (lr, hr), (lr2, hr2) in zip(first, again, strict=True):
        assert torch.equal(lr, lr2)
        assert torch.equal(hr, hr2)
    assert not torch.equal(first[0][0], first[1][0])
    pack, planner = _planner(packs[2], seed=1)
    assert not torch.equal(Mapped(pack, planner, slice(None))(5, 16)[0], first[0][0])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lr_and_hr_patches_show_the_same_place_in_the_same_turn(packs, scale):
    pack, planner = _planner(packs[scale], batch=32)
    plan = planner.plan(3, 16)
    assert set(plan.turn) == set(range(8))
    lr, hr = Mapped(pack, planner, slice(None)).cut(3, 16)
    for small, large in zip(lr, hr, strict=True):
        shrunk = imresize(np.ascontiguousarray(large), 1 / scale)[4:-4, 4:-4]
        # Away from the patch's own edges; a turned patch is rounded along the other axis first.
        np.testing.assert_allclose(shrunk.astype(int), small[4:-4, 4:-4].astype(int), atol=1)


@pytest.mark.parametrize("candidates", [1, 3])
@pytest.mark.parametrize("make", [Resident, Streamed])
def test_every_source_gives_the_same_numbers(packs, make, candidates):
    pack, planner = _planner(packs[3], candidates=candidates)
    for share in (slice(None), slice(4, 8)):
        mapped = Mapped(pack, planner, share)
        other = Resident(pack, planner, share, CPU) if make is Resident else Streamed(mapped, CPU)
        for step in (0, 1, 7):
            for a, b in zip(mapped(step, 16), other(step, 16), strict=True):
                assert a.shape == b.shape
                assert torch.equal(a, b)
                assert b.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= float(a.min()) < float(a.max()) <= 1


@pytest.mark.parametrize("scale", [3, 4])
def test_a_shared_hr_file_gives_the_same_numbers(packs, tmp_path, scale):
    pack_hr([packs[scale].parent / "HR"], tmp_path / "set.srhr")
    pack([tmp_path / "set.srhr"], scale, tmp_path / "lr.srpack")
    whole, planner = _planner(packs[scale])
    shared, same = _planner(tmp_path / "lr.srpack")
    assert any(shared.hr(i).strides != whole.hr(i).strides for i in range(len(whole))), "no HR image was cropped"
    for step in (0, 1, 7):
        expected = Mapped(whole, planner, slice(None))(step, 16)
        for other in (Mapped(shared, same, slice(None)), Resident(shared, same, slice(None), CPU)):
            for a, b in zip(expected, other(step, 16), strict=True):
                assert torch.equal(a, b)
                assert b.is_contiguous(memory_format=torch.channels_last)


def test_every_position_is_equally_likely(packs):
    pack, planner = _planner(packs[4], batch=4096)
    plan = planner.plan(0, 16)
    for index, entry in enumerate(pack.entries):
        mine = plan.image == index
        positions = (entry.height - 15) * (entry.width - 15)
        assert mine.mean() == pytest.approx(positions / planner._ends[16][-1], abs=0.03)
        assert plan.top[mine].min() == 0
        assert plan.top[mine].max() == entry.height - 16
        assert plan.left[mine].max() == entry.width - 16


def test_of_several_candidates_the_one_with_the_most_detail_is_taken(packs):
    def detail(pack, plan):
        places = zip(plan.image, plan.top, plan.left, strict=True)
        patches = [pack.lr(i)[top : top + 16, left : left + 16, 1].astype(int) for i, top, left in places]
        return [sum(np.abs(np.diff(patch, axis=axis)).sum() for axis in (0, 1)) for patch in patches]

    pack, planner = _planner(packs[2], batch=8, candidates=4)
    found = planner.plan(5, 16)
    _, wide = _planner(packs[2], batch=32)
    drawn = np.reshape(detail(pack, wide.plan(5, 16)), (8, 4))
    assert detail(pack, found) == drawn.max(axis=1).tolist()
    assert len(found.turn) == 8
    assert (np.sort(drawn, axis=1)[:, 0] < drawn.max(axis=1)).any()


def test_five_crop_sees_every_crop_once_an_epoch(packs):
    pack, planner = _planner(packs[2], sampling="five-crop", batch=5, steps=1, patch=20)
    plans = [planner.plan(step, 20) for step in range(planner.epoch_items // 5)]
    images = np.concatenate([p.image for p in plans])
    assert planner.epoch_items == 30
    assert np.bincount(images).tolist() == [5] * 6
    for image in range(6):
        tops = np.concatenate([p.top for p in plans])[images == image]
        lefts = np.concatenate([p.left for p in plans])[images == image]
        entry = pack.entries[image]
        assert sum(tops + 20 <= entry.height // 2 + 1) >= 2
        assert sum(lefts + 20 > entry.width // 2) >= 2
        assert (tops + 20).max() <= entry.height
    later = np.concatenate([planner.plan(step, 20).image for step in range(6, 12)])
    assert np.bincount(later).tolist() == [5] * 6
    assert images.tolist() != later.tolist()


def test_held_out_images_are_never_trained_on(packs):
    pack, planner = _planner(packs[2], held_out=2, batch=64)
    training, held_out = split(pack, 2)
    assert sorted(training + held_out) == list(range(6))
    assert held_out == [1, 4]
    assert set(np.concatenate([planner.plan(s, 16).image for s in range(5)])) == set(training)
    with pytest.raises(SrgridError, match="too few to hold 4 out"):
        split(pack, 4)


def test_an_image_smaller_than_the_patch_is_named(packs):
    with pytest.raises(SrgridError, match=r"image .*/astronaut has 40 x 30 LR pixels.*patch of 31"):
        _planner(packs[4], patch=31)


def test_the_cpu_reads_from_the_map(packs):
    pack, planner = _planner(packs[2])
    assert isinstance(source(pack, planner, CPU), Mapped)


@pytest.mark.gpu
def test_gpu_sources_give_the_cpus_numbers(packs):
    pack, planner = _planner(packs[3])
    gpu, mapped = torch.device("cuda"), Mapped(pack, planner, slice(None))
    assert isinstance(source(pack, planner, gpu), Resident)
    for other in (Resident(pack, planner, slice(None), gpu), Streamed(mapped, gpu)):
        for step in (0, 3):
            for a, b in zip(mapped(step, 16), other(step, 16), strict=True):
                torch.testing.assert_close(a, b.cpu(), rtol=0, atol=1e-7)
