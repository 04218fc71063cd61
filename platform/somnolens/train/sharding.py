"""A model cut up among the processes that train it, for base models that one GPU does not hold.

Fully sharded data parallel, torch's second kind: each process keeps an equal part of every weight, and a layer is put
together just before it computes. LoRA weights and their optimiser state are cut up too, and gathered for checkpoints,
which are those of any other run.
"""

from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from somnolens.model.base import Looker


def shard(looker: Looker, device: torch.device, n_processes: int) -> Looker:
    """Cut a looker up among all processes, in place, and move this one's part to its device.

    Layers of the decoder and blocks of the vision tower are put together one at a time; what is left (embeddings, head,
    merger) with the looker itself, so that only its `forward` may be called from then on.

    Parameters
    ----------
    looker : Looker
        Equal in all processes.
    device : torch.device
    n_processes : int
        Of the default process group.
    """
    mesh = init_device_mesh(device.type, (n_processes,))
    for layer in list_layers(looker):
        fully_shard(layer, mesh=mesh)
    fully_shard(looker, mesh=mesh)
    return looker.to(device)


def list_layers(looker: Looker) -> list[nn.Module]:
    """Layers of the decoder, and those of the vision tower: members of the longest list of modules of each."""
    layers: list[nn.Module] = []
    for path in (looker.family.language_path, looker.family.vision_path):
        part = looker.family.model.get_submodule(path)
        layers += max((m for m in part.modules() if isinstance(m, nn.ModuleList)), key=len)
    return layers


def is_sharded(module: nn.Module) -> bool:
    """Whether `shard` has cut it up."""
    return isinstance(module, FSDPModule)


def gather_weights(looker: Looker) -> dict[str, torch.Tensor]:
    """Whole trained weights by their names in the model, copied; all processes must ask together."""
    if is_sharded(looker):
        looker.reshard()  # after scoring, what belongs to no layer is still whole
    return {name: _gather(weight) for name, weight in looker.model.named_parameters() if weight.requires_grad}


def gather_state(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Whole state of an optimiser; all processes must ask together."""
    state = optimiser.state_dict()
    whole = {number: {k: _gather(v) for k, v in values.items()} for number, values in state["state"].items()}
    return state | {"state": whole}


def restore_state(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Go on with a state that `gather_state` gave, cut up as this optimiser's weights are.

    Of the settings only those of this optimiser count: the other run may have been sharded otherwise.
    """
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    cut = {n: {key: _cut(value, weights[n]) for key, value in values.items()} for n, values in state["state"].items()}
    optimiser.load_state_dict(optimiser.state_dict() | {"state": cut})


def _gather(value: Any) -> Any:
    if isinstance(value, DTensor):
        value = value.full_tensor()
    return value.detach().cpu().clone() if isinstance(value, torch.Tensor) else value


def _cut(value: Any, weight: nn.Parameter) -> Any:
    if not isinstance(weight, DTensor) or value.shape != weight.shape:
        return value
    return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements)
