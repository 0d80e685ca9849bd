"""What a person reads who opens a link that does not lead to a document."""

from html import escape

from fastapi.responses import HTMLResponse

from shared.errors import TallyrollError

_TITLES = {
    "link_expired": "This link has expired",
    "invalid_link": "This link does not work",
}

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: #f4f7f6;
  color: #16202e; font: 16px/1.5 Inter, system-ui, sans-serif }}
main {{ max-width: 26rem; margin: 1rem; padding: 2rem 2.25rem; background: #fff;
  border: 1px solid #dfe4ea; border-radius: 10px }}
h1 {{ margin: 0 0 .5rem; font-size: 1.25rem }}
p {{ margin: 0; color: #5d6b7e }}
</style>
<main><h1>{title}</h1><p>{message}</p></main>
</html>
"""


def refusal_page(refusal: TallyrollError) -> HTMLResponse:
    """Return the page of a refusal, with its status."""
    title = _TITLES.get(refusal.code, "This document cannot be shown")
    text = _PAGE.format(title=escape(title), message=escape(refusal.message))
    return HTMLResponse(text, int(refusal.status))
