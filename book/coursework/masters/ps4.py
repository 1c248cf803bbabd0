# %% [markdown]
# # Problem set 4: the neural tangent kernel
#
# **Goals.** You build the empirical kernel of a network from its Jacobian, use it to predict what an update does
# to every output, and find out how far that can be trusted.
#
# **Time** 110 minutes. **Points** 30. Read before: the chapter on
# [the kernel](book:foundations/ntk).
#
# Write where it says `YOUR CODE HERE` or `YOUR ANSWER HERE`, and leave the cells of the tests as they are. A test
# that passes says *right*. A test that fails says in a sentence what was probably misunderstood. Grading runs the same
# tests on other data. You may add cells of your own.

# %%
import matplotlib.pyplot as plt
import numpy as np

import minidyn as md
from minidyn import plots
from minidyn.coursework import ps4, seeds

plots.use_style()

# %% [markdown]
# Your student number goes here, if your teacher asks for it: some pictures below are then your own.

# %% tags=["setup"]
student = ""

# %% [markdown]
# ## 1. The Jacobian
#
# The network is $f = \max(0,\, x W + b)\, V + c$. Its Jacobian holds the derivative of each output of each sample by
# each parameter. Parameters come in the order $W$ (row by row), $b$, $V$ (row by row), $c$. The derivative of ReLU at
# 0 is 0.


# %% task="jacobian"
def jacobian(W, b, V, c, x):
    """J[p, i, k] = the derivative of output i for sample p by parameter k: shape (P, C, number of parameters)."""
    ### BEGIN SOLUTION
    z = x @ W + b
    on = (z > 0).astype(float)
    by_b = on[:, None, :] * V.T[None, :, :]
    by_W = x[:, None, :, None] * by_b[:, :, None, :]
    h = np.maximum(z, 0)
    by_V = h[:, None, :, None] * np.eye(len(c))[None, :, None, :]
    by_c = np.tile(np.eye(len(c)), (len(x), 1, 1))
    flat = [part.reshape(len(x), len(c), -1) for part in (by_W, by_b, by_V, by_c)]
    return np.concatenate(flat, axis=2)
    ### END SOLUTION


# %% test="jacobian" points=5
ps4.jacobian(jacobian)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps4, seeds

