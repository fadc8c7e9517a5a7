"""Part of ``make docs``: a page that would fetch something from elsewhere stops the build."""

import re

from mkdocs.exceptions import PluginError

# What a browser loads by itself. A link that a reader clicks on is another matter. For a diagram
# of mermaid's or a repository's badge, the theme's script would fetch the rest.
_LOADS = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|object|embed|link|input)\b[^>]*?"""
    r"""\s(?:src|srcset|href|data)=["']?(?:https?:)?//[^>]*>|url\(["']?(?:https?:)?//"""
    r"""|class="mermaid"|data-md-component="source\""""
)


def on_post_page(output: str, page: object, config: object) -> str:
    """Return *output* as it is, if it is complete in itself."""
    load = _LOADS.search(output)
    if load:
        raise PluginError(f"{page} would fetch something from elsewhere: {load[0]}")
    return output
