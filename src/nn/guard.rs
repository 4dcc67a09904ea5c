//! Turns a panic inside burn or cubecl into an error: their device code panics on validation and memory errors.

use super::DeviceError;
use crate::jobs::catch_panic;

/// Runs `work`; a panic inside becomes [`DeviceError::Failed`] with the panic's own message.
///
/// `what` completes the sentence "`what` failed on the compute device".
///
/// # Errors
/// [`DeviceError::Failed`].
pub fn catch<T>(what: &'static str, work: impl FnOnce() -> T) -> Result<T, DeviceError> {
    catch_panic(work).map_err(|text| DeviceError::Failed { what, reason: first_line(&text) })
}

/// The first line of a message: wgpu's go on for a page.
pub(super) fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or("no reason was given");
    let mut line = line.trim_end_matches('.').to_owned();
    if let Some((end, _)) = line.char_indices().nth(240) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        assert_eq!(catch("adding", || 1 + 1), Ok(2));
        let error = catch("adding", || -> u8 { panic!("\n  Out of memory.\nlong tail") }).unwrap_err();
        assert!(error.to_string().contains("Out of memory"), "{error}");
        assert!(!error.to_string().contains("long tail"));
    }
}
