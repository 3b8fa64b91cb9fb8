"""One real Label Studio for every test that asks for it."""

from collections.abc import Iterator

import pytest

from labelbench_ray.answers.label_studio.client import TOKEN
from tests.servers.label_studio import LabelStudioServer, NotInstalledError, label_studio


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudioServer]:
    try:
        with label_studio(tmp_path_factory.mktemp("label_studio")) as running:
            yield running
    except NotInstalledError as why:
        pytest.skip(str(why))


@pytest.fixture
def token(server: LabelStudioServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, server.token)
