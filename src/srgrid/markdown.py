"""Text from data as Markdown and as words of a shell: nothing in it is read as markup or as a command."""

import re
import shlex

_MD_SPECIAL = re.compile(r"([\\`*_\[\]{}|#~$])")


def md(value: object) -> str:
    """Escape text from data for a Markdown line or table cell: nothing in it is read as markup or HTML."""
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MD_SPECIAL.sub(r"\\\1", text).replace("\r", " ").replace("\n", " ")


def shell_word(value: object) -> str:
    """Text as one word of a shell command, on one line: bash's $'...' where it holds control characters."""
    text = str(value)
    if text.isprintable():
        return shlex.quote(text)
    shown = (c if c.isprintable() and c not in "\\'" else "".join(f"\\x{b:02x}" for b in c.encode()) for c in text)
    return f"$'{''.join(shown)}'"


def code_block(value: object, language: str = "") -> str:
    """Text as a Markdown code block, with a fence that is longer than any row of backticks in it."""
    text = str(value).strip("\n")
    longest = max((len(row) for row in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
