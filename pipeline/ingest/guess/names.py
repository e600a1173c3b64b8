"""Names that columns of logs usually have, and what they are by them."""

import re
from collections.abc import Mapping, Sequence

USUAL: Mapping[str, Sequence[str]] = {
    "user": (
        *(
            "user",
            "userid",
            "uid",
            "reviewerid",
            "customer",
            "customerid",
            "custid",
            "client",
            "clientid",
            "visitor",
            "visitorid",
        ),
        *(
            "member",
            "memberid",
            "account",
            "accountid",
            "buyer",
            "buyerid",
            "viewerid",
            "player",
            "playerid",
            "personid",
            "profileid",
        ),
        *("usr", "who", "actor", "userno", "customerno", "userprotrait", "msno", "deviceid"),
    ),
    "item": (
        *(
            "item",
            "itemid",
            "iid",
            "items",
            "exposeditems",
            "movie",
            "movieid",
            "video",
            "videoid",
            "product",
            "productid",
            "sku",
        ),
        *("article", "articleid", "asin", "parentasin", "song", "songid", "track", "trackid", "book", "bookid", "isbn", "news"),
        *(
            "newsid",
            "adid",
            "businessid",
            "contentid",
            "content",
            "goodsid",
            "gameid",
            "game",
            "recipeid",
            "recipe",
            "productcode",
        ),
        *("stockcode", "listingid", "offerid", "artistid", "shopid", "docid", "postid", "photoid", "itemno", "articleno"),
    ),
    "time": (
        *(
            "timestamp",
            "time",
            "ts",
            "timems",
            "datetime",
            "eventtime",
            "occurredat",
            "createdat",
            "at",
            "unixtime",
            "when",
            "date",
        ),
        *(
            "unixreviewtime",
            "createtime",
            "reviewtime",
            "clickedat",
            "clicktime",
            "purchasedate",
            "orderdate",
            "invoicedate",
            "day",
        ),
        *("eventtimestamp", "timestampms", "timestamps", "ratedat", "boughtat", "seenat", "stamp"),
    ),
    "order": ("order", "rank", "seq", "sequence", "step", "nr", "no", "index", "userseq", "eventno", "ordinal"),
    "feedback": (
        *("click", "clicked", "isclick", "clicks", "label", "feedback", "userfeedback", "liked", "like", "islike", "purchased"),
        *("action", "event", "eventtype", "behavior", "behaviour", "behaviortype", "type", "interaction", "answer", "converted"),
        *("conversion", "bought", "actiontype", "response", "reaction", "verb", "activity"),
    ),
    "value": (
        *(
            "rating",
            "ratings",
            "score",
            "stars",
            "overall",
            "watchratio",
            "value",
            "rate",
            "grade",
            "weight",
            "playcount",
            "reward",
        ),
    ),
    "request": ("requestid", "request", "impressionid", "slateid", "slate", "pageviewid", "listid", "reqid", "queryid"),
    "session": ("sessionid", "session", "visitid", "visit"),
    "position": ("position", "pos", "slot", "place"),
    "policy": ("policy", "policyid", "variant", "behaviorpolicyid", "israndom", "israndomised", "israndomized", "israndom"),
    "propensity": ("propensity", "propensityscore", "pscore"),
    "title": ("title", "name", "movietitle", "productname", "itemname", "itemtitle", "description"),
    "categories": (
        *(
            "category",
            "categories",
            "categoryid",
            "genre",
            "genres",
            "class",
            "tag",
            "tags",
            "subcategory",
            "brand",
            "topic",
            "kind",
        ),
        *("videotype", "catid", "categorycode", "department"),
    ),
}
"""Names without blanks and marks in lower case, the likeliest first."""

_TYPED = re.compile(r":(?:token|token_seq|float|float_seq)$")
_ALL = frozenset(name for names in USUAL.values() for name in names) | {"gender", "age", "zip", "price", "occupation", "text"}


def plain(name: str) -> str:
    """A name in lower case without marks, and without a RecBole type."""
    return re.sub(r"[^a-z0-9]", "", _TYPED.sub("", name).lower())


def is_known(name: str) -> bool:
    """Whether a text is the usual name of some column, or a name with a type."""
    return plain(name) in _ALL or bool(_TYPED.search(name)) or plain(name).endswith(("id", "name", "date", "time"))


def named(role: str, names: Sequence[str]) -> list[str]:
    """The columns whose name, or last part of a dotted name, is usual for a role; the likeliest first."""
    usual = USUAL[role]
    found = []
    for name in names:
        before, _, last = name.rpartition(".")
        parts = [plain(name), plain(before.rpartition(".")[2] if plain(last) == "id" else last)]
        places = [usual.index(part) for part in parts if part in usual]
        if places:
            found.append((min(places), name))
    return [name for _, name in sorted(found, key=lambda each: each[0])]
