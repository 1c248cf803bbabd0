"""All claims, in the order of their numbers."""

from minidyn.experiments.claims import forgetting, own, tilting, topography
from minidyn.experiments.claims.claim import Claim

CLAIMS: tuple[Claim, ...] = (*tilting.CLAIMS, *topography.CLAIMS, *forgetting.CLAIMS, *own.CLAIMS)
