// A picture drawn elsewhere, enlarged into the current viewport; over it what is ready of a finer one.

@group(0) @binding(0) var coarse: texture_2d<f32>;
@group(0) @binding(1) var fine: texture_2d<f32>;
@group(0) @binding(2) var smooth_sampler: sampler;

struct Vertex {
    @builtin(position) clip: vec4<f32>,
    @location(0) place: vec2<f32>,
}

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> Vertex {
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    var out: Vertex;
    out.clip = vec4<f32>(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0);
    out.place = corner;
    return out;
}

fn picture(place: vec2<f32>) -> vec3<f32> {
    let size = vec2<f32>(textureDimensions(fine));
    let texel = vec2<i32>(clamp(floor(place * size), vec2<f32>(0.0), size - 1.0));
    let ready = textureLoad(fine, texel, 0);
    let rough = textureSampleLevel(coarse, smooth_sampler, place, 0.0);
    return select(rough.rgb, ready.rgb, ready.a > 0.0);
}

@fragment
fn fs_gamma(in: Vertex) -> @location(0) vec4<f32> {
    return vec4<f32>(picture(in.place), 1.0);
}

// IEC 61966-2-1, for targets whose format encodes to sRGB on writing.
@fragment
fn fs_linear(in: Vertex) -> @location(0) vec4<f32> {
    let s = picture(in.place);
    let low = s / 12.92;
    let high = pow((s + 0.055) / 1.055, vec3<f32>(2.4));
    return vec4<f32>(select(high, low, s <= vec3<f32>(0.04045)), 1.0);
}
