//! The files of a folder as an export leaves them: all of them new, and none of an earlier one.

use std::path::{Path, PathBuf};

use pipeline_settings::settings::Mapping;
use tokio::{
    fs::{self, File, OpenOptions},
    io::{AsyncWriteExt, BufWriter},
};

use crate::{
    Error,
    files::{
        COLLECTIONS, NAMES,
        manifest::{Listed, MANIFEST, Manifest, Tally},
    },
};

/// A file that gets its name when it is complete, so that nobody reads half of it. Gone when dropped before.
pub(crate) struct Output {
    path: PathBuf,
    partial: PathBuf,
    name: String,
    tally: Tally,
    writer: BufWriter<File>,
    is_published: bool,
}

impl Output {
    pub(crate) async fn create(folder: &Path, name: &str) -> Result<Self, Error> {
        let partial = folder.join(format!(".{name}.partial"));
        // What an export that was killed left, or a link that somebody put there; what it leads to is not touched.
        remove(&partial).await?;
        let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial).await;
        let file = new.map_err(Error::write(&partial))?;
        let writer = BufWriter::with_capacity(256 * 1024, file);
        let (path, name) = (folder.join(name), name.to_owned());
        Ok(Self { path, partial, name, tally: Tally::default(), writer, is_published: false })
    }

    pub(crate) async fn line(&mut self, text: &str) -> Result<(), Error> {
        let write = async {
            self.writer.write_all(text.as_bytes()).await?;
            self.writer.write_all(b"\n").await
        };
        write.await.map_err(Error::write(&self.partial))?;
        self.tally.line(text);
        Ok(())
    }

    /// Sees to it that everything is on the disk.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        let flush = async {
            self.writer.flush().await?;
            self.writer.get_ref().sync_all().await
        };
        flush.await.map_err(Error::write(&self.partial))
    }

    async fn publish(mut self) -> Result<(), Error> {
        fs::rename(&self.partial, &self.path).await.map_err(Error::write(&self.path))?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.is_published
            && let Err(error) = std::fs::remove_file(&self.partial)
        {
            tracing::debug!("could not remove `{}`: {error}", self.partial.display());
        }
    }
}

/// Puts complete files into their places, says beside them what their fields are called if that is not what they are
/// called otherwise, and removes what an earlier export left of the same collections. Nothing else is touched: a manifest
/// of the earlier one keeps readers away until another takes its place. Gives what a manifest lists.
pub(crate) async fn publish(folder: &Path, mut outputs: Vec<Output>, names: &Mapping) -> Result<Vec<Listed>, Error> {
    let listed = outputs.iter().map(|output| output.tally.clone().listed(&output.name)).collect();
    if *names != Mapping::default() {
        let mut output = Output::create(folder, NAMES).await?;
        let text = serde_json::to_string_pretty(names).map_err(|error| Error::write(&output.path)(error.into()))?;
        output.line(&text).await?;
        outputs.push(output);
    }
    for output in &mut outputs {
        output.flush().await?;
    }
    let mut written = Vec::with_capacity(outputs.len());
    for output in outputs {
        written.push(output.path.clone());
        output.publish().await?;
    }
    for name in COLLECTIONS.as_flattened().iter().chain([&NAMES]) {
        let path = folder.join(name);
        if !written.contains(&path) {
            remove(&path).await?;
        }
    }
    Ok(listed)
}

/// Writes the manifest of a folder with these files, when everything else is there.
pub(crate) async fn write_manifest(folder: &Path, files: Vec<Listed>) -> Result<(), Error> {
    let mut output = Output::create(folder, MANIFEST).await?;
    let text = serde_json::to_string_pretty(&Manifest::of(files));
    let text = text.map_err(|error| Error::write(&output.path)(error.into()))?;
    output.line(&text).await?;
    output.flush().await?;
    output.publish().await
}

async fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::write(path)(error)),
        _ => Ok(()),
    }
}
