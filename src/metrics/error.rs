//! Why two label maps could not be compared.

/// See each variant; the text is what the user reads.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// Sizes differ.
    #[error(
        "the two masks have different sizes ({0} and {1} voxels): compare masks of the same scan, or resample one \
         to the other's grid first"
    )]
    Size(String, String),
    /// Sizes agree, positions do not.
    #[error(
        "the two masks have the same size but lie in different places (spacing, direction or origin differ): compare \
         masks of the same scan, or resample one to the other's grid first"
    )]
    Place,
    /// Nothing was asked for.
    #[error("there is no segment to compare: choose at least one that either mask has")]
    NoPairs,
    /// Coordinates are kept in 16 bits.
    #[error("the structure spans {0} voxels along one axis; surface distances can be measured up to 65535")]
    TooLarge(usize),
    /// Stopped on request.
    #[error("the comparison was cancelled")]
    Cancelled,
}
