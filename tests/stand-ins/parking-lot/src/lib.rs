//! The mutex of `parking_lot`, under the scheduler of shuttle.

use std::sync::PoisonError;

pub use shuttle::sync::MutexGuard;

/// A mutex at whose locks the scheduler may go on with another thread.
#[derive(Debug, Default)]
pub struct Mutex<T: ?Sized>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// Creates an unlocked mutex.
    pub fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until nobody else holds it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        // As in `parking_lot`, a panic under the lock does not affect later callers.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
