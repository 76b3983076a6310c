//! A map whose values are made once, however many tasks ask for the same key at the same time.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OnceCell;

/// Values that are kept, at most. Topics know a few schemas each; who can register many more, and name them in messages,
/// makes this process fetch them again and not hold them all.
const MOST: usize = 1_000;

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
        let cell = self.cell(key);
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

    /// The cell of a key. A map that is full is emptied: what is still needed is made once more.
    fn cell(&self, key: K) -> Arc<OnceCell<V>> {
        let mut cells = self.cells();
        if cells.len() >= MOST && !cells.contains_key(&key) {
            cells.clear();
        }
        Arc::clone(cells.entry(key).or_default())
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

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn however_many_keys_come_only_so_many_values_are_kept() {
        let (map, made) = (OnceMap::default(), AtomicUsize::new(0));
        let ask = async |key: usize| {
            let make = async || {
                made.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(key)
            };
            map.get_or_make(key, make).await.unwrap()
        };
        for key in (0..MOST).chain(0..MOST) {
            assert_eq!(ask(key).await, key);
        }
        assert_eq!(made.load(Ordering::Relaxed), MOST, "each is made once");
        for key in 0..3 * MOST {
            assert_eq!(ask(key).await, key);
            assert!(map.cells().len() <= MOST);
        }
    }
}
