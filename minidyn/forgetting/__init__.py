"""Catastrophic forgetting, and a network that learns the algorithm of addition.

The rooms: `facts` (what is learned, and how it is coded), `interference` (McCloskey and Cohen's experiment),
`adder` (the cell with a conditional clause), `learners` (the networks set beside it) and `protocol` (learn A, then
B, or one random example at a time; forgetting and transfer). Import the one you need::

    from minidyn.forgetting import adder, facts, interference, protocol
"""
