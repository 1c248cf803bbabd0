# %% [markdown]
# # Problem set 1: gradient descent and the spiral, from scratch
#
# **Goals.** You write a data set, a loss, its gradient and gradient descent in plain NumPy. You see what a learning
# rate that is too large does, and to whom.
#
# **Time** 90 minutes. **Points** 30. Read before: the chapters on
# [the spiral](book:foundations/spiral) and on [descent](book:foundations/descent).
#
# Write where it says `YOUR CODE HERE` or `YOUR ANSWER HERE`, and leave the cells of the tests as they are. A test
# that passes says *right*. A test that fails says in a sentence what was probably misunderstood. Grading runs the same
# tests on other data. You may add cells of your own.

# %%
import matplotlib.pyplot as plt
import numpy as np

import minidyn as md
from minidyn import plots
from minidyn.coursework import ps1

plots.use_style()

# %% [markdown]
# ## 1. An arm of the spiral
#
# Three arms wind around each other. Arm $j$ of $C$ has radii that go evenly from 0 to 1. Its angles go evenly over
# **two** full turns, and start at $2\pi j / C$. The noise, one number for each point, is added to the angle.


# %% task="arm"
def arm(j, classes, noise):
    """Points of arm j, shape (n, 2), for noise of shape (n,)."""
    ### BEGIN SOLUTION
    first = 2 * np.pi * j / classes
    angle = np.linspace(first, first + 4 * np.pi, len(noise)) + noise
    radius = np.linspace(0, 1, len(noise))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    ### END SOLUTION


# %% test="arm" points=3
ps1.arm(arm)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps1, seeds

