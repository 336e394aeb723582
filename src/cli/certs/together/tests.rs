use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

use tempfile::TempDir;

use super::{Each, finish, put, read, replace, replace_by};
use crate::failure::Failure;

const NEW: Each<&str> = [Some("new ca"), Some("new cert"), Some("new key")];

/// Three files, each in a folder of its own.
struct Site {
    dir: TempDir,
    paths: Each<PathBuf>,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let paths = ["ca", "cert", "key"].map(|name| {
            let folder = dir.path().join(format!("of {name}"));
            fs::create_dir(&folder).expect("made");
            let path = folder.join(name);
            fs::write(&path, format!("old {name}")).expect("written");
            Some(path)
        });
        Self { dir, paths }
    }

    fn texts(&self) -> [String; 3] {
        let text = |path: &Option<PathBuf>| {
            fs::read_to_string(path.as_ref().expect("a path")).expect("text")
        };
        self.paths.each_ref().map(text)
    }

    /// Is killed instead of putting the file of this number into its place.
    fn is_killed_at(&self, number: usize, new: &Each<&str>) {
        let mut count = 0;
        let killed = catch_unwind(AssertUnwindSafe(|| {
            replace_by(&self.paths, new, |path, bytes, readers| {
                assert!(count < number, "killed");
                count += 1;
                put(path, bytes, readers)
            })
        }));
        assert!(killed.is_err());
    }

    #[track_caller]
    fn check_nothing_else_is_left(&self) {
        let folders = fs::read_dir(self.dir.path()).expect("folders").flatten();
        let files = folders.flat_map(|folder| fs::read_dir(folder.path()).expect("files"));
        assert_eq!(files.count(), 3);
    }
}

const OLD: [&str; 3] = ["old ca", "old cert", "old key"];

#[test]
fn a_crash_at_any_file_is_made_good_by_whoever_reads_them_next() {
    for number in 0..3 {
        let site = Site::new();
        site.is_killed_at(number, &NEW);
        let so_far: Vec<_> = site.texts().into_iter().collect();
        let expected = read(&site.paths)
            .ok()
            .map(|texts| texts.map(Option::unwrap));
        assert_eq!(expected, Some(NEW.map(|it| it.unwrap().to_owned())));
        assert_eq!(site.texts().as_slice(), so_far, "it was only to be read");
        assert!(finish(&site.paths).ok().unwrap());
        assert_eq!(site.texts(), NEW.map(Option::unwrap));
        site.check_nothing_else_is_left();
        assert!(!finish(&site.paths).ok().unwrap());
    }
}

#[test]
fn where_the_key_stays_the_plan_is_beside_the_certificate() {
    let site = Site::new();
    site.is_killed_at(1, &[Some("new ca"), Some("new cert"), None]);
    assert_eq!(site.texts(), ["new ca", "old cert", "old key"]);
    assert!(finish(&site.paths).ok().unwrap());
    assert_eq!(site.texts(), ["new ca", "new cert", "old key"]);
    site.check_nothing_else_is_left();
}

#[test]
fn what_somebody_else_put_there_meanwhile_stays() {
    let site = Site::new();
    site.is_killed_at(1, &NEW);
    for path in site.paths.iter().skip(1).flatten() {
        fs::write(path, "by hand").expect("written");
    }
    assert!(finish(&site.paths).ok().unwrap());
    assert_eq!(site.texts(), ["new ca", "by hand", "by hand"]);
    site.check_nothing_else_is_left();
}

#[test]
fn what_cannot_be_put_there_leaves_all_as_it_was() {
    for number in 0..3 {
        let site = Site::new();
        let mut count = 0;
        let failed = replace_by(&site.paths, &NEW, |path, bytes, readers| {
            if count == number {
                return Err(Failure::new("cannot write", "no room"));
            }
            count += 1;
            put(path, bytes, readers)
        });
        let failure = failed.expect_err("a failure").to_string();
        assert!(failure.ends_with("no room"), "{failure}");
        assert_eq!(site.texts(), OLD);
        site.check_nothing_else_is_left();
    }
}

#[test]
fn files_that_are_not_there_yet_are_made() {
    let site = Site::new();
    for path in site.paths.iter().flatten() {
        fs::remove_file(path).expect("removed");
    }
    replace(&site.paths, &NEW).expect("replaced");
    assert_eq!(site.texts(), NEW.map(Option::unwrap));
    site.check_nothing_else_is_left();
}
