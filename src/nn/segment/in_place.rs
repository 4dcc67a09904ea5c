//! Looks at slices that lie on the device, for passes that fill a network's input or use its answer there.

use super::super::guard::catch;
use super::super::{DeviceError, DeviceRoom, RoomBuffer};
use super::Segmenter;

impl Segmenter {
    /// Probabilities of pictures that lie on the device as the network takes them, left there: one plain look.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails.
    pub fn look(&self, pictures: &DeviceRoom) -> Result<DeviceRoom, DeviceError> {
        Ok(DeviceRoom::of(catch("predicting", || self.answer(pictures.tensor()))?))
    }

    /// The network's plain answer for one slice, as [`Self::network_probabilities`] gives it. `fill` may make the input where
    /// it lies, and says whether it did: else it comes from `hu`. `see` has the answer before it is read.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is no graphics device, and that of `see`.
    pub fn look_in_place(
        &self,
        hu: &[i16],
        fill: impl FnOnce(&RoomBuffer) -> bool,
        see: impl FnOnce(&RoomBuffer) -> Result<(), DeviceError>,
    ) -> Result<Vec<f32>, DeviceError> {
        let n = self.spec.preprocessing.size;
        let mut room = DeviceRoom::new(&self.compute, [1, 1, n, n])?;
        if !fill(&room.buffer()?) {
            room = room.filled(self.input(&[hu.to_vec()]))?;
        }
        let answer = self.look(&room)?;
        see(&answer.buffer()?)?;
        answer.read()
    }
}
