//! Batches: slices augmented and turned into network input on worker threads, through bounded queues, in order.

use super::augment::augment;
use super::store::SliceStore;
use super::{AugmentConfig, Recipe, TrainError};
use crate::nn::Intensity;
use crossbeam_channel::{Receiver, bounded};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::thread::Scope;

/// Input `[count, 1, size, size]` and target `[count, channels, size, size]`, flattened.
pub(super) struct Batch {
    pub count: usize,
    pub size: usize,
    pub input: Vec<f32>,
    pub target: Vec<f32>,
}

impl Batch {
    /// The batch in at most `pieces` batches of near equal size; itself for one.
    pub fn cut(&self, pieces: usize) -> Vec<Batch> {
        let each = self.count.div_ceil(pieces.max(1)).max(1);
        let (input, target) = (self.input.len() / self.count.max(1), self.target.len() / self.count.max(1));
        (0..self.count)
            .step_by(each)
            .map(|start| {
                let end = (start + each).min(self.count);
                Batch {
                    count: end - start,
                    size: self.size,
                    input: self.input[start * input..end * input].to_vec(),
                    target: self.target[start * target..end * target].to_vec(),
                }
            })
            .collect()
    }
}

/// What makes batches: pure functions of the recipe, the epoch and the place in it.
#[derive(Clone, Copy)]
pub(super) struct BatchPlan<'a> {
    pub store: &'a SliceStore,
    pub size: usize,
    pub channels: usize,
    pub intensity: Intensity,
    pub augment: AugmentConfig,
    pub batch_size: usize,
    pub shuffle: bool,
    pub seed: u64,
}

impl<'a> BatchPlan<'a> {
    pub fn new(recipe: &Recipe, store: &'a SliceStore) -> Self {
        Self {
            store,
            size: recipe.preprocessing.size,
            channels: recipe.network_spec().out_channels,
            intensity: recipe.preprocessing.intensity,
            augment: recipe.augmentation,
            batch_size: recipe.batch_size,
            shuffle: recipe.shuffle,
            seed: recipe.seed,
        }
    }

    /// Steps of an epoch over `slices` slices; the last batch may be smaller.
    pub fn steps(&self, slices: usize) -> usize {
        slices.div_ceil(self.batch_size)
    }

    /// The training slices in the order of `epoch`.
    pub fn order(&self, slices: &[usize], epoch: usize) -> Vec<usize> {
        let mut order = slices.to_vec();
        if !self.shuffle {
            return order;
        }
        order.shuffle(&mut self.random(2, epoch, 0));
        order
    }

