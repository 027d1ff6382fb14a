"""The GPU's path without a GPU: traced with tensors that have no content."""


def test_a_step_never_waits_for_the_device(on_a_pretended_card, packs):
    for optimiser, found in on_a_pretended_card("steps", packs[2]).items():
        assert found["waits"] == {}, optimiser
        assert found["device"] == "cuda:0"
        assert found["operators"] > 100


def test_inference_runs_on_the_card(on_a_pretended_card):
    kept = {"whole": [], "ensemble": [], "tiled": ["cuda:0"], "stored": ["cpu"]}
    for kind, found in on_a_pretended_card("inference").items():
        assert (found["shape"], found["device"], found["kept"]) == ([2, 3, 280, 360], "cuda:0", kept[kind]), kind
