//! The files of a store, so that tests can put another disk in their place.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// The directory of a store.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// Returns the names of all files.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Returns the size of a file, in bytes.
    fn len(&self, name: &str) -> io::Result<u64>;

    /// Reads up to `len` bytes; fewer only at the end of the file.
    fn read_at(&self, name: &str, at: u64, len: usize) -> io::Result<Vec<u8>>;

    /// Creates an empty file, in the place of one with this name.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Cuts a file off, or extends it with zeros.
    fn set_len(&self, name: &str, len: u64) -> io::Result<()>;

    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    fn remove(&self, name: &str) -> io::Result<()>;

    /// Writes these bytes of a file again, and makes the file durable.
    fn rewrite(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the names durable.
    fn sync_names(&self) -> io::Result<()>;

    /// Returns a number that is another one after each start of the machine, or 0 if there is none.
    fn boot(&self) -> u64;
}

/// A file that is being written.
pub(crate) trait DiskFile: fmt::Debug + Send {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the content durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// A directory of the operating system.
#[derive(Debug)]
pub(crate) struct Directory(pub(crate) PathBuf);

impl Disk for Directory {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.0.join(name))?.len())
    }

    fn read_at(&self, name: &str, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.0.join(name))?;
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::with_capacity(len);
        file.take(len as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).open(self.0.join(name))?;
        Ok(Box::new(file))
    }

    fn set_len(&self, name: &str, len: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.0.join(name))?.set_len(len)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn rewrite(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.0.join(name))?;
        file.write_at(at, bytes)?;
        file.sync_all()
    }

    fn sync_names(&self) -> io::Result<()> {
        sync_directory(&self.0)
    }

    fn boot(&self) -> u64 {
        // Only Linux has it.
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        u64::from_str_radix(&digits, 16).unwrap_or(0)
    }
}

impl DiskFile for File {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(at))?;
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Makes the names in a directory durable. Only Unix can, and needs to.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}
