"""Named, versioned sets of prompt templates; `{}` stands for the name.

A set is never edited: new wording is a new version, appended to its list. `photo` is the newest version, `photo@1` that
one for good; `template_id` gives the full form, which belongs in every record of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from clipbio.errors import ClipbioError, nearest
from clipbio.taxonomy import stable_hash

__all__ = ["TEMPLATES", "template_id", "templates"]

_OPENAI_80_HASH = 8665802254796872318


@cache
def _openai_80() -> tuple[str, ...]:
    """Return the 80 prompts of CLIP's ImageNet evaluation (https://arxiv.org/abs/2103.00020) out of open_clip."""
    from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES  # late: it brings torch along

    texts = tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)
    if stable_hash(*texts) != _OPENAI_80_HASH:
        raise ClipbioError(
            "this open_clip carries other ImageNet prompts than openai_80@1; install open_clip_torch 3.3"
        )
    return texts


def _bioclip_81() -> tuple[str, ...]:
    """Return the set of BioCLIP's evaluation (https://arxiv.org/abs/2311.18803): one without article, then the 80."""
    return ("a photo of {}.", *_openai_80())


_HERBARIUM_1 = (
    "a herbarium sheet of {}.",
    "a herbarium specimen of {}.",
    "a scan of a herbarium sheet with {}.",
    "a pressed and dried plant of {}.",
    "{}, mounted on a herbarium sheet.",
    "a museum specimen of {} with its label.",
)

_VERSIONS: dict[str, tuple[Callable[[], tuple[str, ...]], ...]] = {
    "plain": (lambda: ("{}",),),
    "photo": (lambda: ("a photo of {}.",),),
    "openai_80": (_openai_80,),
    "bioclip_81": (_bioclip_81,),
    "herbarium": (lambda: _HERBARIUM_1,),
}


class _Newest(Mapping[str, tuple[str, ...]]):
    """The newest version of each set, made when it is asked for."""

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return _VERSIONS[name][-1]()

    def __iter__(self) -> Iterator[str]:
        return iter(_VERSIONS)

    def __len__(self) -> int:
        return len(_VERSIONS)


TEMPLATES: Mapping[str, tuple[str, ...]] = _Newest()
"""Sets of templates by name, the newest version of each; a template holds one `{}`."""


def templates(name_or_list: str | Sequence[str]) -> tuple[str, ...]:
    """Return the templates of a set (`photo`, `photo@1`), of one template given as such, or of a list of templates."""
    if isinstance(name_or_list, str):
        if "{}" not in name_or_list:
            name, version = _parse(name_or_list)
            return _VERSIONS[name][version - 1]()
        name_or_list = (name_or_list,)
    texts = tuple(name_or_list)
    for text in texts:
        if not isinstance(text, str) or text.count("{}") != 1:
            raise ClipbioError(f"template {text!r} must hold '{{}}' exactly once, where the name goes")
    if not texts:
        raise ClipbioError("the list of templates is empty; give at least one, such as 'a photo of {}.'")
    return texts


def template_id(name_or_list: str | Sequence[str]) -> str:
    """Return what a record of a run calls these templates: `photo@1`, or their number and hash for a list."""
    if isinstance(name_or_list, str) and "{}" not in name_or_list:
        name, version = _parse(name_or_list)
        return f"{name}@{version}"
    texts = templates(name_or_list)
    return repr(texts[0]) if len(texts) == 1 else f"{len(texts)} templates {stable_hash(*texts):016x}"


def _parse(name: str) -> tuple[str, int]:
    base, _, version = name.partition("@")
    if base not in _VERSIONS:
        raise ClipbioError(f"unknown template set '{name}'{nearest(base, _VERSIONS)}")
    newest = len(_VERSIONS[base])
    if version and not (version.isascii() and version.isdigit() and 1 <= int(version) <= newest):
        raise ClipbioError(f"template set '{base}' has no version '{version}'; the newest is {base}@{newest}")
    return base, int(version or newest)
