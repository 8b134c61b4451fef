"""Texts are plain technical English and use one term for one thing."""

import ast
import io
import re
import tokenize
from itertools import groupby
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Turns that readers stumble over, and what to write instead
TURNS = {
    r"\barms?\b": "method",
    r"\brivals?\b|\bcheaper methods?\b": "baseline",
    r"\b(at|per|every|each|last|next|first|second) look\b": "evaluation",
    r"\breal (images|ones) again\b|\bimages again, real\b": "copies",
    r"\bmoved by (whole )?pixels?\b": "shifted",
    r"\bput(s|ting)? together\b": "recombined, combined",
    r"\bof the GAN\b|\bGAN's (own )?images?\b": "generated",
    r"\bbeside\b": "next to, compared with",
    r"(?<!soon )\bas they are\b": "unchanged, without augmentation",
    r"\bwho(m|so)?ever\b|\bwho (moves|wants|has|asks)\b": "if you",
    r"\bgo(es)? on\b|\bgoing on\b": "resumes, continues",
    r"\bto the (very )?(bit|bits|digit)\b|\bvery bits\b": "bit-identical",
    r"\bfor certain\b": "significantly, with 95 % confidence",
    r"\b(is|are) no numbers?\b|\bno numbers any ?more\b": "NaN or infinity",
    r"\bpassed over\b|\bpasses over\b": "ignored",
    r"\bthe others\b": "the remaining ...",
    r"\bfill(s|ed|ing)? up\b": "fill, oversample to",
    r"\ba tenth\b": "10 %",
    r"\brungs?\b|\bladder(s|ed)?\b|\bclimb(s|ed|ing)?\b": "methods, fallback order",
    r"\bof more classifiers\b|\bOf (lists|more|these|those) \w+ (says|take)\b": (
        "the subject first"
    ),
    r"\bso many\b": "the number",
    r"\bfound out\b": "inferred, determined",
    r"\banew\b": "again",
    r"\bnothing to go on\b": "nothing to resume",
    r"\bsa(id|ys?|ying) aloud\b": "reported",
    r"\b(given|gives|give|handed|hands|hand) out\b": "returned, written",
    r"\btold (apart|from)\b|\btells? (\w+ )?apart\b": "distinguished",
    r"\ball alike\b": "mode collapse",
    r"\bis (of no use|no rival|no sign)\b": "what it lacks",
    r"\bas far as\b": "cut it",
    r"\bwritten down\b": "saved",
    r"\btried so\b|\bwere not tried\b": "not measured",
    r"\bthe face of\b": "the same interface as",
    r"\bhas (it|them) in (it|them)\b": "contains",
    r"\bleads? (it|them) elsewhere\b": "points outside",
    r"\bof strangers\b": "untrusted",
    r"\blies or crashed\b|\bdata are others\b": "say what is wrong",
    r"\bby themselves\b": "alone, only",
    r"\bheed(s|ed)?\b": "follow, use",
    r"\bin the midst\b": "during",
    r"\bshall\b": "must, should",
    r"\blook(s|ed) at\b": "checked, evaluated, shown",
    r"\bnow and then\b": "sometimes",
    r"\bif need be\b": "if necessary",
    r"\b(is|are) asked\b|\basked (of|for|about)\b": "requested, tested on",
    r"\b(is|are|was|were|being) told\b": "given, reported",
    r"\bones behind\b": "appended",
    r"\bspeaks? of\b": "mentions, concerns",
    r"\bthat (is|are) there( already)?\b": "existing",
}
# Words of names, which the names of the field replace
NAMES = r"^(climb|rungs?|ladder(ed)?|crowd|opinions?|together|rivals?|arms?)$"
WHOLE_NAMES = {
    "gather",
    "written_down",
    "naming_anew",
    "failing_loudly",
    "Made",
}

DOCUMENTS = [*ROOT.glob("*.md"), *sorted(ROOT.glob("docs/**/*.md"))]


def find_turns(text):
    """Yield each forbidden turn of a text with what to write instead."""
    text = re.sub(r"`(\S+[/.]\S+)`|\]\([^)]*\)", "", text)  # paths and links
    text = " ".join(text.split())
    for turn, instead in TURNS.items():
        for match in re.finditer(turn, text):
            around = text[max(0, match.start() - 40) : match.end() + 30]
            yield f"'{match[0]}' in '...{around}...': write {instead}"


def paragraphs(path):
    """Yield the paragraphs of a document with their line numbers."""
    line = 1
    for paragraph in path.read_text().split("\n\n"):
        if not (path.name == "CHANGELOG.md" and paragraph.startswith("|")):  # old names
            yield line, paragraph
        line += paragraph.count("\n") + 2


def texts_of_code(path):
    """Yield docstrings, other strings and blocks of comments with their lines."""
    source = path.read_text()
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    comments = [t for t in tokens if t.type == tokenize.COMMENT]
    numbered = enumerate(comments)
    for _, block in groupby(numbered, lambda item: item[1].start[0] - item[0]):
        lines = [token for _, token in block]
        yield lines[0].start[0], " ".join(t.string.lstrip("# ") for t in lines)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def odd_names(path):
    """Yield names of functions and classes that use house words."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.name).lower().split("_")
            if node.name in WHOLE_NAMES or any(re.match(NAMES, w) for w in words):
                yield node.lineno, node.name


def modules_of(part):
    package = ROOT / "balancegan"
    if part == "examples":
        return sorted((ROOT / part).rglob("*.py"))
    if part == "shared modules":
        return sorted(package.glob("*.py"))
    return sorted((package / part).rglob("*.py"))


def report(found):
    return "\n".join(f"{path}:{line}: {text}" for path, line, text in sorted(found))


@pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)
def test_documents_use_plain_words(path):
    found = [
        (path.name, line, turn)
        for line, paragraph in paragraphs(path)
        for turn in find_turns(paragraph)
    ]
    assert not found, report(found)


@pytest.mark.parametrize("part", ["help texts", "benchmarks"])
def test_other_texts_use_plain_words(part):
    pattern = {"help texts": "tests/help_texts/*.txt", "benchmarks": "benchmarks/*.md"}
    found = [
        (path.name, line, turn)
        for path in ROOT.glob(pattern[part])
        for line, paragraph in paragraphs(path)
        for turn in find_turns(paragraph)
    ]
    assert not found, report(found)


PARTS = [
    "cli",
    "data",
    "evaluation",
    "examples",
    "gan",
    "quality",
    "samplers",
    "shared modules",
]


@pytest.mark.parametrize("part", PARTS)
def test_code_uses_plain_words(part):
    found = [
        (path.relative_to(ROOT), line, turn)
        for path in modules_of(part)
        for line, text in texts_of_code(path)
        for turn in find_turns(text)
    ]
    found += [
        (path.relative_to(ROOT), line, f"{name}: use the field's own term")
        for path in modules_of(part)
        for line, name in odd_names(path)
    ]
    assert not found, report(found)


def test_names_of_tests_use_plain_words():
    found = [
        (path.name, line, turn)
        for path in sorted((ROOT / "tests").glob("test_*.py"))
        for line, name in names_of_tests(path)
        for turn in find_turns(name)
    ]
    assert not found, report(found)


def names_of_tests(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name.replace("_", " ")


def test_every_part_of_the_package_is_checked():
    folders = {p.parent.name for p in (ROOT / "balancegan").glob("*/__init__.py")}
    assert folders <= set(PARTS)
