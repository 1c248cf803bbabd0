"""The experiments of "Shaping the landscape": one file per chapter."""

from minidyn import _renamed

_MINIMA = "minidyn.experiments.topography.dynamical_losses"
_EDGE = "minidyn.experiments.topography.edge_of_instability"
_LEARNING = "minidyn.experiments.tilting.learning"

_renamed.names(
    __name__,
    CHOICES=f"{_LEARNING}.CHOICES",
    EDGE_RATES=f"{_EDGE}.EDGE_RATES",
    NAMES="minidyn.experiments.topography.losses.NAMES",
    burst_spectra=f"{_EDGE}.burst_spectra",
    edge=f"{_EDGE}.edge",
    edge_growth=f"{_EDGE}.edge_growth",
    edge_noise=f"{_EDGE}.edge_noise",
    edge_periods=f"{_EDGE}.edge_periods",
    gains=f"{_LEARNING}.validation_gain",
    global_minima=f"{_MINIMA}.global_minima",
    held_out_losses=f"{_LEARNING}.loss_pairs",
    loss_grid=f"{_LEARNING}.loss_grid",
    nudged=f"{_MINIMA}.perturbed",
    outer_arms=f"{_MINIMA}.outer_arms",
    size_and_rate="minidyn.experiments.topography.size_and_learning_rate.size_and_rate",
    stretches=f"{_EDGE}.unstable_intervals",
)
