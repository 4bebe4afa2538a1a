"""Where the customers' files are kept. Apart from the exporter, whose libraries take long to load."""

from credit_movements.settings import Settings, SettingsError, variable
from exporter.storage.objects import ExportStorage, StorageUrlError


def storage_url(settings: Settings) -> str:
    """Where the files are; there is no key in it."""
    return settings.export_storage_url or (settings.data_dir / "exports").absolute().as_uri()


def export_storage(settings: Settings, makes_folder: bool = True) -> ExportStorage:
    """The files. `makes_folder`: also where nothing was ever written. Raises SettingsError, which names what was set."""
    public_endpoint = settings.export_storage_public_endpoint
    try:
        return ExportStorage.open(storage_url(settings), public_endpoint, makes_folder)
    except StorageUrlError as error:
        fields = ("export_storage_url", *(() if public_endpoint is None else ("export_storage_public_endpoint",)))
        raise SettingsError(f"{', '.join(map(variable, fields))}: {error}") from error
