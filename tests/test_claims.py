"""The language of claims: what it reads, and one clear message for each mistake."""

import re

import pytest
import yaml

from resray.analysis.study_file import equal_variants
from resray.study.claims import DEEPEST, Operation, Statement, Value, check_statement
from resray.study.load import load_study, study_files

A, B = Value("test_accuracy", "a"), Value("test_accuracy", "b")


def test_comparison_is_read_as_arithmetic_over_values() -> None:
    assert check_statement("test_accuracy[a] - 2 * test_accuracy[b] < -5") == Statement(
        "test_accuracy[a] - 2 * test_accuracy[b] < -5",
        Operation("-", (A, Operation("*", (2.0, B)))),
        "<",
        Operation("-", (5.0,)),
    )
    read = check_statement("abs((test_accuracy[a] + 1) / 3) >= max(test_accuracy[b], 1, .5)")
    ratio = Operation("/", (Operation("+", (A, 1.0)), 3.0))
    assert (read.left, read.operator) == (Operation("abs", (ratio,)), ">=")
    assert read.right == Operation("max", (B, 1.0, 0.5))


def test_values_are_listed_once_in_order() -> None:
    read = check_statement("test_accuracy[b] - test_accuracy[a] < test_accuracy[b] / 10")
    assert read.values == (B, A)


@pytest.mark.parametrize("name", ["wrn-28-10", "plain+batch+loader", "full-shared-layer", "v1.5_x"])
def test_trials_names_are_no_arithmetic(name: str) -> None:
    assert check_statement(f"test_accuracy[{name}] > 5").values == (Value("test_accuracy", name),)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("test_loss[a, epoch=5]", Value("test_loss", "a", 5)),
        ("test_accuracy [ a , variant = as2 ]", Value("test_accuracy", "a", None, "as2")),
        ("test_accuracy[a, variant=x-1,epoch=10]", Value("test_accuracy", "a", 10, "x-1")),
        ("std(test_accuracy[a])", Value("test_accuracy", "a", std=True)),
        ("epochs_to(.9, test_accuracy[a])", Value("test_accuracy", "a", share=0.9)),
    ],
)
def test_epoch_and_variant_stand_beside_the_trial(text: str, value: Value) -> None:
    assert check_statement(f"{text} < 5").values == (value,)
    assert check_statement(f"{value} < 5").values == (value,)


