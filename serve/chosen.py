"""The adapter of a request, as a path's signature asks for it."""

from typing import Annotated

from fastapi import Depends, Query, Request

from somnolens.serve.choice import Served


async def choose(
    request: Request,
    model: Annotated[str, Query(max_length=100, description="adapter by name, of /v1/models; else the default")] = "",
) -> Served:
    """The adapter of a request, for as long as it lasts."""
    return await request.app.state.choice.find(model)


Chosen = Annotated[Served, Depends(choose)]
"""In the signature of every path that scores."""
