from __future__ import annotations

from collections.abc import Iterator

import pytest

from loginwatch.chaos.copy import PrivateCopy


@pytest.fixture(scope="session")
def private_copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateCopy]:
    """It runs for all tests that ask for it, so it may have got mails and sign-ins from others."""
    with PrivateCopy(tmp_path_factory.mktemp("chaos") / "copy", engine="sqlite") as running:
        yield running
