"""The 32 networks of `bench_population`, and other ways to train them, without TensorFlow.

NumPy by hand as in the book, JAX with `vmap`, PyTorch eager and with `torch.func.vmap`, compiled:
what stands here must not import TensorFlow, beside which PyTorch crashes in one process.
"""

import functools
import itertools

import numpy as np

from recipes._lab import data
from tests.benchmarks import side_by_side

SCALES = np.logspace(0, -4, 16)
INPUTS, UNITS, HIDDEN, CLASSES = 784, 100, 5, 10
EXAMPLES, BATCH_SIZE, EPOCHS, RATE = 1000, 100, 20, 0.01
STEPS = EPOCHS * EXAMPLES // BATCH_SIZE  # of one model
MOMENTUM, EPSILON = 0.9, 1e-5  # of batch normalization
NETWORKS = [(scale, batch_norm) for batch_norm in (False, True) for scale in SCALES]


def dataset(path):
    """Return 1,000 training images, and few others, which no way but ours evaluates."""
    if path:
        images = data.load(path).flat()
        x, y = images.train.x[:EXAMPLES], images.train.y[:EXAMPLES]
    else:
        rng = np.random.default_rng(0)
        x = rng.random((EXAMPLES, INPUTS), np.float32)
        y = rng.integers(0, CLASSES, EXAMPLES).astype(np.int32)
    few = data.Split(x[:8], y[:8])
    names = tuple(map(str, range(CLASSES)))
    return data.Dataset("mnist", names, data.Split(x, y), few, few)


def with_numpy(images):
    """Train each network by hand, forward and back, as the book does."""
    x, y = images.train.x, images.train.y
    rng = np.random.default_rng(0)
    sizes = [INPUTS, *[UNITS] * HIDDEN, CLASSES]
    for scale, batch_norm in NETWORKS:
        kernels = [
            (scale * rng.standard_normal(shape)).astype(np.float32)
            for shape in itertools.pairwise(sizes)
        ]
        biases = [np.zeros(size, np.float32) for size in sizes[1:]]
        gammas = [np.ones(UNITS, np.float32) for _ in range(HIDDEN)]
        betas = [np.zeros(UNITS, np.float32) for _ in range(HIDDEN)]
        moving = [[np.zeros(UNITS, np.float32), np.ones(UNITS, np.float32)] for _ in range(HIDDEN)]
        for _ in range(EPOCHS):
            order = rng.permutation(EXAMPLES)
            for first in range(0, EXAMPLES, BATCH_SIZE):
                rows = order[first : first + BATCH_SIZE]
                inputs, normalized, roots, a = [], [], [], x[rows]
                for n in range(HIDDEN):
                    inputs.append(a)
                    a = a @ kernels[n] + biases[n]
                    if batch_norm:
                        mean, variance = a.mean(axis=0), a.var(axis=0)
                        roots.append(np.sqrt(variance + EPSILON))
                        a = (a - mean) / roots[-1]
                        normalized.append(a)
                        a = gammas[n] * a + betas[n]
                        for average, now in zip(moving[n], (mean, variance), strict=True):
                            average *= MOMENTUM
                            average += (1 - MOMENTUM) * now
                    a = np.maximum(a, 0)
                inputs.append(a)
                logits = a @ kernels[-1] + biases[-1]
                slope = np.exp(logits - logits.max(axis=1, keepdims=True))
                slope /= slope.sum(axis=1, keepdims=True)
                slope[np.arange(BATCH_SIZE), y[rows]] -= 1
                slope /= BATCH_SIZE
                for n in reversed(range(HIDDEN + 1)):
                    if n < HIDDEN:
                        slope = slope * (inputs[n + 1] > 0)
                        if batch_norm:
                            dgamma = (slope * normalized[n]).sum(axis=0)
                            dbeta = slope.sum(axis=0)
                            mean = (dbeta + normalized[n] * dgamma) / BATCH_SIZE
                            slope = gammas[n] / roots[n] * (slope - mean)
                            gammas[n] -= RATE * dgamma
                            betas[n] -= RATE * dbeta
                    dkernel, dbias = inputs[n].T @ slope, slope.sum(axis=0)
                    slope = slope @ kernels[n].T if n else None
                    kernels[n] -= RATE * dkernel
                    biases[n] -= RATE * dbias
            a = x
            for n in range(HIDDEN):
                a = a @ kernels[n] + biases[n]
                if batch_norm:
                    mean, variance = moving[n]
                    a = gammas[n] * (a - mean) / np.sqrt(variance + EPSILON) + betas[n]
                a = np.maximum(a, 0)
            ((a @ kernels[-1] + biases[-1]).argmax(axis=1) == y).mean()


