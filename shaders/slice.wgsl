// One slice of a CT volume with its label overlay, drawn into the current viewport.
//
// Colours are sRGB values ("gamma space") throughout, as on a reading monitor: the grey of the window function is
// what the display is given, and overlays are mixed in that space. `fs_linear` undoes the encoding for targets
// that apply it themselves.

//
// What a view does not use is left out of its pipeline by the constants below: software Vulkan runs both sides of every
// branch, for each pixel.

// How samples between voxel centres are found.
override SAMPLING: u32 = 1u;
// Several samples are joined along the line of sight.
override SLAB: bool = false;
// A second volume is laid over.
override FUSED: bool = false;
override OVERLAY: u32 = 1u;

const NEAREST: u32 = 0u;
const BILINEAR: u32 = 1u;
const BICUBIC: u32 = 2u;
// For planes that are none of the grid's.
const TRILINEAR: u32 = 3u;
const TRICUBIC: u32 = 4u;

struct View {
    // Voxel position of the pane's left top corner, and the steps of one screen pixel to the right and down.
    origin: vec3<f32>,
    window_center: f32,
    right: vec3<f32>,
    window_width: f32,
    down: vec3<f32>,
    fill_opacity: f32,
    background: vec4<f32>,
    only_a: vec4<f32>,
    only_b: vec4<f32>,
    both: vec4<f32>,
    pane_size: vec2<f32>,
    outline_opacity: f32,
    through: u32,
    voi: u32,
    flags: u32,
    overlay: u32,
    // Labels compared in difference mode: A in the low byte, B in the next.
    pair: u32,
    // The header's table of grey values: HU of its first entry, number of its last, its white.
    lut: vec4<f32>,
    // One step through the slab, in voxels, and steps to either side.
    slab_step: vec3<f32>,
    slab_half: u32,
    // Rows of the transform from this volume's voxels to those of the one laid over it.
    fused_i: vec4<f32>,
    fused_j: vec4<f32>,
    fused_k: vec4<f32>,
    // Centre and width of its window, its opacity, and nothing.
    fused: vec4<f32>,
    // Rows of the colour maps of the image and of what is laid over it; how a slab is joined; and nothing.
    maps: vec4<u32>,
    // RGBA of label n: byte order r, g, b, a in word n.
    colors: array<vec4<u32>, 64>,
}

const VOI_LINEAR: u32 = 0u;
const VOI_LINEAR_EXACT: u32 = 1u;
const VOI_TABLE: u32 = 3u;

const FLAG_INVERT: u32 = 1u;

const SLAB_MEAN: u32 = 0u;
const SLAB_MAXIMUM: u32 = 1u;
const SLAB_MINIMUM: u32 = 2u;

const OVERLAY_NONE: u32 = 0u;
const OVERLAY_LABELS: u32 = 1u;

// Not a uniform: Mesa's software Vulkan writes uniforms that decide branches into the code, and so compiled the pass anew at
// every draw, which took most of a frame, and kept the code, 2 MB each.
@group(0) @binding(0) var<storage, read> view: View;
@group(0) @binding(1) var volume: texture_3d<i32>;
@group(0) @binding(2) var labels_a: texture_3d<u32>;
@group(0) @binding(3) var labels_b: texture_3d<u32>;
// Entry n at column n mod 256 of row n / 256.
@group(0) @binding(4) var grey_table: texture_2d<u32>;
@group(0) @binding(5) var fused_volume: texture_3d<i32>;
// One colour map a row, 256 columns.
@group(0) @binding(6) var color_maps: texture_2d<f32>;

struct Vertex {
    @builtin(position) clip: vec4<f32>,
    @location(0) pixel: vec2<f32>,
}

// One triangle that covers the viewport.
@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> Vertex {
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    var out: Vertex;
    out.clip = vec4<f32>(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0);
    out.pixel = corner * view.pane_size;
    return out;
}

fn voxel_at(pixel: vec2<f32>) -> vec3<f32> {
    return view.origin + view.right * pixel.x + view.down * pixel.y;
}

// Voxel centres are at whole numbers, so the nearest one is the floor of the position plus a half.
fn nearest(position: vec3<f32>) -> vec3<i32> {
    return vec3<i32>(floor(position + 0.5));
}

fn inside(voxel: vec3<i32>, dims: vec3<u32>) -> bool {
    return all(voxel >= vec3<i32>(0)) && all(voxel < vec3<i32>(dims));
}

