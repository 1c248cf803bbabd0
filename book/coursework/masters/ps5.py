# %% [markdown]
# # Problem set 5: forgetting, and a network that learns to add
#
# **Goals.** You code McCloskey and Cohen's experiment far enough to see a network forget. Then you build a cell with a
# question in it that learns to add, and find out what it keeps, what it gains and what it never learns.
#
# **Time** 100 minutes. **Points** 30. Read before: the chapters on
# [interference](book:forgetting/interference) and on [the cell that adds](book:forgetting/conditional-network). Read
# the one on [transfer](book:forgetting/transfer) afterwards: it answers the prediction.
#
# Write where it says `YOUR CODE HERE` or `YOUR ANSWER HERE`, and leave the cells of the tests as they are. A test
# that passes says *right*. A test that fails says in a sentence what was probably misunderstood. Grading runs the same
# tests on other data. You may add cells of your own.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minidyn import plots
from minidyn.coursework import ps5, seeds
from minidyn.forgetting import adder, learners, protocol

plots.use_style()

# %% [markdown]
# Your student number goes here, if your teacher asks for it: some pictures below are then your own.

# %% tags=["setup"]
student = ""

# %% [markdown]
# ## 1. A coarse code
#
# McCloskey and Cohen show a digit to the network on twelve units. Digit $d$ turns on the units $d + 1$, $d + 2$ and
# $d + 3$, counted from 1. So neighbouring digits look alike.


# %% task="coarse"
def coarse(digit):
    """The code of a digit, 0 to 9: twelve numbers, 1 for on and 0 for off."""
    ### BEGIN SOLUTION
    units = np.zeros(12)
    units[digit : digit + 3] = 1
    return units
    ### END SOLUTION


# %% test="coarse" points=2
ps5.coarse(coarse)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps5, seeds

