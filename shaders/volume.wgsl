// A ray cast through a CT volume and its labels: the volume by a transfer function, segments as smooth shaded surfaces.
//
// Parallel rays; positions are in voxels, distances along the ray in millimetres. The steps lie on one grid along each
// ray, so that skipping empty blocks does not move the samples. `render::volume::raycast` is the same on the CPU.

struct View {
    // Voxel position of the left top corner of the target on the plane where rays begin, and steps per target pixel.
    origin: vec3<f32>,
    // Millimetres between two samples.
    step: f32,
    right: vec3<f32>,
    // Number of samples of a whole ray.
    samples: f32,
    down: vec3<f32>,
    surface_opacity: f32,
    // Voxels per millimetre along the ray.
    direction: vec3<f32>,
    flags: u32,
    clip_min: vec3<f32>,
    // HU of the transfer function's first entry, and its entries per HU.
    first_hu: f32,
    clip_max: vec3<f32>,
    entries_per_hu: f32,
    // Columns of the matrix from gradients per voxel to gradients per millimetre along right, down and depth.
    gradient_i: vec4<f32>,
    gradient_j: vec4<f32>,
    gradient_k: vec4<f32>,
    background: vec4<f32>,
    // RGBA of label n: byte order r, g, b, a in word n.
    colors: array<vec4<u32>, 64>,
}

const FLAG_VOLUME: u32 = 1u;
const FLAG_SURFACES: u32 = 2u;
const FLAG_SHADED: u32 = 4u;
const FLAG_MAXIMUM: u32 = 8u;
const BLOCK: f32 = 16.0;
const BLOCK_VOLUME: u32 = 1u;
const BLOCK_LABELS: u32 = 2u;
// Occupancy at which a smoothed mask has its surface; below a half, so that lines one voxel thin remain.
const SURFACE: f32 = 0.4;
const LAST_ENTRY: f32 = 511.0;
const OPAQUE: f32 = 0.985;

// Not a uniform, for the reason that stands in `slice.wgsl`.
@group(0) @binding(0) var<storage, read> view: View;
@group(0) @binding(1) var volume: texture_3d<i32>;
@group(0) @binding(2) var labels: texture_3d<u32>;
@group(0) @binding(3) var blocks: texture_3d<u32>;
// Colour and opacity per millimetre.
@group(0) @binding(4) var transfer: texture_2d<f32>;

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4<f32>(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0);
}

fn hu_at(voxel: vec3<i32>) -> f32 {
    let last = vec3<i32>(textureDimensions(volume)) - 1;
    return f32(textureLoad(volume, clamp(voxel, vec3<i32>(0), last), 0).r);
}

fn hu_linear(position: vec3<f32>) -> f32 {
    let base = floor(position);
    let f = position - base;
    let v = vec3<i32>(base);
    let near = mix(
        mix(hu_at(v), hu_at(v + vec3<i32>(1, 0, 0)), f.x),
        mix(hu_at(v + vec3<i32>(0, 1, 0)), hu_at(v + vec3<i32>(1, 1, 0)), f.x),
        f.y,
    );
    let far = mix(
        mix(hu_at(v + vec3<i32>(0, 0, 1)), hu_at(v + vec3<i32>(1, 0, 1)), f.x),
        mix(hu_at(v + vec3<i32>(0, 1, 1)), hu_at(v + vec3<i32>(1, 1, 1)), f.x),
        f.y,
    );
    return mix(near, far, f.z);
}

fn transfer_at(hu: f32) -> vec4<f32> {
    let n = u32(clamp((hu - view.first_hu) * view.entries_per_hu + 0.5, 0.0, LAST_ENTRY));
    return textureLoad(transfer, vec2<u32>(n, 0u), 0);
}

fn label_at(voxel: vec3<i32>) -> u32 {
    if any(voxel < vec3<i32>(0)) || any(voxel >= vec3<i32>(textureDimensions(labels))) {
        return 0u;
    }
    return textureLoad(labels, voxel, 0).r;
}

fn color_of(label: u32) -> vec4<f32> {
    return unpack4x8unorm(view.colors[label >> 2u][label & 3u]);
}

// The label if it is shown, else 0.
fn shown(label: u32) -> u32 {
    return select(0u, label, (view.colors[label >> 2u][label & 3u] >> 24u) != 0u);
}

