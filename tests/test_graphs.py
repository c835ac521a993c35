"""The normalised graph and its products, against dense matrices."""

import numpy as np
import pytest
import torch

from recbole_ext.graphs import Graph, interaction_graph, layer_sum, product, sample_edges

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


def test_entries_of_ones_own_stand_in_for_the_graphs():
    x = torch.randn(9, 2, dtype=torch.double, requires_grad=True)
    made, a = graph(), dense() / 2
    own = (made.weights / 2).double()
    whole = np.eye(9) + a + a @ a
    found = layer_sum(made, x, 2, own)
    assert np.allclose(found.detach().numpy(), whole @ x.detach().numpy(), atol=1e-6)
    assert torch.autograd.gradcheck(lambda vectors: layer_sum(made, vectors, 2, own), (x,))


def rectangle(symmetric=False):
    row, column = torch.tensor([0, 2, 2, 1]), torch.tensor([3, 0, 3, 1])
    made = Graph(row, column, torch.tensor([1.0, 2.0, 3.0, 4.0]), (3, 5), symmetric)
    whole = np.zeros((3, 5))
    whole[row, column] = [1, 2, 3, 4]
    return made, whole


def test_entries_stand_by_row_and_column():
    made, whole = rectangle()
    assert made.rows.tolist() == [0, 1, 2, 2]
    assert made.columns.tolist() == [3, 1, 0, 3]
    assert np.allclose(whole[made.rows, made.columns.long()], made.weights)


def test_products_of_a_rectangle_and_its_transpose():
    made, whole = rectangle()
    x, y = torch.randn(5, 2), torch.randn(3, 2)
    assert np.allclose(product(made, x), whole @ x.numpy(), atol=1e-6)
    assert np.allclose(product(made, y, transposed=True), whole.T @ y.numpy(), atol=1e-6)


def test_gradients_of_vectors_and_weights_are_those_of_finite_differences():
    made, _ = rectangle()
    weights = torch.rand(4, dtype=torch.double, requires_grad=True)
    for size, transposed in ((5, False), (3, True)):
        x = torch.randn(size, 2, dtype=torch.double, requires_grad=True)
        assert torch.autograd.gradcheck(
            lambda a, w, t=transposed: product(made, a, w, t), (x, weights)
        )


def test_a_symmetric_graph_refuses_weights_that_need_its_transpose():
    made = graph()
    x = torch.randn(9, 2, requires_grad=True)
    with pytest.raises(ValueError, match="symmetric=False"):
        product(made, x, torch.rand(len(made.columns))).sum().backward()


def test_sampled_edges_are_distinct_and_follow_their_weights():
    torch.manual_seed(0)
    weight = torch.tensor([0.001, 1.0, 1.0, 1.0, 0.001])
    drawn = [sample_edges(weight, 3).tolist() for _ in range(50)]
    assert all(len(set(places)) == 3 and places == sorted(places) for places in drawn)
    assert sum(places == [1, 2, 3] for places in drawn) > 40
