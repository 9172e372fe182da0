"""Operations, one file per family: how each is lowered to primitives."""
