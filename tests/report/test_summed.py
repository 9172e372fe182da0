"""Sums over layers in formulas."""

from symfind.report.summed import sizes_of_layers, summed


def test_terms_that_differ_in_a_layer_are_one_sum() -> None:
    each = [f"h_{i}_k*n_{i}_v_1**2" for i in range(4)]
    assert summed("+".join(each)) == "sum(h_i_k*n_i_v_1**2, i=0..3)"
    assert summed("+".join([*each, "d*(d-1)/2"])) == "sum(h_i_k*n_i_v_1**2, i=0..3)+d*(d-1)/2"


def test_what_is_not_alike_stays() -> None:
    for formula in ("a_0+a_1", "a_0*b_1+a_1*b_2+a_2*b_3+a_3*b_4", "n_layer*(d+1)-2", "x-y", "7"):
        assert summed(formula) == formula
    assert summed("-a_0-a_1-a_2-a_3+b") == "sum(-a_i, i=0..3)+b"
    assert summed("2*a_0+2*a_1+2*a_3+2*a_4") == "sum(2*a_i, i=0,1,3,4)"


def test_sizes_of_layers() -> None:
    sizes = {**{f"out_{i}": 16 for i in range(5)}, "out_5": 8, "width": 3}
    assert sizes_of_layers(sizes) == ["out_i=16 (i=0..4)", "out_5=8", "width=3"]
