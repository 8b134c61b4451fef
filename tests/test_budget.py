import numpy as np

from balancegan.gan.budget import Budget, LinearDecay
from balancegan.gan.conditional_gan import ConditionalGAN

from .augmenters import build_augmenter


def test_the_rate_is_constant_then_falls_to_zero():
    schedule = LinearDecay(Budget(1000, None), 0.5, decay_from=0.4)
    rates = [schedule.rate(step) for step in range(0, 1001, 100)]
    assert rates[:5] == [0.5] * 5
    assert np.all(np.diff(rates[4:]) < 0)
    assert rates[-1] == 0


def test_a_constant_schedule_is_constant():
    schedule = LinearDecay(Budget(10, None), 0.5, decay_from=1.0)
    assert {schedule.rate(step) for step in range(12)} == {0.5}


def test_training_follows_the_schedule(small_set, monkeypatch):
    rates = {}
    finish_step = ConditionalGAN.finish_step

    def record(self, *losses):
        rates[int(self.step)] = [
            float(optimizer.learning_rate.numpy())
            for optimizer in (self.generator_optimizer, self.discriminator_optimizer)
        ]
        return finish_step(self, *losses)

    monkeypatch.setattr(ConditionalGAN, "finish_step", record)
    monkeypatch.setattr("balancegan.gan.conditional_gan.STEPS_PER_CALL", 1)
    augmenter = build_augmenter(
        steps=5, batch_size=4, learning_rate=0.01, random_state=0, verbose=0
    ).fit(*small_set)
    share = augmenter.model_.preset.decay_from
    for step, both in rates.items():
        left = 1 - step / 5
        np.testing.assert_allclose(both, 0.01 * min(1, left / (1 - share)), rtol=1e-5)


def test_a_shortened_budget_ends_earlier():
    budget = Budget(1000, None)
    budget.end_at_share(0.4, 200)
    assert budget.steps == 500
    budget.end_at_share(0.1, 200)
    assert budget.steps == 500
