"""A user-item graph of which an epoch trains on a drawn part."""

from torch import Tensor, nn

from recbole_ext.graphs import (
    Graph,
    bipartite_weights,
    interaction_graph,
    interactions,
    sample_edges,
)


class Interactions(nn.Module):
    """The distinct training interactions, their whole graph and parts of it.

    Args:
        user, item: (n,) the interactions. n_users, n_items: numbers, padding included.

    whole: D^-1/2 A D^-1/2 of all of them.
    """

    user: Tensor  # (n_edges,) long
    item: Tensor  # (n_edges,) long
    weight: Tensor  # (n_edges,) 1 / sqrt(degree of the user * of the item)

    def __init__(self, user: Tensor, item: Tensor, n_users: int, n_items: int) -> None:
        super().__init__()
        self.size = n_users, n_items
        user, item = interactions(user, item, n_items)
        weight = bipartite_weights(user, item, n_users, n_items)
        for name, tensor in (("user", user), ("item", item), ("weight", weight)):
            self.register_buffer(name, tensor, persistent=False)
        self.whole = interaction_graph(user, item, n_users, n_items)

    def upper(self) -> Graph:
        """Return the upper right part of `whole`, users by items."""
        return Graph(self.user, self.item, self.weight, self.size)

    def drawn(self, count: int) -> Graph:
        """Return the normalised graph of so many edges, drawn in proportion to their weights.

        The edges between popular nodes are the likeliest to be left out.
        """
        kept = sample_edges(self.weight, max(min(count, len(self.weight)), 1))
        return interaction_graph(self.user[kept], self.item[kept], *self.size)

    def __len__(self) -> int:
        return len(self.weight)


def interactions_of(dataset: object, n_users: int, n_items: int) -> Interactions:
    """Return those of a RecBole dataset's training part."""
    feat = dataset.inter_feat  # type: ignore[attr-defined]
    user, item = feat[dataset.uid_field], feat[dataset.iid_field]  # type: ignore[attr-defined]
    return Interactions(user, item, n_users, n_items)
