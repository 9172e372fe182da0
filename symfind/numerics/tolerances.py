"""What counts as zero: one policy for every decision about a rank or a span.

Double precision rounds at 1e-16, and a sum of n terms at √n times that. A rank is read off the
widest gap of a spectrum, which must end below `NOISE` and span `GAP` decades; where that is not so,
nothing is decided. Directions that were computed before carry an error of their own: less than
`ABSENT` of the largest is none of them, and a part of a unit vector below `PART` lies in the span
of others. Tolerances of one algorithm alone stand in its file.
"""

GAP = 3.0  # decades between the smallest kept and the largest dropped singular value
NOISE = -9.0  # a dropped singular value lies below this (log10, relative to the largest)
SCALED = 1e-3  # columns smaller than this, relative to the largest, are not scaled up to one
ABSENT = 1e-8  # singular value, relative to the largest, of a direction that is not there
PART = 1e-6  # of a unit vector, below which it lies in the span of others
EXACT = 1e-13  # of what a fixed linear map of known numbers makes, relative: rounding alone