ps4.jacobian(jacobian, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 2. The kernel
#
# $$K_{pc,qd} = \sum_k \frac{\partial f_c(x_p)}{\partial \theta_k} \frac{\partial f_d(x_q)}{\partial \theta_k}$$
#
# for every pair of samples and every pair of outputs. Nothing is averaged and nothing is normalised.


# %% task="kernel"
def kernel(J):
    """K, shape (P, C, P, C), for J of shape (P, C, number of parameters)."""
    ### BEGIN SOLUTION
    return np.einsum("pck,qdk->pcqd", J, J)
    ### END SOLUTION


# %% test="kernel" points=3
ps4.kernel(kernel)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps4, seeds

ps4.kernel(kernel, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Its largest eigenvalue
#
# With one row for each sample and output, $K$ is a symmetric matrix of $P C$ rows.


# %% task="top_eigenvalue"
def top_eigenvalue(K):
    """The largest eigenvalue of K, shape (P, C, P, C)."""
    ### BEGIN SOLUTION
    rows = K.shape[0] * K.shape[1]
    return np.linalg.eigvalsh(K.reshape(rows, rows))[-1]
    ### END SOLUTION


# %% test="top_eigenvalue" points=3
ps4.top_eigenvalue(top_eigenvalue)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps4, seeds

ps4.top_eigenvalue(top_eigenvalue, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 4. What a step does
#
# A step of descent changes the weights, and these change the outputs. As long as the Jacobian stays what it is, the
# kernel says how: it takes the slopes of the loss by all outputs to the changes of all outputs.


# %% task="predicted_change"
def predicted_change(K, slope, rate):
    """The change of all outputs in one step, shape (P, C), for K (P, C, P, C) and slope (P, C)."""
    ### BEGIN SOLUTION
    return -rate * np.einsum("pcqd,qd->pc", K, slope)
    ### END SOLUTION


# %% test="predicted_change" points=4
ps4.predicted_change(predicted_change)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps4, seeds

ps4.predicted_change(predicted_change, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 5. The largest rate
#
# Take the mean squared error $F = \frac{1}{P C} \sum_p \sum_i (f_i(x_p) - y_{pi})^2$ and a kernel that stands still.
# From which learning rate on do some residuals no longer shrink?


# %% task="critical_rate"
def critical_rate(K):
    """The learning rate at which the residual that is learned fastest keeps its size, for K (P, C, P, C)."""
    ### BEGIN SOLUTION
    rows = K.shape[0] * K.shape[1]
    return rows / np.linalg.eigvalsh(K.reshape(rows, rows))[-1]
    ### END SOLUTION


# %% test="critical_rate" points=3
ps4.critical_rate(critical_rate)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps4, seeds

ps4.critical_rate(critical_rate, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 6. A prediction
#
# Next, one step of descent on the cross-entropy is taken from the same start with learning rates from 0.0001 to 10,
# and the kernel's forecast is compared with what the outputs really do. **Before you run on:** by which factor does
# the *relative* error of the forecast fall when the rate is ten times smaller? Will it be so for all rates? What could
# spoil it? Five sentences at most. You are graded for the reasons, not for being right.

# %% [markdown] answer="prediction" points=4
# **What happens.** The first term that is left out is of second order in the rate, so the relative error should fall
# by ten. That holds while no unit switches. From larger rates on, units switch on or off for some samples during the
# step, and the error falls more slowly: by three to four for each factor of ten, from 10 down to 0.01. At 0.0001 no
# unit switches, and the error collapses.
#
# **Rubric (4 points).** 1: says what the forecast leaves out. 1: gets a power of the rate from it, with the step from
# absolute to relative error. 1: names a limit of this argument (ReLU kinks, or rounding at the small end). 1: says what
# the picture would look like if the argument holds. A wrong guess with these reasons gets all points.

# %%
task, net, loss = md.spiral(), md.MLP(2, 100, 3), md.CrossEntropy()
start = net.init(0)
(W, b), (V, c) = start
outputs = net.logits(start, task.x)
slope = loss.gradient(outputs, task.labels)
K = kernel(jacobian(W, b, V, c, task.x))
(dW, db), (dV, dc) = md.gradient(net, start, task, loss)
rates = 10.0 ** np.arange(-4, 2)
errors = []
for rate in rates:
    moved = net.logits([(W - rate * dW, b - rate * db), (V - rate * dV, c - rate * dc)], task.x) - outputs
    errors.append(np.linalg.norm(moved - predicted_change(K, slope, rate)) / np.linalg.norm(moved))
plt.loglog(rates, errors, "o-", color="k")
plt.xlabel("learning rate")
plt.ylabel("relative error of the forecast")
plt.show()

# %% [markdown]
# ## 7. Read the picture
#
# A kernel that stands still would be a horizontal line. This is its largest eigenvalue while a network of 100 units
# learns the spiral. By which factor does it grow, from the first point to the last? Within 10% will do.

# %%
steps, values = ps4.growing(seeds.personal_seed(student))
plt.plot(steps, values, "o-", color="k", markersize=3)
plt.ylim(0)
plt.xlabel("step")
plt.ylabel("largest eigenvalue of the kernel")
plt.grid(alpha=0.3)
plt.show()

# %% task="growth"
growth = None
### BEGIN SOLUTION
steps, values = ps4.growing(seeds.personal_seed(student))
growth = values[-1] / values[0]
### END SOLUTION

# %% test="growth" points=3
ps4.growth(growth, student=student)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps4

ps4.growth(growth, student=student)
### END HIDDEN TESTS

# %% [markdown]
# ## 8. An open question
#
# It is often said that the kernel of a wide network hardly changes during training. Test this on the spiral, for
# widths from 10 to 300: how far does the kernel move, relative to its size at the start? Which learning rates and
# which lengths of training make widths comparable? Ten lines at most, with one picture or one table.

# %% [markdown] answer="open" points=5
# **What to look for.** There is no single right answer. With the same rate and the same number of steps (1 and 1,000)
# the kernel moves by about three times its own size at every width from 10 to 1,000: in this parametrisation a wider
# network has a larger kernel, and so learns faster at the same rate. A fair comparison scales the rate with the
# kernel's largest eigenvalue, or stops at equal loss.
#
# **Rubric (5 points).** 1: a measure of the change that is relative and said. 1: at least three widths. 1: more than
# one seed, and the spread is said. 1: the choice of rate and length is argued. 1: a conclusion that goes no further
# than the evidence, even against the textbook.
