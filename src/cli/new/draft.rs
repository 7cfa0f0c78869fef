//! A plugin that is being made: in a folder of its own until it is complete, so that a failure leaves nothing behind.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Model;
use crate::cli::{Failure, cases};
use crate::exec::Progress;

/// A plugin that is being made.
pub(super) struct Draft {
    folder: TempDir,
    place: PathBuf,
}

impl Draft {
    /// Begins a plugin that will be at this place, beside it.
    pub(super) fn begin(place: &Path) -> Result<Draft, Failure> {
        let beside = place.parent().unwrap_or(Path::new(""));
        let plugins = if beside.as_os_str().is_empty() { Path::new(".") } else { beside };
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let folder = std::fs::create_dir_all(plugins)
            .and_then(|()| tempfile::Builder::new().prefix(&format!(".{name}-")).tempdir_in(plugins));
        let folder = folder.map_err(|error| Failure::Operator(format!("{}: {error}", plugins.display())))?;
        Ok(Draft { folder, place: place.to_owned() })
    }

    /// Where its files are until it is complete.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it will be.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Writes a file of it.
    pub(super) fn write(&self, file: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.folder().join(file);
        let fail = |error: std::io::Error| Failure::Operator(format!("{}: {error}", path.display()));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        std::fs::write(&path, bytes).map_err(fail)
    }

    /// Writes a JSON file of it.
    pub(super) fn write_json(&self, file: &str, value: &serde_json::Value) -> Result<(), Failure> {
        self.write(file, format!("{value:#}\n").as_bytes())
    }

    /// Copies a file into it, permissions included.
    pub(super) fn copy(&self, from: &Path, file: impl AsRef<Path>) -> Result<(), Failure> {
        let copied = std::fs::copy(from, self.folder().join(file));
        copied.map(|_| ()).map_err(|error| Failure::Operator(format!("{}: {error}", from.display())))
    }

    /// Opens the model as far as it has been made.
    pub(super) fn open(&self) -> Result<Model, Failure> {
        Model::open(self.folder()).map_err(|error| self.in_place(error.into()))
    }

    /// Records its first cases, at these inputs; none where the model does not answer.
    pub(super) fn record_cases(&self, model: &Model, inputs: &serde_json::Value) -> Result<(), Failure> {
        let (progress, folder) = (Progress::default(), self.folder().join("cases"));
        let recorded = cases::first(model, &model.context(&progress), &folder, inputs);
        recorded.map(|_| ()).map_err(|failure| {
            let _ = std::fs::remove_dir_all(&folder);
            self.in_place(failure)
        })
    }

    /// The same at the example of the model as far as it has been made, if it has one.
    pub(super) fn record_example(&self) -> Result<(), Failure> {
        let model = self.open()?;
        model.signature().example_inputs().map_or(Ok(()), |inputs| self.record_cases(&model, &inputs))
    }

    /// Makes it a plugin.
    pub(super) fn finish(self) -> Result<PathBuf, Failure> {
        use std::os::unix::fs::PermissionsExt as _;
        let fail = |error: std::io::Error| Failure::Operator(format!("{}: {error}", self.place.display()));
        // A temporary folder is nobody else's; a plugin is as readable as what lies beside it.
        let beside = self
            .place
            .parent()
            .map_or(Ok(0o755), |beside| std::fs::metadata(beside).map(|data| data.permissions().mode() & 0o777));
        let permissions = std::fs::Permissions::from_mode(beside.map_err(fail)? | 0o700);
        std::fs::set_permissions(self.folder(), permissions).map_err(fail)?;
        std::fs::rename(self.folder(), &self.place).map_err(fail)?;
        let _ = self.folder.keep();
        Ok(self.place)
    }

    /// With words on the folder it is made in put as if it were where it will be.
    fn in_place(&self, failure: Failure) -> Failure {
        let draft = std::path::absolute(self.folder()).unwrap_or_else(|_| self.folder().to_owned());
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (made, meant) = (name(&draft), name(&self.place));
        let put = |text: String| text.replace(&made, &meant);
        match failure {
            Failure::Cases => Failure::Cases,
            Failure::Caller(text) => Failure::Caller(put(text)),
            Failure::Model(text) => Failure::Model(put(text)),
            Failure::Crash(text) => Failure::Crash(put(text)),
            Failure::Operator(text) => Failure::Operator(put(text)),
        }
    }
}
