"""The experiments of "Forgetting": one file per chapter."""

from minidyn import _renamed

_CELL = "minidyn.experiments.forgetting.conditional_network"
_TRANSFER = "minidyn.experiments.forgetting.transfer"

_renamed.names(
    __name__,
    adder_ablation=f"{_TRANSFER}.adder_ablation",
    adder_initialisation=f"{_CELL}.adder_initialisation",
    adder_many=f"{_CELL}.adder_many",
    interference_many="minidyn.experiments.forgetting.interference.interference_many",
    one_by_one_many=f"{_TRANSFER}.one_by_one_many",
    sequential_many=f"{_TRANSFER}.sequential_many",
    train_held=f"{_TRANSFER}.train_with_fixed",
)
