"""`hsrl draw`: the picture of a release's Semantic IDs, as PNG and as HTML that needs nothing else."""

from html import escape
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from flows.stores.incumbent import current_codebook
from pipeline.contracts import ITEMS, SID_HISTORY
from pipeline.drafts import drafted
from pipeline.errors import WarehouseError, reason_of
from pipeline.sids.picture import Picture, Rect, Text, draw
from pipeline.warehouse.naming_damage import naming_damage
from pipeline.warehouse.warehouse import Warehouse

_ZOOMS = (1, 2, 4, 8)  # without a script: of a few radio buttons the checked one says how wide the drawing is
_SHARPER = 2  # pixels of the PNG to one of the layout


@naming_damage
def draw_release(root: Path, out: Path) -> dict[str, Any]:
    """Draw the newest release into ``out``.png and ``out``.html.

    Raises:
        WarehouseError: there is nothing to draw, or ``out`` cannot be written.
    """
    with Warehouse.open_copy(root) as warehouse:
        codebook = current_codebook(warehouse)
        latest = warehouse.latest_release()
        if codebook is None or latest is None:
            raise WarehouseError(f"{root}: no Semantic IDs are published yet; make some with: hsrl refresh")
        rows = warehouse.read(SID_HISTORY, "FROM sid_history WHERE valid_to IS NULL")
        items = warehouse.read(ITEMS, "FROM items")
    title = f"Semantic IDs of release {latest.release_id}: {rows.height:,} items, codebook {codebook.codebook_id}"
    picture = draw(rows, items, codebook.vocabulary, title)
    png, html = out.with_name(out.name + ".png"), out.with_name(out.name + ".html")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with drafted(png) as draft:
            to_image(picture).save(draft, format="PNG")
        with drafted(html) as draft:
            draft.write_text(to_html(picture, title), encoding="utf-8")
    except OSError as error:
        raise WarehouseError(f"{out}: {reason_of(error)}; name another place with --out") from error
    return {"release_id": latest.release_id, "items": rows.height, "png": str(png), "html": str(html)}


def to_image(picture: Picture) -> Image.Image:
    """The picture in pixels."""
    image = Image.new("RGB", (picture.width * _SHARPER, picture.height * _SHARPER), "white")
    canvas = ImageDraw.Draw(image)
    for shape in picture.shapes:
        if isinstance(shape, Rect):
            x, y = shape.x * _SHARPER, shape.y * _SHARPER
            right, bottom = x + shape.width * _SHARPER, y + shape.height * _SHARPER
            canvas.rectangle(
                (round(x), round(y), max(round(right) - 1, round(x)), max(round(bottom) - 1, round(y))), fill=shape.colour
            )
        else:
            font = ImageFont.load_default(shape.size * _SHARPER)
            canvas.text((shape.x * _SHARPER, shape.y * _SHARPER), shape.text, fill="#222222", font=font, anchor="ls")
    return image


def to_html(picture: Picture, title: str) -> str:
    """One page with an inline SVG; what a box stands for appears under the pointer, and buttons make it wider than the window."""
    shapes = [_svg(shape) for shape in picture.shapes]
    wider = "".join(f"#by{times}:checked~div svg{{width:{times}00%}}" for times in _ZOOMS)
    style = (
        "<style>body{margin:0;font-family:sans-serif;color:#222}div{overflow-x:auto}input{margin-left:12px}svg{width:100%}"
        f"rect:hover{{stroke:#222;stroke-width:1}}text{{fill:#222}}{wider}</style>"
    )
    buttons = "".join(
        f'<input type="radio" name="zoom" id="by{times}"{" checked" if times == 1 else ""}><label for="by{times}">{times}×</label>'
        for times in _ZOOMS
    )
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>{style}</head>'
    svg = f'<svg viewBox="0 0 {picture.width} {picture.height}" role="img" aria-label="{escape(title)}">{"".join(shapes)}</svg>'
    return f"{head}<body>{buttons}<div>{svg}</div></body></html>\n"


def _svg(shape: Rect | Text) -> str:
    if isinstance(shape, Rect):
        box = f'x="{shape.x:.2f}" y="{shape.y:.2f}" width="{shape.width:.2f}" height="{shape.height:.2f}"'
        return f'<rect {box} fill="{shape.colour}"><title>{escape(shape.tip)}</title></rect>'
    return f'<text x="{shape.x}" y="{shape.y}" font-size="{shape.size}">{escape(shape.text)}</text>'