fn hu_at(voxel: vec3<i32>) -> f32 {
    let last = vec3<i32>(textureDimensions(volume)) - 1;
    return f32(textureLoad(volume, clamp(voxel, vec3<i32>(0), last), 0).r);
}

// The two axes of the plane, and the position moved onto the nearest slice along the third.
struct InPlane {
    position: vec3<f32>,
    u: vec3<i32>,
    v: vec3<i32>,
}

fn in_plane(position: vec3<f32>) -> InPlane {
    var p: InPlane;
    p.position = position;
    p.u = vec3<i32>(1, 0, 0);
    p.v = vec3<i32>(0, 1, 0);
    if view.through == 0u {
        p.position.x = floor(position.x + 0.5);
        p.u = vec3<i32>(0, 1, 0);
        p.v = vec3<i32>(0, 0, 1);
    } else if view.through == 1u {
        p.position.y = floor(position.y + 0.5);
        p.v = vec3<i32>(0, 0, 1);
    } else {
        p.position.z = floor(position.z + 0.5);
    }
    return p;
}

// Bilinear in the plane, nearest through it. Done by hand: signed 16-bit integers cannot be filtered by a sampler.
fn hu_bilinear(position: vec3<f32>) -> f32 {
    let p = in_plane(position);
    let base = floor(p.position);
    let fraction = p.position - base;
    let fu = dot(fraction, vec3<f32>(p.u));
    let fv = dot(fraction, vec3<f32>(p.v));
    let corner = vec3<i32>(base);
    let top = mix(hu_at(corner), hu_at(corner + p.u), fu);
    let bottom = mix(hu_at(corner + p.v), hu_at(corner + p.u + p.v), fu);
    return mix(top, bottom, fv);
}

// Weights of four neighbours for a position between the middle two: the interpolating cubic of Keys (1981) with
// a = -1/2, also named after Catmull and Rom.
fn cubic_weights(t: f32) -> vec4<f32> {
    return vec4<f32>(
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    );
}

fn hu_row(corner: vec3<i32>, step: vec3<i32>, w: vec4<f32>) -> f32 {
    return w.x * hu_at(corner - step) + w.y * hu_at(corner) + w.z * hu_at(corner + step) + w.w * hu_at(corner + 2 * step);
}

fn hu_bicubic(position: vec3<f32>) -> f32 {
    let p = in_plane(position);
    let base = floor(p.position);
    let fraction = p.position - base;
    let wu = cubic_weights(dot(fraction, vec3<f32>(p.u)));
    let wv = cubic_weights(dot(fraction, vec3<f32>(p.v)));
    let corner = vec3<i32>(base);
    return wv.x * hu_row(corner - p.v, p.u, wu) + wv.y * hu_row(corner, p.u, wu) + wv.z * hu_row(corner + p.v, p.u, wu)
        + wv.w * hu_row(corner + 2 * p.v, p.u, wu);
}

fn hu_trilinear(position: vec3<f32>) -> f32 {
    let base = floor(position);
    let f = position - base;
    let v = vec3<i32>(base);
    let x = vec3<i32>(1, 0, 0);
    let y = vec3<i32>(0, 1, 0);
    let z = vec3<i32>(0, 0, 1);
    let near = mix(mix(hu_at(v), hu_at(v + x), f.x), mix(hu_at(v + y), hu_at(v + x + y), f.x), f.y);
    let far = mix(mix(hu_at(v + z), hu_at(v + x + z), f.x), mix(hu_at(v + y + z), hu_at(v + x + y + z), f.x), f.y);
    return mix(near, far, f.z);
}

fn hu_tricubic(position: vec3<f32>) -> f32 {
    let base = floor(position);
    let f = position - base;
    let corner = vec3<i32>(base);
    let wx = cubic_weights(f.x);
    let wy = cubic_weights(f.y);
    let wz = cubic_weights(f.z);
    let x = vec3<i32>(1, 0, 0);
    var sum = 0.0;
    for (var k = 0; k < 4; k++) {
        for (var j = 0; j < 4; j++) {
            sum += wz[k] * wy[j] * hu_row(corner + vec3<i32>(0, j - 1, k - 1), x, wx);
        }
    }
    return sum;
}

