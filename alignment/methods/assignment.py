"""The cheapest one-to-one assignment, exactly: the Hungarian method (Kuhn 1955), as Jonker and Volgenant (1987)."""

import numpy as np

from alignment.types import F64


def assign(cost: F64) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of least summed cost f64[R, C], one for each of the shorter side, by row.

    One shortest augmenting path a row over reduced costs: O(R²·C), some 0.1 ms for 3 × 10. Costs must be finite.
    """
    rows, columns = cost.shape
    if rows > columns:
        return sorted((r, c) for c, r in assign(cost.T))
    # Row and column 0 are not real: a column whose row is 0 is free, and each path starts at column 0.
    row_price, column_price = np.zeros(rows + 1), np.zeros(columns + 1)
    row_of = np.zeros(columns + 1, np.int64)
    for row in range(1, rows + 1):
        row_of[0] = row
        column, came_from = _path(cost, row_of, row_price, column_price)
        while column:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    return sorted((int(row_of[c]) - 1, c - 1) for c in range(1, columns + 1) if row_of[c])


def _path(cost: F64, row_of: np.ndarray, row_price: F64, column_price: F64) -> tuple[int, np.ndarray]:
    """Return the free column at the end of the shortest path from column 0, and each column's predecessor.

    Prices move so that no reduced cost falls below 0 and all on the path are 0.
    """
    length = np.full(len(row_of), np.inf)
    visited = np.zeros(len(row_of), np.bool_)
    came_from = np.zeros(len(row_of), np.int64)
    column = 0
    while True:
        visited[column] = True
        row = row_of[column]
        reduced = np.append(np.inf, cost[row - 1] - row_price[row] - column_price[1:])
        shorter = ~visited & (reduced < length)
        length[shorter], came_from[shorter] = reduced[shorter], column
        column = int(np.argmin(np.where(visited, np.inf, length)))
        step = length[column]
        row_price[row_of[visited]] += step
        column_price[visited] -= step
        length[~visited] -= step
        if not row_of[column]:
            return column, came_from
