"""What differs between two plans."""

from stats_tl.study.differences import describe_difference


def test_differences_of_nested_plans_are_named_by_key():
    old = {"a": {"b": 1, "c": [1, 2]}, "d": [{"name": "x", "v": 1}]}
    new = {"a": {"b": 2, "c": [1, 2]}, "d": [{"name": "x", "v": 1}, {"name": "y"}]}
    assert describe_difference(old, old) == []
    assert describe_difference(old, new) == [
        "a.b: archived 1, given 2",
        "d.y: only in the given plan ({'name': 'y'})",
    ]
