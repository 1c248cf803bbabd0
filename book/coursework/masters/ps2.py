# %% [markdown]
# # Problem set 2: the loss that takes turns
#
# **Goals.** You build the dynamical loss of "Tilting the playing field" from its parts: the wave of the raw weights,
# the class weights, the loss, its slope. You read a wave off its picture, and say what a network under it will do.
#
# **Time** 90 minutes. **Points** 30. Read before: the chapter on
# [the dynamical loss](book:tilting/dynamical-loss).
#
# Write where it says `YOUR CODE HERE` or `YOUR ANSWER HERE`, and leave the cells of the tests as they are. A test
# that passes says *right*. A test that fails says in a sentence what was probably misunderstood. Grading runs the same
# tests on other data. You may add cells of your own.

# %%
import matplotlib.pyplot as plt
import numpy as np

import minidyn as md
from minidyn import plots
from minidyn.coursework import ps2, seeds

plots.use_style()

# %% [markdown]
# Your student number goes here, if your teacher asks for it: some pictures below are then your own.

# %% tags=["setup"]
student = ""

# %% [markdown]
# ## 1. Whose turn is it?
#
# Classes take turns of $T$ steps each (`period` in the code, after the papers): class 0, class 1, ..., and then class 0
# again. In its turn the raw weight of a class rises in a straight line from 1 to $A$, for half of the turn, and falls
# back to 1 in the other half. The raw weights of the others are 1.


# %% task="raw_weights"
def raw_weights(step, amplitude, period, classes):
    """The raw weights at a step, shape (classes,). At step 0 class 0 begins its turn."""
    ### BEGIN SOLUTION
    weights = np.ones(classes)
    share = (step % period) / period
    ramp = 1 - abs(2 * share - 1)
    turn = step // period % classes
    weights[turn] = 1 + (amplitude - 1) * ramp
    return weights
    ### END SOLUTION


# %% test="raw_weights" points=4
ps2.raw_weights(raw_weights)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps2, seeds

