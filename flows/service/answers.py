"""An example of a service over HTTP: rank and recommend by the newest release, without a dropped request when another one comes.

HSRL_WAREHOUSE=warehouse/demo uvicorn --factory flows.service.answers:create_app --port 8000
"""

import logging
import math
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from flows.queries.recommend import ENGINE_MB, Recommender, newest_release, open_recommender
from flows.runtime.locations import warehouse_path
from hsrl_train.serving.ranker import Ranked
from pipeline.errors import HsrlError

LOOK_SECONDS = 30.0  # between two looks for a new release
MOST_REQUESTS = 1_000  # of one call

_log = logging.getLogger(__name__)


class Asked(BaseModel):
    """A user to answer: by the likes that are given, else by those that the release knows."""

    user: int | str | None = None
    history: list[int | str] | None = None
    candidates: list[int | str] = []


class Call(BaseModel):
    """Some users at once, answered in one pass; ``k`` items each where nothing is ranked."""

    requests: Annotated[list[Asked], Field(min_length=1, max_length=MOST_REQUESTS)]
    k: Annotated[int, Field(ge=1)] = 10


class Current:
    """The recommender of the newest release that was loaded.

    A call takes ``recommender`` once and is answered by it as a whole; a new one takes its place in a single assignment, after it was
    loaded beside it, so no call waits and none fails.

    Args:
        root: the warehouse.
        memory_limit_mb: of the SQL engine while a release is loaded.
    """

    def __init__(self, root: Path, memory_limit_mb: int = ENGINE_MB) -> None:
        self.root, self.memory_limit_mb = root, memory_limit_mb
        self.recommender: Recommender = open_recommender(root, memory_limit_mb)

    def renew(self) -> bool:
        """Load the newest release if it is another one; whether it was. A release that cannot be served is logged, and the old one stays."""
        try:
            if newest_release(self.root) == self.recommender.service.release_id:
                return False
            self.recommender = open_recommender(self.root, self.memory_limit_mb)
        except HsrlError as error:
            _log.warning("release %s is served on: %s", self.recommender.service.release_id, error)
            return False
        return True

    def look(self, stop: threading.Event, seconds: float) -> None:
        """Renew again and again until ``stop`` is set."""
        while not stop.wait(seconds):
            self.renew()


def create_app(root: Path | None = None, look_seconds: float = LOOK_SECONDS) -> FastAPI:
    """The service.

    Args:
        root: the warehouse; None: HSRL_WAREHOUSE, else ./warehouse.
        look_seconds: between two looks for a new release.

    Raises:
        WarehouseError: no policy is published.
    """
    current, stop = Current(warehouse_path(root)), threading.Event()

    @asynccontextmanager
    async def looking(_: FastAPI) -> AsyncIterator[None]:
        thread = threading.Thread(target=current.look, args=(stop, look_seconds), daemon=True)
        thread.start()
        yield
        stop.set()

    app = FastAPI(title="hsrl", lifespan=looking)

    @app.get("/release")
    def release() -> dict[str, Any]:
        """Which release and policy answer now."""
        return _head(current.recommender)

    @app.post("/rank")
    def rank(call: Call) -> dict[str, Any]:
        """The candidates of each request, best first."""
        return _answer(current.recommender, call, is_ranking=True)

    @app.post("/recommend")
    def recommend(call: Call) -> dict[str, Any]:
        """k items of the whole catalogue for each request, best first."""
        return _answer(current.recommender, call, is_ranking=False)

    return app


def _head(recommender: Recommender) -> dict[str, Any]:
    return {"release_id": recommender.service.release_id, "policy_id": recommender.service.policy_id}


def _answer(recommender: Recommender, call: Call, is_ranking: bool) -> dict[str, Any]:
    """What a call is answered; a request that cannot be answered refuses the call with its number and the reason."""
    asked = []
    for number, request in enumerate(call.requests):
        try:
            if is_ranking and not request.candidates:
                raise ValueError("has no candidates, expected one at least")
            asked.append(recommender.request(request.user, request.history, request.candidates if is_ranking else ()))
        except ValueError as error:
            raise HTTPException(422, f"request {number}: {error}") from error
    try:
        answers = recommender.rank(asked) if is_ranking else recommender.recommend(asked, call.k)
    except HsrlError as error:
        raise HTTPException(422, str(error)) from error
    return {**_head(recommender), "answers": [_rows(recommender, ranked) for ranked in answers]}


def _rows(recommender: Recommender, ranked: Ranked) -> list[dict[str, Any]]:
    """Raw id and score of each item; the score of what may not be shown is null."""
    raw_ids = recommender.raw_ids_of(ranked)
    return [
        {"raw_id": raw_id, "score": score if score > -math.inf else None}
        for raw_id, score in zip(raw_ids, ranked.scores.tolist(), strict=True)
    ]
