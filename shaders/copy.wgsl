// A picture of the size of the current viewport, pixel for pixel.

@group(0) @binding(0) var picture: texture_2d<f32>;

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

// The picture has the target's format: what is decoded on reading is encoded again on writing.
@fragment
fn fs_main(in: Vertex) -> @location(0) vec4<f32> {
    let size = vec2<f32>(textureDimensions(picture));
    return textureLoad(picture, vec2<i32>(clamp(floor(in.place * size), vec2<f32>(0.0), size - 1.0)), 0);
}
