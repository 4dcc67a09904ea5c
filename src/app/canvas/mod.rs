//! A window that draws only what changed, for adapters on which every pixel costs the processor time. Used by `app` alone.
//!
//! egui draws all of a window in every frame, also when a number in a corner is all that changed. On software Vulkan that
//! takes both processors most of a tenth of a second. Here the window is a picture that is kept from frame to frame: the
//! shapes of a frame are compared with those of the frame before ([`damage`]), what differs is drawn into the picture by a
//! renderer of its own, and what egui's own renderer is given is one shape: a copy of the picture. The panes say themselves
//! whether they show what they showed ([`PaneChanges`]).

mod damage;

use crate::render::{Picture, Pictures};
use crate::ui::viewer::PaneChanges;
use damage::{Damage, changed};
use eframe::egui_wgpu::{Callback, CallbackResources, CallbackTrait, Renderer, RendererOptions, ScreenDescriptor};
use egui::epaint::textures::TexturesDelta;
use egui::epaint::{ClippedPrimitive, ClippedShape, Primitive};
use egui::{Color32, Mesh, PaintCallbackInfo, Rect, Shape};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shapes beyond which the whole window is drawn: finding out what they cover would cost more.
const MANY: usize = 400;
/// What lies under everything.
const GROUND: Color32 = Color32::BLACK;

/// Takes over what egui draws. Make one a context and keep it there: see [`Canvas::install`].
pub struct Canvas {
    format: wgpu::TextureFormat,
    last: Vec<ClippedShape>,
    pixels_per_point: f32,
    next: Arc<Mutex<Next>>,
}

/// What the next frame that reaches the device has to draw.
#[derive(Default)]
struct Next {
    textures: TexturesDelta,
    /// The whole window.
    primitives: Vec<ClippedPrimitive>,
    damage: Damage,
}

/// The one shape that is left of a frame.
struct Copy {
    format: wgpu::TextureFormat,
    next: Arc<Mutex<Next>>,
}

/// Among the callback resources of egui's renderer.
struct Kept {
    renderer: Renderer,
    pictures: Pictures,
    picture: Option<Picture>,
}

impl Canvas {
    /// From the next frame on, for a window whose surface has this format.
    pub fn install(ctx: &egui::Context, format: wgpu::TextureFormat) {
        ctx.add_plugin(Self { format, last: Vec::new(), pixels_per_point: 0.0, next: Arc::default() });
    }

    /// The resources that the callbacks of a window keep, whether it has a canvas or not.
    pub fn resources(resources: &CallbackResources) -> &CallbackResources {
        resources.get::<Kept>().map_or(resources, |kept| &kept.renderer.callback_resources)
    }
}

impl egui::Plugin for Canvas {
    fn debug_name(&self) -> &'static str {
        "canvas"
    }

    fn output_hook(&mut self, ctx: &egui::Context, output: &mut egui::FullOutput) {
        let textures = std::mem::take(&mut output.textures_delta);
        let is_new = textures.set.iter().any(|(id, deltas)| {
            // Letters are added to their texture where nothing was; whatever else changes may be seen anywhere.
            *id != egui::TextureId::default() || deltas.iter().any(|delta| delta.is_whole())
        });
        let mut next = lock(&self.next);
        next.textures.append(textures);
        if is_new {
            next.damage.add_all();
        }
        if is_discarded(ctx, &output.platform_output) {
            return;
        }
        let scale = output.pixels_per_point;
        let copy = Copy { format: self.format, next: self.next.clone() };
        // Larger than any window: what it covers is cut to it.
        let everywhere = Rect::from_min_size(egui::Pos2::ZERO, egui::Vec2::splat(1e5));
        let shape = ClippedShape {
            clip_rect: everywhere,
            shape: Shape::Callback(Callback::new_paint_callback(everywhere, copy)),
            transform_after_tessellation: Default::default(),
        };
        let shapes = std::mem::replace(&mut output.shapes, vec![shape]);
        let found = changed(&self.last, &shapes);
        if scale != self.pixels_per_point || found.len() > MANY {
            next.damage.add_all();
        } else {
            for shape in found {
                // Exactly what it covers, soft edges and mitres too.
                for drawn in ctx.tessellate(vec![shape.clone()], scale) {
                    if let Primitive::Mesh(mesh) = &drawn.primitive {
                        next.damage.add(mesh.calc_bounds().intersect(drawn.clip_rect), scale);
                    } else if let Primitive::Callback(callback) = &drawn.primitive {
                        next.damage.add(callback.rect.intersect(drawn.clip_rect), scale);
                    }
                }
            }
        }
        self.pixels_per_point = scale;
        let mut ground = Mesh::default();
        ground.add_colored_rect(everywhere, GROUND);
        next.primitives = vec![ClippedPrimitive { clip_rect: everywhere, primitive: Primitive::Mesh(ground) }];
        next.primitives.extend(ctx.tessellate(shapes.clone(), scale));
        self.last = shapes;
    }
}

