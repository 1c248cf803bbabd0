"""What happens in each cycle of a run: bursts, crossings of 2/η, and the periods of the orbit of the loss."""

from __future__ import annotations

import numpy as np
import xarray as xr

from minidyn import orbits

RATE = 1.0  # learning rate η
BURST = 0.01  # swing of F from which reversals are a burst; below, they tremble at the edge of stability


def bursts(loss: xr.DataArray) -> xr.Dataset:
    """The bursts of a loss curve, see `orbits.bursts`, without those that only tremble."""
    table = orbits.bursts(loss)
    return table.where(table.swing > BURST, drop=True)


def cycle_table(history: xr.Dataset, period: int) -> xr.Dataset:
    """What happens in each cycle, over "cycle"; NaN if it does not happen.

    A cycle lasts from the middle of one turn to the middle of the next, where the valley is narrow.

    - sharpness_start, _middle, _end: λ_max of F at the start, the middle and the end of the turn; loss_*: F
    - sharpness_peak, crossing: the greatest λ_max of the cycle, and the first measurement of it above 2/η
    - burst_start, burst_end, burst_reversals, burst_swing: of the cycle's bursts, see `orbits.bursts`
    - sharpness_before: λ_max when last measured before the burst
    - ntk_before, ntk_least: λ_max of the kernel when last measured before the burst, and the least within it
    - accuracy, validation_accuracy, static_loss: at the end of the turn, where Γ = 1
    - first_2, first_4, first_chaos: phase, before the handover, at which the orbit of F has period 2, then 4, then none
      up to 16; an orbit without a period before period 2 was seen is one that changes, not chaos
    """
    rows = [_cycle(history, period, number) for number in range(history.sizes["step"] // period)]
    return xr.Dataset({name: ("cycle", [row[name] for row in rows]) for name in rows[0]}, {"cycle": range(len(rows))})


def _cycle(history: xr.Dataset, period: int, number: int) -> dict[str, float]:
    start, middle, end = number * period, number * period + period // 2, (number + 1) * period
    last = min(end + period // 2, int(history.step[-1])) - 1
    sharpness = history.hessian_max.rename(hessian_max_step="step")
    narrow = sharpness.sel(step=slice(middle, last))
    crossings = narrow.step.values[narrow.values > 2 / RATE]
    at_turns = {
        f"{name}_{when}": float(series.sel(step=step, method="nearest"))
        for name, series in (("sharpness", sharpness), ("loss", history.loss))
        for when, step in (("start", start), ("middle", middle), ("end", end))
    }
    at_end = history.sel(step=end)
    return {
        **at_turns,
        "sharpness_peak": float(narrow.max()),
        "crossing": float(crossings[0]) if len(crossings) else np.nan,
        **_burst(history, history.loss.sel(step=slice(middle, last)), sharpness),
        **{name: float(at_end[name]) for name in ("accuracy", "validation_accuracy", "static_loss")},
        **_first_periods(history.loss.sel(step=slice(middle, end - 1))),
    }


def _burst(history: xr.Dataset, loss: xr.DataArray, sharpness: xr.DataArray) -> dict[str, float]:
    table = bursts(loss)
    if not table.sizes["burst"]:
        absent = [f"burst_{name}" for name in ("start", "end", "reversals", "swing")]
        absent += ["sharpness_before", "ntk_before", "ntk_least"]
        return dict.fromkeys(absent, np.nan) | {"burst_reversals": 0.0}
    start, end = int(table.start[0]), int(table.end[-1])
    kernel = history.ntk_max.rename(ntk_max_step="step")
    within = kernel.sel(step=slice(start, end))
    return {
        "burst_start": start,
        "burst_end": end,
        "burst_reversals": float(table.reversals.sum()),
        "burst_swing": float(table.swing.max()),
        "sharpness_before": float(sharpness.sel(step=start, method="ffill")),
        "ntk_before": float(kernel.sel(step=start, method="ffill")),
        "ntk_least": float(within.min()) if within.size else np.nan,
    }


def _first_periods(loss: xr.DataArray) -> dict[str, float]:
    """Phases, in updates after the middle of the turn, at which periods first appear; checked every 40 updates."""
    steps = loss.step.values[:-64:40]
    periods = np.array([orbits.period(loss, int(step)) for step in steps])
    none_twice = np.append(False, (periods[1:] == 0) & (periods[:-1] == 0))  # a single window may only change within
    doubled = np.maximum.accumulate(periods == 2)
    hits = {"first_2": periods == 2, "first_4": doubled & (periods == 4), "first_chaos": doubled & none_twice}
    return {name: float(steps[hit][0] - steps[0]) if hit.any() else np.nan for name, hit in hits.items()}
