//! Random numbers of the operating system, and the error if there are none.

/// The error for a random number that the operating system did not provide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system provided no random number")]
pub struct RandomError(#[source] getrandom::Error);

/// Returns random bytes of the operating system, which nobody can guess.
///
/// # Errors
///
/// [`RandomError`] if the operating system provides none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RandomError)?;
    Ok(bytes)
}
