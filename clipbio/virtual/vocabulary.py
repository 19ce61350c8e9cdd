"""What botanists call the states of the characters: the canonical word first, then its synonyms."""

from __future__ import annotations

__all__ = ["FRUIT_PLURALS", "VOCABULARY"]

VOCABULARY: dict[str, dict[str, tuple[str, ...]]] = {
    "leaf_arrangement": {
        "alternate": ("alternate", "arranged alternately", "borne singly at the nodes"),
        "opposite": ("opposite", "in opposite pairs", "paired at the nodes"),
        "whorled": ("whorled", "in whorls of four", "verticillate"),
        "basal": ("all basal", "in a basal rosette", "confined to the base"),
    },
    "leaf_division": {
        "simple": ("simple", "undivided"),
        "pinnately lobed": ("pinnately lobed", "pinnatifid"),
        "palmately lobed": ("palmately lobed", "palmatifid"),
        "pinnate": ("pinnate", "pinnately compound"),
        "trifoliolate": ("trifoliolate", "ternate"),
        "palmate": ("palmately compound", "digitate"),
    },
    "leaf_shape": {
        "linear": ("linear", "narrow and grass-like"),
        "lanceolate": ("lanceolate", "lance-shaped"),
        "elliptic": ("elliptic", "elliptical"),
        "ovate": ("ovate", "egg-shaped"),
        "obovate": ("obovate", "wedge-shaped"),
        "orbicular": ("orbicular", "circular"),
        "cordate": ("cordate", "heart-shaped"),
        "sagittate": ("sagittate", "arrow-shaped"),
    },
    "leaf_margin": {
        "entire": ("entire", "untoothed"),
        "serrate": ("serrate", "saw-toothed"),
        "crenate": ("crenate", "scalloped"),
    },
    "leaf_venation": {
        "pinnate": ("pinnately veined", "feather-veined"),
        "parallel": ("parallel-veined", "straight-veined"),
        "palmate": ("palmately veined", "radiately veined"),
    },
    "leaf_colour": {
        "dark green": ("dark green", "deep green"),
        "yellow-green": ("yellow-green", "yellowish green"),
        "blue-green": ("blue-green", "glaucous"),
        "purple": ("purple", "purplish"),
    },
    "leaf_pattern": {
        "plain": ("plain", "of one colour"),
        "spotted": ("spotted with cream", "cream-spotted"),
        "margined": ("margined with cream", "cream-edged"),
    },
    "indumentum": {"glabrous": ("glabrous", "hairless"), "hairy": ("hairy", "pubescent")},
    "stem_form": {
        "erect": ("erect", "upright"),
        "arching": ("arching", "nodding"),
        "zigzag": ("zigzag", "flexuous"),
    },
    "stem_colour": {"green": ("green", "greenish"), "red": ("red", "reddish"), "brown": ("brown", "brownish")},
    "inflorescence": {
        "solitary": ("solitary", "single at the tip of the stem"),
        "axillary": ("axillary", "borne in the leaf axils"),
        "raceme": ("in a raceme", "in racemes"),
        "spike": ("in a spike", "crowded in spikes"),
        "umbel": ("in an umbel", "in umbels"),
        "panicle": ("in a panicle", "in branched panicles"),
    },
    "petal_number": {
        "3": ("three", "3"),
        "4": ("four", "4"),
        "5": ("five", "5"),
        "6": ("six", "6"),
        "8": ("eight", "8"),
    },
    "petal_shape": {
        "rounded": ("rounded", "blunt"),
        "pointed": ("pointed", "acute"),
        "notched": ("notched", "emarginate"),
        "strap-shaped": ("strap-shaped", "ligulate"),
    },
    "flower_colour": {
        "white": ("white", "pure white"),
        "yellow": ("yellow", "golden yellow"),
        "orange": ("orange", "bright orange"),
        "red": ("red", "scarlet"),
        "pink": ("pink", "rose-pink"),
        "violet": ("violet", "mauve"),
        "blue": ("blue", "sky-blue"),
    },
    "centre_colour": {
        "yellow": ("yellow", "golden"),
        "black": ("black", "blackish"),
        "white": ("white", "whitish"),
        "green": ("green", "greenish"),
    },
    "fruit_type": {
        "berry": ("berry",),
        "capsule": ("capsule",),
        "pod": ("pod", "legume"),
        "samara": ("samara", "winged nutlet"),
        "bur": ("bur", "spiny bur"),
    },
    "fruit_colour": {
        "red": ("red", "crimson"),
        "orange": ("orange", "orange-coloured"),
        "black": ("black", "blackish"),
        "brown": ("brown", "chestnut brown"),
        "green": ("green", "greenish"),
        "blue": ("blue", "bluish"),
    },
    "root": {
        "fibrous": ("fibrous roots", "a tuft of fibrous roots"),
        "taproot": ("a taproot", "a stout taproot"),
        "bulb": ("a bulb", "a tunicated bulb"),
        "rhizome": ("a rhizome", "a creeping rhizome"),
    },
}

FRUIT_PLURALS = {
    "berry": "berries",
    "capsule": "capsules",
    "pod": "pods",
    "legume": "legumes",
    "samara": "samaras",
    "winged nutlet": "winged nutlets",
    "bur": "burs",
    "spiny bur": "spiny burs",
}
