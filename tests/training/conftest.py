"""As for the tests of the core: the same examples every time, and one BLAS thread."""

from tests.core.conftest import one_thread

__all__ = ["one_thread"]
