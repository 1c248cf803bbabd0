# %% [markdown]
# # Problem set 3: curvature and the edge of stability
#
# **Goals.** You measure how sharp a valley is, from gradients alone. You say which learning rate is too large for it,
# and watch a dynamical loss tighten a valley until a run begins to bounce.
#
# **Time** 110 minutes. **Points** 30. Read before: the chapters on
# [curvature](book:foundations/curvature) and on [stability](book:foundations/stability).
#
# Write where it says `YOUR CODE HERE` or `YOUR ANSWER HERE`, and leave the cells of the tests as they are. A test
# that passes says *right*. A test that fails says in a sentence what was probably misunderstood. Grading runs the same
# tests on other data. You may add cells of your own.

# %%
import matplotlib.pyplot as plt
import numpy as np

import minidyn as md
from minidyn import plots
from minidyn.coursework import ps3, seeds

plots.use_style()

# %% [markdown]
# Your student number goes here, if your teacher asks for it: some pictures below are then your own.

# %% tags=["setup"]
student = ""

# %% [markdown]
# ## 1. A product without the matrix
#
# The Hessian $\mathcal{H}$ of a large network does not fit into memory. But $\mathcal{H} v$, for one direction $v$,
# needs only two gradients: one at $w + \epsilon v$, and one at $w - \epsilon v$. Half of their difference, divided by
# $\epsilon$, is the central difference. Take exactly the $\epsilon$ that you are given.


# %% task="hessian_times"
def hessian_times(gradient, w, v, eps):
    """The Hessian at w times v, shape (n,), by central differences of `gradient`, which takes (n,) to (n,)."""
    ### BEGIN SOLUTION
    ahead = gradient(w + eps * v)
    behind = gradient(w - eps * v)
    return (ahead - behind) / (2 * eps)
    ### END SOLUTION


# %% test="hessian_times" points=4
ps3.hessian_times(hessian_times)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps3, seeds