ps1.arm(arm, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# Your arms beside the book's. They should lie on top of each other.

# %%
random = np.random.RandomState(0)
task = md.spiral()
ax = plots.samples(task)
for j in range(3):
    ax.plot(*arm(j, 3, 0.2 * random.randn(100)).T, "k.", markersize=2)
plt.show()

# %% [markdown]
# ## 2. The loss
#
# The network answers each sample with $C$ outputs $f_i$. Its loss is the cross-entropy, a mean over the samples:
#
# $$F = \frac{1}{P} \sum_j \Big[ -f_{y_j}(x_j) + \log \sum_i e^{f_i(x_j)} \Big]$$
#
# Outputs of 2000 must not break your function: $e^{2000}$ is more than a float can hold.


# %% task="cross_entropy"
def cross_entropy(logits, labels):
    """The loss, one number, for logits of shape (P, C) and labels of shape (P,)."""
    ### BEGIN SOLUTION
    shifted = logits - logits.max(axis=1, keepdims=True)
    rest = np.log(np.exp(shifted).sum(axis=1))
    true = shifted[np.arange(len(labels)), labels]
    return (rest - true).mean()
    ### END SOLUTION


# %% test="cross_entropy" points=4
ps1.cross_entropy(cross_entropy)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps1, seeds

ps1.cross_entropy(cross_entropy, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Its slope
#
# How does $F$ change with each output of each sample? Differentiate with a pencil first. The answer is short.


# %% task="output_slope"
def output_slope(logits, labels):
    """The derivative of the loss by each output, shape (P, C)."""
    ### BEGIN SOLUTION
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability = e / e.sum(axis=1, keepdims=True)
    truth = np.eye(logits.shape[1])[labels]
    return (probability - truth) / len(labels)
    ### END SOLUTION


# %% test="output_slope" points=4
ps1.output_slope(output_slope)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps1, seeds

ps1.output_slope(output_slope, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Back through the network
#
# The network has one hidden layer of ReLU units: $f = \max(0,\, x W + b)\, V + c$. Somebody hands you `slope`, the
# derivative of the loss by each output. Hand on the derivatives by $W$, $b$, $V$ and $c$. The derivative of ReLU at 0
# is 0.


# %% task="backward"
def backward(W, b, V, c, x, slope):
    """Derivatives of the loss by W, b, V and c: four arrays of their shapes, for x (P, d) and slope (P, C)."""
    ### BEGIN SOLUTION
    z = x @ W + b
    h = np.maximum(z, 0)
    back = slope @ V.T * (z > 0)
    return x.T @ back, back.sum(axis=0), h.T @ slope, slope.sum(axis=0)
    ### END SOLUTION


# %% test="backward" points=5
ps1.backward(backward)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps1, seeds

ps1.backward(backward, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Downhill
#
# Gradient descent knows nothing of networks. It gets a function `gradient`, a start, a learning rate and a number of
# updates.


# %% task="descend"
def descend(gradient, w, rate, steps):
    """The path of gradient descent, shape (steps + 1, n), from the start w of shape (n,)."""
    ### BEGIN SOLUTION
    path = [w]
    for _ in range(steps):
        w = w - rate * gradient(w)
        path.append(w)
    return np.array(path)
    ### END SOLUTION


# %% test="descend" points=4
ps1.descend(descend)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps1, seeds

ps1.descend(descend, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 6. A prediction
#
# Next, the network learns the spiral with four learning rates: 0.1, 1, 4 and 10. **Before you run on:** which of the
# four will have the lowest loss after 1,000 steps, and what will happen to the largest? Give your reasons, in five
# sentences at most. You are graded for the reasons, not for being right.

# %% [markdown] answer="prediction" points=4
# **What happens.** Of these four, 4 learns fastest although it bounces, 0.1 is slow, and 10 throws the hidden units to
# where no sample switches them on: what is left are three biases.
#
# **Rubric (4 points).** 1: says for each rate what it expects. 1: says that a step is the rate times the slope, so that
# a small rate is slow. 1: names a mechanism by which too large a rate fails (overshooting a valley, dead units, a loss
# that grows). 1: says what observation would show the prediction wrong. A wrong guess with these reasons gets all
# points; a right guess without reasons gets 1 at most.

# %%
net = md.MLP(2, 100, 3)
for letter, rate in ps1.RATES.items():
    run = md.train(net, net.init(0), task, md.CrossEntropy(), learning_rate=rate, steps=1000, progress=False)
    plt.semilogy(run.history.step, run.history.static_loss, label=letter, linewidth=1)
plt.axhline(np.log(3), color="k", linestyle=":", linewidth=1)
plt.text(1000, np.log(3), " log 3")
plt.xlabel("step")
plt.ylabel("loss")
plt.legend()
plt.show()

# %% [markdown]
# <details><summary>What a good written answer looks like, on another question. Open it when you have written yours.
# </summary>
#
# *Question.* Will the network learn faster if you double the number of samples? *Answer.* "No, or hardly. The loss is a
# mean over samples, so twice as many samples from the same arms give nearly the same slope and the same steps; each
# step only takes twice as long to compute. I expect the two curves to lie within the spread of five seeds. I would be
# wrong if the curve of the larger set were below the other for all five." It says what it expects, gives a mechanism,
# and names the observation that would refute it.
#
# </details>

# %% [markdown]
# ## 7. Read the picture
#
# One of the four curves, A to D, belongs to a network that ends no better than guessing. Which? Answer with its letter.

# %% task="unlearned"
unlearned = None
### BEGIN SOLUTION
unlearned = "C"
### END SOLUTION

# %% test="unlearned" points=2
ps1.unlearned(unlearned)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps1

ps1.unlearned(unlearned)
### END HIDDEN TESTS

# %% [markdown]
# ## 8. An open question
#
# Between the rate that learns fastest and the one that learns nothing lies an edge. Find out where, for this network
# and this task, by experiments of your own (add cells). Does the edge move with the width of the network, with the
# seed, or with the number of steps? Answer in ten lines at most, with one picture or one table.

# %% [markdown] answer="open" points=4
# **What to look for.** There is no single right answer. After 1,000 steps the loss is lowest near a rate of 5 and above
# log 3 from 8 on, for widths of 30, 100 and 300 alike; between 6 and 7 it differs from seed to seed. That the width
# matters so little is a surprise worth reporting.
#
# **Rubric (4 points).** 1: an experiment that varies one thing. 1: more than one seed, and the spread is said. 1: a
# picture or table that can be read alone. 1: a conclusion that goes no further than the evidence.
