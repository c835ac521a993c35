"""The bare loop: the shortest honest PyTorch loop for each model, the yardstick of the engine.

Negatives of an epoch are drawn at once and rejected exactly, Adam is fused, the epoch is one pass
over the batches, and nothing waits for the device within it. No framework: nothing of mmbench or
recbole_ext is imported. Ids count from 0; there is no padding.
"""

from collections.abc import Callable
from itertools import repeat

import torch
from torch import Tensor
from torch.nn.functional import embedding, normalize, softplus

LAMBDA_E = 1e-4  # of E and beta' in VBPR; the other weights are arguments


class BPR:
    """Matrix factorisation."""

    def __init__(self, n_users: int, n_items: int, dim: int, device: str = "cpu") -> None:
        self.user = leaf(n_users, dim, device)
        self.item = leaf(n_items, dim, device)
        self.parameters = [self.user, self.item]

    def loss(self, user: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        u = embedding(user, self.user)
        p, n = embedding(torch.cat([positive, negative]), self.item).chunk(2)
        return softplus(-(u * (p - n)).sum(1)).mean()

    def vectors(self) -> tuple[Tensor, Tensor]:
        return self.user, self.item


class LightGCN:
    """The mean of the layers of a normalised graph; users first, then items, in one table."""

    def __init__(
        self,
        user: Tensor,
        item: Tensor,
        n_users: int,
        n_items: int,
        dim: int,
        layers: int = 2,
        reg: float = 1e-5,
    ) -> None:
        self.n_users, self.layers, self.reg = n_users, layers, reg
        self.table = leaf(n_users + n_items, dim, str(user.device))
        self.graph = adjacency(user, item, n_users, n_items)
        self.parameters = [self.table]

    def propagated(self) -> Tensor:
        layer = self.table
        for _ in range(self.layers):  # Horner: x + A(x + A x) is the sum of the layers
            layer = self.table + Product.apply(self.graph, layer)  # type: ignore[no-untyped-call]
        return torch.div(layer, self.layers + 1)

    def loss(self, user: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        rows = torch.cat([user, positive + self.n_users, negative + self.n_users])
        u, p, n = embedding(rows, self.propagated()).chunk(3)
        own: Tensor = embedding(rows, self.table).view(3, -1).norm(dim=1).sum() / len(user)
        return softplus(-(u * (p - n)).sum(1)).mean() + self.reg * own

    def vectors(self) -> tuple[Tensor, Tensor]:
        vectors = self.propagated()
        return vectors[: self.n_users], vectors[self.n_users :]


class VBPR:
    """BPR with a projection of item features, all modalities side by side in `f`.

    Only the difference of two items enters the loss, so one row a pair is projected.
    """

    def __init__(
        self, f: Tensor, n_users: int, latent: int, visual: int, reg: float = 1e-2
    ) -> None:
        device = str(f.device)
        self.f, self.reg, self.latent = f, reg, latent
        self.user = leaf(n_users, latent + visual, device)  # gamma_u, theta_u
        self.item = leaf(len(f), latent + 1, device)  # gamma_i, beta_i
        self.projection = leaf(f.shape[1], visual + 1, device)  # E, beta'
        self.parameters = [self.user, self.item, self.projection]

    def loss(self, user: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        u = embedding(user, self.user)
        p, n = embedding(torch.cat([positive, negative]), self.item).chunk(2)
        content = (self.f[positive] - self.f[negative]) @ self.projection  # (n, visual + 1)
        match = u * torch.cat([(p - n)[:, : self.latent], content[:, :-1]], dim=1)
        score = match.sum(1) + p[:, -1] - n[:, -1] + content[:, -1]
        touched = (u.square().sum() + p.square().sum() + n.square().sum()) / len(user)
        shared = LAMBDA_E * self.projection.square().sum()
        return softplus(-score).mean() + self.reg * touched + shared

    def vectors(self) -> tuple[Tensor, Tensor]:
        content = self.f @ self.projection
        bias = self.item[:, -1:] + content[:, -1:]
        ones = torch.ones(len(self.user), 1, device=self.user.device)
        user = torch.cat([self.user, ones], dim=1)
        return user, torch.cat([self.item[:, : self.latent], content[:, :-1], bias], dim=1)


class Product(torch.autograd.Function):
    """A symmetric sparse matrix times a dense one: its backward is the same product."""

    @staticmethod
    def forward(ctx, graph, dense):  # type: ignore[no-untyped-def]
        ctx.graph = graph
        return graph @ dense

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        return None, ctx.graph @ grad


def leaf(rows: int, columns: int, device: str) -> Tensor:
    """Return a table of parameters."""
    table = torch.empty(rows, columns, device=device)
    return torch.nn.init.xavier_uniform_(table).requires_grad_()


def adjacency(user: Tensor, item: Tensor, n_users: int, n_items: int) -> Tensor:
    """Return D^-1/2 A D^-1/2 of users and items as CSR, (n_users + n_items) squared."""
    n, other = n_users + n_items, item + n_users
    keys = torch.cat([user * n + other, other * n + user]).sort().values
    row, column = keys // n, keys % n
    degree = torch.bincount(row, minlength=n)
    weight = (degree[row] * degree[column]).to(torch.float32).rsqrt()
    start = torch.cat([degree.new_zeros(1), degree.cumsum(0)])
    graph = start.int(), column.int(), weight
    return torch.sparse_csr_tensor(*graph, (n, n), check_invariants=False)


def featured(matrices: list[Tensor]) -> Tensor:
    """Centre each matrix, bring its rows to length one, and set them side by side."""
    return torch.cat([normalize(matrix - matrix.mean(0)) for matrix in matrices], dim=1)


def among(keys: Tensor, wanted: Tensor) -> Tensor:
    """Return where `wanted` is one of the sorted keys."""
    place = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
    return keys[place] == wanted


def negatives(user: Tensor, keys: Tensor, n_items: int) -> Tensor:
    """Draw an item for each user that is none of the positives in `keys`, (n,)."""
    item = torch.randint(n_items, user.shape, device=user.device)
    wrong = among(keys, user * n_items + item).nonzero().squeeze(1)
    while len(wrong):
        item[wrong] = torch.randint(n_items, wrong.shape, device=user.device)
        wrong = wrong[among(keys, user[wrong] * n_items + item[wrong])]
    return item


def train(
    model: BPR | LightGCN | VBPR,
    pairs: Tensor,
    n_items: int,
    batch: int,
    epochs: int | None,
    tick: Callable[[], None],
) -> float:
    """Train and call `tick` before the first and after every epoch; return the last mean loss.

    pairs: (n, 2) the training interactions; epochs: None goes on until `tick` raises.
    """
    optimizer = torch.optim.Adam(model.parameters, lr=1e-3, fused=True)
    keys = (pairs[:, 0] * n_items + pairs[:, 1]).sort().values
    total = torch.zeros((), device=pairs.device)
    tick()
    for _ in repeat(None) if epochs is None else range(epochs):
        user, item = pairs[torch.randperm(len(pairs), device=pairs.device)].T.contiguous()
        columns = user, item, negatives(user, keys, n_items)
        total.zero_()
        batches = list(zip(*(column.split(batch) for column in columns), strict=True))
        for rows in batches:
            loss = model.loss(*rows)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach()
        mean = float(total) / len(batches)
        tick()
    return mean


@torch.no_grad()
def rank(
    vectors: tuple[Tensor, Tensor], test: Tensor, masked: Tensor, cutoffs: list[int], block: int
) -> dict[str, Tensor]:
    """Return recall, precision, ndcg, map, mrr and hit of every test user at every cutoff.

    vectors: user and item vectors; test: (n, 2) pairs; masked: (n, 2) pairs sorted by user, which
    leave the candidates; block: users at a time.
    """
    users, relevant = test[:, 0].unique(return_counts=True)  # type: ignore[no-untyped-call]
    keys = (test[:, 0] * len(vectors[1]) + test[:, 1]).sort().values
    masked = masked[among(users, masked[:, 0].contiguous())]
    owner, known = torch.searchsorted(users, masked[:, 0].contiguous()), masked[:, 1]
    hits = []
    for start in range(0, len(users), block):
        some = users[start : start + block]
        scores = vectors[0][some] @ vectors[1].T  # (block, n_items)
        bounds = torch.tensor([start, start + len(some)], device=owner.device)
        own = slice(*torch.searchsorted(owner, bounds).tolist())
        scores[owner[own] - start, known[own]] = -torch.inf
        top = scores.topk(max(cutoffs)).indices  # (block, k)
        hits.append(among(keys, some[:, None] * len(vectors[1]) + top))
    return metrics(torch.cat(hits).double(), relevant, cutoffs)


def metrics(hit: Tensor, relevant: Tensor, cutoffs: list[int]) -> dict[str, Tensor]:
    """Return the curves of ranked lists, (n_users,) each, from (n_users, k) hits."""
    ranks = torch.arange(1, hit.shape[1] + 1, dtype=hit.dtype, device=hit.device)
    found, discount = hit.cumsum(1), 1 / (ranks + 1).log2()
    least = torch.minimum(ranks, relevant[:, None])  # (n_users, k)
    curves = {
        "recall": found / relevant[:, None],
        "precision": found / ranks,
        "ndcg": (hit * discount).cumsum(1) / discount.cumsum(0)[least.long() - 1],
        "map": (hit * found / ranks).cumsum(1) / least,
        "mrr": (hit * (found == 1) / ranks).cumsum(1),
        "hit": (found > 0).to(hit.dtype),
    }
    return {f"{name}@{k}": curve[:, k - 1] for name, curve in curves.items() for k in cutoffs}
