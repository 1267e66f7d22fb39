"""What is in the guides: README.md and docs/*.md taken apart into links, headings, code blocks and commands."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parent.parent

FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

# Options of valkey-cli that the guides may use, with whether a value follows.
VALKEY_CLI = {"-h": True, "-p": True, "--tls": False, "--sni": True, "--cacert": True, "-c": False, "--bigkeys": False}
VALKEY_CLI |= {"--memkeys": False, "--latency": False, "--scan": False, "--pattern": True, "--askpass": False}

# What ends a command in a shell.
SEPARATORS = {"|", "||", "&&", ";", "&", "(", ")"}
# Words before a command that are not part of it.
PREFIXES = {"while", "do", "done", "if", "then", "else", "fi", "!"}


class Block(NamedTuple):
    """A fenced block of code."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def pages():
    return [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]


def blocks(page, *languages):
    """The blocks of a page in these languages, in all where none is named."""
    text = page.read_text()
    found = []
    for match in FENCE.finditer(text):
        indent, info, body = match.groups()
        language = info.split(",")[0]
        if languages and language not in languages:
            continue
        body = re.sub(f"^{indent}", "", body, flags=re.MULTILINE)
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(str(page.relative_to(PROJECT)), line, language, body))
    return found


def prose(page):
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))


def links(page):
    return [link for link in LINK.findall(prose(page)) if "://" not in link]


def anchors(page):
    """The anchors that GitHub gives to the headings of a page."""
    seen, found = {}, set()
    for heading in HEADING.findall(FENCE.sub("", page.read_text())):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = seen.get(slug, 0)
        seen[slug] = number + 1
        found.add(f"{slug}-{number}" if number else slug)
    return found


def _without_substitutions(text):
    """A text with `X` in place of each `$(...)`, and what was in them."""
    inner = []
    while (start := text.find("$(")) >= 0:
        depth, end = 1, start + 2
        while depth and end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        inner.append(text[start + 2 : end - 1])
        text = f"{text[:start]}X{text[end:]}"
    return text, inner


def commands(shell):
    """Every simple command of a shell text as its words, those in `$(...)` too. Redirections are left out."""
    # Here-documents are data.
    shell = re.sub(r"<<'?(\w+)'?\n.*?^\1$", "", shell, flags=re.MULTILINE | re.DOTALL)
    found = []
    for line in re.sub(r"\\\n", " ", shell).splitlines():
        outer, inner = _without_substitutions(line)
        for text in inner:
            found += commands(text)
        lexer = shlex.shlex(outer, posix=True, punctuation_chars="|&;()<>")
        lexer.whitespace_split = True
        words, skip = [], False
        for word in [*lexer, ";"]:
            if word in SEPARATORS:
                while words and (words[0] in PREFIXES or re.match(r"^\w+=", words[0])):
                    words.pop(0)
                if words:
                    found.append(words)
                words = []
            elif set(word) <= set("<>&"):
                skip = True
            elif skip:
                skip = False
            else:
                words.append(word)
    return found