fn hu_sample(position: vec3<f32>) -> f32 {
    if SAMPLING == NEAREST {
        return hu_at(nearest(position));
    } else if SAMPLING == BILINEAR {
        return hu_bilinear(position);
    } else if SAMPLING == BICUBIC {
        return hu_bicubic(position);
    } else if SAMPLING == TRILINEAR {
        return hu_trilinear(position);
    }
    return hu_tricubic(position);
}

// The slab about a position: mean, largest or smallest of its samples inside the volume.
fn hu_slab(position: vec3<f32>) -> f32 {
    let half = i32(view.slab_half);
    var joined = hu_sample(position);
    var count = 1.0;
    for (var n = -half; n <= half; n++) {
        let at = position + view.slab_step * f32(n);
        if n == 0 || !inside(nearest(at), textureDimensions(volume)) {
            continue;
        }
        let hu = hu_sample(at);
        if view.maps.z == SLAB_MAXIMUM {
            joined = max(joined, hu);
        } else if view.maps.z == SLAB_MINIMUM {
            joined = min(joined, hu);
        } else {
            joined += hu;
        }
        count += 1.0;
    }
    if view.maps.z == SLAB_MEAN {
        joined /= count;
    }
    return joined;
}

fn fused_hu_at(voxel: vec3<i32>) -> f32 {
    let last = vec3<i32>(textureDimensions(fused_volume)) - 1;
    return f32(textureLoad(fused_volume, clamp(voxel, vec3<i32>(0), last), 0).r);
}

// What is laid over the image at one of its positions: colour and opacity.
fn fused_at(position: vec3<f32>) -> vec4<f32> {
    let here = vec4<f32>(position, 1.0);
    let p = vec3<f32>(dot(view.fused_i, here), dot(view.fused_j, here), dot(view.fused_k, here));
    if !inside(nearest(p), textureDimensions(fused_volume)) {
        return vec4<f32>(0.0);
    }
    let base = floor(p);
    let f = p - base;
    let v = vec3<i32>(base);
    let x = vec3<i32>(1, 0, 0);
    let y = vec3<i32>(0, 1, 0);
    let z = vec3<i32>(0, 0, 1);
    let near = mix(
        mix(fused_hu_at(v), fused_hu_at(v + x), f.x),
        mix(fused_hu_at(v + y), fused_hu_at(v + x + y), f.x),
        f.y,
    );
    let far = mix(
        mix(fused_hu_at(v + z), fused_hu_at(v + x + z), f.x),
        mix(fused_hu_at(v + y + z), fused_hu_at(v + x + y + z), f.x),
        f.y,
    );
    let grey = clamp((mix(near, far, f.z) - view.fused.x) / max(view.fused.y, 1e-9) + 0.5, 0.0, 1.0);
    // The lowest tenth fades out, so that what is dark hides nothing.
    return vec4<f32>(mapped(grey, view.maps.y), view.fused.z * clamp(grey * 10.0, 0.0, 1.0));
}

fn mapped(grey: f32, row: u32) -> vec3<f32> {
    return textureLoad(color_maps, vec2<u32>(u32(floor(grey * 255.0 + 0.5)), row), 0).rgb;
}

// DICOM PS3.3 C.11.2.1.1: the entry of the nearest whole HU; the ends hold beyond the table.
fn grey_of_table(hu: f32) -> f32 {
    let n = u32(clamp(floor(hu + 0.5) - view.lut.x, 0.0, view.lut.y));
    return f32(textureLoad(grey_table, vec2<u32>(n & 255u, n >> 8u), 0).r) / view.lut.z;
}

// DICOM PS3.3 C.11.2.1.2.1 (linear), C.11.2.1.3.2 (linear exact), C.11.2.1.3.1 (sigmoid).
fn grey_of(hu: f32) -> f32 {
    let c = view.window_center;
    let w = view.window_width;
    if view.voi == VOI_TABLE {
        return grey_of_table(hu);
    }
    if view.voi == VOI_LINEAR {
        if w <= 1.0 {
            return select(0.0, 1.0, hu > c - 0.5);
        }
        return clamp((hu - (c - 0.5)) / (w - 1.0) + 0.5, 0.0, 1.0);
    }
    if view.voi == VOI_LINEAR_EXACT {
        if w <= 0.0 {
            return select(0.0, 1.0, hu > c);
        }
        return clamp((hu - c) / w + 0.5, 0.0, 1.0);
    }
    // Bounded so that exp stays finite; beyond 80 the result is 0 or 1 in every 8-bit target.
    return 1.0 / (1.0 + exp(clamp(-4.0 * (hu - c) / max(w, 1e-9), -80.0, 80.0)));
}

