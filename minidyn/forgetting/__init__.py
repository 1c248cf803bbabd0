"""Catastrophic forgetting, and a network that learns the algorithm of addition.

The modules: `facts` (what is learned, and how it is coded), `interference` (McCloskey and Cohen's experiment), `adder`
(the cell with a conditional clause), `learners` (the networks it is compared with), `elastic` (a network that protects
what it has learned) and `protocol` (learn one task after another, or one random example at a time; forgetting and
transfer). Import the one you need::

    from minidyn.forgetting import adder, facts, interference, protocol
"""
