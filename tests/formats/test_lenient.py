"""A final answer is read in any form, and nothing else is read as one."""

import pytest

from seethink.formats import by_steps, lists_several, read_any


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
        ("B. because the cat sleeps on it", "B. because the cat sleeps on it"),
        ("(B) because the cat sleeps on it", "(B) because the cat sleeps on it"),
        ("B\nThe cat sleeps on the mat there.", "B\nThe cat sleeps on the mat there"),
        ("B, because the cat sleeps on it", "B, because the cat sleeps on it"),
        ("**B.** a cat that sleeps on a mat", "**B.** a cat that sleeps on a mat"),
        ("The answer is B. a cat", "B. a cat"),
        ("The correct answer is: **B. a cat**.", "B. a cat"),
        ("H. Machine A: $24; Machine B: $22", "H. Machine A: $24; Machine B: $22"),
        ("Final Answer: The final answer is $12,000,023$. I hope it is correct.", "12,000,023"),
        ("Answer $ 9 $", "9"),
        ("We get\nAnswer $ 9 $", "9"),
        ("$$9$$", "9"),
        ("So 9 of them are red:\n$$9$$", "9"),
        ("#### 42", "42"),
        ("The perimeter is 3 + 3 + 3 = **9 yards**.\n\nDo you have other questions or requests?", "9 yards"),
        ("So it is 4 m + 4 m = **8 m**.\n\nIs there anything else I can help you with?", "8 m"),
        ("The length is 5.\n\nI hope this helps! Let me know if you have any other questions.", "5"),
        ("The final value is: 2", "2"),
        ("The blank should be filled with:\n\n2", "2"),
        ("Damon pays $13 + $11. Damon needs $24.", "$24"),
        ("From the stem 1 there are 4 flocks. In total there are 4 + 4 + 2 = 10 flocks with 9 birds.", "10"),
        ("There are **2** objects left in the image.", "2"),
        ("Yes, the function is even.", "Yes, the function is even"),
        ("No, there are not fewer cars than bikes.", "No, there are not fewer cars than bikes"),
        ("The answer is definitely **(A) Yes**.", "(A) Yes"),
        ("The length of CD in the triangle is (D) 5.", "(D) 5"),
        ("The answer is C. The other options are incorrect.", "C. The other options are incorrect"),
        ("6 * 7 = 42\n#### 42", "42"),
        ("the measure of angle 1 is 120.0.", "120.0"),
        ("Angle 2 is 60.0. Therefore, the measure of angle 1 is 120.0.", "120.0"),
        ("Therefore, the degree of angle C is 60°.", "60°"),
        ("So we get x = 3 + 4 = 7 cm", "7 cm"),
        ("The answer is x = 3 + 4 = 7 cm.", "7 cm"),
        ("Therefore, x = 5.", "5"),
        ("**Final Answer**: 5", "5"),
        ("### Final Answer\n5", "5"),
        ("## Final Answer\n\n\\(5\\)", "5"),
        ("**Final Answer**\n5", "5"),
        ("So the answer is: **5**.", "5"),
        ("Answer is 5%", "5%"),
        ("The answer is 3 a.m. on Monday.", "3 a.m. on Monday"),
        ("The answer is Dr. Smith. He is tall.", "Dr. Smith"),
        ("The answer is the U.S. Army.", "the U.S. Army"),
        ("The answer is 3.5. That is all.", "3.5"),
        ("The answer to the question is red.", "red"),
        ("答案：12", "12"),
        ("答：12米", "12米"),
        ("答案是12。因为有12个。", "12"),
        ("所以答案为 12", "12"),
        ("左边有5个，右边有7个，所以选B。", "B"),
        ("故选：B", "B"),
        ("\\[ \\text{Answer: D} \\]", "D"),
        ("So it is\n\n\\[\n\\text{Answer: D}\n\\]", "D"),
        ("Therefore, 'Answer: D', as shown.", "D"),
        ("The answer is:\n\\[\n5\n\\]", "5"),
        ("It is the larger one.\n\nG", "G"),
        ("It is the larger one.\n\n**G. the cube**", "G. the cube"),
        ("The value is 5.\n\\(V = \\boxed{4}\\)\n\nAnswer: H", "H"),
        ("I see a tail. So (B) is the correct answer.", "So (B) is the correct answer"),
        ("I would choose (B).", "(B)"),
        ("The longer side matches option (E): 5 cm.", "(E): 5 cm"),
        ("The number of red cubes is 3 and there are 5 cubes.", "5"),
        ("So 9 of them are red:\n\\[\n9\n\\]", "9"),
        ("B. a cat. But the answer is C.", "C"),
        ("odd by 3", "odd by 3"),
        ("I count.\n<|begin_of_box|>5<|end_of_box|>", "5"),
        ("<answer><|begin_of_box|>5<|end_of_box|></answer>", "5"),
        ("<Answer>5</Answer>", "5"),
        ("<ANSWER> 5 </ANSWER>", "5"),
        ("<answer>5</answer", "5"),
        ("<answer>5</", "5"),
        ("<|begin_of_box|>5<|end_of", "5"),
        ("<answer>x < 5", "x < 5"),
        ("<answer>The answer is 5</answer>", "5"),
        ("<answer>So the answer is 5.</answer>", "5"),
        ("<answer>答案是5</answer>", "5"),
        ("<answer>The answer is 5. Or 6.</answer>", "The answer is 5. Or 6"),
        ('{"answer": 5, "confidence": 0.9}', "5"),
        ('{"confidence": 0.9, "answer": "5"}', "5"),
        ('```json\n{"reasoning": "3 and 2", "final_answer": 5\n}\n```', "5"),
        ("3 + 2 = 5\n\nHope this helps!", "5"),
        ("The answer is 5, not 6.", "5"),
        ("The answer is B, not C.", "B, not C"),
        ("The answer is 5, not 5.", "5, not 5"),
        ("因此，图中共有5个红色方块。", "5"),
        ("所以一共有5个", "5"),
        ("图中有5个苹果。", "5"),
        ("答：一共有5个苹果。", "5"),
        ("答：共12米", "共12米"),
        ("\\boxed{x^{2} + y^{2} = 25}", "x^{2} + y^{2} = 25"),
        ("2x - y + 3 = 0", "2x - y + 3 = 0"),
        ("So the equation of the circle is $x^2 + y^2 = 25$.", "x^2 + y^2 = 25"),
        ("5 m + 7 m = 12 m", "12 m"),
        ("y = 2x + 3", "y = 2x + 3"),
        ("x<1 or x>3", "x<1 or x>3"),
        ("(-\\infty, 1) \\cup (3, \\infty)", "(-\\infty, 1) \\cup (3, \\infty)"),
        ("\\triangle ABC \\cong \\triangle DEF", "\\triangle ABC \\cong \\triangle DEF"),
        ("Therefore $AB = 4\\sqrt{3}$ cm.", "4\\sqrt{3} cm"),
        ("\\boxed{x=1} \\text{ or } \\boxed{x=3}", "x=1 or x=3"),
        ("2 hours and 30 minutes", "2 hours and 30 minutes"),
        ("There are two cats: one on the sofa and one on the floor.", "two"),
        ("There are about 12 apples.", "12"),
        ("The answer is 14, since 7*2=14.", "14"),
        ("**Final Answer:** The value of x is 14.", "14"),
        ("14 is the answer.", "14"),
        ("That gives us 14.", "14"),
        ("14\n\nExplanation: two times seven is fourteen.", "14"),
        ("The center is at (1, -2).", "(1, -2)"),
        ('The sign says "STOP".', '"STOP"'),
        ("The email address is foo@bar.com.", "foo@bar.com"),
        ("首都是北京。", "北京"),
        ("- **A. cat**: Incorrect.\n- **B. dog**: Correct.\n- **C. bird**: Incorrect.", "B"),
        ("A. cat ✗\nB. dog ✓\nC. bird ✗", "B"),
        ("选项A正确，选项B、C、D错误。", "A"),
        ("The answer is B... wait, 180 - 120 = 60. So it should be C.", "C"),
        ("If I had to guess, I would say B.", "B"),
        ("I think it's a dog (option B).", "option B"),
        ("The image shows a cat.", "The image shows a cat"),
        ("It has whiskers. So it must be a cat.", "So it must be a cat"),
    ],
)
def test_a_final_answer_is_read_in_any_form(text, answer):
    response = read_any(text, sentences=True)
    assert (response.answer, response.fault) == (answer, None)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 42. However, if we consider the shadow, it is 43.", "43"),
        ("The answer is 7. Actually, 8.", "8"),
        ("The answer is 7. Wait, it is 8. No, it is 9.", "9"),
        ("The answer is 7. But the right one is 8.", "8"),
        ("答案是7。不对，应该是8。", "8"),
        ("The answer is 7. However, this is an estimate.", "7"),
        ("The answer is 7. However, note that 4 is a common mistake.", "7"),
        ("The answer is 42. But note that a full turn is 360.", "42"),
        ("<answer>7</answer> Actually, 8.", "7"),
    ],
)
def test_a_correction_wins_over_a_phrase_and_not_over_a_tag(text, answer):
    assert read_any(text, sentences=True).answer == answer


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
        "I'm sorry, but I cannot see the image.",
        "The car is red. The dog sits beside the house.",
        "The image shows a cat, which is lying on the",
    ],
)
def test_without_a_final_answer_there_is_none(text):
    response = read_any(text, sentences=True)
    assert response.answer is None
    assert response.fault == "no final answer in any form"


