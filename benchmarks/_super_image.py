"""super-image's RcanModel and Trainer, without the packages that its imports ask for and these two never use."""

import importlib
import sys
from types import ModuleType

import _peers


def load():
    """(RcanModel, RcanConfig, Trainer, TrainingArguments, TrainDataset); exits with a message if it is not there."""
    for name in ("torchvision", "h5py"):
        try:
            importlib.import_module(name)
        except (ImportError, RuntimeError):  # a torchvision made for another torch raises RuntimeError
            _stand_in(name)
    datasets = _peers.load("super_image.data.datasets")
    trainer = _peers.load("super_image.trainer")
    arguments = _peers.load("super_image.training_args")
    config = _peers.load("super_image.models.rcan.configuration_rcan")
    model = _peers.load("super_image.models.rcan.modeling_rcan")
    return model.RcanModel, config.RcanConfig, trainer.Trainer, arguments.TrainingArguments, datasets.TrainDataset


def _stand_in(name):
    """An empty module, so that `import` passes: RcanModel, Trainer and TrainDataset take nothing from it."""
    for broken in [module for module in sys.modules if module.split(".")[0] == name]:
        del sys.modules[broken]
    sys.modules[name] = ModuleType(name)
    if name == "torchvision":
        sys.modules["torchvision.transforms"] = transforms = ModuleType("torchvision.transforms")
        transforms.transforms = ModuleType("torchvision.transforms.transforms")
