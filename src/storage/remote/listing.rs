//! Listings: one level of a directory, or all files below it, page by page.

use std::cell::RefCell;

use object_store::list::PaginatedListOptions;
use object_store::path::{Error as PathError, Path};
use object_store::{Error as StoreError, ObjectMeta};

use super::{Remote, failure};
use crate::error::Result;
use crate::storage::{FileMeta, Listing, Numbered, Run, RunBuilder, Visit};

impl Remote {
    /// See [`crate::storage::Storage::list_dir`].
    pub async fn list(&self, dir: &str) -> Result<Listing> {
        let key = self.location.dir_key(dir)?;
        let answer = self.bucket.store.list_with_delimiter(Some(&key)).await;
        let answer = answer.map_err(|error| self.failure("list", dir, &error))?;
        let mut dirs: Vec<String> =
            answer.common_prefixes.iter().filter_map(|prefix| prefix.filename().map(str::to_owned)).collect();
        let mut files: Vec<FileMeta> =
            answer.objects.into_iter().filter_map(|object| self.file_meta(&key, object)).collect();
        dirs.sort_unstable();
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(Listing { dirs, files })
    }

    /// Of one directory, by its number: see [`crate::storage::Storage::list_below`].
    pub async fn list_below_one(&self, number: usize, dir: &str, visit: &RefCell<&mut Visit<'_>>) -> Result<bool> {
        let key = self.location.dir_key(dir)?;
        let prefix = (!key.as_ref().is_empty()).then(|| format!("{key}/"));
        let mut options = PaginatedListOptions::default();
        loop {
            let page = async {
                match self.bucket.pages.list_paginated(prefix.as_deref(), options).await {
                    Ok(page) => Ok(Some(page)),
                    // Where the key of a foreign object is no path, a listing by levels may not have to look at it.
                    Err(error) if is_bad_path(&error) => Ok(None),
                    Err(error) => Err(self.failure("list", dir, &error)),
                }
            };
            let Some(page) = self.in_time(page).await? else { return Ok(false) };
            let files = page.result.objects.into_iter().filter_map(|object| self.file_meta(&key, object)).collect();
            let goes_on = (*visit.borrow_mut())(number, files);
            match page.page_token.filter(|token| !token.is_empty()) {
                None => return Ok(true),
                Some(_) if !goes_on => return Ok(false),
                token => options = PaginatedListOptions { page_token: token, ..PaginatedListOptions::default() },
            }
        }
    }

    /// See [`crate::storage::Storage::list_run`].
    pub async fn list_run_from(&self, dir: &str, first: u64, name: &Numbered) -> Result<Run> {
        let key = self.location.dir_key(dir)?;
        let prefix = format!("{key}/");
        // A store begins behind the name that it is given.
        let offset = first.checked_sub(1).map(|before| format!("{prefix}{}", name(before)));
        let mut options = PaginatedListOptions { offset, ..PaginatedListOptions::default() };
        let mut run = RunBuilder::new(dir, first, name);
        loop {
            let page = self.bucket.pages.list_paginated(Some(&prefix), options.clone()).await;
            let page = page.map_err(|error| self.failure("list", dir, &error))?;
            let goes_on = run.take(page.result.objects.into_iter().filter_map(|object| self.file_meta(&key, object)));
            match page.page_token.filter(|token| goes_on && !token.is_empty()) {
                None => return Ok(run.run),
                token => options.page_token = token,
            }
        }
    }

    /// `None` for the object that marks the directory itself.
    fn file_meta(&self, dir: &Path, object: ObjectMeta) -> Option<FileMeta> {
        let path = self.location.relative(&object.location).filter(|_| object.location != *dir)?.to_owned();
        Some(FileMeta { path, size: object.size, modified: object.last_modified, etag: object.e_tag, inode: None })
    }
}

fn is_bad_path(error: &StoreError) -> bool {
    matches!(error, StoreError::InvalidPath { .. }) || failure::find::<PathError>(error).is_some()
}
