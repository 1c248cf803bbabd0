"""The experiments of "Forgetting": one file per chapter."""

from minidyn import _renamed

_renamed.names(
    __name__,
    adder_many="minidyn.experiments.forgetting.conditional_network.adder_many",
    interference_many="minidyn.experiments.forgetting.interference.interference_many",
    one_by_one_many="minidyn.experiments.forgetting.transfer.one_by_one_many",
    rehearsal_many="minidyn.experiments.forgetting.transfer.rehearsal_many",
    sequential_many="minidyn.experiments.forgetting.transfer.sequential_many",
    train_held="minidyn.experiments.forgetting.transfer.train_with_fixed",
)
