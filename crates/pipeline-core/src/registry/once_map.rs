//! A map whose values are made once, however many tasks ask for the same key at the same time.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OnceCell;

/// Values by key, each made by the first who asks; the others wait for it. Failures are not remembered.
pub(super) struct OnceMap<K, V> {
    cells: Mutex<HashMap<K, Arc<OnceCell<V>>>>,
}

// === impl OnceMap ===

impl<K: Copy + Eq + Hash, V: Clone> OnceMap<K, V> {
    /// The value of `key`, made by `make` when nobody has made it before.
    pub(super) async fn get_or_make<E, F>(&self, key: K, make: impl FnOnce() -> F) -> Result<V, E>
    where
        F: Future<Output = Result<V, E>>,
    {
        let cell = Arc::clone(self.cells().entry(key).or_default());
        match cell.get_or_try_init(make).await {
            Ok(value) => Ok(value.clone()),
            Err(error) => {
                self.forget(key, &cell);
                Err(error)
            }
        }
    }

    /// Puts a value that is known beforehand.
    pub(super) fn put(&self, key: K, value: V) {
        self.cells().insert(key, Arc::new(OnceCell::new_with(Some(value))));
    }

    /// Keys come from messages, so a key without a value must not stay: hostile messages would fill the map.
    fn forget(&self, key: K, failed: &Arc<OnceCell<V>>) {
        let mut cells = self.cells();
        if cells.get(&key).is_some_and(|cell| Arc::ptr_eq(cell, failed) && !cell.initialized()) {
            cells.remove(&key);
        }
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<K, Arc<OnceCell<V>>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Default for OnceMap<K, V> {
    fn default() -> Self {
        Self { cells: Mutex::default() }
    }
}

impl<K, V> fmt::Debug for OnceMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceMap").finish_non_exhaustive()
    }
}
