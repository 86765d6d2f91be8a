"""What a terminal shows is readable however narrow it is."""

import numpy as np
from rich.console import Console

from recipes._lab.data import read
from recipes._lab.output import terminal, understanding
from recipes._lab.predicting import Predictions
from recipes._lab.scores import score

NAMES = ("Appointment declined", "Resignation", "Retirement")


def shown(names, width):
    """The lines that show the scores of three right answers of four."""
    answers = np.array([0, 1, 2, 2])
    scores = score(np.eye(3)[answers], np.array([0, 1, 2, 1]), names)
    console = Console(width=width)
    with console.capture() as captured:
        terminal.show_scores(console, scores, "on these rows")
    return [line.split() for line in captured.get().splitlines()]


def test_the_answers_of_each_class_are_counted():
    lines = shown(("a", "b", "c"), 80)
    assert ["class", "examples", *["as", "a", "as", "b", "as", "c"], "recall", "precision"] in lines
    assert ["b", "2", "0", "1", "1", "50%", "100%"] in lines


def test_no_word_is_cut_off_where_the_terminal_is_narrow():
    assert ["Resignation", "2", "0", "1", "1", "50%", "100%"] in shown(NAMES, 120)
    lines = shown(NAMES, 70)
    assert ["class", "examples", "recall", "precision"] in lines
    assert ["Resignation", "2", "50%", "100%"] in lines
    whole = "Donaudampfschifffahrtsgesellschaftskapitän"
    letters = "".join(line[0] for line in shown((whole, "b", "c"), 50) if line)
    assert whole[:15] in letters
    assert "…" not in letters


def test_names_of_classes_are_no_markup():
    lines = shown(("[low]", "[/b]", "c"), 80)
    answers = ["as", "[low]", "as", "[/b]", "as", "c"]
    assert ["class", "examples", *answers, "recall", "precision"] in lines
    assert ["[/b]", "2", "0", "1", "1", "50%", "100%"] in lines


def test_a_column_of_the_data_may_be_called_prediction():
    head = ("row", "prediction", "prediction", "probability of no", "probability of yes")
    rows = [head, (1, "p7", "yes", "0.25", "0.75"), (2, "p8", "no", "0.875", "0.125")]
    console = Console(width=80)
    with console.capture() as captured:
        predictions = Predictions(rows, {"no": 1, "yes": 1}, [], None)
        terminal.show_predictions(console, predictions, "file.csv")
    lines = [line.split() for line in captured.get().splitlines()]
    assert lines[1:3] == [["1", "p7", "yes", "0.75"], ["2", "p8", "no", "0.875"]]


def test_a_run_says_what_it_understood_of_ones_own_arrays_too(tmp_path):
    np.savez(tmp_path / "own.npz", x=np.ones((40, 3)), y=np.array(["no", "yes"] * 20))
    told = []
    understanding.log(read(str(tmp_path / "own.npz")), told.append)
    assert told == [
        "data        own",
        "examples    40 of 3",
        "labels      2 classes: 'no' 50.0%, 'yes' 50.0%",
    ]
    understanding.log(read("digits"), told.append)
    assert len(told) == 3, "what everybody knows"