fn label_a(voxel: vec3<i32>) -> u32 {
    if !inside(voxel, textureDimensions(labels_a)) {
        return 0u;
    }
    return textureLoad(labels_a, voxel, 0).r;
}

fn label_b(voxel: vec3<i32>) -> u32 {
    if !inside(voxel, textureDimensions(labels_b)) {
        return 0u;
    }
    return textureLoad(labels_b, voxel, 0).r;
}

// Whether a label is the one compared; 0 compares everything that is labelled.
fn chosen(label: u32, wanted: u32) -> bool {
    return select(label == wanted, label != 0u, wanted == 0u);
}

// What the overlay shows at a screen pixel: a label, or in difference mode 0 neither, 1 only A, 2 only B, 3 both.
fn overlay_kind(pixel: vec2<f32>) -> u32 {
    let voxel = nearest(voxel_at(pixel));
    let a = label_a(voxel);
    if OVERLAY == OVERLAY_LABELS {
        return a;
    }
    let in_a = inside(voxel, textureDimensions(labels_a)) && chosen(a, view.pair & 0xffu);
    let in_b = inside(voxel, textureDimensions(labels_b)) && chosen(label_b(voxel), view.pair >> 8u);
    return select(0u, 1u, in_a) + select(0u, 2u, in_b);
}

fn kind_color(kind: u32) -> vec4<f32> {
    if OVERLAY == OVERLAY_LABELS {
        return unpack4x8unorm(view.colors[kind >> 2u][kind & 3u]);
    }
    switch kind {
        case 1u: { return view.only_a; }
        case 2u: { return view.only_b; }
        case 3u: { return view.both; }
        default: { return vec4<f32>(0.0); }
    }
}

// A region's outline is the region's own pixels that touch another kind at one of the four neighbouring screen
// pixels: one pixel wide at any zoom, and two touching regions each keep theirs.
fn on_outline(kind: u32, pixel: vec2<f32>) -> bool {
    return overlay_kind(pixel + vec2<f32>(-1.0, 0.0)) != kind
        || overlay_kind(pixel + vec2<f32>(1.0, 0.0)) != kind
        || overlay_kind(pixel + vec2<f32>(0.0, -1.0)) != kind
        || overlay_kind(pixel + vec2<f32>(0.0, 1.0)) != kind;
}

fn shade(interpolated_pixel: vec2<f32>) -> vec3<f32> {
    let pixel = floor(interpolated_pixel) + 0.5;
    let position = voxel_at(pixel);
    let voxel = nearest(position);
    if !inside(voxel, textureDimensions(volume)) {
        return view.background.rgb;
    }
    var hu: f32;
    if SLAB {
        hu = hu_slab(position);
    } else {
        hu = hu_sample(position);
    }
    var grey = grey_of(hu);
    if (view.flags & FLAG_INVERT) != 0u {
        grey = 1.0 - grey;
    }
    var color = vec3<f32>(grey);
    if view.maps.x > 0u {
        color = mapped(grey, view.maps.x);
    }
    if FUSED {
        let over = fused_at(position);
        color = mix(color, over.rgb, over.a);
    }
    if OVERLAY == OVERLAY_NONE {
        return color;
    }
    let kind = overlay_kind(pixel);
    let mark = kind_color(kind);
    if mark.a == 0.0 {
        return color;
    }
    color = mix(color, mark.rgb, mark.a * view.fill_opacity);
    if view.outline_opacity > 0.0 && on_outline(kind, pixel) {
        color = mix(color, mark.rgb, mark.a * view.outline_opacity);
    }
    return color;
}

@fragment
fn fs_gamma(in: Vertex) -> @location(0) vec4<f32> {
    return vec4<f32>(shade(in.pixel), 1.0);
}

// IEC 61966-2-1, for targets whose format encodes to sRGB on writing.
@fragment
fn fs_linear(in: Vertex) -> @location(0) vec4<f32> {
    let s = shade(in.pixel);
    let low = s / 12.92;
    let high = pow((s + 0.055) / 1.055, vec3<f32>(2.4));
    return vec4<f32>(select(high, low, s <= vec3<f32>(0.04045)), 1.0);
}
