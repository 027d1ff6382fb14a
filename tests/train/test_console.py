"""The progress line."""

from types import SimpleNamespace

from srgrid.train import console


def test_time_left_follows_the_recent_pace(monkeypatch, capsys):
    """A minute of compiling before the first step, and a validation in between, do not count."""
    now = 0.0
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: now))
    line = console.Line("train", steps=1000)
    for seconds, step in ((60, 1), (80, 31), (100, 61), (200, 91), (220, 121)):
        now = float(seconds)
        assert line.due(step / 1000) == (step > 1)
        if step > 1:
            line.show(step, step / 1000, 16.0, 0.03, None if step < 91 else 28.5)
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "train: step 31 of 1000  16.0 images/s  loss 0.03000  10:46 left"
    assert len(shown) == 4
    assert shown[-1] == "train: step 121 of 1000  16.0 images/s  loss 0.03000  PSNR 28.50 dB  9:46 left"