ps5.coarse(coarse, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 2. What does it say?
#
# The network's outputs are never exactly a code. Its answer is the pattern that matches best: the one with the least
# squared error, summed over the units. If several match equally well, the first of them is the answer.


# %% task="best_match"
def best_match(outputs, patterns):
    """For each row of outputs (n, units) the number of the nearest row of patterns (m, units): shape (n,)."""
    ### BEGIN SOLUTION
    errors = ((outputs[:, None, :] - patterns[None, :, :]) ** 2).sum(axis=2)
    return errors.argmin(axis=1)
    ### END SOLUTION


# %% test="best_match" points=4
ps5.best_match(best_match)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps5, seeds

ps5.best_match(best_match, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Read the picture
#
# Twenty networks have learned the ones facts (1+1 to 9+1 and 1+2 to 1+9). Then they learn the twos facts. The picture
# shows, by best match, what they know of both, after each pass over the twos.

# %%
ones, twos = ps5.losing(seeds.personal_seed(student))
plt.plot(ones, "o-", color="k", label="ones")
plt.plot(twos, "s--", color="0.6", label="twos")
plt.xlabel("passes over the twos")
plt.ylabel("fraction right")
plt.yticks(np.arange(0, 1.01, 0.1))
plt.grid(alpha=0.3)
plt.legend()
plt.show()

# %% [markdown]
# Which fraction of the ones facts is left after **two** passes?

# %% task="remaining"
remaining = None
### BEGIN SOLUTION
ones, twos = ps5.losing(seeds.personal_seed(student))
remaining = ones[2]
### END SOLUTION

# %% test="remaining" points=3
ps5.remaining(remaining, student=student)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps5

ps5.remaining(remaining, student=student)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. One number for forgetting
#
# A network learns tasks 0, 1, 2, ... one after the other. $R_{ij}$ is its accuracy on task $j$ after it was trained on
# task $i$. *Backward transfer* compares, for every task but the last, the accuracy at the very end with the accuracy
# when the task was just learned, and takes the mean of the differences. Forgetting makes it negative.


# %% task="backward_transfer"
def backward_transfer(R):
    """One number, for R of shape (T, T)."""
    ### BEGIN SOLUTION
    tasks = len(R)
    gains = [R[-1, j] - R[j, j] for j in range(tasks - 1)]
    return np.mean(gains)
    ### END SOLUTION


# %% test="backward_transfer" points=3
ps5.backward_transfer(backward_transfer)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps5, seeds

ps5.backward_transfer(backward_transfer, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 5. A cell with a question in it
#
# The cell reads one binary digit of each number and a carry. It weighs them, asks one question, and has two answers,
# each a straight line:
#
# $$z = w \cdot (a, b, c), \qquad g = \frac{1}{1 + e^{-4 (z - \theta)}}$$
#
# $$(\text{digit}, \text{carry}) = g\, (p_1 z + q_1) + (1 - g)\, (p_0 z + q_0)$$
#
# Row 0 of `p` and `q` is the answer to *no*, row 1 the answer to *yes*. Column 0 is the digit, column 1 the carry.


# %% task="cell_step"
def cell_step(w, theta, p, q, a, b, carry):
    """The digit and the next carry: two numbers, for w (3,), theta, p and q (2, 2), and three numbers a, b, carry."""
    ### BEGIN SOLUTION
    z = w[0] * a + w[1] * b + w[2] * carry
    g = 1 / (1 + np.exp(-4 * (z - theta)))
    digit, out = g * (p[1] * z + q[1]) + (1 - g) * (p[0] * z + q[0])
    return digit, out
    ### END SOLUTION


# %% test="cell_step" points=4
ps5.cell_step(cell_step)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps5, seeds

ps5.cell_step(cell_step, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 6. Addition
#
# With a cell, numbers of any length can be added: the least significant digit first, the carry 0 at first, and one
# step more than the longer number has binary digits. Each digit is read off by rounding. The carry is the cell's own
# business: hand it on as it is.


# %% task="add"
def add(cell, a, b):
    """The sum that a cell finds, an integer. cell(a_digit, b_digit, carry) gives a digit and the next carry."""
    ### BEGIN SOLUTION
    carry, total = 0.0, 0
    for k in range(max(a.bit_length(), b.bit_length()) + 1):
        digit, carry = cell(a >> k & 1, b >> k & 1, carry)
        total += round(digit) * 2**k
    return total
    ### END SOLUTION


# %% test="add" points=5
ps5.add(add)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps5, seeds

ps5.add(add, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# Your cell and your addition, with the twelve numbers of a cell that was trained on numbers below 8:

# %%
trained = adder.train(0, steps=4000)


def my_cell(a, b, carry):
    return cell_step(trained.w, trained.theta, trained.p, trained.q, a, b, carry)


for a, b in [(5, 6), (25, 17), (123456789, 987654321)]:
    print(a, "+", b, "=", add(my_cell, a, b))

# %% [markdown]
# ## 7. A prediction
#
# Untrained cells now learn the ones facts one at a time, and then the twos facts, just as the networks of section 3
# did. **Before you run on:** will they lose the ones? And what of sums that are in neither set, 3+3 to 9+9: write some
# of them in binary and say which the cells will get right, and which perhaps never. Six sentences at most. You are
# graded for the reasons, not for being right.

# %% [markdown] answer="prediction" points=4
# **What happens.** The ones stay: both sets are explained by one algorithm, so the twos pull the same twelve numbers
# the same way. Of the unseen sums all without a full carry come out right after the twos, and none with one: neither
# set contains the case in which both digits are 1 and a 1 is carried in, as in 3+3, so nothing teaches the cell its
# answer.
#
# **Rubric (4 points).** 1: says why a shared algorithm need not be forgotten. 1: works out at least one unseen sum in
# binary. 1: finds, or looks for, a case of digits and carry that the training never shows. 1: says what would show the
# prediction wrong. A wrong guess with these reasons gets all points.

# %%
runs = protocol.sequential(learners.Adder(), range(20), epochs=50)
for name in ("ones", "twos", "without full carry", "with full carry"):
    print(
        f"{name:20}", [f"{float(runs.R.sel(set=name, after=after).mean()):.2f}" for after in ("start", "ones", "twos")]
    )

# %% [markdown]
# ## 8. An open question
#
# What is the smallest set of additions from which cells learn to add everything? Or, the other way: can you make an
# adder forget? `protocol.sequential(learners.Adder(), range(20), tasks={"first": pairs, "second": other_pairs})`
# trains on sets of your own. Ten lines at most, with one picture or one table.

# %% [markdown] answer="open" points=5
# **What to look for.** There is no single right answer. A set that shows all eight cases of two digits and a carry is
# needed; whether it is enough depends on the number of passes. A set of sums without any carry, trained for long, may
# undo what was learned about the carry.
#
# **Rubric (5 points).** 1: sets chosen for a stated reason. 1: a test on sums that were not shown, longer ones among
# them. 1: more than one seed, and the spread is said. 1: a picture or table that can be read alone. 1: a conclusion
# that goes no further than the evidence.
