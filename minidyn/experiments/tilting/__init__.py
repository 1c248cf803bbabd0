"""The experiments of "Tilting the playing field": one file per chapter."""

from minidyn import _renamed

_INSTABILITIES = "minidyn.experiments.tilting.instabilities"
_renamed.names(
    __name__,
    **{
        name: f"{_INSTABILITIES}.{name}"
        for name in (
            "AMPLITUDE",
            "NOTEBOOK",
            "PAPER",
            "RATE",
            "figure_four_weights",
            "fresh_seed_run",
            "lyapunov_exponents",
            "many_seeds",
            "notebook_kernel",
            "published_run",
        )
    },
)