@pytest.mark.parametrize("style", [">-", "|", ">"])
def test_lines_may_be_broken(style: str) -> None:
    text = yaml.safe_load(f"check: {style}\n  test_accuracy[a]\n    - test_accuracy[b]\n  < 5\n")
    read = check_statement(text["check"])
    assert read.text == "test_accuracy[a] - test_accuracy[b] < 5"
    assert read.values == (A, B)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("std(test_accuracy[a] - 1) > 0", "std takes one metric[trial]"),
        ("std(test_accuracy[a], test_accuracy[b]) > 0", "std takes one metric[trial]"),
        ("epochs_to(test_accuracy[a]) > 5", "epochs_to takes a share and one metric[trial]"),
        ("epochs_to(90, test_accuracy[a]) > 5", "the share must be a number above 0 and at most 1"),
        ("epochs_to(0.9, best_epoch[a]) > 5", "best_epoch[a] is no metric of every epoch"),
        ("", "cannot be read; write such as"),
        ("test_accuracy[a] < ", "cannot be read"),
        ("test_accuracy[a]test_accuracy[b] < 5", "cannot be read"),
        ("test_accuracy[a] < 5 %", "cannot be read"),
        ("test_accuracy[a\0] < 5", "is no part of a comparison"),
        ("test_accuracy[a]", "no comparison of two sides"),
        ("1 < test_accuracy[a] < 5", "no comparison of two sides"),
        ("test_accuracy[a] < 5 and 1 < 2", "no comparison of two sides"),
        ("test_accuracy[a] == 5", "compare with < <= > or >="),
        ("test_accuracy[a] is 5", "compare with < <= > or >="),
        ("test_accuracy[a] ≤ 5", "'≤' is no part of a comparison"),
        ("λ0 < test_accuracy[a]", "'λ' is no part of a comparison"),
        ("_0 < test_accuracy[a]", "'_0' is neither a number nor metric[trial]"),
        ("3 < 5", "names no trial"),
        ("test_acuracy[a] < 5", "'test_acuracy' is not known; did you mean 'test_accuracy'?"),
        ("test_accuracy[] < 5", "test_accuracy[]: names no trial"),
        ("test_accuracy[epoch=5] < 5", "names no trial"),
        ("test_accuracy[a, seed=1] < 5", "[a, seed=1]: only epoch=N (from 1) and variant=NAME"),
        ("test_accuracy[a, epoch=0] < 5", "[a, epoch=0]: only"),
        ("test_accuracy[a, epoch=x] < 5", "[a, epoch=x]: only"),
        ("test_accuracy[a, variant=] < 5", "[a, variant=]: only"),
        ("test_accuracy[a, epoch=1, epoch=2] < 5", "stand beside a trial, each once"),
        ("train_loss[a] < 5", "needs an epoch, such as train_loss[a, epoch=5]"),
        ("best_epoch[a, epoch=5] < 5", "has no value by epoch; only test_accuracy"),
        ("test_accuracy < 5", "'test_accuracy' is neither a number nor"),
        ("test_accuracy[a] ** 2 < 5", "'test_accuracy[a] ** 2' is neither"),
        ("test_accuracy[a] < True", "'True' is neither"),
        ("test_accuracy[a] < 'x'", "is neither a number"),
        ("test_accuracy[a].real < 5", "'test_accuracy[a].real' is neither"),
        ("__import__('os').abort() < test_accuracy[a]", "is neither a number"),
        ("sum(test_accuracy[a], 1) < 5", "'sum' is not known (abs, epochs_to, max, min, std)"),
        ("abs(test_accuracy[a], 1) < 5", "abs takes one argument, not 2"),
        ("min(test_accuracy[a]) < 5", "min takes two arguments or more, not 1"),
        ("max(1, x=test_accuracy[a]) < 5", "is neither a number"),
        ("max(*test_accuracy[a], 1) < 5", "is neither a number"),
        ("test_accuracy[a] / 0 < 5", "divides by zero"),
        ("test_accuracy[a] < 1e999", "a number is too large"),
        (f"test_accuracy[a] < {'9' * 400}", "a number is too large"),
        (f"test_accuracy[a] < {'9' * 9000}", "cannot be read"),
        (f"{'(' * 500}test_accuracy[a]{')' * 500} < 5", "cannot be read"),
        (f"{'-' * DEEPEST}test_accuracy[a] < 5", f"more than {DEEPEST} operations"),
        (f"{'-' * 50_000}test_accuracy[a] < 5", "cannot be read"),
        (f"{'1 + ' * 900}test_accuracy[a] < 5", f"more than {DEEPEST} operations"),
    ],
)
def test_each_mistake_has_one_clear_message(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        check_statement(text)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 800


@pytest.mark.parametrize(
    ("operator", "less", "equal", "more"),
    [("<", True, False, False), ("<=", True, True, False),
     (">", False, False, True), (">=", False, True, True)],
)  # fmt: skip
def test_comparison_holds_of_two_numbers(
    operator: str, less: bool, equal: bool, more: bool
) -> None:
    read = check_statement(f"test_accuracy[a] {operator} 5")
    assert [read.holds(4.0, 5.0), read.holds(5.0, 5.0), read.holds(6.0, 5.0)] == [less, equal, more]


@pytest.mark.parametrize("name", study_files())
def test_every_shipped_claim_is_tested_or_says_why_not(name: str) -> None:
    claims = load_study(name).claims
    assert claims
    assert all(claim.untested or claim.check for claim in claims)
    assert len({claim.id for claim in claims}) == len(claims)


@pytest.mark.parametrize("name", study_files())
def test_no_shipped_claim_compares_a_recipe_with_itself(name: str) -> None:
    study = load_study(name)
    same = equal_variants(study)
    for claim in study.claims:
        for text in claim.check:
            values = check_statement(text).values
            asked = {(value.trial, value.variant or study.default_variant) for value in values}
            for trial, variant in asked:
                others = set(same[trial, variant]) - {variant}
                assert not asked & {(trial, other) for other in others}