    /// A stream of random numbers of its own for each purpose, epoch and place.
    fn random(&self, purpose: u64, epoch: usize, place: usize) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(purpose << 56 | (epoch as u64 & 0xff_ffff) << 32 | (place as u64 & 0xffff_ffff));
        rng
    }

    /// The random numbers that change the slice at `place` in the order of `epoch`.
    pub fn augmentation(&self, epoch: usize, place: usize) -> ChaCha8Rng {
        self.random(3, epoch, place)
    }

    /// The batch of `step` within `order`; augmented when `epoch` is given.
    pub fn batch(&self, order: &[usize], step: usize, epoch: Option<usize>) -> Result<Batch, TrainError> {
        let start = step * self.batch_size;
        let indices = order.get(start..(start + self.batch_size).min(order.len())).unwrap_or_default();
        let size = match (&self.augment.crop, epoch) {
            (Some(crop), Some(_)) => crop.size,
            _ => self.size,
        };
        let pixels = size * size;
        let mut input = Vec::with_capacity(indices.len() * pixels);
        let mut target = vec![0.0; indices.len() * self.channels * pixels];
        for (n, index) in indices.iter().enumerate() {
            let mut slice = self.store.get(*index)?;
            if let Some(epoch) = epoch {
                slice = augment(slice, self.size, &self.augment, &mut self.augmentation(epoch, start + n)).0;
            }
            input.extend(slice.hu.iter().map(|v| self.intensity.apply(f32::from(*v))));
            let base = n * self.channels * pixels;
            for (pixel, class) in slice.classes.iter().enumerate() {
                // One channel holds the foreground; several are one-hot with background first.
                match (self.channels, usize::from(*class)) {
                    (1, 0) => {}
                    (1, _) => target[base + pixel] = 1.0,
                    (channels, class) if class < channels => target[base + class * pixels + pixel] = 1.0,
                    _ => {}
                }
            }
        }
        Ok(Batch { count: indices.len(), size, input, target })
    }

    /// Makes the batches of steps `first..` on threads of `scope`; they arrive in order from the returned feed.
    ///
    /// Each thread makes every n-th batch and has a queue of two, so that at most `2 n` wait in memory. Dropping the
    /// feed ends the threads.
    pub fn feed<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        order: &'scope [usize],
        epoch: Option<usize>,
        first: usize,
    ) -> Feed
    where
        'a: 'scope,
    {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get() / 2).clamp(1, 4);
        let steps = self.steps(order.len());
        let queues = (0..threads)
            .map(|t| {
                let (sender, receiver) = bounded(2);
                scope.spawn(move || {
                    for step in (first..steps).skip(t).step_by(threads) {
                        if sender.send(self.batch(order, step, epoch)).is_err() {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        Feed { queues, next: 0 }
    }
}

/// Batches in order.
pub(super) struct Feed {
    queues: Vec<Receiver<Result<Batch, TrainError>>>,
    next: usize,
}

impl Feed {
    /// The next batch.
    ///
    /// # Errors
    /// What the maker met; [`TrainError::Data`] past the end.
    pub fn next(&mut self) -> Result<Batch, TrainError> {
        let queue = self.queues.get(self.next % self.queues.len().max(1));
        self.next += 1;
        match queue.map(Receiver::recv) {
            Some(Ok(batch)) => batch,
            _ => Err(TrainError::Data("a thread that prepares slices has ended".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::FillKind;
    use crate::train::store::Slice;

    #[test]
    fn batches_arrive_in_order_repeat_with_their_seed_and_stop_when_dropped() {
        let mut store = SliceStore::new(4, 1 << 20, &std::env::temp_dir());
        for n in 0..7 {
            store.push(Slice { hu: vec![n; 16], classes: vec![(n % 2) as u8; 16] }).unwrap();
        }
        let plan = BatchPlan {
            store: &store,
            size: 4,
            channels: 2,
            intensity: Intensity::Divide { by: 1.0 },
            augment: AugmentConfig {
                flip_lr: 0.5,
                rotate_degrees: 10.0,
                fill: FillKind::Nearest,
                ..Default::default()
            },
            batch_size: 2,
            shuffle: true,
            seed: 3,
        };
        let slices: Vec<usize> = (0..7).collect();
        let order = plan.order(&slices, 0);
        assert_ne!(order, plan.order(&slices, 1));
        assert_eq!(order, plan.order(&slices, 0));
        assert_eq!(BatchPlan { shuffle: false, ..plan }.order(&slices, 0), slices);
        std::thread::scope(|scope| {
            let mut feed = plan.feed(scope, &order, Some(0), 1);
            for step in 1..plan.steps(7) {
                let batch = feed.next().unwrap();
                let want: Vec<f32> = order[step * 2..(step * 2 + 2).min(7)].iter().map(|i| *i as f32).collect();
                assert_eq!(batch.input.chunks(16).map(|c| c[5]).collect::<Vec<_>>(), want);
                for (n, v) in want.iter().enumerate() {
                    let class = *v as usize % 2;
                    assert_eq!(batch.target[n * 32 + class * 16 + 5], 1.0);
                    assert_eq!(batch.target[n * 32 + (1 - class) * 16 + 5], 0.0);
                }
            }
            assert!(feed.next().is_err());
            drop(plan.feed(scope, &order, None, 0));
        });
    }
}
