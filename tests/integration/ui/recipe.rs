//! The recipe of a network that trains within seconds, as a fixture.

/// One class, slices of 16 x 16 pixels, two channels; `epochs` passes over the data.
pub fn tiny(epochs: usize) -> String {
    format!(
        r#"(
    name: "tiny",
    data: (classes: [(name: "ball", from: Any)]),
    preprocessing: (size: 16, intensity: Window(low: -1000.0, high: 400.0)),
    network: UNet(base_width: 2, depth: 1, norm: Batch, dropout: 0.0),
    loss: BceDice(smooth: 1.0),
    optimizer: (kind: Adam, lr: 0.01),
    batch_size: 8,
    epochs: {epochs},
    split: EvenOdd(validation_every: 5),
    seed: 1,
)"#
    )
}
