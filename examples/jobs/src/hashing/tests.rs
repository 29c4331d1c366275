use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use super::*;

const ONE_LINER: &str =
    "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 -r sha256sum -- | sha256sum";

/// Returns the digest that a shell computes.
fn shell_digest(folder: &Path) -> String {
    let output = Command::new("sh").arg("-c").arg(ONE_LINER).current_dir(folder).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

async fn digest(folder: &Path, tally: &Arc<Tally>) -> Result<Digest, HashError> {
    hash_folder(folder.into(), Lanes::new(2), Arc::clone(tally), CancellationToken::new()).await
}

#[test]
fn the_one_liner_is_the_one_in_the_docs() {
    assert!(include_str!("../digest.rs").contains(ONE_LINER));
    assert!(include_str!("../../README.md").contains(ONE_LINER));
}

#[tokio::test]
async fn a_folder_has_the_digest_that_a_shell_computes() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        digest(folder.path(), &Arc::default()).await.unwrap().to_string(),
        shell_digest(folder.path()),
        "empty"
    );
    fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
    let names: [&[u8]; 10] = [
        b"a/b/c/d",
        b"a/b-c",
        b"a/b.c",
        b"-rf",
        b" blank ",
        b"back\\slash",
        b"line\nfeed",
        b"return\r",
        b"not utf-8 \xff",
        "größer <b>&\"'".as_bytes(),
    ];
    for (size, name) in names.iter().enumerate() {
        let content = vec![b'x'; size * 50_000];
        fs::write(folder.path().join(OsStr::from_bytes(name)), content).unwrap();
    }
    std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
    let tally = Arc::default();
    let computed = digest(folder.path(), &tally).await.unwrap();
    assert_eq!(computed.to_string(), shell_digest(folder.path()));
    let progress = tally.progress();
    assert_eq!(progress.done, progress.found);
    assert_eq!((progress.done.files, progress.permille()), (10, Some(1000)));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_noted_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("here"), "here").unwrap();
    fs::write(folder.path().join("gone"), "gone").unwrap();
    let (tally, cancel) = (Arc::new(Tally::default()), CancellationToken::new());
    let files = find_files(folder.path(), &tally, &cancel).unwrap();
    fs::remove_file(folder.path().join("gone")).unwrap();

    let (lanes, tally_of_work) = (Lanes::new(1), Arc::clone(&tally));
    let work = Work { folder: folder.path().into(), files, lanes, tally: tally_of_work, cancel };
    let digest = Arc::new(work).digest().await.unwrap();
    assert_eq!(digest.to_string(), shell_digest(folder.path()));
    let progress = tally.progress();
    assert_eq!(progress.done, progress.found);
    assert_eq!(progress.errors.total, 1);
    assert_eq!(progress.errors.named[0].path, "gone");
    assert_eq!(progress.errors.named[0].reason, "No such file or directory");
}

/// A file that takes longer to hash than any test waits; it takes no room on the disk.
fn endless_file(folder: &Path) {
    let file = fs::File::create(folder.join("endless")).unwrap();
    file.set_len(1 << 40).unwrap();
}

#[tokio::test]
async fn a_cancelled_job_stops() {
    let folder = tempfile::tempdir().unwrap();
    endless_file(folder.path());
    let (tally, cancel) = (Arc::new(Tally::default()), CancellationToken::new());
    let job = hash_folder(folder.path().into(), Lanes::new(1), Arc::clone(&tally), cancel.clone());
    let job = tokio::spawn(job);
    while tally.progress().done.bytes == 0 {
        tokio::task::yield_now().await;
    }
    cancel.cancel();
    assert!(matches!(job.await.unwrap(), Err(HashError::Cancelled)));
    let read = tally.progress().done.bytes;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(tally.progress().done.bytes, read, "it reads on");
    assert_eq!(tally.progress().errors.total, 0);
}

#[tokio::test]
async fn a_job_that_waits_for_a_lane_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let cancel = CancellationToken::new();
    let lanes = Lanes::new(1);
    let _taken = Arc::clone(&lanes.free).acquire_owned().await.unwrap();
    let hashing = hash_folder(folder.path().into(), lanes, Arc::default(), cancel.clone());
    let (result, ()) = tokio::join!(hashing, async { cancel.cancel() });
    assert!(matches!(result, Err(HashError::Cancelled)));
}

#[tokio::test]
async fn a_job_of_one_small_file_ends_while_others_read_endless_ones() {
    let (endless, small) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    endless_file(endless.path());
    fs::write(small.path().join("file"), "x").unwrap();
    let (lanes, cancel) = (Lanes::new(1), CancellationToken::new());
    let hash =
        |folder: &Path| hash_folder(folder.into(), lanes.clone(), Arc::default(), cancel.clone());
    let others = [tokio::spawn(hash(endless.path())), tokio::spawn(hash(endless.path()))];
    hash(small.path()).await.unwrap();
    cancel.cancel();
    for other in others {
        assert!(matches!(other.await.unwrap(), Err(HashError::Cancelled)));
    }
}