// 1 where a voxel belongs to the surface of `label`: opaque surfaces wrap all that is shown, others each its own.
fn occupied(voxel: vec3<i32>, label: u32) -> f32 {
    let here = shown(label_at(voxel));
    return select(0.0, 1.0, here != 0u && (here == label || view.surface_opacity >= 1.0));
}

// Quadratic B-spline of the occupancy: 27 voxels.
fn occupancy(position: vec3<f32>, label: u32) -> f32 {
    let centre = floor(position + 0.5);
    let d = position - centre;
    let a = 0.5 * (0.5 - d) * (0.5 - d);
    let b = 0.75 - d * d;
    let c = 0.5 * (0.5 + d) * (0.5 + d);
    let v = vec3<i32>(centre);
    var sum = 0.0;
    for (var k = -1; k <= 1; k++) {
        let wk = select(select(c.z, b.z, k == 0), a.z, k < 0);
        for (var j = -1; j <= 1; j++) {
            let wj = wk * select(select(c.y, b.y, j == 0), a.y, j < 0);
            sum += wj * (a.x * occupied(v + vec3<i32>(-1, j, k), label) + b.x * occupied(v + vec3<i32>(0, j, k), label)
                + c.x * occupied(v + vec3<i32>(1, j, k), label));
        }
    }
    return sum;
}

struct Skin {
    // Towards the outside, along right, down and depth of the screen; zero where it is unknown.
    normal: vec3<f32>,
    color: vec3<f32>,
}

// Normal and colour from the 125 voxels around, weighted by distance.
fn skin_at(position: vec3<f32>, label: u32) -> Skin {
    let centre = floor(position + 0.5);
    let v = vec3<i32>(centre);
    var gradient = vec3<f32>(0.0);
    var color = vec4<f32>(0.0);
    for (var k = -2; k <= 2; k++) {
        for (var j = -2; j <= 2; j++) {
            for (var i = -2; i <= 2; i++) {
                let voxel = v + vec3<i32>(i, j, k);
                let here = shown(label_at(voxel));
                if here != 0u && (here == label || view.surface_opacity >= 1.0) {
                    let d = centre + vec3<f32>(f32(i), f32(j), f32(k)) - position;
                    // A standard deviation of 1.2 voxels.
                    let w = exp(-0.347 * dot(d, d));
                    gradient += w * d;
                    let near = w * w;
                    color += near * vec4<f32>(color_of(here).rgb, 1.0);
                }
            }
        }
    }
    var skin: Skin;
    skin.normal = unit(-on_screen(gradient));
    skin.color = color.rgb / max(color.a, 1e-9);
    return skin;
}

fn on_screen(gradient: vec3<f32>) -> vec3<f32> {
    return view.gradient_i.xyz * gradient.x + view.gradient_j.xyz * gradient.y + view.gradient_k.xyz * gradient.z;
}

fn unit(v: vec3<f32>) -> vec3<f32> {
    let n = length(v);
    return select(vec3<f32>(0.0), v / n, n > 1e-6);
}

// A lamp above the reader's left shoulder, and what the room gives back (Blinn and Phong).
fn lit(color: vec3<f32>, normal: vec3<f32>) -> vec3<f32> {
    let lamp = vec3<f32>(-0.3244, -0.4867, -0.8111);
    let half_way = vec3<f32>(-0.1704, -0.2557, -0.9516);
    let diffuse = max(dot(normal, lamp), 0.0);
    let shine = pow(max(dot(normal, half_way), 0.0), 24.0);
    return clamp(color * (0.28 + 0.72 * diffuse) + vec3<f32>(0.16 * shine), vec3<f32>(0.0), vec3<f32>(1.0));
}

fn hu_normal(position: vec3<f32>) -> vec3<f32> {
    let x = vec3<f32>(1.0, 0.0, 0.0);
    let y = vec3<f32>(0.0, 1.0, 0.0);
    let z = vec3<f32>(0.0, 0.0, 1.0);
    let gradient = vec3<f32>(
        hu_linear(position + x) - hu_linear(position - x),
        hu_linear(position + y) - hu_linear(position - y),
        hu_linear(position + z) - hu_linear(position - z),
    );
    // Noise has no direction worth a shade.
    let normal = -on_screen(gradient);
    return select(vec3<f32>(0.0), unit(normal), dot(normal, normal) > 4.0);
}

