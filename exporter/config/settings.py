"""The merged tree as the only source of pydantic-settings.

The library's own sources know no lists, lines or origins, and its merge would mix two lists entry by entry. So the tree
of file, environment and ``--set`` comes merged, and the library's own sources, which read variables without a prefix,
are left out.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

TREE = "merged tree"
FOLDER = "folder of relative names"


class HiddenValues(dict[str, Any]):
    """Values whose representation shows none of them: the library logs it where its debug variable is set."""

    def __repr__(self) -> str:
        return f"<{len(self)} values, not shown>"


class MergedTreeSource(PydanticBaseSettingsSource):
    """The values of file, environment and ``--set``, and the folder from which relative file names start."""

    def __init__(self, settings: type[BaseSettings], tree: Mapping[str, Any], folder: Path) -> None:
        super().__init__(settings)
        self._values = HiddenValues({**tree, FOLDER: folder})

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of a section, its key, and that it needs no decoding."""
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return all values."""
        return self._values


class _WithFolder(BaseModel):
    """A model that hands the folder to its validators as ``info.context``, which the library by itself drops."""

    def __init__(self, /, **values: Any) -> None:
        folder = values.pop(FOLDER)
        self.__pydantic_validator__.validate_python(values, self_instance=self, context=folder)


class MergedSettings(BaseSettings, _WithFolder):
    """Settings that are read from a merged tree and from nowhere else."""

    @classmethod
    def read(cls, tree: Mapping[str, Any], folder: Path) -> Self:
        """Validate a merged tree; raises pydantic's ValidationError."""
        return cls(**{TREE: tree, FOLDER: folder})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the source of the merged tree alone, or of what is given as for any model."""
        given = init_settings()
        return (MergedTreeSource(settings_cls, given.get(TREE, given), given.get(FOLDER, Path())),)