def with_pytorch(images):
    """Train each network with eager PyTorch."""
    import torch

    x, y = torch.tensor(images.train.x), torch.tensor(images.train.y, dtype=torch.int64)
    for scale, batch_norm in NETWORKS:
        layers, inputs = [], INPUTS
        for _ in range(HIDDEN):
            layers.append(torch.nn.Linear(inputs, UNITS))
            if batch_norm:
                layers.append(torch.nn.BatchNorm1d(UNITS, EPSILON, 1 - MOMENTUM))
            layers.append(torch.nn.ReLU())
            inputs = UNITS
        layers.append(torch.nn.Linear(inputs, CLASSES))
        for layer in layers:
            if isinstance(layer, torch.nn.Linear):
                torch.nn.init.normal_(layer.weight, std=scale)
                torch.nn.init.zeros_(layer.bias)
        model = torch.nn.Sequential(*layers)
        optimizer = torch.optim.SGD(model.parameters(), RATE)
        for _ in range(EPOCHS):
            model.train()
            for rows in torch.randperm(EXAMPLES).split(BATCH_SIZE):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                (model(x).argmax(dim=1) == y).float().mean().item()


def with_compiled_pytorch(images):
    """Train the networks of each architecture as one: `torch.func.vmap` inside `torch.compile`."""
    import torch

    x, y = torch.tensor(images.train.x), torch.tensor(images.train.y, dtype=torch.int64)
    sizes = [INPUTS, *[UNITS] * HIDDEN, CLASSES]
    count = len(SCALES)

    def forward(weights, moving, x, batch_norm, training):
        moved = []
        for n in range(HIDDEN):
            x = x @ weights["kernels"][n] + weights["biases"][n]
            if batch_norm:
                if training:
                    mean, variance = x.mean(0), x.var(0, unbiased=False)
                else:
                    mean, variance = moving[n]
                x = (x - mean) * torch.rsqrt(variance + EPSILON)
                x = weights["gammas"][n] * x + weights["betas"][n]
                pairs = zip(moving[n], (mean, variance), strict=True)
                moved.append(tuple(MOMENTUM * a + (1 - MOMENTUM) * b for a, b in pairs))
            x = torch.relu(x)
        return x @ weights["kernels"][-1] + weights["biases"][-1], moved

    def step(weights, moving, rows, batch_norm):
        def loss(weights):
            logits, moved = forward(weights, moving, x[rows], batch_norm, True)
            return torch.nn.functional.cross_entropy(logits, y[rows]), moved

        slopes, moved = torch.func.grad(loss, has_aux=True)(weights)
        updated = {
            name: [w - RATE * slope for w, slope in zip(own, slopes[name], strict=True)]
            for name, own in weights.items()
        }
        return updated, moved

    def hits(weights, moving, batch_norm):
        logits, _ = forward(weights, moving, x, batch_norm, False)
        return (logits.argmax(1) == y).float().mean()

    in_dims = (0, 0, 0, None)
    many_steps = torch.compile(torch.func.vmap(step, in_dims=in_dims))
    many_hits = torch.compile(torch.func.vmap(hits, in_dims=(0, 0, None)))
    scales = torch.tensor(SCALES, dtype=torch.float32)[:, None, None]
    for batch_norm in (False, True):
        weights = {
            "kernels": [torch.randn(count, *shape) * scales for shape in itertools.pairwise(sizes)],
            "biases": [torch.zeros(count, size) for size in sizes[1:]],
        }
        moving = []
        if batch_norm:
            weights["gammas"] = [torch.ones(count, UNITS) for _ in range(HIDDEN)]
            weights["betas"] = [torch.zeros(count, UNITS) for _ in range(HIDDEN)]
            moving = [(torch.zeros(count, UNITS), torch.ones(count, UNITS)) for _ in range(HIDDEN)]
        for _ in range(EPOCHS):
            orders = torch.stack([torch.randperm(EXAMPLES) for _ in range(count)])
            for rows in orders.split(BATCH_SIZE, dim=1):
                weights, moving = many_steps(weights, moving, rows, batch_norm)
            many_hits(weights, moving, batch_norm).tolist()