ps3.hessian_times(hessian_times, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 2. The sharpness
#
# Where the matrix is at hand, the sharpness is its algebraically largest eigenvalue: the curvature of the steepest
# valley. A very negative eigenvalue is a ridge, not a valley, and does not count.


# %% task="sharpness"
def sharpness(hessian):
    """The largest eigenvalue of a symmetric matrix, shape (n, n)."""
    ### BEGIN SOLUTION
    return np.linalg.eigvalsh(hessian)[-1]
    ### END SOLUTION


# %% test="sharpness" points=3
ps3.sharpness(sharpness)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps3, seeds

ps3.sharpness(sharpness, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 3. By products alone
#
# Power iteration: multiply a vector by $\mathcal{H}$, bring it back to length 1, and again. The direction that grows
# fastest wins. After $n$ such rounds, $v \cdot \mathcal{H} v$ estimates its eigenvalue.


# %% task="power_iteration"
def power_iteration(hessian, v, steps):
    """The estimate of the eigenvalue after `steps` rounds from the unit vector v."""
    ### BEGIN SOLUTION
    for _ in range(steps):
        v = hessian @ v
        v = v / np.linalg.norm(v)
    return v @ hessian @ v
    ### END SOLUTION


# %% test="power_iteration" points=3
ps3.power_iteration(power_iteration)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps3, seeds

ps3.power_iteration(power_iteration, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# A network before training, and the spectrum of its Hessian. Which eigenvalue would power iteration find, and how long
# would it take? Your function shows it.

# %%
net, task, loss = md.MLP(2, 30, 3), md.spiral(), md.CrossEntropy()
hessian = md.hessian(net, net.init(0), task, loss)
plots.spectrum(np.linalg.eigvalsh(hessian))
plt.show()
start = np.random.RandomState(0).randn(net.size)
for rounds in (1, 10, 100, 1000):
    print(rounds, power_iteration(hessian, start / np.linalg.norm(start), rounds), "of", sharpness(hessian))

# %% [markdown]
# ## 4. Three fates
#
# In a valley of curvature $\lambda > 0$ a step of gradient descent takes $w$ to $(1 - \eta \lambda)\, w$. It
# **slides** to the middle from one side, or **alternates** from side to side and still comes to rest, or **diverges**.
# Exactly at a limit, the word is that of the larger curvatures.


# %% task="fates"
def fates(rate, curvature):
    """One of "slides", "alternates", "diverges" for each entry of curvature, shape (n,)."""
    ### BEGIN SOLUTION
    words = []
    for c in curvature:
        if rate * c < 1:
            words.append("slides")
        elif rate * c < 2:
            words.append("alternates")
        else:
            words.append("diverges")
    return words
    ### END SOLUTION


# %% test="fates" points=3
ps3.fates(fates)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps3, seeds

ps3.fates(fates, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 5. The largest rate
#
# Given a Hessian, from which learning rate on does descent diverge?


# %% task="critical_rate"
def critical_rate(hessian):
    """The learning rate at which the steepest valley neither shrinks nor grows."""
    ### BEGIN SOLUTION
    return 2 / np.linalg.eigvalsh(hessian)[-1]
    ### END SOLUTION


# %% test="critical_rate" points=3
ps3.critical_rate(critical_rate)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps3, seeds

ps3.critical_rate(critical_rate, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# ## 6. Bounce or leave?
#
# Beyond the largest rate a step overshoots further and further, until it feels that the valley is no parabola. Along
# one direction the loss has the slope $g(x)$, which we call the force, and descent takes $x$ to $x - \eta\, g(x)$. At
# the floor $x^*$ the force is 0. With $g''$ and $g^{(3)}$, its second and third derivative there,
#
# $$c = \tfrac{1}{2} \big(\eta\, g''(x^*)\big)^2 - \tfrac{1}{3}\, \eta\, g^{(3)}(x^*)$$
#
# says what happens just beyond the limit. If $c > 0$, the run settles down to a bounce between two points. If $c < 0$,
# it leaves. Get the derivatives by differences, as in section 1; a step of 0.1 will do.


# %% task="flip_coefficient"
def flip_coefficient(force, floor, rate):
    """c, one number. `force` takes a number to a number, and is 0 at `floor`."""
    ### BEGIN SOLUTION
    h = 0.1
    second = (force(floor + h) - 2 * force(floor) + force(floor - h)) / h**2
    ahead, behind = (force(floor + d + h) - 2 * force(floor + d) + force(floor + d - h) for d in (h, -h))
    third = (ahead - behind) / (2 * h) / h**2
    return (rate * second) ** 2 / 2 - rate * third / 3
    ### END SOLUTION


# %% test="flip_coefficient" points=3
ps3.flip_coefficient(flip_coefficient)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps3, seeds

ps3.flip_coefficient(flip_coefficient, seed=seeds.hidden_seed())
### END HIDDEN TESTS

# %% [markdown]
# Two valleys with the curvature 1 at their floor, and a learning rate just beyond the limit 2. Your coefficient says
# which of the two runs stays.

# %%
for force in (lambda x: x - x**3, lambda x: x + x**3):
    x = 0.05
    path = [x]
    for _ in range(120):
        x = max(-3, min(3, x - 2.02 * force(x)))
        path.append(x)
    plt.plot(path, linewidth=1, label=f"c = {flip_coefficient(force, 0, 2.02):.1f}")
plt.xlabel("step")
plt.ylabel("x")
plt.legend()
plt.show()

# %% [markdown]
# ## 7. A prediction
#
# In a *dynamical loss* each class has a turn of $T$ steps, in which its samples count more than the others: up to $A$
# times as much in the middle of the turn, and as much as the others at its ends. A network of 100 units learns the
# spiral with such a loss, $A = 40$, $T = 1000$, and the learning rate 1. At step 1,500 class 1 has its peak. In the 500
# steps that follow, its weight falls back. **Before you run on:** what will the sharpness do in these 500 steps, and
# what will you see in $F$ when it passes the limit of section 5? What could keep the run from diverging? Five sentences
# at most. You are graded for the reasons, not for being right.

# %% [markdown] answer="prediction" points=4
# **What happens.** At the peak the network says class 1 to nearly everything and the valley is wide. As the other
# classes come back, the samples it gets wrong count again and the valley tightens, until the sharpness passes 2/η.
# Then F rises and falls in turn. It does not diverge: bouncing moves the network to where the valley is wider, and the
# cross-entropy has bounded slopes.
#
# **Rubric (4 points).** 1: says that the sharpness rises, or gives a reason why it should not. 1: the reason connects
# the class weights with curvature. 1: says what the limit means for F step by step (it alternates). 1: names something
# that a frozen parabola lacks (the valley changes with w and with time, bounded slopes). A wrong guess with these
# reasons gets all points.

# %%
steps, values = ps3.tightening(seeds.personal_seed(student))
plt.plot(steps, values, color="k", linewidth=1)
plt.xlabel("steps after the peak of class 1")
plt.ylabel("sharpness")
plt.xticks(range(0, 501, 50))
plt.grid(alpha=0.3)
plt.show()

# %% [markdown]
# ## 8. Read the picture
#
# The learning rate is 1. At which step, on the axis of this picture, does the sharpness first pass the stability limit?
# Within 10 steps will do.

# %% task="crossing"
crossing = None
### BEGIN SOLUTION
steps, values = ps3.tightening(seeds.personal_seed(student))
crossing = steps[np.argmax(values > 2)]
### END SOLUTION

# %% test="crossing" points=2
ps3.crossing(crossing, student=student)
### BEGIN HIDDEN TESTS
from minidyn.coursework import ps3

ps3.crossing(crossing, student=student)
### END HIDDEN TESTS

# %% [markdown]
# ## 9. An open question
#
# The paper that introduced this loss says that bouncing pushes a network to wider valleys. Find evidence for or
# against, on the spiral, in runs of 10,000 steps or fewer. Its loss is `md.CrossEntropy(gamma)`, with
# `gamma = md.Oscillation(amplitude=40, period=1000)`, and `md.train(..., measure={"hessian_max": 25})` records the
# sharpness. Against what do you compare: other learning rates, the static loss, earlier turns? Ten lines at most, with
# one picture or one table.

# %% [markdown] answer="open" points=5
# **What to look for.** There is no single right answer. In the book's long run the mid-cycle sharpness rises first and
# falls later, so short runs may show the opposite of the claim: that is a finding. A smaller learning rate, which does
# not bounce, is the natural control.
#
# **Rubric (5 points).** 1: a control that does not bounce. 1: the same point of the cycle compared. 1: more than one
# seed, and the spread is said. 1: a picture or table that can be read alone. 1: a conclusion that goes no further than
# the evidence.