// Where the ray from `start` is inside the clip box: first and last millimetre, and the axis it enters through.
fn inside_of_box(start: vec3<f32>) -> vec3<f32> {
    var enter = -1e30;
    var leave = 1e30;
    var axis = 0.0;
    for (var a = 0; a < 3; a++) {
        let d = view.direction[a];
        if abs(d) < 1e-9 {
            if start[a] < view.clip_min[a] || start[a] > view.clip_max[a] {
                leave = -1e30;
            }
            continue;
        }
        let one = (view.clip_min[a] - start[a]) / d;
        let two = (view.clip_max[a] - start[a]) / d;
        if min(one, two) > enter {
            enter = min(one, two);
            axis = f32(a);
        }
        leave = min(leave, max(one, two));
    }
    return vec3<f32>(enter, leave, axis);
}

// The first sample beyond the block that `position` lies in.
fn beyond_block(start: vec3<f32>, position: vec3<f32>, n: f32) -> f32 {
    let low = floor((position + 0.5) / BLOCK) * BLOCK - 0.5;
    var leave = 1e30;
    for (var a = 0; a < 3; a++) {
        let d = view.direction[a];
        if abs(d) >= 1e-9 {
            let wall = select(low[a], low[a] + BLOCK, d > 0.0);
            leave = min(leave, (wall - start[a]) / d);
        }
    }
    return max(n + 1.0, ceil(leave / view.step));
}

fn shade(pixel: vec2<f32>) -> vec3<f32> {
    let start = view.origin + view.right * pixel.x + view.down * pixel.y;
    let span = inside_of_box(start);
    var color = vec3<f32>(0.0);
    var alpha = 0.0;
    var brightest = -1e9;
    var before = 0u;
    var first = true;
    let last_block = vec3<i32>(textureDimensions(blocks)) - 1;
    var n = max(ceil(span.x / view.step), 0.0);
    let end = min(floor(span.y / view.step), view.samples);
    while n <= end && alpha < OPAQUE {
        let position = start + view.direction * (n * view.step);
        let block = clamp(vec3<i32>(floor((position + 0.5) / BLOCK)), vec3<i32>(0), last_block);
        let content = textureLoad(blocks, block, 0).r;
        if content == 0u {
            n = beyond_block(start, position, n);
            before = 0u;
            first = false;
            continue;
        }
        if (content & BLOCK_LABELS) != 0u {
            let here = shown(label_at(vec3<i32>(floor(position + 0.5))));
            if here != before {
                var entered = here != 0u && !(before != 0u && view.surface_opacity >= 1.0);
                if entered && !first {
                    entered = occupancy(position, here) >= SURFACE;
                }
                if entered {
                    var skin: Skin;
                    if first {
                        // Cut open by the box: the face of the box is what is seen.
                        var face = vec3<f32>(0.0);
                        face[i32(span.z)] = -sign(view.direction[i32(span.z)]);
                        skin.normal = unit(on_screen(face));
                        skin.color = color_of(here).rgb;
                    } else {
                        var outside = n - 1.0;
                        var within = n;
                        for (var turn = 0; turn < 5; turn++) {
                            let middle = 0.5 * (outside + within);
                            if occupancy(start + view.direction * (middle * view.step), here) >= SURFACE {
                                within = middle;
                            } else {
                                outside = middle;
                            }
                        }
                        skin = skin_at(start + view.direction * (within * view.step), here);
                    }
                    color += (1.0 - alpha) * view.surface_opacity * lit(skin.color, skin.normal);
                    alpha += (1.0 - alpha) * view.surface_opacity;
                }
                if here == 0u || entered {
                    before = here;
                }
            }
        }
        if (content & BLOCK_VOLUME) != 0u && alpha < OPAQUE {
            let hu = hu_linear(position);
            if (view.flags & FLAG_MAXIMUM) != 0u {
                brightest = max(brightest, hu);
            } else {
                let entry = transfer_at(hu);
                if entry.a > 0.0 {
                    let opacity = 1.0 - pow(1.0 - entry.a, view.step);
                    var shaded = entry.rgb;
                    if (view.flags & FLAG_SHADED) != 0u {
                        shaded = lit(entry.rgb, hu_normal(position));
                    }
                    color += (1.0 - alpha) * opacity * shaded;
                    alpha += (1.0 - alpha) * opacity;
                }
            }
        }
        first = false;
        n += 1.0;
    }
    if brightest > -1e9 {
        color += (1.0 - alpha) * transfer_at(brightest).rgb;
        alpha = 1.0;
    }
    return color + (1.0 - alpha) * view.background.rgb;
}

@fragment
fn fs_main(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
    return vec4<f32>(shade(at.xy), 1.0);
}
