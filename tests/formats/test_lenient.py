"""A final answer is read in any form, and nothing else is read as one."""

import pytest

from seethink.formats import by_steps, read_any


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>a</think><answer>5</answer>", "5"),
        ("<answer>4</answer> or rather <answer>5</answer>", "5"),
        ("<answer>5", "5"),
        ("<answer>5 <think>wait", "5"),
        ("The answer is 4. <answer>5</answer>", "5"),
        ("<answer>5</answer> The answer is 4.", "5"),
        ("The answer is 4. \\boxed{5}", "5"),
        ("\\boxed{5} so the answer is 4", "5"),
        ("\\boxed{4} no: \\boxed{5}", "5"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("The answer is 4. No, the answer is 5.", "5"),
        ("There are 5 even digits.", "5"),
        ("The answer is odd by 3.", "odd by 3"),
        ("The answer is: 4.", "4"),
        ("**The answer is: odd by 3**", "odd by 3"),
        ("The sum is 3.5.", "3.5"),
        ("Answer: 5", "5"),
        ("The total = $5$.", "5"),
        ("2 + 3 = 5. So the answer is 5\nDone", "5"),
        ("<think>the sum is 4</think> The sum is 5.", "5"),
        ("<think>the sum is 4</think> 5", "5"),
        ("<think></think> 5.", "5"),
        ("5.", "5"),
        ("5", "5"),
        ("<answer>4</answer> or rather <answer>5", "4"),
        ("<think>maybe <answer>4</answer></think> The answer is 5.", "5"),
        ("<thoughts>4</thoughts><output>5</output>", "5"),
        ("<REASONING>4</REASONING><CONCLUSION>5</CONCLUSION>", "5"),
        ('{"title": "FINAL ANSWER", "content": "5"}', "5"),
        ("\\boxed{\\frac{1}{\\sqrt{2}}}", "\\frac{1}{\\sqrt{2}}"),
        ("\\boxed{4 \\boxed{5}", "5"),
        ("**Answer:** 5", "5"),
        ("**Final Answer**: **5**", "5"),
        ("The correct option is B.", "B"),
        ("B. because the cat sleeps on it", "B"),
        ("(B) because the cat sleeps on it", "B"),
        ("B\nThe cat sleeps on the mat there.", "B"),
        ("B. a cat. But the answer is C.", "C"),
        ("odd by 3", "odd by 3"),
    ],
)
def test_a_final_answer_is_read_in_any_form(text, answer):
    response = read_any(text)
    assert (response.answer, response.fault) == (answer, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "<think>3 and 2</think>",
        "<think>the answer is 5</think>",
        "<think>the answer is 5",
        "<think>there are 2 of them, and then there are 3",
        "I can see a page with a lot of digits on it",
        "<think>maybe <answer>5</answer></think>",
        "A cat sleeps on the mat",
        "A. a cat\nB. a dog\nC. a bird",
        "A\nB\nC\nD\nE",
        "B. because (A) is the wrong one",
    ],
)
def test_without_a_final_answer_there_is_none(text):
    response = read_any(text)
    assert response.answer is None
    assert response.fault == "no final answer in any form"


def test_an_empty_answer_tag_is_an_empty_answer():
    assert (read_any("<answer></answer>").answer, read_any("<answer></answer>").fault) == (
        None,
        "empty answer",
    )


@pytest.mark.parametrize(
    ("text", "stepwise"),
    [
        ("<think>7 is odd, 3 is odd, 2 is not.</think><answer>2</answer>", True),
        ("7 is odd, 3 is odd, 2 is not. The answer is 2.", True),
        ("7 is odd, 3 is odd, 2 is not. \\boxed{2}", True),
        ("<answer>2</answer>", False),
        ("<think></think><answer>2</answer>", False),
        ("I think the answer is 2.", False),
        ("2", False),
        ("<think>7 is odd, 3 is odd, 2 is not.</think>", False),
    ],
)
def test_a_text_answers_by_steps_if_it_says_enough_before_its_answer(text, stepwise):
    assert by_steps(text) is stepwise
