"""Derivatives of the reference models, to the last digits: a step along the imaginary axis subtracts nothing."""

import numpy as np

STEP = 1e-200


def jacobian(evaluate, leaves, wrt, of):
    """Blocks {of: {wrt: array}} of `evaluate`, which maps arrays by path to arrays by path."""
    blocks = {out: {} for out in of}
    for path in wrt:
        shape = np.shape(leaves[path])
        columns = []
        for index in np.ndindex(shape):
            moved = {name: np.array(leaf, dtype=complex) for name, leaf in leaves.items()}
            moved[path][index] += STEP * 1j
            columns.append(evaluate(moved))
        for out in of:
            if columns:
                block = np.stack([np.imag(column[out]) / STEP for column in columns], axis=-1)
            else:
                block = np.zeros((*np.shape(evaluate(leaves)[out]), 0))
            blocks[out][path] = block.reshape((*block.shape[:-1], *shape))
    return blocks


def jvp(evaluate, leaves, wrt, of, tangent):
    blocks = jacobian(evaluate, leaves, wrt, of)
    return {out: sum(np.tensordot(blocks[out][p], tangent[p], np.ndim(leaves[p])) for p in wrt) for out in of}


def vjp(evaluate, leaves, wrt, of, cotangent):
    blocks = jacobian(evaluate, leaves, wrt, of)
    return {p: sum(np.tensordot(cotangent[out], blocks[out][p], np.ndim(cotangent[out])) for out in of) for p in wrt}
