"""The normalised graph and its products, against dense matrices."""

import numpy as np
import torch

from recbole_ext.graphs import interaction_graph, layer_sum

USER, ITEM = torch.tensor([1, 1, 2, 3, 3, 3, 1]), torch.tensor([1, 2, 2, 1, 3, 4, 1])


def dense():
    matrix = np.zeros((9, 9))
    for user, item in zip(USER.tolist(), ITEM.tolist(), strict=True):
        matrix[user, item + 4] = matrix[item + 4, user] = 1
    degree = matrix.sum(1)
    degree[degree == 0] = 1
    return matrix / np.sqrt(np.outer(degree, degree))


def graph():
    return interaction_graph(USER, ITEM, n_users=4, n_items=5)


def test_a_product_is_that_of_the_dense_matrix():
    x = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    assert np.allclose(graph().product(x).numpy(), dense() @ x.numpy(), atol=1e-6)


def test_nodes_without_an_edge_get_nothing():
    assert graph().product(torch.ones(9, 2))[[0, 4]].abs().sum() == 0


def test_the_layers_are_summed():
    x = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    a = dense()
    for n_layers in range(4):
        expected = (
            sum(np.linalg.matrix_power(a, layer) for layer in range(n_layers + 1)) @ x.numpy()
        )
        assert np.allclose(layer_sum(graph(), x, n_layers).numpy(), expected, atol=1e-5)


def test_the_gradient_is_the_transposed_product():
    x = torch.randn(9, 3, requires_grad=True, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(9, 3, generator=torch.Generator().manual_seed(1))
    (layer_sum(graph(), x, 3) * weight).sum().backward()
    a = dense()
    whole = sum(np.linalg.matrix_power(a, layer) for layer in range(4))
    assert np.allclose(x.grad.numpy(), whole.T @ weight.numpy(), atol=1e-5)


def test_the_gradient_is_that_of_finite_differences():
    x = torch.randn(9, 2, dtype=torch.double, requires_grad=True)
    made = graph()
    made.weights = made.weights.double()
    assert torch.autograd.gradcheck(lambda vectors: layer_sum(made, vectors, 2), (x,))
