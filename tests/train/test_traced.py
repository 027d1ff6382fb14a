"""The GPU's path without a GPU: traced with tensors that have no content, and lowered for an H100."""

import pytest


def test_a_step_never_waits_for_the_device(on_a_pretended_card, packs):
    for optimiser, found in on_a_pretended_card("traced.py", "steps", packs[2]).items():
        assert found["waits"] == {}, optimiser
        assert found["device"] == "cuda:0"
        assert found["operators"] > 100


def test_inference_runs_on_the_card(on_a_pretended_card):
    kept = {"whole": [], "ensemble": [], "tiled": ["cuda:0"], "stored": ["cpu"]}
    for kind, found in on_a_pretended_card("traced.py", "inference").items():
        assert (found["shape"], found["device"], found["kept"]) == ([2, 3, 280, 360], "cuda:0", kept[kind]), kind


@pytest.mark.slow
def test_a_compiled_step_is_two_cuda_graphs_of_few_launches(on_a_pretended_card):
    """What one more block costs, forward and backward. The attention's two 1x1 convolutions are in the kernels."""
    two, three = (on_a_pretended_card("lowered.py", blocks, "bam") for blocks in (2, 3))
    assert [(graph["parts"], graph["reason"]) for graph in (*two, *three)] == [(1, None)] * 4
    forward, backward = (
        {key: b[key] - a[key] for key in ("kernels", "calls")} for a, b in zip(two, three, strict=True)
    )
    assert (forward["calls"], backward["calls"]) == (3, 3)
    assert 1 <= forward["kernels"] <= 8
    assert 1 <= backward["kernels"] <= 12