@pytest.mark.parametrize(
    ("text", "last", "all_of_them"),
    [
        ("\\boxed{3} and \\boxed{5}", "3 or 5", "3, 5"),
        ("x is \\boxed{3}. Likewise, y is \\boxed{5}, as x is \\boxed{3}.", "3", "3, 5"),
        ("It is \\boxed{5}.", "5", "5"),
        ("\\boxed{3}, \\boxed{5}\nAnswer: 8", "8", "8"),
    ],
)
def test_several_boxes_are_all_read_where_several_answers_are_asked_for(text, last, all_of_them):
    assert read_any(text, sentences=True).answer == last
    assert read_any(text, several=True).answer == all_of_them


@pytest.mark.parametrize(
    "answer",
    [
        "x = 4 = 5",
        "x = 4",
        "a = 1, b = 2",
        "A = 1 and B = 2",
        "I. A = 3; B = 4",
        "B. X = 1 m, Y = 2 m",
        "2 = 2 = 3",
    ],
)
def test_equations_that_are_no_chain_are_left_whole(answer):
    assert read_any(f"<answer>{answer}</answer>").answer == answer


@pytest.mark.parametrize(
    "text",
    [
        "The answer is not B.",
        "不选B",
        "所以不应选B",
        "答案不是B",
        "It is not option B.",
        "Neither A nor B is correct.",
        "I think it's not a dog (option B).",
    ],
)
def test_a_denied_letter_is_not_read_alone(text):
    assert read_any(text, sentences=True).answer not in ("B", "B.", "(B)")


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


@pytest.mark.parametrize(
    "answer",
    [
        "2, 3",
        "2,3",
        "A, C",
        "x = 1 or x = 2",
        "\\{2, 3\\}",
        "{2, 3}",
        "1 and 2",
        "$1$, $2$",
        "2；3",
        "f(1, 2), 3",
    ],
)
def test_a_reference_answer_may_list_several_values(answer):
    assert lists_several(answer)


@pytest.mark.parametrize(
    "answer",
    [None, "", "5", "12,000", "12,000,023", "(3, 5)", "[0, 1]", '["sofa", "couch"]', "f(1, 2)", "a cat", ","],
)
def test_a_pair_an_interval_and_a_large_number_are_one_value(answer):
    assert not lists_several(answer)


@pytest.mark.parametrize(
    "text",
    [
        "It is not true that the answer is 14.",
        "I doubt that 14 is correct.",
        "首都可能是北京。",
        "There are no more than 14 dogs.",
    ],
)
def test_what_is_denied_or_in_doubt_is_not_read_alone(text):
    assert read_any(text, sentences=True).answer not in ("14", "no", "北京")


def test_an_exclamation_mark_alone_is_no_relation() -> None:
    assert read_any("x?A!x").answer == "x?A!x"