ps2.raw_weights(raw_weights, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 2. The class weights
#
# A class that gains must not make the whole loss larger. So the raw weights are multiplied by one number, such that the
# $C$ class weights $\Gamma_i$ sum to $C$.


# %% task="class_weights"
def class_weights(raw):
    """The class weights, shape (C,), for raw weights of shape (C,)."""
    ### BEGIN SOLUTION
    return len(raw) * raw / raw.sum()
    ### END SOLUTION


# %% test="class_weights" points=2
ps2.class_weights(class_weights)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps2, seeds

ps2.class_weights(class_weights, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# Two cycles of your wave, with $A = 10$ and $T = 100$. Before you go on: why do the waves of two classes never cross
# above 1?

# %%
steps = np.arange(600)
waves = [class_weights(raw_weights(step, 10, 100, 3)) for step in steps]
for j, wave in enumerate(np.array(waves).T):
    plt.plot(steps, wave, color=plots.class_color(j), label=f"class {j}")
plt.xlabel("step")
plt.ylabel("class weight")
plt.legend()
plt.show()

# %% [markdown]
# ## 3. The loss
#
# $$F(t) = \frac{1}{P} \sum_j \Gamma_{y_j}(t) \Big[ -f_{y_j}(x_j) + \log \sum_i e^{f_i(x_j)} \Big]$$
#
# Each sample adds its own cross-entropy, times the weight of its class.


# %% task="dynamical_loss"
def dynamical_loss(logits, labels, weights):
    """F, one number, for logits (P, C), labels (P,) and class weights (C,)."""
    ### BEGIN SOLUTION
    shifted = logits - logits.max(axis=1, keepdims=True)
    own = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    return (weights[labels] * own).mean()
    ### END SOLUTION


# %% test="dynamical_loss" points=4
ps2.dynamical_loss(dynamical_loss)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps2, seeds

ps2.dynamical_loss(dynamical_loss, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Its slope
#
# The derivative of $F$ by each output, with the class weights held fixed.


# %% task="dynamical_slope"
def dynamical_slope(logits, labels, weights):
    """The derivative of F by each output, shape (P, C)."""
    ### BEGIN SOLUTION
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability = e / e.sum(axis=1, keepdims=True)
    truth = np.eye(logits.shape[1])[labels]
    return weights[labels][:, None] * (probability - truth) / len(labels)
    ### END SOLUTION


# %% test="dynamical_slope" points=4
ps2.dynamical_slope(dynamical_slope)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps2, seeds

ps2.dynamical_slope(dynamical_slope, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Between which values?
#
# For amplitude $A$ and $C$ classes, between which two values do all class weights stay, at all times? With these two
# numbers $F(t)$ is caught between two multiples of the static loss.


# %% task="bounds"
def bounds(amplitude, classes):
    """The least and the greatest value that a class weight can take: two numbers."""
    ### BEGIN SOLUTION
    total = amplitude + classes - 1
    return classes / total, classes * amplitude / total
    ### END SOLUTION


# %% test="bounds" points=2
ps2.bounds(bounds)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps2, seeds

ps2.bounds(bounds, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 6. Read a wave
#
# These are class weights of three classes. Their period and their amplitude are not written there, but they can be read
# off: the period from the distance of peaks, the amplitude from their height and your formula of section 5.

# %%
plots.class_weights(ps2.hidden_wave(seeds.personal_seed(student)), np.arange(2400))
plt.grid(alpha=0.3)
plt.show()

# %% task="period"
period = None
### BEGIN SOLUTION
period = ps2.hidden_wave(seeds.personal_seed(student)).period
### END SOLUTION

# %% test="period" points=2
ps2.period(period, student=student)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps2

ps2.period(period, student=student)
### END HIDDEN TESTS

# %% task="amplitude"
amplitude = None
### BEGIN SOLUTION
peak = ps2.hidden_wave(seeds.personal_seed(student)).bounds[1]
amplitude = 2 * peak / (3 - peak)
### END SOLUTION

# %% test="amplitude" points=3
ps2.amplitude(amplitude, student=student)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps2

ps2.amplitude(amplitude, student=student)
### END HIDDEN TESTS

# %% [markdown]
# ## 7. A prediction
#
# A fresh network learns the spiral with $A = 30$, $T = 400$ for three periods: one turn for each class. **Before you
# run on,** sketch in words two curves over these 1,200 steps: $F(t)$, and the fraction of samples that are right. Say
# what both do in the middle of a period and at its end, and why. Five sentences at most. You are graded for the
# reasons, not for being right.

# %% [markdown] answer="prediction" points=4
# **What happens.** In the middle of a period one class counts for almost everything. The network says that class to
# everything: F falls, and about a third of the samples are right. As the weights level out, F rises, because the others
# count again. Accuracy recovers between the peaks.
#
# **Rubric (4 points).** 1: says what both curves do at mid-period. 1: says what both do at the end of a period. 1: the
# reason connects the weight of a class with what the network answers to samples of all classes. 1: notices that F can
# fall while accuracy falls, or says why not. A wrong guess with these reasons gets all points; a right sketch without
# reasons gets 2 at most.

# %%
task, net = md.spiral(), md.MLP(2, 100, 3)
loss = md.CrossEntropy(md.Oscillation(30, 400))
run = md.train(net, net.init(0), task, loss, learning_rate=1.0, steps=1200, progress=False)
plots.history(run.history, ["weights", "loss", "accuracy"])
plt.show()

# %% [markdown]
# ## 8. An open question
#
# The triangle is one wave among many. Invent another: a square, a sine, two classes at a time, a random order. The
# library's `md.CrossEntropy(gamma)` takes anything with `classes` and `weights(step)`. Compare it with the triangle of
# the same period on the spiral, after 6,000 steps or fewer. Which comparison is fair, and what do you find? Ten lines
# at most, with one picture or one table.

# %% [markdown] answer="open" points=5
# **What to look for.** There is no single right answer. A fair comparison keeps period, learning rate, number of steps,
# initial weights and, if it can, the largest class weight; it ends at rest or says where in the cycle it was measured.
#
# **Rubric (5 points).** 1: a wave whose weights sum to C, or a reason why not. 1: one thing is varied. 1: more than one
# seed, and the spread is said. 1: measured at a stated point of the cycle. 1: a conclusion that goes no further than
# the evidence.
