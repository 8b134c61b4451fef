import math

from balancegan.gan.history import History, describe_quality


def quality(distance):
    means = {"agreement": 0.9, "diversity": 0.8, "distance": distance}
    return [{"class": "bag", **means}, {"class": "boot", **means}], means


def test_losses_and_quality_of_one_step_share_a_row():
    history = History()
    history.record_losses(50, 1.0, {"generator_loss": 0.7})
    history.record_losses(100, 2.0, {"generator_loss": 0.6})
    history.record_quality(100, 2.1, *quality(0.1))
    frame = history.frame()
    assert frame["step"].tolist() == [50, 100]
    assert frame["generator_loss"].tolist() == [0.7, 0.6]
    assert math.isnan(frame["distance"][0])
    assert frame["distance"][1] == 0.1


def test_classes_are_tidy():
    history = History()
    for step in (100, 200):
        history.record_quality(step, 1.0, *quality(0.1))
    frame = history.class_frame()
    assert frame["step"].tolist() == [100, 100, 200, 200]
    assert frame["class"].tolist() == ["bag", "boot"] * 2


def test_an_empty_history_has_its_columns():
    assert History().frame().columns.tolist() == ["step", "seconds"]
    assert "agreement" in History().class_frame()


def test_listeners_hear_every_event_at_once():
    heard = []
    history = History([heard.append])
    history.record_losses(50, 1.0, {"generator_loss": 0.7})
    assert [event["event"] for event in heard] == ["losses"]
    history.record_quality(50, 1.1, *quality(0.1))
    assert heard[1]["classes"][0]["class"] == "bag"


def test_of_several_attributes_the_agreement_of_each_is_on_record():
    said = []
    history = History([lambda event: said.append(describe_quality(event))])
    row = {"class": ("3", "red"), "agreement": 0.75, "agreement_digit": 0.5}
    row |= {"agreement_colour": 1.0, "diversity": 0.9, "distance": 0.1}
    means = {name: value for name, value in row.items() if name != "class"}
    history.record_quality(100, 1.0, [row], means)
    assert history.class_frame()["class"].tolist() == [("3", "red")]
    assert history.class_frame()["agreement_digit"].tolist() == [0.5]
    assert history.frame()["agreement_colour"].tolist() == [1.0]
    assert said == ["step 100: recognised digit 50 %, colour 100 %; variety 90 %"]