impl CallbackTrait for Copy {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if resources.get::<Kept>().is_none() {
            resources.insert(Kept::new(device, self.format));
        }
        if let Some(kept) = resources.get_mut::<Kept>() {
            kept.draw(device, queue, screen, &mut lock(&self.next));
        }
        Vec::new()
    }

    fn paint(
        &self,
        info: PaintCallbackInfo,
        render_pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        let Some(kept) = resources.get::<Kept>() else { return };
        let Some(picture) = &kept.picture else { return };
        let [width, height] = info.screen_size_px;
        render_pass.set_viewport(0.0, 0.0, width as f32, height as f32, 0.0, 1.0);
        kept.pictures.paint(render_pass, picture);
    }
}

impl Kept {
    fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        let options = RendererOptions { dithering: false, ..RendererOptions::default() };
        let mut renderer = Renderer::new(device, format, options);
        renderer.callback_resources.insert(PaneChanges::default());
        Self { renderer, pictures: Pictures::new(device, format), picture: None }
    }

    /// Brings the picture up to date. Submits at once: a frame that gets no place on the screen is drawn all the same, and
    /// the one after it knows what the picture shows.
    fn draw(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, screen: &ScreenDescriptor, next: &mut Next) {
        let size = screen.size_in_pixels;
        if self.picture.as_ref().is_none_or(|p| p.size() != size) {
            self.picture = self.pictures.picture(device, None, size);
            next.damage.add_all();
        }
        for (id, deltas) in next.textures.set.drain() {
            for delta in &deltas {
                self.renderer.update_texture(device, queue, id, delta);
            }
        }
        if let Some(changes) = self.renderer.callback_resources.get_mut::<PaneChanges>() {
            changes.clear();
        }
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("canvas") });
        let mut commands = self.renderer.update_buffers(device, queue, &mut encoder, &next.primitives, screen);
        let scale = screen.pixels_per_point;
        if let Some(changes) = self.renderer.callback_resources.get::<PaneChanges>() {
            for drawn in &next.primitives {
                if let Primitive::Callback(callback) = &drawn.primitive
                    && changes.is_changed(callback.rect)
                {
                    next.damage.add(callback.rect.intersect(drawn.clip_rect), scale);
                }
            }
        }
        let areas = next.damage.take(size);
        if let Some(picture) = self.picture.as_ref().filter(|_| !areas.is_empty()) {
            let mut pass = picture.pass(&mut encoder, false).forget_lifetime();
            let clips: Vec<Rect> = next.primitives.iter().map(|p| p.clip_rect).collect();
            for area in areas.iter().map(|area| area.rect(scale)) {
                for (primitive, clip) in next.primitives.iter_mut().zip(&clips) {
                    primitive.clip_rect = clip.intersect(area);
                }
                self.renderer.render(&mut pass, &next.primitives, screen);
            }
            for (primitive, clip) in next.primitives.iter_mut().zip(clips) {
                primitive.clip_rect = clip;
            }
        }
        commands.push(encoder.finish());
        queue.submit(commands);
        for id in next.textures.free.drain() {
            self.renderer.free_texture(&id);
        }
    }
}

/// Whether another pass of the same frame follows, which is drawn in place of this one.
fn is_discarded(ctx: &egui::Context, output: &egui::PlatformOutput) -> bool {
    output.requested_discard() && output.num_completed_passes < ctx.options(|o| o.max_passes.get())
}

fn lock(next: &Mutex<Next>) -> MutexGuard<'_, Next> {
    next.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
