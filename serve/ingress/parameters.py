"""What the signatures of several paths ask for: the adapter, the night, the client."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from somnolens.serve.adapters.choice import Served
from somnolens.serve.messages.night_schema import ID

NightId = Annotated[str, Path(description="as the answer that kept the night says it", examples=[ID])]


async def choose(
    request: Request,
    model: Annotated[str, Query(max_length=100, description="adapter by name, of /v1/models; else the default")] = "",
) -> Served:
    """The adapter of a request, for as long as it lasts."""
    return await request.app.state.choice.find(model)


Chosen = Annotated[Served, Depends(choose)]
"""In the signature of every path that scores."""


def name_client(request: Request) -> str:
    """Name of the key that a request came with; nights are bound to it."""
    return getattr(request.state, "client", None) or "anyone"
