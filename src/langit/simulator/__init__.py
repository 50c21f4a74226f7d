"""The simulated world: rigid bodies by MuJoCo, seen by a ray caster of our own, told in two languages.

Read in this order: `world` (what can exist), `physics` (a plan becomes a trajectory), `facts` (a trajectory becomes what
truly happened), `captions` (facts become sentences), `render` (a scene becomes frames and ground truth).
"""
