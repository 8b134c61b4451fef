"""Augmenters for tests, with the settings of TrainingOptions given directly."""

from dataclasses import fields

from balancegan import ConditionalGANAugmenter, TrainingOptions

OPTIONS = {field.name for field in fields(TrainingOptions)}


def build_augmenter(**settings):
    own = {name: value for name, value in settings.items() if name not in OPTIONS}
    options = {name: value for name, value in settings.items() if name in OPTIONS}
    if options:
        own["preset"] = TrainingOptions(**options)
    return ConditionalGANAugmenter(**own)
