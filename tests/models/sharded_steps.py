"""Some steps of training on every process of a world, on one or on several: `sharded_steps.py FOLDER`."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from clipbio.distributed import gather_objects, join_world, leave_world
from clipbio.losses import infonce_head
from clipbio.models import MultiTower, TimmImage, openclip
from clipbio.models.sharding import assemble, make_whole, shard, shard_again, split_like
from clipbio.training.microbatches import encode

MODELS = ("vit", "resnet", "timm_mlp", "channels_last", "half_frozen", "twice", "pieces")
ROWS, STEPS = 8, 3


def build(name: str, folder: Path) -> MultiTower:
    """Build the same model on every process; names without a folder are variants of `vit`."""
    model = openclip(str(folder / (name if (folder / name).exists() else "vit")))
    if name == "channels_last":
        torch.manual_seed(0)
        image = TimmImage(name="test_efficientnet", image_size=64).build(dim=24)
        model = MultiTower({"image": image, "text": model.tower("text")})
    if name == "half_frozen":
        model.tower("image").unlock(1)
        model.tower("text").unlock(0)
    # Batch statistics belong to a process.
    return model.eval()


def inputs(model: MultiTower, seed: int) -> dict[str, torch.Tensor]:
    """Draw the global batch of a step."""
    generator = torch.Generator().manual_seed(seed)
    size = model.tower("image").trunk.spec.size
    length = model.tower("text").trunk.context_length
    tokens = torch.randint(1, 1000, (ROWS, length), generator=generator, dtype=torch.int32)
    return {"image": torch.randint(0, 256, (ROWS, 3, *size), generator=generator, dtype=torch.uint8), "text": tokens}


def steps(name: str, folder: Path, *, sharded: bool) -> dict:
    """Train; evaluate in between, on the first process alone; return what rank 0 has of everything."""
    model, head = build(name, folder), infonce_head(targets="instance")
    modules = torch.nn.ModuleDict({"model": model, "head": head})
    size, rank = (dist.get_world_size(), dist.get_rank()) if sharded else (1, 0)
    if sharded:
        shard(model.towers.values(), [head], dist.device_mesh.init_device_mesh("cpu", (size,)))
    trained = [parameter for parameter in modules.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained[::2] + trained[1::2], lr=1e-3, eps=1e-4)
    record = {"norms": []}
    for step in range(STEPS):
        if step == 1:
            record["vectors"] = _evaluate(modules, run=rank == 0)
        _loss(name, model, head, step, rank=rank, size=size).backward()
        if step == 0:
            gradients = {key: p.grad.clone() for key, p in modules.named_parameters() if p.grad is not None}
            record["gradients"] = assemble(gradients, keep=True)
        # Far below the norm, so that it clips.
        norm = torch.nn.utils.clip_grad_norm_(modules.parameters(), 0.01)
        record["norms"].append(float(assemble(norm, keep=True)))
        optimizer.step()
        optimizer.zero_grad()
        head.clamp()
    record["weights"] = assemble(modules.state_dict(), keep=rank == 0)
    record["optimizer"] = assemble(optimizer.state_dict(), keep=rank == 0)
    if sharded:
        own, total = (sum(p.numel() for p in parts) for parts in (_local(modules), modules.parameters()))
        record["held"] = [count / total for count in gather_objects(own)]
        _put_back(modules, record)
    return record


def _loss(name: str, model: MultiTower, head: torch.nn.Module, step: int, *, rank: int, size: int) -> torch.Tensor:
    share = slice(rank * ROWS // size, (rank + 1) * ROWS // size)
    batch = {key: value[share] for key, value in inputs(model, step).items()}
    embeddings = encode(model, batch, size=3 if name == "pieces" else None)
    if name == "twice":
        # As with a second projection: more than one forward pass of a tower before the backward pass.
        again = model({key: value.flip(0) for key, value in batch.items()})
        embeddings = {key: (value + again[key].flip(0)) / 2 for key, value in embeddings.items()}
    ids, present = torch.arange(ROWS)[share], torch.ones(ROWS // size, dtype=torch.bool)
    labels = {"taxon_BR": ids[:, None].expand(-1, 7), "bin_B": ids, "text_B": ids, "group_B": ids}
    return head(embeddings, {"image": present, "text": present}, labels).loss


def _evaluate(modules: torch.nn.ModuleDict, *, run: bool) -> dict[str, torch.Tensor]:
    make_whole(modules)
    model = modules["model"]
    with torch.inference_mode():
        # No collective: only the first process runs.
        vectors = model(inputs(model, 99)) if run else {}
    shard_again(modules)
    return vectors


def _local(modules: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.to_local() for parameter in modules.parameters()]


def _put_back(modules, record) -> None:
    """Load what rank 0 assembled, as a checkpoint is loaded, and assemble it again."""
    box = [record["weights"]]
    dist.broadcast_object_list(box)
    shards = {key: split_like(box[0][key], like) for key, like in modules.state_dict().items()}
    for parameter in modules.parameters():
        parameter.data.zero_()
    modules.load_state_dict(shards)
    record["weights_again"] = assemble(modules.state_dict(), keep=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    world, target = join_world("cpu"), Path(sys.argv[1])
    records = {name: steps(name, target, sharded=True) for name in MODELS}
    if world.is_main:
        torch.save(records, target / "records.pt")
    leave_world()
