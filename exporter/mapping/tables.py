"""Checks the tables of a mapping file that its rules refer to: vocabularies, severities and its own metrics. Pure."""

from exporter.common.yaml_document import Path_
from exporter.mapping.catalogue import BUILTIN
from exporter.mapping.context import Context
from exporter.mapping.names import bucket_faults, label_faults, name_faults
from exporter.mapping.schema import MappingFile, MetricPart
from exporter.model.metrics import Metric


def read_vocab(file: MappingFile, context: Context) -> dict[str, tuple[str, ...]]:
    """The closed sets of values, each value once."""
    for name, values in file.vocab.items():
        if not values:
            context.say(("vocab", name), "is empty; list its values")
        for number, value in enumerate(values):
            if value in values[:number]:
                context.say(("vocab", name, number), f"the value '{value}' stands here twice; keep one")
    return {name: tuple(dict.fromkeys(values)) for name, values in file.vocab.items()}


def read_severity(file: MappingFile, context: Context) -> dict[str, str]:
    """The vendor's words in ours, case folded as they are compared."""
    folded: dict[str, str] = {}
    for word, severity in file.severity.items():
        if word.casefold() in folded:
            context.say(("severity", word), "this word stands here twice, written in another case; keep one")
        folded[word.casefold()] = severity
    return folded


def own_metrics(file: MappingFile, context: Context) -> dict[str, Metric]:
    """The metrics that a file declares; labels ``target`` and ``source`` come first."""
    metrics: dict[str, Metric] = {}
    for name, part in file.metrics.items():
        path: Path_ = ("metrics", name)
        if name in BUILTIN:
            context.say(path, "is built in; choose another name, or use it without declaring it")
        for fault in name_faults(name, part.type):
            context.say(path, fault)
        if not part.help.strip():
            context.say((*path, "help"), "is empty; say where the value comes from")
        for fault in bucket_faults(part.type, part.buckets):
            context.say((*path, "buckets"), fault)
        _check_labels(part, path, context)
        metrics[name] = Metric(
            name, part.type, part.help, ("target", "source", *part.labels), tuple(map(float, part.buckets))
        )
    return metrics


def _check_labels(part: MetricPart, path: Path_, context: Context) -> None:
    for number, label in enumerate(part.labels):
        place = (*path, "labels", number)
        for fault in label_faults(label):
            context.say(place, fault)
        if label in part.labels[:number]:
            context.say(place, f"the label '{label}' stands here twice; keep one")
