//! Files of tenants as sealed pieces in the database: any server writes one, any reads any part.
//!
//! A file that is being written is open, and belongs to nobody until a transaction keeps it by
//! naming it in a row. What was never finished, and what was dropped, is swept.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use base_http::Spine;
use bytes::Bytes;
use futures::stream::{self, Stream};
use jiff::{SignedDuration, Timestamp};
use kernel::TenantId;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use pg::Scope;
use sha2::{Digest, Sha256};
use tenancy::TenantKeys;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::error::ActuarialError;
use crate::store::file as store;

/// Bytes of a piece; only the last is shorter.
pub const PIECE: usize = 1 << 20;

/// How long a file may be open: a server that writes one longer has died.
const OPEN_FOR: SignedDuration = SignedDuration::from_hours(24);

kernel::id_type! {
    /// Names one file.
    pub FileId
}

/// Where files are kept. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    spine: Spine,
    keys: Arc<TenantKeys>,
}

/// A file that is whole and waits to be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) file: FileId,
    pub(crate) bytes: u64,
    /// SHA-256 of all of it.
    pub(crate) digest: [u8; 32],
}

/// A file being written. Dropped before its end, it is swept.
pub(crate) struct FileWriter {
    files: Files,
    tenant: TenantId,
    file: FileId,
    open: Vec<u8>,
    digest: Sha256,
    bytes: u64,
    pieces: i32,
}

/// A file being read on a thread that may block.
#[derive(Clone)]
pub(crate) struct FileReader {
    files: Files,
    runtime: Handle,
    tenant: TenantId,
    file: FileId,
    length: u64,
    at: u64,
    held: Option<(u64, Bytes)>,
    /// How far any clone of the reader has come.
    seen: Arc<AtomicU64>,
    /// Whether any clone could not be read from where it is kept.
    lost: Arc<AtomicBool>,
}

impl Files {
    /// Files in the database of `spine`, sealed with `keys`.
    pub fn new(spine: Spine, keys: Arc<TenantKeys>) -> Files {
        Files { spine, keys }
    }

    /// Begins a file.
    pub(crate) async fn begin(&self, tenant: TenantId) -> Result<FileWriter, ActuarialError> {
        let now = self.spine.now();
        let file = FileId(self.spine.ids().next(now));
        let mut tx = self.spine.db().begin(Scope::of(tenant)).await?;
        store::open(&mut tx, tenant, file, now).await?;
        tx.commit().await?;
        let files = self.clone();
        let (open, digest) = (Vec::with_capacity(PIECE), Sha256::new());
        Ok(FileWriter { files, tenant, file, open, digest, bytes: 0, pieces: 0 })
    }

    /// Writes a file in one go.
    pub(crate) async fn put(
        &self,
        tenant: TenantId,
        bytes: &[u8],
    ) -> Result<Written, ActuarialError> {
        let mut writer = self.begin(tenant).await?;
        writer.write(bytes).await?;
        writer.end().await
    }

    /// Drops a file that came to nothing, unless a row names it. What cannot be dropped now is swept
    /// later.
    pub(crate) async fn discard(&self, tenant: TenantId, file: FileId) {
        let dropped = async {
            let mut tx = self.spine.db().begin(Scope::of(tenant)).await?;
            store::discard(&mut tx, tenant, file).await?;
            Ok::<_, ActuarialError>(tx.commit().await?)
        };
        if let Err(error) = dropped.await {
            tracing::debug!(file.id = %file, %error, "file {file} is left to the sweep");
        }
    }

    /// A reader for threads that may block.
    pub(crate) fn reader(&self, tenant: TenantId, file: FileId, length: u64) -> FileReader {
        let (files, runtime) = (self.clone(), Handle::current());
        FileReader {
            files,
            runtime,
            tenant,
            file,
            length,
            at: 0,
            held: None,
            seen: Arc::default(),
            lost: Arc::default(),
        }
    }

    /// All of a file, for files that are known to be small.
    pub(crate) async fn whole(
        &self,
        tenant: TenantId,
        file: FileId,
        length: u64,
    ) -> Result<Bytes, ActuarialError> {
        let mut whole = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        for number in 0..length.div_ceil(PIECE as u64) {
            whole.extend_from_slice(&self.piece(tenant, file, number).await?);
        }
        if whole.len() as u64 != length {
            return Err(ActuarialError::Corrupt("file"));
        }
        Ok(whole.into())
    }

    /// A file piece by piece; one is in memory at a time.
    pub(crate) fn stream(
        &self,
        tenant: TenantId,
        file: FileId,
        length: u64,
    ) -> impl Stream<Item = Result<Bytes, ActuarialError>> + use<> {
        let pieces = length.div_ceil(PIECE as u64);
        let files = self.clone();
        stream::try_unfold(0, move |number| {
            let files = files.clone();
            async move {
                if number == pieces {
                    return Ok(None);
                }
                Ok(Some((files.piece(tenant, file, number).await?, number + 1)))
            }
        })
    }

    /// Removes what nobody names; answers of how many.
    pub(crate) async fn sweep(&self, now: Timestamp, most: i32) -> Result<i64, ActuarialError> {
        let before = now.checked_sub(OPEN_FOR).unwrap_or(Timestamp::MIN);
        store::sweep(self.spine.db(), before, most).await
    }

