"""The experiments of "Tilting the playing field": one file per chapter."""

from minidyn import _renamed

_INSTABILITIES = "minidyn.experiments.tilting.instabilities"

_renamed.names(
    __name__,
    AMPLITUDE=f"{_INSTABILITIES}.AMPLITUDE",
    RATE=f"{_INSTABILITIES}.RATE",
    figure_four_weights=f"{_INSTABILITIES}.figure_four_weights",
    fresh_seed_run=f"{_INSTABILITIES}.fresh_seed_run",
    lyapunov_exponents=f"{_INSTABILITIES}.lyapunov_exponents",
    many_seeds=f"{_INSTABILITIES}.many_seeds",
    notebook_kernel=f"{_INSTABILITIES}.notebook_kernel",
    published_run=f"{_INSTABILITIES}.published_run",
)