def with_jax(images):
    """Train the networks of each architecture as one, with `jax.vmap` inside `jax.jit`."""
    import jax
    import jax.numpy as jnp

    x, y = jnp.array(images.train.x), jnp.array(images.train.y)
    sizes = [INPUTS, *[UNITS] * HIDDEN, CLASSES]

    def forward(weights, moving, x, batch_norm, training):
        moved = []
        for n in range(HIDDEN):
            x = x @ weights["kernels"][n] + weights["biases"][n]
            if batch_norm:
                mean, variance = (x.mean(0), x.var(0)) if training else moving[n]
                x = (x - mean) / jnp.sqrt(variance + EPSILON)
                x = weights["gammas"][n] * x + weights["betas"][n]
                pairs = zip(moving[n], (mean, variance), strict=True)
                moved.append(tuple(MOMENTUM * a + (1 - MOMENTUM) * b for a, b in pairs))
            x = jax.nn.relu(x)
        return x @ weights["kernels"][-1] + weights["biases"][-1], moved

    def loss(weights, moving, x, y, batch_norm):
        logits, moved = forward(weights, moving, x, batch_norm, True)
        losses = -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1)
        return losses.mean(), moved

    gradient = jax.grad(loss, has_aux=True)

    @functools.partial(jax.jit, static_argnums=3)
    @functools.partial(jax.vmap, in_axes=(0, 0, 0, None))
    def run_epoch(weights, moving, order, batch_norm):
        def step(state, rows):
            weights, moving = state
            slope, moving = gradient(weights, moving, x[rows], y[rows], batch_norm)
            return (jax.tree.map(lambda w, g: w - RATE * g, weights, slope), moving), None

        rows = order.reshape(-1, BATCH_SIZE)
        (weights, moving), _ = jax.lax.scan(step, (weights, moving), rows)
        logits, _ = forward(weights, moving, x, batch_norm, False)
        return weights, moving, (logits.argmax(1) == y).mean()

    rng = np.random.default_rng(0)
    count = len(SCALES)
    for batch_norm in (False, True):
        weights = {
            "kernels": [
                jnp.array(rng.standard_normal((count, *shape)) * SCALES[:, None, None], jnp.float32)
                for shape in itertools.pairwise(sizes)
            ],
            "biases": [jnp.zeros((count, size)) for size in sizes[1:]],
            "gammas": [jnp.ones((count, UNITS)) for _ in range(HIDDEN)],
            "betas": [jnp.zeros((count, UNITS)) for _ in range(HIDDEN)],
        }
        zero, one = jnp.zeros((count, UNITS)), jnp.ones((count, UNITS))
        moving = [(zero, one)] * HIDDEN if batch_norm else []
        for _ in range(EPOCHS):
            orders = jnp.array([rng.permutation(EXAMPLES) for _ in range(count)])
            weights, moving, accuracy = run_epoch(weights, moving, orders, batch_norm)
            accuracy.block_until_ready()


MODULE = "tests.benchmarks.networks"
WAYS = {
    "NumPy": (with_numpy, ""),
    "JAX, vmap": (with_jax, "jax"),
    "PyTorch, eager": (with_pytorch, "torch"),
    "PyTorch, vmap, compiled": (with_compiled_pytorch, "torch"),
}


if __name__ == "__main__":
    ways = side_by_side.installed(WAYS)
    side_by_side.run_one(ways, lambda: dataset(side_by_side.path(ways)))
