"""The experiments of "Shaping the landscape": one file per chapter."""

from minidyn import _renamed

_renamed.names(
    __name__,
    **{
        old: f"minidyn.experiments.topography.{new}"
        for old, new in {
            "CHOICES": "validation.CHOICES",
            "EDGE_RATES": "edge_of_instability.EDGE_RATES",
            "NAMES": "losses.NAMES",
            "edge": "edge_of_instability.edge",
            "gains": "validation.validation_gain",
            "nudged": "dynamical_losses.perturbed",
            "outer_arms": "dynamical_losses.outer_arms",
            "stretches": "edge_of_instability.unstable_intervals",
        }.items()
    },
)
