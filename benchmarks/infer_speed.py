"""Inference speed: srgrid beside super-image's RcanModel and plain eager fp32 PyTorch, the same network and weights.

    python benchmarks/infer_speed.py [--model rcan-bam] [--scale 4] [--image FILE] [--rounds 5] [--device cpu]
                                     [--weights FILE] [--threads N]

The image is an LR one (by default a 128 x 128 part of a photograph, the size of Set5's at 4x). The contenders take
turns in one process. Prints seconds, the ratios, peak GPU memory, and how far each output is from plain fp32 (PSNR of
one against the other after rounding to 8 bits). On CPUs also what convolutions take of srgrid's fp32, and how near they
come to the multiply-adds a second of a product of large matrices. super-image is optional: `make peers`.
"""

import argparse
import statistics
import sys
import time

import numpy as np
import torch
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from srgrid.images import read
from srgrid.models import build, load, names
from srgrid.models.cost import count
from srgrid.models.run import to_uint8, upscale_float


def main():
    options = _options()
    if options.threads:
        torch.set_num_threads(options.threads)
    image = read(options.image) if options.image else np.ascontiguousarray(data.astronaut()[100:228, 150:278])
    torch.manual_seed(0)
    network = load(options.weights, None) if options.weights else build(options.model, options.scale)
    model = network.to(options.device).module.eval()
    contenders = {
        "srgrid": lambda: upscale_float(network, [image])[0],
        "srgrid fp32": lambda: upscale_float(network, [image], precision="fp32")[0],
        "plain eager fp32 PyTorch": lambda: _plain(model, image),
    }
    peer = _super_image(model)
    if peer is not None:
        contenders["super-image RcanModel"] = lambda: _plain(peer, image)
    times = {name: [] for name in contenders}
    for number in range(options.rounds + 1):
        for name, run in contenders.items():
            begun = time.perf_counter()
            run()
            if number:  # the first round warms up
                times[name].append(time.perf_counter() - begun)
    size = f"{image.shape[1]} x {image.shape[0]}"
    print(f"{options.model} x{network.scale} on {size} LR pixels, {options.device}, ", end="")
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    truth = to_uint8(_plain(model, image))
    ours = statistics.median(times["srgrid"])
    for name, run in contenders.items():
        seconds = statistics.median(times[name])
        out = to_uint8(run())
        apart = np.inf if np.array_equal(out, truth) else peak_signal_noise_ratio(truth, out)
        print(f"{name:<28}{seconds:8.3f} s  srgrid is {seconds / ours:5.2f} times as fast  ", end="")
        print(f"{apart:6.2f} dB from plain fp32")
    if options.device.startswith("cuda"):
        print(f"peak GPU memory of all: {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")
    else:
        _print_convolutions(network, image)


def _options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="rcan-bam", choices=names())
    parser.add_argument("--scale", type=int, default=4, choices=(2, 3, 4))
    parser.add_argument("--image")
    parser.add_argument("--weights")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def _print_convolutions(network, image):
    """What convolutions take of the seconds of fp32, and their multiply-adds a second beside a matrix product's."""
    with torch.profiler.profile() as profile:
        upscale_float(network, [image], precision="fp32")
    own = {event.key: event.self_cpu_time_total for event in profile.key_averages()}
    conv = sum(time for name, time in own.items() if "convolution" in name or "conv2d" in name) / 1e6
    height, width = (side * network.scale for side in image.shape[:2])
    rate = count(network, (width, height)).multiply_adds / conv / 1e9
    a, b = torch.rand(2, 2048, 2048)
    seconds = []
    for _ in range(6):
        begun = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - begun)
    matrices = 2048**3 / statistics.median(seconds[1:]) / 1e9
    share = conv * 1e6 / sum(own.values())
    print(f"convolutions: {share:.0%} of the seconds of fp32, {rate:.0f} G multiply-adds a second")
    print(f"a product of matrices: {matrices:.0f} G, so they come to {rate / matrices:.0%} of it")


@torch.no_grad()
def _plain(model, image):
    device = next(model.parameters()).device
    x = torch.from_numpy(image).to(device).permute(2, 0, 1)[None].float().div(255).contiguous()
    return model(x)[0].mul(255).clamp(0, 255).permute(1, 2, 0).cpu().numpy()


def _super_image(model):
    """super-image's network with the same weights; its mean shift, scaled by 255, set to ours to compare outputs."""
    import _peers

    if not (_peers.FOLDER / "super_image").is_dir():
        print("super-image: not measured; run `make peers` first", file=sys.stderr)
        return None
    import _super_image

    model_class, config_class, *_ = _super_image.load()
    size = model.config
    config = config_class(
        scale=size.scale, bam=size.attention == "bam", n_resgroups=size.groups, n_resblocks=size.blocks,
        n_feats=size.features, reduction=size.reduction,
    )  # fmt: skip
    peer = model_class(config)
    torch.nn.Module.load_state_dict(peer, model.state_dict())
    return peer.to(next(model.parameters()).device).eval()


if __name__ == "__main__":
    main()