    async fn piece(
        &self,
        tenant: TenantId,
        file: FileId,
        number: u64,
    ) -> Result<Bytes, ActuarialError> {
        let corrupt = || ActuarialError::Corrupt("file");
        let number = i32::try_from(number).map_err(|_| corrupt())?;
        let mut tx = self.spine.db().begin(Scope::of(tenant)).await?;
        let sealed = store::piece(&mut tx, tenant, file, number).await?;
        drop(tx);
        let sealed = sealed.ok_or_else(corrupt)?;
        let (keys, runtime) = (self.keys.clone(), Handle::current());
        let opened = spawn_blocking(move || {
            runtime.block_on(keys.open(tenant, &purpose(file, number), &sealed))
        });
        Ok(opened.await.map_err(|_| corrupt())??.into())
    }
}

/// What a piece is sealed for: no piece opens in another's place.
fn purpose(file: FileId, number: i32) -> String {
    format!("actuarial.file/{file}/{number}")
}

impl FileWriter {
    /// Adds bytes.
    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), ActuarialError> {
        while !bytes.is_empty() {
            let room = PIECE - self.open.len();
            let (taken, left) = bytes.split_at(room.min(bytes.len()));
            self.open.extend_from_slice(taken);
            self.digest.update(taken);
            self.bytes += taken.len() as u64;
            bytes = left;
            if self.open.len() == PIECE {
                self.keep_piece().await?;
            }
        }
        Ok(())
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its name.
    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    /// Ends the file.
    pub(crate) async fn end(mut self) -> Result<Written, ActuarialError> {
        if !self.open.is_empty() {
            self.keep_piece().await?;
        }
        let digest: [u8; 32] = self.digest.finalize().into();
        let written = Written { file: self.file, bytes: self.bytes, digest };
        let mut tx = self.files.spine.db().begin(Scope::of(self.tenant)).await?;
        store::end(&mut tx, self.tenant, &written, self.pieces).await?;
        tx.commit().await?;
        Ok(written)
    }

    async fn keep_piece(&mut self) -> Result<(), ActuarialError> {
        let corrupt = || ActuarialError::Corrupt("file");
        let piece = std::mem::replace(&mut self.open, Vec::with_capacity(PIECE));
        let key = self.files.keys.of(self.tenant).await?;
        let (file, number) = (self.file, self.pieces);
        let sealed = spawn_blocking(move || key.seal(&purpose(file, number), &piece));
        let sealed = sealed.await.map_err(|_| corrupt())?.map_err(|_| corrupt())?;
        let mut tx = self.files.spine.db().begin(Scope::of(self.tenant)).await?;
        store::keep_piece(&mut tx, self.tenant, file, number, &sealed).await?;
        tx.commit().await?;
        self.pieces += 1;
        Ok(())
    }
}

/// A writer for threads that may block.
pub(crate) struct BlockingWriter {
    writer: FileWriter,
    runtime: Handle,
}

impl BlockingWriter {
    /// Writes through `runtime`.
    pub(crate) fn new(writer: FileWriter, runtime: Handle) -> BlockingWriter {
        BlockingWriter { writer, runtime }
    }

    /// Ends the file.
    pub(crate) fn end(self) -> Result<Written, ActuarialError> {
        self.runtime.block_on(self.writer.end())
    }
}

impl io::Write for BlockingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.runtime.block_on(self.writer.write(bytes)).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FileReader {
    /// Bytes of the file.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// How many bytes from the beginning were read at most, by this reader or a clone of it.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Whether reading failed for want of where the file is kept, and not for what is in it: what
    /// reads a format may not tell.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// What is left of the piece the reader stands in; empty at the end.
    fn rest(&mut self) -> io::Result<Bytes> {
        if self.at >= self.length {
            return Ok(Bytes::new());
        }
        let (number, begin) = (self.at / PIECE as u64, (self.at % PIECE as u64) as usize);
        let piece = match &self.held {
            Some((held, piece)) if *held == number => piece.clone(),
            _ => {
                let read = self.files.piece(self.tenant, self.file, number);
                let piece = self.runtime.block_on(read).map_err(io::Error::other)?;
                self.held = Some((number, piece.clone()));
                piece
            }
        };
        if piece.len() <= begin {
            return Err(io::Error::other(ActuarialError::Corrupt("file")));
        }
        Ok(piece.slice(begin..))
    }
}

impl io::Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.rest().inspect_err(|_| self.lost.store(true, Ordering::Relaxed))?;
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count as u64;
        self.seen.fetch_max(self.at, Ordering::Relaxed);
        Ok(count)
    }
}

impl io::Seek for FileReader {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            io::SeekFrom::Start(at) => (at, 0),
            io::SeekFrom::End(by) => (self.length, by),
            io::SeekFrom::Current(by) => (self.at, by),
        };
        let at = from.checked_add_signed(by);
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

impl Length for FileReader {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for FileReader {
    type T = FileReader;

    fn get_read(&self, start: u64) -> Result<FileReader, ParquetError> {
        Ok(FileReader { at: start, ..self.clone() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = vec![0; length];
        let mut reader = self.get_read(start)?;
        io::Read::read_exact(&mut reader, &mut bytes)?;
        Ok(bytes.into())
    }
}
