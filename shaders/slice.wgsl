// One slice of a CT volume with its label overlay, drawn into the current viewport.
//
// Colours are sRGB values ("gamma space") throughout, as on a reading monitor: the grey of the window function is
// what the display is given, and overlays are mixed in that space. `fs_linear` undoes the encoding for targets
// that apply it themselves.

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
    // RGBA of label n: byte order r, g, b, a in word n.
    colors: array<vec4<u32>, 64>,
}

const VOI_LINEAR: u32 = 0u;
const VOI_LINEAR_EXACT: u32 = 1u;
const VOI_TABLE: u32 = 3u;

const FLAG_INVERT: u32 = 1u;
const FLAG_INTERPOLATE: u32 = 2u;

const OVERLAY_NONE: u32 = 0u;
const OVERLAY_LABELS: u32 = 1u;

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var volume: texture_3d<i32>;
@group(0) @binding(2) var labels_a: texture_3d<u32>;
@group(0) @binding(3) var labels_b: texture_3d<u32>;
// Entry n at column n mod 256 of row n / 256.
@group(0) @binding(4) var grey_table: texture_2d<u32>;

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

// Bilinear in the plane, nearest through it. Done by hand: signed 16-bit integers cannot be filtered by a sampler.
fn hu_interpolated(position: vec3<f32>) -> f32 {
    var snapped = position;
    var u = vec3<i32>(1, 0, 0);
    var v = vec3<i32>(0, 1, 0);
    if view.through == 0u {
        snapped.x = floor(position.x + 0.5);
        u = vec3<i32>(0, 1, 0);
        v = vec3<i32>(0, 0, 1);
    } else if view.through == 1u {
        snapped.y = floor(position.y + 0.5);
        v = vec3<i32>(0, 0, 1);
    } else {
        snapped.z = floor(position.z + 0.5);
    }
    let base = floor(snapped);
    let fraction = snapped - base;
    let fu = dot(fraction, vec3<f32>(u));
    let fv = dot(fraction, vec3<f32>(v));
    let corner = vec3<i32>(base);
    let top = mix(hu_at(corner), hu_at(corner + u), fu);
    let bottom = mix(hu_at(corner + v), hu_at(corner + u + v), fu);
    return mix(top, bottom, fv);
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
    if view.overlay == OVERLAY_LABELS {
        return a;
    }
    let in_a = inside(voxel, textureDimensions(labels_a)) && chosen(a, view.pair & 0xffu);
    let in_b = inside(voxel, textureDimensions(labels_b)) && chosen(label_b(voxel), view.pair >> 8u);
    return select(0u, 1u, in_a) + select(0u, 2u, in_b);
}

fn kind_color(kind: u32) -> vec4<f32> {
    if view.overlay == OVERLAY_LABELS {
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
    if (view.flags & FLAG_INTERPOLATE) != 0u {
        hu = hu_interpolated(position);
    } else {
        hu = hu_at(voxel);
    }
    var grey = grey_of(hu);
    if (view.flags & FLAG_INVERT) != 0u {
        grey = 1.0 - grey;
    }
    var color = vec3<f32>(grey);
    if view.overlay == OVERLAY_NONE {
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
